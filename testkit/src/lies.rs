//! A directory that lies with every key its operator holds, and with those of cosigners that he controls.
//!
//! Each lie breaks one rule; everything else in the answer is true and freshly signed, so that only the check of
//! that rule can catch it. The auditor's and the witness's keys are used too: a lie must be caught even if they were
//! fooled. Lies that a directory tells its auditor are the auditor's to test.

mod absence;
mod alias;
mod call;
mod configuration;
mod consistency;
mod cosignature;
mod encoding;
mod history;
mod log;
mod lookup;
mod receipt;
mod record;
mod scene;

use std::fmt;

use keyglass_protocol::message::Answer;

pub use call::{CALL, CALL_LIES, CallLie, CallScene};
pub use receipt::{Promise, RECEIPT_LIES, ReceiptLie, judge};
pub use scene::Scene;

/// What a lie is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The proof of the newest version.
    Lookup,
    /// The proof that nobody has a label.
    Absence,
    /// The proof of all versions.
    History,
    /// Checkpoint and leaf.
    Log,
    /// Who vouches, and when.
    Cosignature,
    /// Against what was seen before.
    Consistency,
    /// The configuration document.
    Configuration,
    /// What may stand in an account's record.
    Record,
    /// What may stand in an alias's record.
    Alias,
    /// The bytes of an answer.
    Encoding,
    /// The promise to publish.
    Receipt,
    /// The key of a call.
    Call,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "lookup",
            Self::Absence => "absence",
            Self::History => "history",
            Self::Log => "log",
            Self::Cosignature => "cosignatures",
            Self::Consistency => "consistency",
            Self::Configuration => "configuration",
            Self::Record => "records",
            Self::Alias => "aliases",
            Self::Encoding => "encoding",
            Self::Receipt => "receipts",
            Self::Call => "calls",
        })
    }
}

/// One lie, by name.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    /// What it is about.
    pub class: Class,
    /// Its name.
    pub name: &'static str,
    /// What is false.
    pub falsehood: &'static str,
    /// The reason with which a verifier must refuse it.
    pub reason: &'static str,
    /// What `keyglass` must exit with.
    pub exit: u8,
    /// The label that is asked for.
    pub label: &'static str,
    /// Prepares it; what comes back is the answer to the lookup.
    pub tell: fn(&mut Scene) -> Answer,
}

/// Name, what is false, reason, exit code, label, and how it is told.
pub(crate) type Row = (
    &'static str,
    &'static str,
    &'static str,
    u8,
    &'static str,
    fn(&mut Scene) -> Answer,
);

/// All lies about labels, in the order of their classes.
pub fn all() -> Vec<Lie> {
    let classes: [(Class, &[Row]); 10] = [
        (Class::Lookup, lookup::LIES),
        (Class::Absence, absence::LIES),
        (Class::History, history::LIES),
        (Class::Log, log::LIES),
        (Class::Cosignature, cosignature::LIES),
        (Class::Consistency, consistency::LIES),
        (Class::Configuration, configuration::LIES),
        (Class::Record, record::LIES),
        (Class::Alias, alias::LIES),
        (Class::Encoding, encoding::LIES),
    ];
    let rows = classes
        .into_iter()
        .flat_map(|(class, rows)| rows.iter().map(move |row| (class, row)));
    rows.map(|(class, &(name, falsehood, reason, exit, label, tell))| Lie {
        class,
        name,
        falsehood,
        reason,
        exit,
        label,
        tell,
    })
    .collect()
}

/// Class, name, what is false, reason and exit code of every lie there is, as a table for people.
pub fn table() -> String {
    let mut text = String::from("| class | lie | what is false | reason | exit |\n|---|---|---|---|---|\n");
    let mut row = |class: Class, name: &str, falsehood: &str, reason: &str, exit: u8| {
        text.push_str(&format!(
            "| {class} | {name} | {falsehood} | `{reason}` | {exit} |\n"
        ));
    };
    for lie in all() {
        row(lie.class, lie.name, lie.falsehood, lie.reason, lie.exit);
    }
    for lie in RECEIPT_LIES {
        row(Class::Receipt, lie.name, lie.falsehood, lie.reason, lie.exit);
    }
    for lie in CALL_LIES {
        row(Class::Call, lie.name, lie.falsehood, lie.reason, lie.exit);
    }
    text
}
