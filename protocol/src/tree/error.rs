//! Errors of the tree: one variant per broken rule.

use thiserror::Error;

use super::wire::WireError;

/// Why a proof about akd's tree is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Not the protobuf that is expected.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The proof has more bytes than its kind may have.
    #[error("the proof is too long: at most {max} bytes, found {found}")]
    ProofTooLong {
        /// The limit in bytes.
        max: usize,
        /// Bytes that were given.
        found: usize,
    },

    /// A hash, value or nonce must have 32 bytes.
    #[error("a hash or nonce has {0} bytes, not 32")]
    HashLength(usize),
    /// A node label has more than 32 bytes or says to have more than 256 bits.
    #[error("a node label is longer than 256 bits")]
    LabelTooLong,
    /// A node label ends in zero bytes, which the encoding leaves out.
    #[error("a node label is not in its shortest form")]
    LabelNotMinimal,
    /// A node label has bits set past its length.
    #[error("a node label has bits set past its length")]
    BitsPastLength,
    /// A leaf's label must have 256 bits.
    #[error("the label of a leaf has {0} bits, not 256")]
    LeafLabelLength(u32),
    /// The proof is about another leaf than the VRF output names.
    #[error("the proof is about another leaf than the VRF output names")]
    LabelMismatch,

    /// The VRF public key is not canonical, no point, or of small order.
    #[error("the VRF public key is not canonical, not on the curve or of small order")]
    VrfKey,
    /// A VRF proof must have 80 bytes.
    #[error("a VRF proof has {0} bytes, not 80")]
    VrfProofLength(usize),
    /// The point gamma of a VRF proof is not canonically encoded or not on the curve.
    #[error("the point of a VRF proof is not canonical or not on the curve")]
    VrfGamma,
    /// The scalar s of a VRF proof is not below the group order.
    #[error("the scalar of a VRF proof is not below the group order")]
    VrfScalar,
    /// The VRF proof does not verify for this label, version and key.
    #[error("the VRF proof does not verify")]
    VrfMismatch,

    /// A level of a path must have exactly one sibling.
    #[error("a level of a path must have exactly one sibling")]
    SiblingCount,
    /// A direction is neither 0 nor 1.
    #[error("a direction must be 0 or 1, found {0}")]
    BadDirection(u32),
    /// The path of a leaf is empty: it proves nothing.
    #[error("a path without siblings proves nothing")]
    EmptyPath,
    /// A parent's label is not a proper prefix of its child's.
    #[error("a parent's label is not a proper prefix of its child's")]
    ParentNotPrefix,
    /// A direction is not the label's bit.
    #[error("a direction is not the label's bit")]
    DirectionMismatch,
    /// A parent's label is not a proper prefix of the sibling's.
    #[error("a parent's label is not a proper prefix of the sibling's")]
    SiblingNotBelowParent,
    /// Both siblings stand on the same side of their parent.
    #[error("both siblings stand on the same side of their parent")]
    SiblingsOnSameSide,
    /// Only the root may lack a child.
    #[error("only the root may lack a child")]
    EmptyChildBelowRoot,
    /// A missing child does not have the value of a missing child.
    #[error("a missing child does not have the value of a missing child")]
    EmptyChildValue,
    /// The path does not end at the root label.
    #[error("the path does not end at the root label")]
    PathNotAtRoot,
    /// The computed root is another.
    #[error("the proof leads to another root")]
    RootMismatch,

    /// A non-membership proof must have exactly two children.
    #[error("a non-membership proof must have exactly two children")]
    ChildCount,
    /// The longest prefix is not a proper prefix of the absent label.
    #[error("the longest prefix is not a proper prefix of the label")]
    PrefixNotOfLabel,
    /// A child's label does not extend the longest prefix.
    #[error("the label of a child does not extend the longest prefix")]
    ChildNotBelowPrefix,
    /// The children do not stand left and right.
    #[error("the children do not stand left and right of the longest prefix")]
    ChildOnWrongSide,
    /// Both children are missing: only the tree of epoch 0 is like that.
    #[error("both children are missing")]
    BothChildrenMissing,
    /// A child's label is the absent label or a prefix of it: it may well exist below.
    #[error("a child of a non-membership proof is a prefix of the label")]
    ChildIsPrefix,
    /// The path is about another node than the longest prefix.
    #[error("the path is about another node than the longest prefix")]
    PrefixLabelMismatch,
    /// The longest prefix's hash is not that of its children.
    #[error("the hash of the longest prefix is not that of its children")]
    PrefixHashMismatch,

    /// Version 0 does not exist.
    #[error("version 0 does not exist")]
    VersionZero,
    /// There cannot be more versions than epochs.
    #[error("the version is above the epoch in which it appeared")]
    VersionAboveEpoch,
    /// The record appeared after the epoch of the head.
    #[error("the record's epoch lies after the head's")]
    RecordEpochAboveHead,
    /// A value is empty although it must not be.
    #[error("the value is blank")]
    BlankValue,
    /// A value is longer than any record.
    #[error("the value is too long: {0} bytes")]
    ValueTooLong(usize),
    /// Value, nonce and epoch do not open the leaf.
    #[error("value, nonce and epoch do not open the leaf")]
    ValueMismatch,
    /// The markers are not exactly those that the version demands, ascending.
    #[error("the markers are not exactly those that the version demands")]
    MarkerSet,
    /// The epoch-0 tree is empty: its root is fixed and no proof belongs to it.
    #[error("not the empty tree, or a proof where none belongs")]
    NotEmptyTree,

    /// A history must contain at least one version.
    #[error("the history has no version")]
    HistoryEmpty,
    /// The versions of a history must fall by one.
    #[error("the versions of the history do not fall by one")]
    VersionGap,
    /// The history does not begin at the demanded version.
    #[error("the history begins at another version than demanded")]
    HistoryStart,
    /// The epochs of a history must rise with the versions.
    #[error("the epochs of the history do not rise with the versions")]
    EpochOrder,
    /// The proof that the version before was retired is missing.
    #[error("the proof that the version before was retired is missing")]
    PreviousMissing,
    /// Version 1 has no version before it.
    #[error("version 1 carries a proof about a version before it")]
    PreviousUnexpected,
    /// The version before was not retired in the epoch of this one.
    #[error("the version before was not retired in this version's epoch")]
    StaleMismatch,
    /// The past markers are not as many as demanded.
    #[error("the past markers are not as many as demanded")]
    PastMarkerCount,
    /// The future markers are not as many as demanded.
    #[error("the future markers are not as many as demanded")]
    FutureMarkerCount,

    /// No step leads into epoch 0.
    #[error("no step leads into epoch 0")]
    EpochZero,
    /// An append-only proof that inserts nothing proves nothing.
    #[error("an append-only proof that inserts nothing proves nothing")]
    NothingInserted,
    /// The root itself cannot be an unchanged node.
    #[error("the root itself cannot be an unchanged node")]
    UnchangedRoot,
    /// A label occurs twice among unchanged and inserted nodes.
    #[error("a label occurs twice in the append-only proof")]
    DuplicateLabel,
    /// A label is a prefix of another among unchanged and inserted nodes.
    #[error("a label is a prefix of another in the append-only proof")]
    LabelIsPrefix,
    /// The unchanged nodes do not give the previous root.
    #[error("the unchanged nodes lead to another previous root")]
    PreviousRootMismatch,
}

