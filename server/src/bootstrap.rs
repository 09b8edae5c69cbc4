//! The first start: keys, unless there is anything that they would not fit; and the store that they open.

use keyglass_protocol::note::VerifierKey;
use keyglass_schema::{DatabaseUrl, Store, StoreError, StoreKeys};

use crate::keys::{KeyError, KeyPlaces, Keys, Random, ReadingKeys, default_origin};
use crate::settings::Settings;

/// Loads the keys, or makes them if this is the first start.
///
/// # Errors
/// [`KeyError`]; [`KeyError::MissingBesideDatabase`] if there is a database and no keys.
pub fn keys(settings: &Settings, random: &dyn Random) -> Result<Keys, KeyError> {
    let dir = settings.key_dir();
    if !dir.exists() {
        if matches!(&settings.database, DatabaseUrl::Sqlite(path) if path.exists()) {
            return Err(KeyError::MissingBesideDatabase(dir));
        }
        generate(settings, random)?;
    }
    existing_keys(settings)
}

/// Loads the keys; makes none.
///
/// # Errors
/// [`KeyError`].
pub fn existing_keys(settings: &Settings) -> Result<Keys, KeyError> {
    let dir = settings.key_dir();
    Keys::load(places(settings, &dir), settings.origin.as_deref())
}

/// Loads what a replica has of the keys.
///
/// # Errors
/// [`KeyError`].
pub fn reading_keys(settings: &Settings) -> Result<ReadingKeys, KeyError> {
    let dir = settings.key_dir();
    ReadingKeys::load(places(settings, &dir), settings.origin.as_deref())
}

/// Writes what a replica needs of the keys into a new folder; answers the log's verifier key.
///
/// # Errors
/// [`KeyError`].
pub fn export_for_reading(settings: &Settings, to: &std::path::Path) -> Result<VerifierKey, KeyError> {
    let (keys, dir) = (existing_keys(settings)?, settings.key_dir());
    keys.export_for_reading(places(settings, &dir), to)?;
    Ok(keys.log.verifier().clone())
}

/// Opens or creates the database.
///
/// # Errors
/// As [`Store::open`].
pub fn open_store(settings: &Settings, keys: &Keys) -> Result<Store, StoreError> {
    let keys = StoreKeys::from_secret(keys.storage.expose());
    Store::open_with(&settings.database, settings.sqlite_cache, keys)
}

/// Makes a complete set of keys.
///
/// # Errors
/// [`KeyError::Exist`] if there is one.
pub fn generate(settings: &Settings, random: &dyn Random) -> Result<(), KeyError> {
    let dir = settings.key_dir();
    let origin = match &settings.origin {
        Some(origin) => origin.clone(),
        None => default_origin(random)?,
    };
    Keys::generate(places(settings, &dir), &origin, random)
}

/// As [`generate`], with the log, heartbeat and receipt key in a PKCS#11 token.
///
/// # Errors
/// As [`generate`], and [`KeyError::Token`].
pub fn generate_in_token(settings: &Settings, random: &dyn Random, token: &str) -> Result<(), KeyError> {
    let dir = settings.key_dir();
    let origin = match &settings.origin {
        Some(origin) => origin.clone(),
        None => default_origin(random)?,
    };
    Keys::generate_in_token(places(settings, &dir), &origin, random, token)
}

fn places<'a>(settings: &'a Settings, dir: &'a std::path::Path) -> KeyPlaces<'a> {
    KeyPlaces {
        dir,
        wrapping_key: &settings.wrapping_key,
    }
}
