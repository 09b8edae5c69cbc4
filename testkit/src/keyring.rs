//! Real people with real keys: Debian's published developer keyring, as import lines.
//!
//! Every person with an Ed25519 key becomes an account, named by the fingerprint of the primary key; the handle is the name
//! at debian.org. The identity key is the primary key if it is Ed25519, else the first subkey that is. Nobody signs
//! anything: records of kind `imported` are what a platform makes that knew its users' keys before.

mod openpgp;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AliasBody, AliasKind, Holder, IdentityKey, KeyAnnouncement, Role,
};

pub use openpgp::{Certificate, certificates};

/// Domain of the names.
const DOMAIN: &str = "@debian.org";

/// One person of the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Developer {
    /// Fingerprint of the primary key, lower-case hex.
    pub fingerprint: String,
    /// Name at debian.org; `None` for a person without an address there.
    pub name: Option<String>,
    /// The Ed25519 key.
    pub key: [u8; 32],
    /// Whether it is the primary key.
    pub primary: bool,
}

/// Signs imports for a directory.
pub struct ImportKey {
    origin: Origin,
    key: SigningKey,
}

impl ImportKey {
    /// Reads the file `import.key` of a directory.
    ///
    /// # Errors
    /// There is no such file, or it is no import key.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: make keys with `keyglass-server keygen`", path.display()))?;
        let mut fields = text.trim_end().splitn(5, '+').skip(2);
        let (Some(name), Some(_), Some(secret)) = (fields.next(), fields.next(), fields.next()) else {
            anyhow::bail!("{}: not a private key file", path.display());
        };
        let origin = name.strip_suffix("/import").context("not an import key")?;
        let typed = base64_decode(secret)?;
        let seed = <[u8; 32]>::try_from(typed.get(1..).unwrap_or_default()).context("not an Ed25519 key")?;
        Ok(Self {
            origin: Origin::new(origin)?,
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// The key itself.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The import lines of a person: the account, and the handle if there is one.
    ///
    /// # Errors
    /// The key or the name is not one that a directory takes.
    pub fn lines(&self, person: &Developer) -> Result<String> {
        let account = AccountId::parse(&person.fingerprint)?;
        let identity = IdentityKey::new(&person.key)?;
        let body = AccountBody {
            kind: AccountKind::Imported,
            origin: self.origin.clone(),
            account: account.clone(),
            version: KeyVersion::FIRST,
            previous: RecordHash::ZERO,
            identity,
            recovery_delay: 0,
            announced: KeyAnnouncement::NONE,
            devices: Vec::new(),
            extension: Vec::new(),
        };
        let record = body.sign(&[(Role::Import, &self.key)])?;
        let mut lines = line(record.bytes());
        if let Some(name) = &person.name {
            let alias = AliasBody {
                kind: AliasKind::Imported,
                origin: self.origin.clone(),
                alias: Label::parse(&format!("handle:{name}"))?,
                version: KeyVersion::FIRST,
                previous: RecordHash::ZERO,
                holder: Some(Holder {
                    account,
                    version: KeyVersion::FIRST,
                    key: identity,
                }),
                previous_holder: None,
            };
            lines += &line(alias.sign(&[(Role::Import, &self.key)])?.bytes());
        }
        Ok(lines)
    }
}

/// One line of an import file.
pub fn line(record: &[u8]) -> String {
    format!("{{\"record\": \"{}\"}}\n", base64_encode(record))
}

/// The people of a keyring who have an Ed25519 key, by fingerprint. A name that two people use is nobody's.
///
/// # Errors
/// The file is not a keyring.
pub fn developers(keyring: &[u8]) -> Result<Vec<Developer>> {
    let mut people: BTreeMap<String, Developer> = BTreeMap::new();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for certificate in certificates(keyring)? {
        let Some((key, primary)) = certificate.ed25519() else {
            continue;
        };
        let fingerprint = certificate.fingerprint();
        let name = certificate.user_ids.iter().find_map(|id| debian_name(id));
        if let Some(name) = &name {
            *uses.entry(name.clone()).or_default() += 1;
        }
        let person = Developer {
            fingerprint: fingerprint.clone(),
            name,
            key,
            primary,
        };
        ensure!(
            people.insert(fingerprint, person).is_none(),
            "one certificate stands twice"
        );
    }
    let mut people: Vec<Developer> = people.into_values().collect();
    for person in &mut people {
        person.name = person.name.take().filter(|name| uses.get(name) == Some(&1));
    }
    Ok(people)
}

/// `Jane Doe <jane@debian.org>`: `jane`.
fn debian_name(user_id: &str) -> Option<String> {
    let address = user_id
        .rsplit_once('<')
        .map_or(user_id, |(_, rest)| rest)
        .trim_end_matches('>');
    let name = address.strip_suffix(DOMAIN)?.to_lowercase();
    Label::parse(&format!("handle:{name}")).is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_at_debian_org() {
        for (id, name) in [
            ("Jane Doe <jane@debian.org>", Some("jane")),
            ("Jane Doe (work) <Jane@debian.org>", Some("jane")),
            ("jane@debian.org", Some("jane")),
            ("Jane Doe <jane@example.org>", None),
            ("Jane Doe <jane@lists.debian.org>", None),
            ("Jane Doe <@debian.org>", None),
        ] {
            assert_eq!(debian_name(id).as_deref(), name, "{id}");
        }
    }
}
