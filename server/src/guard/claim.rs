//! What a guard that several sequencers share remembers, and what may follow what.

use core::fmt;
use core::str::FromStr;

use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::Instance;

use super::{GuardError, Guarded};

/// First line of the text of a state that carries a claim.
const MAGIC: &str = "keyglass-guard/v2";

/// Everything that a shared guard remembers of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What was signed last; `None`: nothing yet.
    pub guarded: Option<Guarded>,
    /// Who may move it; `None`: it was made by `guard init` or by a server without a lease.
    pub claim: Option<Claim>,
}

/// Who may move the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Fencing number of the sequencer.
    pub fence: u64,
    /// The database that it writes to.
    pub database: Mark,
}

/// A database as far as it matters whether a later one has everything that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Postgres' system identifier.
    pub system: String,
    /// The timeline.
    pub timeline: u32,
    /// Whether commits waited for a standby.
    pub synchronous: bool,
    /// The standbys that every commit waited for, all of them, sorted.
    pub complete_on: Vec<String>,
}

impl Mark {
    /// What is to be remembered of `instance`.
    pub fn of(instance: &Instance) -> Self {
        Self {
            system: instance.system.clone(),
            timeline: instance.timeline,
            synchronous: instance.durability.synchronous,
            complete_on: instance.durability.complete_on.clone(),
        }
    }

    /// The same server, with what holds under both marks.
    #[must_use]
    pub fn weaker(&self, other: &Self) -> Self {
        let kept = self
            .complete_on
            .iter()
            .filter(|name| other.complete_on.contains(name));
        Self {
            synchronous: self.synchronous && other.synchronous,
            complete_on: kept.cloned().collect(),
            ..self.clone()
        }
    }
}

/// `system timeline synchronous|asynchronous name,name`.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.synchronous {
            "synchronous"
        } else {
            "asynchronous"
        };
        let names = self.complete_on.join(",");
        write!(f, "{} {} {kind} {names}", self.system, self.timeline)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.splitn(4, ' ');
        let mut next = || fields.next().ok_or(());
        Ok(Self {
            system: next()?.to_owned(),
            timeline: next()?.parse().map_err(|_| ())?,
            synchronous: match next()? {
                "synchronous" => true,
                "asynchronous" => false,
                _ => return Err(()),
            },
            complete_on: match next()? {
                "" => Vec::new(),
                names => names.split(',').map(str::to_owned).collect(),
            },
        })
    }
}

impl State {
    /// Whether no sequencer with a larger number than `ours` has claimed it.
    pub(super) fn not_above(&self, ours: u64) -> Result<(), GuardError> {
        let found = self.claim.as_ref().map(|claim| claim.fence);
        if found.is_some_and(|found| found > ours) {
            let ours = Some(ours);
            return Err(GuardError::Fenced { ours, found });
        }
        Ok(())
    }

    /// The state after a swap by the sequencer whose number is `own`.
    pub(super) fn swapped(
        &self,
        own: Option<u64>,
        expected: Option<Guarded>,
        next: Guarded,
    ) -> Result<Self, GuardError> {
        let found = self.claim.as_ref().map(|claim| claim.fence);
        if found != own {
            return Err(GuardError::Fenced { ours: own, found });
        }
        if self.guarded != expected {
            return Err(GuardError::Moved {
                expected,
                found: self.guarded,
            });
        }
        Ok(Self {
            guarded: Some(next),
            claim: self.claim.clone(),
        })
    }

    /// The state after a claim by the sequencer whose number was `own`.
    pub(super) fn claimed(&self, own: Option<u64>, claim: &Claim) -> Result<Self, GuardError> {
        let found = self.claim.as_ref().map(|claim| claim.fence);
        let allowed =
            found.is_none_or(|found| found < claim.fence || (found == claim.fence && own == Some(found)));
        if !allowed {
            return Err(GuardError::Fenced {
                ours: Some(claim.fence),
                found,
            });
        }
        Ok(Self {
            guarded: self.guarded,
            claim: Some(claim.clone()),
        })
    }

