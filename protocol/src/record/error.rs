//! Why a record is refused: one variant per broken rule.

use thiserror::Error;

use super::keys::KeyError;
use crate::error::FormatError;
use crate::label::LabelError;
use crate::quantity::{Epoch, KeyVersion};

/// What kind of refusal a [`RecordError`] is; a server answers each class with its own status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordErrorClass {
    /// No canonical encoding of any record, or a key that is none (400).
    Malformed,
    /// A signature that the demanded key did not make, or a malleable one (401).
    BadSignature,
    /// A well-formed, signed record that a rule forbids (422).
    Rule,
    /// Too big, too many, too long (422).
    Limit,
    /// Nothing is proven wrong; what would prove it right was not handed in.
    Unproven,
}

/// A record, or a history of records, that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are no canonical encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A label is not in canonical form.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The origin is not a valid key name.
    #[error("the origin is not a valid name of a log")]
    Origin,
    /// The label's kind does not belong to this kind of record.
    #[error("a label of this kind has no such record")]
    LabelKind,
    /// Devices are not strictly ascending by id.
    #[error("devices are not strictly ascending by id")]
    DeviceOrder,
    /// A device has no use, or an unknown one.
    #[error("unknown uses of a device: {0:#04x}")]
    DeviceUses(u8),
    /// Signatures are not strictly ascending by role.
    #[error("signatures are not strictly ascending by role")]
    SignatureOrder,
    /// A released alias names a version or key of a holder.
    #[error("a released alias has zeros for its holder")]
    ReleasedHolder,
    /// Exactly one of the previous holder's version and key is zero.
    #[error("the previous holder is neither named nor zero")]
    HalfPreviousHolder,

    /// A record is longer than the limit in bytes.
    #[error("the record is too long: at most {max} bytes, found {found}")]
    TooLong {
        /// The limit in bytes.
        max: usize,
        /// Bytes of the record.
        found: usize,
    },
    /// More devices than the limit.
    #[error("too many devices: at most {max}, found {found}")]
    TooManyDevices {
        /// The limit.
        max: usize,
        /// Devices of the record.
        found: usize,
    },
    /// The recovery delay is longer than the limit.
    #[error("the recovery delay is too long: at most {max} s, found {found} s")]
    DelayTooLong {
        /// The limit in seconds.
        max: u32,
        /// The record's delay in seconds.
        found: u32,
    },
    /// The version number is beyond what this kind of record may use.
    #[error("version {found} is beyond the limit of {max} for this kind of record")]
    VersionLimit {
        /// The limit for this kind.
        max: u64,
        /// The record's version.
        found: KeyVersion,
    },
    /// A history has more entries than versions can exist.
    #[error("the history has more entries than a label can have versions: {found}")]
    HistoryTooLong {
        /// Entries of the history.
        found: usize,
    },

    /// The record was made for another directory.
    #[error("the record was made for another origin")]
    OtherOrigin,
    /// The record was made for another label.
    #[error("the record was made for another label")]
    OtherLabel,
    /// The record's version is not the one that must come here.
    #[error("expected version {expected}, found {found}")]
    Version {
        /// The version that must come here.
        expected: KeyVersion,
        /// The version found.
        found: KeyVersion,
    },
    /// The record does not name the hash of the version before.
    #[error("the hash of the previous record is another")]
    PreviousHash,
    /// This kind cannot be the first record of a label.
    #[error("this kind of record cannot be a label's first")]
    NotAFirst,
    /// This kind can only be the first record of a label.
    #[error("this kind of record can only be a label's first")]
    OnlyAFirst,
    /// Two records of one label in one epoch, or an epoch before the previous record's.
    #[error("epoch {found} is not later than the previous record's epoch {previous}")]
    EpochOrder {
        /// Epoch of the previous record.
        previous: Epoch,
        /// Epoch of this record.
        found: Epoch,
    },
    /// The signatures are not exactly those that this kind needs.
    #[error("the signatures are not exactly those that this change needs")]
    WrongRoles,
    /// A signature does not verify (strict verification, RFC 8032 with cofactorless equation).
    #[error("the signature of role {role} does not verify")]
    BadSignature {
        /// The role's number.
        role: u8,
    },
    /// The directory has no import key.
    #[error("the configuration has no import key")]
    NoImportKey,
    /// The import key was closed before this epoch.
    #[error("imports were closed after epoch {closed_after}")]
    ImportClosed {
        /// Last epoch in which the import key counts.
        closed_after: Epoch,
    },
    /// The directory has no recovery key.
    #[error("the configuration has no recovery key")]
    NoRecoveryKey,
    /// Something else than a notice has an announced key.
    #[error("only a notice announces a key")]
    Announcement,
    /// A notice changes more than the announced hash.
    #[error("a notice changes nothing but the announced key")]
    NoticeChanges,
    /// The version before had a recovery delay and no notice came first.
    #[error("the recovery delay demands a notice first")]
    NoticeMissing,
    /// The notice announced another key, or a closing where a key comes, or the reverse.
    #[error("this is not what the notice announced")]
    NotAnnounced,
    /// The recovery delay has not passed between the two leaves.
    #[error("the recovery delay of {delay_ms} ms has not passed: {elapsed_ms} ms")]
    TooEarly {
        /// The delay that the owner chose, in ms.
        delay_ms: u64,
        /// Time between the two leaves in ms.
        elapsed_ms: u64,
    },
    /// Only a notice or a recovery may follow a closed account.
    #[error("only a notice or a recovery may follow a closed account")]
    AfterClosed,
    /// Closing changes the identity key.
    #[error("closing an account keeps its identity key")]
    ClosedIdentity,
    /// Closing changes the recovery delay.
    #[error("closing an account keeps its recovery delay")]
    ClosedDelay,
    /// A closed account has devices.
    #[error("a closed account has no devices")]
    ClosedDevices,

    /// The alias names a holder although it is released, or none although it is not.
    #[error("exactly a release has no holder")]
    Holder,
    /// The alias names a previous holder although this kind has none, or the reverse.
    #[error("exactly a release and a transfer name the previous holder")]
    PreviousHolder,
    /// A claim of an alias that is held.
    #[error("the alias is held: it can be claimed only when released")]
    NotReleased,
    /// A release or transfer of an alias that nobody holds.
    #[error("the alias is released: nobody can release or transfer it")]
    NotHeld,
    /// The account that the alias names did not exist at that epoch.
    #[error("the alias names an account that did not exist")]
    AccountAbsent,
    /// The alias names another key than the account's identity key at that epoch.
    #[error("the alias does not name the account's identity key of that epoch")]
    HolderKey,
    /// The alias names a version that the account did not have yet.
    #[error("the alias names version {named} of an account at version {newest}")]
    HolderVersion {
        /// Version that the alias names.
        named: KeyVersion,
        /// Newest version of the account at that epoch.
        newest: KeyVersion,
    },

    /// A history has no entries.
    #[error("the history is empty")]
    EmptyHistory,
    /// The history does not begin with the pinned record.
    #[error("the history does not begin with the pinned record")]
    NotThePin,
    /// A value is missing although no closed record stands above it at the end.
    #[error("a value is missing that only the erasure of a closed account explains")]
    BlankValue,
    /// The leaf of a notice, recovery or closing was not handed in.
    #[error("the leaf times that prove the recovery delay are missing")]
    LeafTimeMissing,
    /// The pinned record is a notice, which does not say whether the account below it is closed or imported.
    #[error("a notice does not say what it stands on: the history must begin before it")]
    PinnedNotice,
    /// The account's history was not handed in, or not back to that epoch.
    #[error("the account that the alias names is not proven at that epoch")]
    AccountUnproven,
    /// The account's records were erased, so that its key at that epoch is unknown.
    #[error("the records of the account that the alias names were erased")]
    AccountErased,
}

