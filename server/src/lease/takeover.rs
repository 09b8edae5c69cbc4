//! May this sequencer go on from this database? The guard remembers with which one it was used last.

use keyglass_schema::{Fence, Instance, Store};
use thiserror::Error;

use super::{LeaseError, Taken};
use crate::guard::{Claim, Mark, SharedGuard};
use crate::replicas::Strangers;
use crate::settings::{Promotions, Settings};

/// Why nothing is signed from this database.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TakeoverError {
    /// A sequencer held a later lease than this database knows of.
    #[error(
        "the guard was claimed under the fencing number {guard}, this database has {database}: it is not the newest state \
         that existed. Bring it forward (`restore --replay`), or accept the loss with `guard accept`"
    )]
    DatabaseBehind {
        /// The guard's number.
        guard: u64,
        /// The database's, before it was asked for a new one.
        database: u64,
    },
    /// The database is of another Postgres than the one that was used last.
    #[error(
        "the guard was last used with the Postgres {was}, this is {found}: it is not known whether this one has every \
         acknowledged update. If it has, or the loss is accepted: `guard accept`"
    )]
    OtherPostgres {
        /// The system identifier that the guard remembers.
        was: String,
        /// This one's.
        found: String,
    },
    /// A standby was promoted of which it is not known that every commit waited for it.
    #[error(
        "a standby was promoted (timeline {was} to {found}, server {name:?}), and commits did not always wait for it \
         (they did for {complete_on:?}): acknowledged updates may be missing. Promote one that has everything, or accept \
         the loss with `guard accept`"
    )]
    PromotionUnknown {
        /// The timeline that the guard remembers.
        was: u32,
        /// This one.
        found: u32,
        /// `cluster_name` of this server.
        name: String,
        /// The standbys that every commit waited for.
        complete_on: Vec<String>,
    },
    /// The settings demand a synchronous standby, and commits wait for none.
    #[error(
        "require_synchronous is set, and commits on this Postgres wait for no standby, or not for the disk"
    )]
    NotSynchronous,
}

impl TakeoverError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DatabaseBehind { .. } => "database-behind",
            Self::OtherPostgres { .. } => "other-postgres",
            Self::PromotionUnknown { .. } => "promotion-unknown",
            Self::NotSynchronous => "not-synchronous",
        }
    }
}

/// Whether to go on from a database whose fencing number was `before` and that is `now`, after what the guard remembers.
///
/// # Errors
/// [`TakeoverError`] with what is to be done.
pub fn judge(
    before: u64,
    remembered: Option<&Claim>,
    now: &Instance,
    promotions: Promotions,
) -> Result<(), TakeoverError> {
    let Some(Claim { fence, database }) = remembered else {
        return Ok(());
    };
    if database.system != now.system {
        return Err(TakeoverError::OtherPostgres {
            was: database.system.clone(),
            found: now.system.clone(),
        });
    }
    let complete = database.timeline == now.timeline
        || database.complete_on.contains(&now.name)
        || (database.synchronous && promotions == Promotions::MostAdvanced);
    if !complete {
        return Err(TakeoverError::PromotionUnknown {
            was: database.timeline,
            found: now.timeline,
            name: now.name.clone(),
            complete_on: database.complete_on.clone(),
        });
    }
    if *fence > before {
        return Err(TakeoverError::DatabaseBehind {
            guard: *fence,
            database: before,
        });
    }
    Ok(())
}

/// What was found at a takeover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// What the guard remembers now.
    pub mark: Mark,
    /// Replicas that acknowledged to the sequencer before.
    pub strangers: Strangers,
}

/// Judges, warns, and claims the guard: from here on no other sequencer moves it. Before anything is signed. Blocking.
///
/// # Errors
/// [`LeaseError`]; then the lease should be given back.
pub fn take_over(
    store: &Store,
    guard: &SharedGuard,
    taken: &Taken,
    settings: &Settings,
) -> Result<TakenOver, LeaseError> {
    let state = guard.state()?;
    let instance = store.instance()?;
    judge(
        taken.before.fence,
        state.claim.as_ref(),
        &instance,
        settings.promotions,
    )?;
    if settings.require_synchronous && !is_durable(&instance) {
        return Err(TakeoverError::NotSynchronous.into());
    }
    warn(&instance);
    let (mark, before) = (Mark::of(&instance), &taken.before);
    // A server that was promoted may lack the newest names.
    let promoted = state
        .claim
        .is_some_and(|claim| claim.database.timeline != mark.timeline);
    let strangers = Strangers::noted(&before.readers, promoted);
    // Before the guard forgets that there was a promotion: whoever takes over next has to wait as well.
    store.renew_lease(&taken.fence, settings.lease_ttl, Some(&strangers.to_note()))?;
    guard.claim(&claim(&taken.fence, &mark))?;
    if before.fence > 0 && !before.holder.is_empty() {
        tracing::warn!(
            fence = taken.fence.number,
            "took over from a sequencer that did not give its lease back"
        );
    }
    Ok(TakenOver { mark, strangers })
}

