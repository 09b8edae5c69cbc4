//! The steps of publishing, in their order, and an observer of them.

/// A point that publishing has just reached. What a crash there leaves behind is said where it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The empty tree exists, the log does not.
    TreeCreated,
    /// The batch of the next epoch is fixed.
    BatchFrozen,
    /// akd is about to write the tree.
    TreeCommitting,
    /// The tree is at the next epoch.
    TreeCommitted,
    /// The audit proof is a durable file.
    AuditStored,
    /// The leaf is stored.
    LeafStaged,
    /// Proofs of the new epoch verify.
    SelfChecked,
    /// The guard is about to move.
    GuardSwapping,
    /// The guard stands on the new size.
    GuardSwapped,
    /// The checkpoint is signed and durable.
    CheckpointSigned,
    /// Auditors can see it.
    PendingShown,
    /// The cosigners with an address were asked.
    CosignersAsked,
    /// Enough cosignatures are durable.
    QuorumMet,
    /// The readers' head is durable.
    HeadFlipped,
    /// The receipts of the batch name their epoch.
    ReceiptsFulfilled,
    /// Readers in this process are answered from it.
    ReadersMoved,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 16] = [
        Self::TreeCreated,
        Self::BatchFrozen,
        Self::TreeCommitting,
        Self::TreeCommitted,
        Self::AuditStored,
        Self::LeafStaged,
        Self::SelfChecked,
        Self::GuardSwapping,
        Self::GuardSwapped,
        Self::CheckpointSigned,
        Self::PendingShown,
        Self::CosignersAsked,
        Self::QuorumMet,
        Self::HeadFlipped,
        Self::ReceiptsFulfilled,
        Self::ReadersMoved,
    ];

    /// Stable kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TreeCreated => "tree-created",
            Self::BatchFrozen => "batch-frozen",
            Self::TreeCommitting => "tree-committing",
            Self::TreeCommitted => "tree-committed",
            Self::AuditStored => "audit-stored",
            Self::LeafStaged => "leaf-staged",
            Self::SelfChecked => "self-checked",
            Self::GuardSwapping => "guard-swapping",
            Self::GuardSwapped => "guard-swapped",
            Self::CheckpointSigned => "checkpoint-signed",
            Self::PendingShown => "pending-shown",
            Self::CosignersAsked => "cosigners-asked",
            Self::QuorumMet => "quorum-met",
            Self::HeadFlipped => "head-flipped",
            Self::ReadersMoved => "readers-moved",
            Self::ReceiptsFulfilled => "receipts-fulfilled",
        }
    }
}

/// Is told each step as soon as it is reached, on the publisher's own thread.
///
/// It may block or end the process; that is how tests stop publishing at a chosen point.
pub trait Steps: Send + Sync + 'static {
    /// `step` was reached.
    fn reached(&self, step: Step);
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSteps;

impl Steps for NoSteps {
    fn reached(&self, _step: Step) {}
}