    /// The text in a file.
    pub(super) fn to_text(&self, origin: &str) -> String {
        let (size, root) = self
            .guarded
            .map_or((LogSize::ZERO, LogHash::new([0; 32])), |g| (g.size, g.root));
        let (fence, database) = self.claim.as_ref().map_or((0, String::new()), |claim| {
            (claim.fence, claim.database.to_string())
        });
        format!("{MAGIC}\n{origin}\n{size}\n{root}\n{fence}\n{database}\n")
    }

    /// Reads what [`Self::to_text`] wrote; answers the origin as well.
    pub(super) fn from_text(text: &str) -> Option<(String, Self)> {
        let lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').collect();
        let [magic, origin, size, root, fence, database] = lines.as_slice() else {
            return None;
        };
        if *magic != MAGIC {
            return None;
        }
        let size = LogSize::new(size.parse().ok()?);
        let root: LogHash = root.parse().ok()?;
        let state = Self::of_parts(size, root, fence.parse().ok()?, database)?;
        Some(((*origin).to_owned(), state))
    }

    /// A state from what is stored of it.
    pub(super) fn of_parts(size: LogSize, root: LogHash, fence: u64, database: &str) -> Option<Self> {
        let claim = match fence {
            0 => None,
            fence => Some(Claim {
                fence,
                database: database.parse().ok()?,
            }),
        };
        Some(Self {
            guarded: (size != LogSize::ZERO).then_some(Guarded { size, root }),
            claim,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn guarded(size: u64) -> Guarded {
        Guarded {
            size: LogSize::new(size),
            root: LogHash::new([7; 32]),
        }
    }

    fn claim(fence: u64) -> Claim {
        Claim {
            fence,
            database: Mark {
                system: "73".to_owned(),
                timeline: 3,
                synchronous: true,
                complete_on: vec!["a".to_owned(), "b".to_owned()],
            },
        }
    }

    fn state(size: u64, fence: u64) -> State {
        State {
            guarded: Some(guarded(size)),
            claim: Some(claim(fence)),
        }
    }

    #[test]
    fn only_the_one_who_claimed_it_last_moves_it() {
        let found = state(4, 7);
        let moved = found.swapped(Some(7), Some(guarded(4)), guarded(5)).unwrap();
        assert_eq!(moved, state(5, 7));
        for own in [None, Some(6), Some(8)] {
            let refused = found.swapped(own, Some(guarded(4)), guarded(5));
            assert_eq!(refused.unwrap_err().reason(), "guard-fenced", "{own:?}");
        }
        let elsewhere = found.swapped(Some(7), Some(guarded(3)), guarded(5));
        assert_eq!(elsewhere.unwrap_err().reason(), "guard-moved");
    }

    #[test]
    fn a_claim_needs_a_larger_number_or_to_be_ones_own() {
        let found = state(4, 7);
        assert_eq!(found.claimed(None, &claim(8)).unwrap(), state(4, 8));
        assert_eq!(found.claimed(Some(7), &claim(7)).unwrap(), found);
        for (own, fence) in [(None, 7), (Some(6), 7), (Some(7), 6), (None, 6)] {
            let refused = found.claimed(own, &claim(fence)).unwrap_err();
            assert_eq!(refused.reason(), "guard-fenced", "{own:?} {fence}");
        }
        assert_eq!(State::default().claimed(None, &claim(1)).unwrap().guarded, None);
    }

    #[test]
    fn its_text_is_read_back() {
        for state in [
            State::default(),
            state(4, 7),
            State {
                claim: None,
                ..state(4, 7)
            },
            State {
                guarded: None,
                ..state(4, 7)
            },
        ] {
            let text = state.to_text("log.example");
            assert_eq!(
                State::from_text(&text),
                Some(("log.example".to_owned(), state)),
                "{text}"
            );
            for bad in [
                text.trim_end(),
                "",
                "x\n",
                &text.replace("v2", "v3"),
                &format!("{text}more\n"),
            ] {
                assert_eq!(State::from_text(bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn of_two_marks_the_weaker_holds() {
        let strong = claim(1).database;
        let mut weak = strong.clone();
        weak.synchronous = false;
        weak.complete_on = vec!["b".to_owned(), "c".to_owned()];
        let both = strong.weaker(&weak);
        assert_eq!(
            (both.synchronous, both.complete_on),
            (false, vec!["b".to_owned()])
        );
    }
}
