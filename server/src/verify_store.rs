//! Checks everything that is stored: every root and every proof is computed again from what is below it.
//!
//! * `log`: leaves, the hashes of the log, checkpoints, cosignatures, head, guard, configuration documents;
//! * `labels`: every version of every label opens, follows the one before, and is committed to in the tree;
//! * `audits`: every audit proof verifies, from genesis to the newest epoch, and inserts exactly what the labels explain;
//! * `proofs`: the stored tree has the newest root, and a lookup of every label verifies;
//! * `receipts`: every receipt that says so was fulfilled.
//!
//! Damage is told with its place and does not end the check. Nothing is written.

mod audits;
mod labels;
mod log;
mod proofs;
mod receipts;

use std::collections::BTreeMap;
use std::io;

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_schema::{DatabaseUrl, Store, StoreError};
use thiserror::Error;

use crate::artefacts::Artefacts;
use crate::bootstrap::open_store;
use crate::directory::ProofSource;
use crate::guard::{self, GuardError, Guarded};
use crate::keys::Keys;
use crate::settings::Settings;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Table and row, or file.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What was checked, and how much of it is damaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Leaves of the log.
    pub leaves: u64,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// Cosignatures.
    pub cosignatures: u64,
    /// Audit proofs.
    pub audits: u64,
    /// Labels.
    pub labels: u64,
    /// Versions of labels.
    pub versions: u64,
    /// Lookup proofs that were made and verified.
    pub lookups: u64,
    /// Receipts.
    pub receipts: u64,
    /// Findings.
    pub findings: u64,
}

/// Is told how the check goes.
pub trait Report: Send {
    /// So much of a part is done.
    fn progress(&mut self, part: &'static str, done: u64, total: u64);
    /// Something is damaged.
    fn finding(&mut self, finding: &Finding);
}

/// Why the check could not be made at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no database.
    #[error("there is no database")]
    NoDatabase,
    /// The database cannot be read.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The guard cannot be read; a server that runs holds it.
    #[error("{0}; stop the server, or check a copy of its database")]
    Guard(#[from] GuardError),
    /// The folder of artefacts cannot be opened.
    #[error("artefacts: {0}")]
    Artefacts(io::Error),
}

impl VerifyError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoDatabase => "no-database",
            Self::Store(StoreError::WrongKey) => "wrong-storage-key",
            Self::Store(_) => "store",
            Self::Guard(e) => e.reason(),
            Self::Artefacts(_) => "artefacts",
        }
    }
}

/// A leaf of the tree that a stored version explains.
struct Explained {
    leaf: [u8; 32],
    /// `None`: the value was erased.
    commitment: Option<[u8; 32]>,
    /// Where the version stands.
    place: String,
}

/// One check of everything.
struct Run<'a> {
    store: Store,
    source: ProofSource,
    keys: &'a Keys,
    artefacts: Artefacts,
    guarded: Option<Guarded>,
    report: &'a mut dyn Report,
    checked: Checked,
    /// What versions explain, by epoch; each sorted by leaf.
    explained: BTreeMap<u64, Vec<Explained>>,
    /// Newest version of each label.
    newest: Vec<(Label, KeyVersion)>,
}

/// Checks the database, guard and artefacts of the settings. `sample`: of how many labels a lookup is made and verified; all
/// without it.
///
/// # Errors
/// [`VerifyError`] if the check cannot be made. Damage is no error: it is reported and counted.
pub async fn verify(
    settings: &Settings,
    keys: &Keys,
    sample: Option<u64>,
    report: &mut dyn Report,
) -> Result<Checked, VerifyError> {
    if !settings.database.in_use()? {
        return Err(VerifyError::NoDatabase);
    }
    let guard = guard::open(settings, keys.origin())?;
    let store = open_store(settings, keys)?;
    let source = {
        let (proofs, answers) = (settings.proof_cache.get(), settings.answer_cache.get());
        ProofSource::new(&store, &keys.vrf, proofs, answers)
    };
    let mut run = Run {
        source,
        store,
        keys,
        artefacts: Artefacts::open(&settings.artefacts_dir).map_err(VerifyError::Artefacts)?,
        guarded: guard.read()?,
        report,
        checked: Checked::default(),
        explained: BTreeMap::new(),
        newest: Vec::new(),
    };
    if let DatabaseUrl::Sqlite(_) = settings.database {
        for what in run.store.sqlite_damage()? {
            run.found("database", what);
        }
    }
    let leaves = run.log()?;
    let last = leaves.last().map(|leaf| leaf.epoch).unwrap_or_default();
    run.labels(last)?;
    run.receipts(last)?;
    run.audits(&leaves);
    run.proofs(leaves.last(), sample).await;
    Ok(run.checked)
}

impl Run<'_> {
    fn found(&mut self, place: impl Into<String>, what: impl Into<String>) {
        let finding = Finding {
            place: place.into(),
            what: what.into(),
        };
        self.checked.findings = self.checked.findings.saturating_add(1);
        self.report.finding(&finding);
    }

    /// Demands something of a place.
    fn demand(&mut self, holds: bool, place: &str, what: &str) {
        if !holds {
            self.found(place, what);
        }
    }
}

fn of_epoch(table: &str, epoch: Epoch) -> String {
    format!("{table}, epoch {epoch}")
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
