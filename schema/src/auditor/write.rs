//! Recording what was verified, and what is about to be signed.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use keyglass_protocol::log::empty_root;
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};

use super::error::AuditorStoreError;
use super::read::{hash32, signed, verified};
use super::tables::{checkpoints, configs, directories, leaves, nodes};
use super::{AuditorStore, DirectoryId, NamedConfig, Node, Signing, Start, Step, Verified, latch};
use crate::error::StoreError;
use crate::number::stored;

impl AuditorStore {
    /// The log of this origin, recorded if it is new.
    ///
    /// # Errors
    /// [`AuditorStoreError::OtherLogKey`] if the origin is known with another key.
    pub fn register(&self, origin: &str, log_vkey: &str) -> Result<DirectoryId, AuditorStoreError> {
        self.write("auditor_register", |conn| {
            let known: Option<(i64, String)> = directories::table
                .filter(directories::origin.eq(origin))
                .select((directories::id, directories::log_vkey))
                .first(conn)
                .optional()?;
            match known {
                Some((id, vkey)) if vkey == log_vkey => return Ok(DirectoryId(id)),
                Some(_) => {
                    return Err(AuditorStoreError::OtherLogKey {
                        origin: origin.to_owned(),
                    });
                }
                None => {}
            }
            diesel::insert_into(directories::table)
                .values((
                    directories::origin.eq(origin),
                    directories::log_vkey.eq(log_vkey),
                    directories::verified_root.eq(empty_root().as_bytes().as_slice()),
                ))
                .execute(conn)?;
            let id = directories::table
                .filter(directories::origin.eq(origin))
                .select(directories::id);
            Ok(DirectoryId(id.first(conn)?))
        })
    }

    /// Takes the log up to a checkpoint on trust, before anything of it was verified.
    ///
    /// # Errors
    /// [`AuditorStoreError::AlreadyStarted`] if something was verified before.
    pub fn start_from(&self, id: DirectoryId, start: &Start<'_>) -> Result<(), AuditorStoreError> {
        let last = start
            .size
            .last_epoch()
            .ok_or(StoreError::SizeUnknown { size: 0 })?;
        self.write("auditor_start_from", |conn| {
            let before = verified(conn, id)?;
            if before.size != LogSize::ZERO {
                return Err(AuditorStoreError::AlreadyStarted { size: before.size });
            }
            insert_leaf(conn, id, last.get(), start.leaf)?;
            insert_nodes(conn, id, start.nodes)?;
            insert_config(conn, id, start.config)?;
            let row = checkpoints::table.find((id.0, stored(start.size.get(), "size")?));
            let known: Option<Vec<u8>> = row.select(checkpoints::root).first(conn).optional()?;
            match known {
                None => insert_checkpoint(conn, id, start.size, &start.root, start.note, None)?,
                // Signed by us before our memory was lost.
                Some(known) if hash32(&known, "checkpoints")? == start.root => {}
                Some(_) => return Err(AuditorStoreError::SignedOther { size: start.size }),
            }
            set_verified(conn, id, start.size, &start.root)?;
            diesel::update(directories::table.find(id.0))
                .set(directories::start_size.eq(stored(start.size.get(), "size")?))
                .execute(conn)?;
            Ok(())
        })
    }

    /// Records verified leaves and, if given, that a checkpoint over them is about to be signed: one commit.
    ///
    /// # Errors
    /// [`AuditorStoreError::Moved`] if the verified size is not the one that the step builds on, and everything that
    /// [`Self::sign`] refuses.
    pub fn advance(
        &self,
        id: DirectoryId,
        step: &Step<'_>,
        signing: Option<&Signing<'_>>,
    ) -> Result<(), AuditorStoreError> {
        let count = step.to.get().checked_sub(step.from.get());
        if count.is_none() || count != u64::try_from(step.leaves.len()).ok() {
            let found = step.leaves.len();
            return Err(AuditorStoreError::WrongStep {
                from: step.from,
                to: step.to,
                found,
            });
        }
        self.write("auditor_advance", |conn| {
            let before = verified(conn, id)?;
            if before.size != step.from {
                return Err(AuditorStoreError::Moved {
                    expected: step.from,
                    found: before.size,
                });
            }
            for (epoch, leaf) in (step.from.get()..).zip(step.leaves) {
                insert_leaf(conn, id, epoch, leaf)?;
            }
            insert_nodes(conn, id, step.nodes)?;
            for config in step.configs {
                insert_config(conn, id, config)?;
            }
            set_verified(conn, id, step.to, &step.root)?;
            signing.map_or(Ok(()), |signing| sign(conn, id, signing))
        })
    }

