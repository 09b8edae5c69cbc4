//! Who vouches for an epoch, and how lately.
//!
//! Kept apart from the proofs: a proof is right or wrong for ever, whereas the standing of an epoch depends on
//! the verifier's policy and clock. Nothing is called verified unless [`Standing::check`] passes.

use thiserror::Error;

use super::trust::Trust;
use crate::note::{NoteError, SignedCheckpoint, VerifierKey};
use crate::quantity::{Millis, Seconds};

/// What the cosignatures and the heartbeat of one checkpoint say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    audited: bool,
    shortfall: Option<Shortfall>,
}

/// Why an epoch does not meet the policy. Never a sign of a lie by itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Shortfall {
    /// A timestamp lies ahead of this device's clock by more than the bound.
    #[error("a signed time lies {ahead} s ahead of this device's clock: is the clock right?")]
    ClockSkew {
        /// Seconds ahead.
        ahead: u64,
    },
    /// The policy can be met without any auditor.
    #[error("the pinned policy can be met without an auditor")]
    NotAudited,
    /// The quorum has not cosigned this checkpoint.
    #[error("the quorum of the policy has not cosigned this checkpoint")]
    QuorumNotMet,
    /// The quorum has cosigned, but longer ago than the bound.
    #[error("the quorum's cosignatures are older than {bound} s")]
    QuorumStale {
        /// The bound in seconds.
        bound: u64,
    },
    /// The operator's heartbeat is missing.
    #[error("the operator's heartbeat is missing")]
    HeartbeatMissing,
    /// The operator's heartbeat is older than the bound.
    #[error("the operator's heartbeat is {age} s old")]
    HeartbeatStale {
        /// Its age in seconds.
        age: u64,
    },
}

impl Shortfall {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ClockSkew { .. } => "clock-skew",
            Self::NotAudited => "not-audited",
            Self::QuorumNotMet => "quorum-not-met",
            Self::QuorumStale { .. } => "quorum-stale",
            Self::HeartbeatMissing => "heartbeat-missing",
            Self::HeartbeatStale { .. } => "heartbeat-stale",
        }
    }
}

impl Standing {
    /// Reads the cosignatures of `checkpoint` under the policy of `trust` at the time `now`.
    ///
    /// # Errors
    /// A [`NoteError`] if the line of a known key is there but bad: that is a lie, not a shortfall.
    pub(super) fn of(
        checkpoint: &SignedCheckpoint,
        leaf_time: Millis,
        trust: &Trust,
        now: Millis,
    ) -> Result<Self, NoteError> {
        let audited = trust.policy().is_some_and(crate::note::Policy::needs_auditor);
        let times = cosignature_times(checkpoint, trust)?;
        let heartbeat = checkpoint.cosignature(&trust.document().values().heartbeat_vkey)?;
        let shortfall = skew(leaf_time, heartbeat, trust, now)
            .or_else(|| quorum(&times, trust, now))
            .or_else(|| liveness(heartbeat, trust, now))
            .or_else(|| (!audited).then_some(Shortfall::NotAudited));
        Ok(Self { audited, shortfall })
    }

    /// Whether the policy cannot be met without an auditor. Says nothing about whether it is met.
    pub fn needs_auditor(&self) -> bool {
        self.audited
    }

    /// Whether the policy is met in full, by a quorum that contains an auditor.
    pub fn audited(&self) -> bool {
        self.audited && self.shortfall.is_none()
    }

    /// Demands that the policy is met.
    ///
    /// With `allow_unaudited` the absence of a policy or of an auditor in it is forgiven; nothing else is.
    ///
    /// # Errors
    /// The first shortfall: clock, quorum, heartbeat, auditor.
    pub fn check(&self, allow_unaudited: bool) -> Result<(), Shortfall> {
        match &self.shortfall {
            None => Ok(()),
            Some(Shortfall::NotAudited) if allow_unaudited => Ok(()),
            Some(e) => Err(e.clone()),
        }
    }
}

/// Each witness of the policy with the time of its newest good cosignature.
fn cosignature_times<'a>(
    checkpoint: &SignedCheckpoint,
    trust: &'a Trust,
) -> Result<Vec<(&'a VerifierKey, Seconds)>, NoteError> {
    let mut times = Vec::new();
    for (key, _) in trust.policy().iter().flat_map(|p| p.witnesses()) {
        if let Some(time) = checkpoint.cosignature(key)? {
            times.push((key, time));
        }
    }
    Ok(times)
}

/// A leaf or heartbeat from the future means that this clock is wrong or that the operator's is.
fn skew(leaf: Millis, heartbeat: Option<Seconds>, trust: &Trust, now: Millis) -> Option<Shortfall> {
    let newest = leaf.seconds().max(heartbeat.unwrap_or_default());
    let ahead = newest.get().saturating_sub(now.seconds().get());
    (ahead > trust.bounds().clock_skew).then_some(Shortfall::ClockSkew { ahead })
}

/// The quorum must be met by cosignatures that are neither too old nor from the future.
fn quorum(times: &[(&VerifierKey, Seconds)], trust: &Trust, now: Millis) -> Option<Shortfall> {
    // Without a policy the missing auditor is the shortfall, and that can be allowed.
    let policy = trust.policy()?;
    let now = now.seconds().get();
    let latest = now.saturating_add(trust.bounds().clock_skew);
    let oldest = now.saturating_sub(trust.bounds().cosignature_age);
    let met = |from: u64, to: u64| {
        policy.satisfied(&|key| {
            times
                .iter()
                .any(|(k, t)| *k == key && (from..=to).contains(&t.get()))
        })
    };
    if met(oldest, latest) {
        None
    } else if met(oldest, u64::MAX) {
        let newest = times.iter().map(|(_, t)| t.get()).max().unwrap_or_default();
        Some(Shortfall::ClockSkew {
            ahead: newest.saturating_sub(now),
        })
    } else if met(0, u64::MAX) {
        Some(Shortfall::QuorumStale {
            bound: trust.bounds().cosignature_age,
        })
    } else {
        Some(Shortfall::QuorumNotMet)
    }
}

/// The heartbeat shows that the operator still stands by this head.
fn liveness(heartbeat: Option<Seconds>, trust: &Trust, now: Millis) -> Option<Shortfall> {
    let Some(time) = heartbeat else {
        return Some(Shortfall::HeartbeatMissing);
    };
    let age = now.seconds().get().saturating_sub(time.get());
    (age > trust.bounds().heartbeat_age).then_some(Shortfall::HeartbeatStale { age })
}