impl TreeError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.reason(),
            Self::ProofTooLong { .. } => "proof-too-long",
            Self::HashLength(_) => "hash-length",
            Self::LabelTooLong => "label-too-long",
            Self::LabelNotMinimal => "label-not-minimal",
            Self::BitsPastLength => "bits-past-length",
            Self::LeafLabelLength(_) => "leaf-label-length",
            Self::LabelMismatch => "label-mismatch",
            Self::VrfKey => "vrf-key",
            Self::VrfProofLength(_) => "vrf-proof-length",
            Self::VrfGamma => "vrf-gamma",
            Self::VrfScalar => "vrf-scalar",
            Self::VrfMismatch => "vrf-mismatch",
            Self::SiblingCount => "sibling-count",
            Self::BadDirection(_) => "bad-direction",
            Self::EmptyPath => "empty-path",
            Self::ParentNotPrefix => "parent-not-prefix",
            Self::DirectionMismatch => "direction-mismatch",
            Self::SiblingNotBelowParent => "sibling-not-below-parent",
            Self::SiblingsOnSameSide => "siblings-on-same-side",
            Self::EmptyChildBelowRoot => "empty-child-below-root",
            Self::EmptyChildValue => "empty-child-value",
            Self::PathNotAtRoot => "path-not-at-root",
            Self::RootMismatch => "root-mismatch",
            Self::ChildCount => "child-count",
            Self::PrefixNotOfLabel => "prefix-not-of-label",
            Self::ChildNotBelowPrefix => "child-not-below-prefix",
            Self::ChildOnWrongSide => "child-on-wrong-side",
            Self::BothChildrenMissing => "both-children-missing",
            Self::ChildIsPrefix => "child-is-prefix",
            Self::PrefixLabelMismatch => "prefix-label-mismatch",
            Self::PrefixHashMismatch => "prefix-hash-mismatch",
            Self::VersionZero => "version-zero",
            Self::VersionAboveEpoch => "version-above-epoch",
            Self::RecordEpochAboveHead => "record-epoch-above-head",
            Self::BlankValue => "blank-value",
            Self::ValueTooLong(_) => "value-too-long",
            Self::ValueMismatch => "value-mismatch",
            Self::MarkerSet => "marker-set",
            Self::NotEmptyTree => "not-empty-tree",
            Self::HistoryEmpty => "history-empty",
            Self::VersionGap => "version-gap",
            Self::HistoryStart => "history-start",
            Self::EpochOrder => "epoch-order",
            Self::PreviousMissing => "previous-missing",
            Self::PreviousUnexpected => "previous-unexpected",
            Self::StaleMismatch => "stale-mismatch",
            Self::PastMarkerCount => "past-marker-count",
            Self::FutureMarkerCount => "future-marker-count",
            Self::EpochZero => "epoch-zero",
            Self::NothingInserted => "nothing-inserted",
            Self::UnchangedRoot => "unchanged-root",
            Self::DuplicateLabel => "duplicate-label",
            Self::LabelIsPrefix => "label-is-prefix",
            Self::PreviousRootMismatch => "previous-root-mismatch",
        }
    }
}
