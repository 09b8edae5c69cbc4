//! The exit code is the answer.

/// What the program says about the question that it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every requested check ran and passed.
    Verified,
    /// A proof, signature or rule failed.
    Invalid,
    /// The command line or a setting is wrong.
    Usage,
    /// No key to trust: absent, released, closed; or a key, policy or proof is missing.
    Unverifiable,
    /// Quorum, auditor, freshness, stale head, clock.
    Policy,
    /// Own key changed, fork, freeze, broken promise.
    Alarm,
    /// The input is malformed.
    Malformed,
    /// The network failed.
    Network,
    /// This program or this machine failed.
    Internal,
}

impl Exit {
    /// The process's exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Unverifiable => 3,
            Self::Policy => 4,
            Self::Alarm => 5,
            Self::Malformed => 65,
            Self::Network => 69,
            Self::Internal => 70,
        }
    }

    /// The `verdict` of the JSON object.
    pub(crate) const fn verdict(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Invalid => "invalid",
            Self::Unverifiable => "unverifiable",
            Self::Policy => "policy",
            Self::Alarm => "alarm",
            Self::Usage | Self::Malformed | Self::Network | Self::Internal => "error",
        }
    }

    /// How grave it is; a batch answers with its gravest verdict.
    pub(crate) const fn gravity(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Unverifiable => 1,
            Self::Policy => 2,
            Self::Usage => 3,
            Self::Malformed => 4,
            Self::Network => 5,
            Self::Internal => 6,
            Self::Invalid => 7,
            Self::Alarm => 8,
        }
    }
}