impl RecordError {
    /// What kind of refusal this is.
    pub fn class(&self) -> RecordErrorClass {
        match self {
            Self::Format(_)
            | Self::Label(_)
            | Self::Key(_)
            | Self::Origin
            | Self::LabelKind
            | Self::DeviceOrder
            | Self::DeviceUses(_)
            | Self::SignatureOrder
            | Self::ReleasedHolder
            | Self::HalfPreviousHolder => RecordErrorClass::Malformed,
            Self::TooLong { .. }
            | Self::TooManyDevices { .. }
            | Self::DelayTooLong { .. }
            | Self::VersionLimit { .. }
            | Self::HistoryTooLong { .. } => RecordErrorClass::Limit,
            Self::BadSignature { .. } => RecordErrorClass::BadSignature,
            Self::LeafTimeMissing | Self::PinnedNotice | Self::AccountUnproven | Self::AccountErased => {
                RecordErrorClass::Unproven
            }
            _ => RecordErrorClass::Rule,
        }
    }

    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(e) => e.reason(),
            Self::Label(e) => e.reason(),
            Self::Key(e) => e.reason(),
            Self::Origin => "record-origin-invalid",
            Self::LabelKind => "record-label-kind",
            Self::DeviceOrder => "device-order",
            Self::DeviceUses(_) => "device-uses",
            Self::SignatureOrder => "signature-order",
            Self::ReleasedHolder => "released-holder-not-zero",
            Self::HalfPreviousHolder => "previous-holder-half-zero",
            Self::TooLong { .. } => "record-too-long",
            Self::TooManyDevices { .. } => "too-many-devices",
            Self::DelayTooLong { .. } => "recovery-delay-too-long",
            Self::VersionLimit { .. } => "version-limit",
            Self::HistoryTooLong { .. } => "history-too-long",
            Self::OtherOrigin => "record-other-origin",
            Self::OtherLabel => "record-other-label",
            Self::Version { .. } => "record-version",
            Self::PreviousHash => "previous-hash",
            Self::NotAFirst => "not-a-first-record",
            Self::OnlyAFirst => "only-a-first-record",
            Self::EpochOrder { .. } => "record-epoch-order",
            Self::WrongRoles => "wrong-signature-roles",
            Self::BadSignature { .. } => "bad-record-signature",
            Self::NoImportKey => "no-import-key",
            Self::ImportClosed { .. } => "import-closed",
            Self::NoRecoveryKey => "no-recovery-key",
            Self::Announcement => "announcement-outside-notice",
            Self::NoticeChanges => "notice-changes-record",
            Self::NoticeMissing => "notice-missing",
            Self::NotAnnounced => "not-what-was-announced",
            Self::TooEarly { .. } => "recovery-too-early",
            Self::AfterClosed => "after-closed",
            Self::ClosedIdentity => "closed-changes-identity",
            Self::ClosedDelay => "closed-changes-delay",
            Self::ClosedDevices => "closed-with-devices",
            Self::Holder => "alias-holder",
            Self::PreviousHolder => "alias-previous-holder",
            Self::NotReleased => "alias-not-released",
            Self::NotHeld => "alias-not-held",
            Self::AccountAbsent => "alias-account-absent",
            Self::HolderKey => "alias-holder-key",
            Self::HolderVersion { .. } => "alias-holder-version",
            Self::EmptyHistory => "history-empty",
            Self::NotThePin => "history-not-the-pin",
            Self::BlankValue => "history-blank-value",
            Self::LeafTimeMissing => "leaf-time-missing",
            Self::PinnedNotice => "pinned-notice",
            Self::AccountUnproven => "alias-account-unproven",
            Self::AccountErased => "alias-account-erased",
        }
    }
}
