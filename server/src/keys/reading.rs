//! What a replica has of a log's keys: the secrets with which proofs are made, and the public half of the log key.
//!
//! The folder `keys` of a replica holds `log.vkey`, `vrf.wrapped` and `storage.wrapped`, and `wrapping.key` unless that one
//! lies elsewhere. Nothing of it signs.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use keyglass_protocol::note::VerifierKey;

use super::wrapped::WrappingKey;
use super::{KeyError, KeyPlaces, Keys, StorageSecret, Vrf, about};
use crate::files;

const LOG: &str = "log.vkey";
const WRAPPED: [&str; 2] = ["vrf.wrapped", "storage.wrapped"];

/// Everything that is needed to answer, and no more.
#[derive(Debug)]
pub struct ReadingKeys {
    /// The public half of the log key. Its name is the origin.
    pub log: VerifierKey,
    /// The VRF key.
    pub vrf: Vrf,
    /// The key from which the store's keys are derived.
    pub storage: StorageSecret,
}

impl ReadingKeys {
    /// Reads a replica's keys.
    ///
    /// # Errors
    /// [`KeyError`] if one is missing, exposed, malformed or not of this log.
    pub fn load(places: KeyPlaces<'_>, origin: Option<&str>) -> Result<Self, KeyError> {
        let path = places.dir.join(LOG);
        let text = fs::read_to_string(&path).map_err(|error| KeyError::Io { path, error })?;
        let log: VerifierKey = text.trim_end().parse()?;
        if let Some(expected) = origin.filter(|o| *o != log.name()) {
            return Err(KeyError::OtherOrigin {
                expected: expected.to_owned(),
                found: log.name().to_owned(),
            });
        }
        let wrapping = WrappingKey::load(places.wrapping_key)?;
        let open = |name: &str| {
            let path = places.dir.join(format!("{name}.wrapped"));
            wrapping.open(&path, &about(name, log.name()))
        };
        Ok(Self {
            vrf: Vrf::new(open("vrf")?)?,
            storage: StorageSecret(open("storage")?),
            log,
        })
    }
}

impl Keys {
    /// Writes what a replica needs of these keys, which lie in `places`, into the new folder `to`. The wrapping key goes with
    /// them if it lies in the same folder.
    ///
    /// # Errors
    /// [`KeyError::Exist`] if there is such a folder; otherwise what writing it answers.
    pub fn export_for_reading(&self, places: KeyPlaces<'_>, to: &Path) -> Result<(), KeyError> {
        let io = |error| KeyError::Io {
            path: to.to_owned(),
            error,
        };
        if to.exists() {
            return Err(KeyError::Exist(to.to_owned()));
        }
        fs::DirBuilder::new().mode(0o700).create(to).map_err(io)?;
        let line = format!("{}\n", self.log.verifier());
        files::create(&to.join(LOG), line.as_bytes(), files::PUBLIC).map_err(io)?;
        let wrapping = places.wrapping_key.strip_prefix(places.dir).ok();
        for name in WRAPPED.iter().map(Path::new).chain(wrapping) {
            let bytes = zeroize::Zeroizing::new(fs::read(places.dir.join(name)).map_err(io)?);
            files::create(&to.join(name), &bytes, files::SECRET).map_err(io)?;
        }
        files::sync_parent(&to.join(LOG)).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::keys::SystemRandom;

    #[test]
    fn a_replica_gets_what_proves_and_nothing_that_signs() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("keys"), dir.path().join("replica"));
        let wrapping_key = ours.join("wrapping.key");
        let places = KeyPlaces {
            dir: &ours,
            wrapping_key: &wrapping_key,
        };
        Keys::generate(places, "log.example/a", &SystemRandom).unwrap();
        let keys = Keys::load(places, None).unwrap();
        keys.export_for_reading(places, &theirs).unwrap();
        let mut names: Vec<_> = fs::read_dir(&theirs)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["log.vkey", "storage.wrapped", "vrf.wrapped", "wrapping.key"]
        );

        let wrapping_key = theirs.join("wrapping.key");
        let places = KeyPlaces {
            dir: &theirs,
            wrapping_key: &wrapping_key,
        };
        let reading = ReadingKeys::load(places, Some("log.example/a")).unwrap();
        assert_eq!(reading.log, *keys.log.verifier());
        assert_eq!(reading.storage.expose(), keys.storage.expose());
        let other = ReadingKeys::load(places, Some("log.example/b")).unwrap_err();
        assert_eq!(other.reason(), "other-origin");
        let again = keys.export_for_reading(places, &theirs).unwrap_err();
        assert_eq!(again.reason(), "keys-exist");
        // Not with the keys of a sequencer.
        assert!(Keys::load(places, None).is_err());
    }
}