/// Claims the guard for a database that is about to be brought forward by hand, whatever the guard remembers. Blocking.
///
/// # Errors
/// [`LeaseError`].
pub fn take_as_it_is(
    store: &Store,
    guard: &SharedGuard,
    taken: &Taken,
    settings: &Settings,
) -> Result<TakenOver, LeaseError> {
    let mark = Mark::of(&store.instance()?);
    tracing::warn!(database = %mark, "the database is taken as it is: what the journal lacks is lost");
    let strangers = Strangers::noted(&taken.before.readers, true);
    store.renew_lease(&taken.fence, settings.lease_ttl, Some(&strangers.to_note()))?;
    guard.claim(&claim(&taken.fence, &mark))?;
    Ok(TakenOver { mark, strangers })
}

/// What the guard is told by the sequencer with this lease.
pub(super) fn claim(fence: &Fence, mark: &Mark) -> Claim {
    Claim {
        fence: fence.number,
        database: mark.clone(),
    }
}

/// Whether a commit survives the loss of the server.
pub(super) fn is_durable(instance: &Instance) -> bool {
    instance.durability.fsync && instance.durability.synchronous
}

fn warn(instance: &Instance) {
    let durability = &instance.durability;
    if !durability.fsync {
        tracing::warn!("fsync is off: a crash of the database's machine loses acknowledged updates");
    }
    if !durability.synchronous {
        tracing::warn!("no synchronous standby: acknowledged updates are lost with the database's disk");
    } else if durability.complete_on.is_empty() {
        tracing::warn!(
            "commits wait for one of several standbys: only the most advanced of them may be promoted"
        );
    }
    if ["off", "local", "remote_write"].contains(&durability.commit.as_str()) {
        tracing::warn!(
            synchronous_commit = %durability.commit,
            "weaker than a promise needs: writes of the directory ask for \"on\" themselves"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyglass_schema::Durability;

    fn instance(timeline: u32, name: &str) -> Instance {
        Instance {
            system: "73".to_owned(),
            timeline,
            name: name.to_owned(),
            durability: Durability::default(),
        }
    }

    fn remembered(fence: u64, timeline: u32, synchronous: bool, complete_on: &[&str]) -> Claim {
        Claim {
            fence,
            database: Mark {
                system: "73".to_owned(),
                timeline,
                synchronous,
                complete_on: complete_on.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }

    fn reason(before: u64, claim: Option<&Claim>, now: &Instance, how: Promotions) -> &'static str {
        judge(before, claim, now, how).map_or_else(|error| error.reason(), |()| "goes on")
    }

    #[test]
    fn what_may_be_gone_on_from() {
        use Promotions::{MostAdvanced, Named};
        let now = instance(2, "b");
        let named = |claim: &Claim| reason(7, Some(claim), &now, Named);
        assert_eq!(reason(7, None, &now, Named), "goes on");
        assert_eq!(named(&remembered(7, 2, false, &[])), "goes on");
        // An old backup, or a takeover that was lost with the primary.
        assert_eq!(named(&remembered(8, 2, false, &[])), "database-behind");
        // A promotion.
        assert_eq!(named(&remembered(7, 1, true, &["a", "b"])), "goes on");
        assert_eq!(named(&remembered(7, 1, true, &["a"])), "promotion-unknown");
        assert_eq!(named(&remembered(7, 1, true, &[])), "promotion-unknown");
        assert_eq!(named(&remembered(7, 1, false, &[])), "promotion-unknown");
        assert_eq!(named(&remembered(8, 1, true, &["b"])), "database-behind");
        // Going back to the former primary is a promotion as well.
        assert_eq!(named(&remembered(7, 3, true, &["a"])), "promotion-unknown");
        // The one who promotes looks for the most advanced himself.
        let advanced = |claim: &Claim| reason(7, Some(claim), &now, MostAdvanced);
        assert_eq!(advanced(&remembered(7, 1, true, &[])), "goes on");
        assert_eq!(advanced(&remembered(7, 1, false, &[])), "promotion-unknown");
        // A server without a name is none that commits waited for.
        assert_eq!(
            reason(7, Some(&remembered(7, 1, true, &["b"])), &instance(2, ""), Named),
            "promotion-unknown"
        );
        // A dump that was restored elsewhere.
        let mut other = instance(2, "b");
        other.system = "74".to_owned();
        assert_eq!(
            reason(7, Some(&remembered(7, 2, true, &["b"])), &other, Named),
            "other-postgres"
        );
    }
}