    /// Records that a checkpoint is about to be signed. Only after `Ok` may the signature be made.
    ///
    /// # Errors
    /// [`AuditorStoreError`]: not verified, another root or a larger size or a later time signed before, or latched.
    pub fn sign(&self, id: DirectoryId, signing: &Signing<'_>) -> Result<(), AuditorStoreError> {
        self.write("auditor_sign", |conn| sign(conn, id, signing))
    }
}

fn sign(conn: &mut SqliteConnection, id: DirectoryId, new: &Signing<'_>) -> Result<(), AuditorStoreError> {
    if let Some(latch) = latch::standing(conn, id)? {
        return Err(AuditorStoreError::Latched { reason: latch.reason });
    }
    let Verified {
        size: verified, root, ..
    } = verified(conn, id)?;
    if new.size > verified {
        return Err(AuditorStoreError::NotVerified {
            size: new.size,
            verified,
        });
    }
    if new.size == verified && new.root != root {
        return Err(AuditorStoreError::SignedOther { size: new.size });
    }
    if let Some(old) = signed(conn, id)? {
        if new.size < old.size {
            return Err(AuditorStoreError::SignedLarger {
                size: new.size,
                signed: old.size,
            });
        }
        if new.at < old.at {
            return Err(AuditorStoreError::SignedLater {
                signed: old.at,
                now: new.at,
            });
        }
    }
    let at = stored(new.at.get(), "time")?;
    let row = checkpoints::table.find((id.0, stored(new.size.get(), "size")?));
    let known: Option<Vec<u8>> = row.select(checkpoints::root).first(conn).optional()?;
    match known {
        Some(known) if hash32(&known, "checkpoints")? == new.root => {
            diesel::update(row)
                .set(checkpoints::signed_at.eq(at))
                .execute(conn)?;
            Ok(())
        }
        Some(_) => Err(AuditorStoreError::SignedOther { size: new.size }),
        None => insert_checkpoint(conn, id, new.size, &new.root, new.note, Some(new.at)),
    }
}

fn set_verified(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    size: LogSize,
    root: &LogHash,
) -> Result<(), AuditorStoreError> {
    diesel::update(directories::table.find(id.0))
        .set((
            directories::verified_size.eq(stored(size.get(), "size")?),
            directories::verified_root.eq(root.as_bytes().as_slice()),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_leaf(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    epoch: u64,
    leaf: &[u8],
) -> Result<(), AuditorStoreError> {
    diesel::insert_into(leaves::table)
        .values((
            leaves::directory.eq(id.0),
            leaves::epoch.eq(stored(epoch, "epoch")?),
            leaves::leaf.eq(leaf),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_nodes(conn: &mut SqliteConnection, id: DirectoryId, new: &[Node]) -> Result<(), AuditorStoreError> {
    for node in new {
        diesel::insert_into(nodes::table)
            .values((
                nodes::directory.eq(id.0),
                nodes::level.eq(i64::from(node.level)),
                nodes::position.eq(stored(node.index, "index")?),
                nodes::hash.eq(node.hash.as_bytes().as_slice()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

fn insert_config(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    config: &NamedConfig,
) -> Result<(), AuditorStoreError> {
    diesel::insert_into(configs::table)
        .values((
            configs::directory.eq(id.0),
            configs::hash.eq(config.hash.as_bytes().as_slice()),
            configs::bytes.eq(&config.bytes),
            configs::first_epoch.eq(stored(config.first.get(), "epoch")?),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(())
}

fn insert_checkpoint(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    size: LogSize,
    root: &LogHash,
    note: &[u8],
    at: Option<Seconds>,
) -> Result<(), AuditorStoreError> {
    let at = at.map(|at| stored(at.get(), "time")).transpose()?;
    diesel::insert_into(checkpoints::table)
        .values((
            checkpoints::directory.eq(id.0),
            checkpoints::size.eq(stored(size.get(), "size")?),
            checkpoints::root.eq(root.as_bytes().as_slice()),
            checkpoints::note.eq(note),
            checkpoints::signed_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

/// A row for a signature that was made without this database knowing. A later time on the same head replaces the
/// remembered one; another root at the same size would be a second signature, which is kept out.
pub(super) fn adopt_checkpoint(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    own: &Signing<'_>,
) -> Result<(), AuditorStoreError> {
    let row = checkpoints::table.find((id.0, stored(own.size.get(), "size")?));
    let known: Option<Vec<u8>> = row.select(checkpoints::root).first(conn).optional()?;
    match known {
        Some(known) if hash32(&known, "checkpoints")? == own.root => {
            let at = stored(own.at.get(), "time")?;
            diesel::update(row)
                .set(checkpoints::signed_at.eq(at))
                .execute(conn)?;
            Ok(())
        }
        Some(_) => Ok(()),
        None => insert_checkpoint(conn, id, own.size, &own.root, own.note, Some(own.at)),
    }
}
