//! The moments at which a crash must be harmless. A test stands still at one of them and is killed there.

/// A moment between two writes, or between a write and what others see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Epochs are verified, nothing of it is stored.
    Verified,
    /// They are stored, perhaps with the record that a signature is about to be made.
    Stored,
    /// A signature is made and nobody has seen it.
    Signed,
    /// It stands in its file, and is not shown.
    Kept,
    /// It is shown.
    Shown,
    /// The directory has it.
    HandedIn,
    /// An evidence file is written, and nothing is latched.
    Evidence,
    /// The contradiction is stored.
    Latched,
}

impl Moment {
    /// All moments, in the order of a round.
    pub const ALL: [Self; 8] = [
        Self::Verified,
        Self::Stored,
        Self::Signed,
        Self::Kept,
        Self::Shown,
        Self::HandedIn,
        Self::Evidence,
        Self::Latched,
    ];

    /// Stable kebab-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Stored => "stored",
            Self::Signed => "signed",
            Self::Kept => "kept",
            Self::Shown => "shown",
            Self::HandedIn => "handed-in",
            Self::Evidence => "evidence",
            Self::Latched => "latched",
        }
    }
}

/// Told of each moment.
pub trait Moments: Send + Sync {
    /// `moment` is reached.
    fn reached(&self, moment: Moment);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Moments for Unwatched {
    fn reached(&self, _: Moment) {}
}
