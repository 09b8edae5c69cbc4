//! Values of the labels that the server's metrics have.

/// The steps from the pending queue to an epoch that readers see, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishStep {
    /// A batch of the durable queue is fixed for the next epoch.
    Freeze,
    /// The tree is updated, one database transaction.
    Tree,
    /// Leaf and audit proof are made and stored.
    Stage,
    /// Some proofs of the batch and the audit proof are verified before anything is signed.
    SelfCheck,
    /// The guard moves to the new size and root.
    Guard,
    /// The checkpoint is signed.
    Sign,
    /// Cosigners are asked until the quorum is met.
    Cosign,
    /// Readers move to the new epoch.
    Flip,
    /// Receipts of the batch are marked as fulfilled.
    Fulfil,
}

impl PublishStep {
    /// Every step, in order.
    pub const ALL: [Self; 9] = [
        Self::Freeze,
        Self::Tree,
        Self::Stage,
        Self::SelfCheck,
        Self::Guard,
        Self::Sign,
        Self::Cosign,
        Self::Flip,
        Self::Fulfil,
    ];

    /// Value of the label `step`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Tree => "tree",
            Self::Stage => "stage",
            Self::SelfCheck => "self-check",
            Self::Guard => "guard",
            Self::Sign => "sign",
            Self::Cosign => "cosign",
            Self::Flip => "flip",
            Self::Fulfil => "fulfil",
        }
    }
}

/// How one label's lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupOutcome {
    /// A record with its proof.
    Found,
    /// A proof of absence.
    Absent,
    /// Refused before any proof was made: malformed label, access policy, rate limit.
    Refused,
    /// The server failed; the client got a 5xx.
    Failed,
}

impl LookupOutcome {
    pub(super) const ALL: [Self; 4] = [Self::Found, Self::Absent, Self::Refused, Self::Failed];

    /// Value of the label `outcome`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Whether publishing waits for a late quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// The quorum is in time.
    None,
    /// The quorum is late: readers stay where they are, updates get 503.
    Holding,
    /// The quorum timeout passed and the operator chose to go on without the quorum.
    Degraded,
}

impl HoldState {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Holding, Self::Degraded];

    /// Value of the label `state`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Holding => "holding",
            Self::Degraded => "degraded",
        }
    }
}
