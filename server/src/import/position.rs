//! How far a file was read, in a file beside the database.
//!
//! It counts only together with the epoch that it names: under a database that was restored from an older backup the file
//! is read from its beginning again, and what is there already is recognised.

use std::io;
use std::path::PathBuf;

use keyglass_protocol::quantity::Epoch;

use super::{Counts, ImportError};
use crate::files;
use crate::service::Service;

/// First line of the file.
const MAGIC: &str = "keyglass-import/v1";

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// Bytes of the file that are done.
    pub(super) offset: u64,
    /// Their SHA-256.
    pub(super) hash: [u8; 32],
    /// What became of its lines.
    pub(super) counts: Counts,
    /// The newest epoch then.
    pub(super) epoch: Epoch,
}

fn path(service: &Service) -> PathBuf {
    service.settings.data_dir.join("import")
}

/// The stored position, if it is one of this very database.
pub(super) fn load(service: &Service) -> Result<Option<Position>, ImportError> {
    let path = path(service);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ImportError::Io { path, error }),
    };
    let Some((origin, root, position)) = parse(&text) else {
        tracing::warn!("the note of an earlier import is damaged: the file is read from its beginning");
        return Ok(None);
    };
    let leaf = service.store.leaf(position.epoch)?;
    let ours = origin == service.keys.origin() && leaf.is_some_and(|leaf| leaf.root.to_string() == root);
    Ok(ours.then_some(position))
}

/// Stores a position durably.
pub(super) fn save(service: &Service, position: &Position) -> Result<(), ImportError> {
    let leaf = service.store.leaf(position.epoch)?;
    let root = leaf
        .map(|leaf| leaf.root)
        .unwrap_or_else(keyglass_protocol::tree::empty_root);
    let counts = &position.counts;
    let text = format!(
        "{MAGIC}\n{}\n{}\n{root}\n{}\n{}\n{} {} {} {}\n",
        service.keys.origin(),
        position.epoch,
        position.offset,
        hex::encode(position.hash),
        counts.lines,
        counts.imported,
        counts.known,
        counts.skipped,
    );
    let path = path(service);
    files::replace(&path, text.as_bytes(), files::SECRET).map_err(|error| ImportError::Io { path, error })
}

/// Origin, root, position.
fn parse(text: &str) -> Option<(&str, &str, Position)> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    (lines.next()? == MAGIC).then_some(())?;
    let origin = lines.next()?;
    let epoch = Epoch::new(lines.next()?.parse().ok()?);
    let root = lines.next()?;
    let offset = lines.next()?.parse().ok()?;
    let mut hash = [0; 32];
    hex::decode_to_slice(lines.next()?, &mut hash).ok()?;
    let mut numbers = lines.next()?.split(' ').map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let counts = Counts {
        lines: number()?,
        imported: number()?,
        known: number()?,
        skipped: number()?,
    };
    lines.next().is_none().then_some(())?;
    let position = Position {
        offset,
        hash,
        counts,
        epoch,
    };
    Some((origin, root, position))
}
