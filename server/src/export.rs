//! Lines for the import of the log that continues one that has ended: every key as it stood last, naming its final record.
//!
//! Accounts come first, then the handles and numbers that point to them. What has ended is left behind: closed accounts,
//! released names, names of closed accounts.

use std::io::{self, Write};

use ed25519_dalek::SigningKey;
use keyglass_protocol::config::{ConfigDocument, Predecessor, Successor};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AccountRecord, AliasBody, AliasKind, AliasRecord, Holder, KeyAnnouncement,
    RecordError, Role,
};
use keyglass_schema::{Cursor, Store, StoreError};
use thiserror::Error;

use crate::final_state::{self, FinalStateError};

/// Rows of one page.
const PAGE: usize = 1_000;

/// Why nothing, or not everything, is exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log has not ended, or its end cannot be read.
    #[error("{0}")]
    End(#[from] FinalStateError),
    /// The database failed, or a row does not open.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// A stored record is none.
    #[error("a stored record: {0}")]
    Record(#[from] RecordError),
    /// The lines cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ExportError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::End(e) => e.reason(),
            Self::Store(_) => "store",
            Self::Record(e) => e.reason(),
            Self::Io(_) => "export-io",
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Accounts.
    pub accounts: u64,
    /// Handles and numbers.
    pub aliases: u64,
    /// Labels that have ended.
    pub ended: u64,
}

/// The successor that the last leaf of an ended log names. Blocking.
///
/// # Errors
/// [`ExportError::End`] if there is none.
pub fn successor(store: &Store) -> Result<(Predecessor, Successor), ExportError> {
    let state = final_state::read(store)?;
    let last = state.size.last_epoch().ok_or(FinalStateError::NotEnded)?;
    let leaf = store.leaf(last)?.ok_or(FinalStateError::NotEnded)?;
    let document = store.config(&leaf.config)?.ok_or(FinalStateError::NotEnded)?;
    let document = ConfigDocument::parse(&document).map_err(FinalStateError::from)?;
    let next = document.successor.clone().ok_or(FinalStateError::NotEnded)?;
    Ok((state, next))
}

/// Writes one line for every key that moves on, signed with the import key of the log that continues this one. Blocking.
///
/// # Errors
/// [`ExportError`].
pub fn write(store: &Store, key: &SigningKey, out: &mut dyn Write) -> Result<Exported, ExportError> {
    let (state, next) = successor(store)?;
    let last = state.size.last_epoch().ok_or(FinalStateError::NotEnded)?;
    let mut export = Export {
        store,
        last,
        next,
        key,
        done: Exported::default(),
    };
    for accounts in [true, false] {
        export.pass(accounts, out)?;
    }
    out.flush()?;
    Ok(export.done)
}

struct Export<'a> {
    store: &'a Store,
    last: Epoch,
    next: Successor,
    key: &'a SigningKey,
    done: Exported,
}

impl Export<'_> {
    /// Walks all labels; writes the accounts, or the rest.
    fn pass(&mut self, accounts: bool, out: &mut dyn Write) -> Result<(), ExportError> {
        let mut cursor = Cursor::default();
        let mut newest: Option<(String, Label, Vec<u8>)> = None;
        loop {
            let (page, end) = self.store.inspect_states(&cursor, PAGE)?;
            if page.is_empty() {
                break;
            }
            for state in page {
                let (label, value) = state.opened?;
                let text = core::str::from_utf8(&label).unwrap_or_default();
                // Padding is no label.
                let Ok(label) = Label::parse(text) else { continue };
                if label.account().is_some() != accounts {
                    continue;
                }
                let before = newest.replace((state.place, label, value));
                if let Some((place, label, value)) = before
                    && newest.as_ref().is_none_or(|(now, ..)| *now != place)
                {
                    self.label(&label, &value, out)?;
                }
            }
            cursor = end;
        }
        match newest {
            Some((_, label, value)) => self.label(&label, &value, out),
            None => Ok(()),
        }
    }

    fn label(&mut self, label: &Label, value: &[u8], out: &mut dyn Write) -> Result<(), ExportError> {
        let (record, count) = if label.account().is_some() {
            (self.account(value)?, &mut self.done.accounts)
        } else {
            (self.alias(value)?, &mut self.done.aliases)
        };
        let Some(record) = record else {
            self.done.ended = self.done.ended.saturating_add(1);
            return Ok(());
        };
        *count = count.saturating_add(1);
        let line = PutRequest { record: B64(record) };
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        Ok(())
    }

    fn account(&self, value: &[u8]) -> Result<Option<Vec<u8>>, ExportError> {
        let record = AccountRecord::decode(value)?;
        if !self.is_live(&record)? {
            return Ok(None);
        }
        let body = AccountBody {
            kind: AccountKind::Imported,
            origin: self.next.origin.clone(),
            version: KeyVersion::FIRST,
            previous: record.hash(),
            announced: KeyAnnouncement::NONE,
            ..record.body().clone()
        };
        let moved = body.sign(&[(Role::Import, self.key)])?;
        Ok(Some(moved.bytes().to_vec()))
    }

    /// A notice says nothing about what it stands on.
    fn is_live(&self, newest: &AccountRecord) -> Result<bool, ExportError> {
        let mut record = newest.clone();
        while record.kind == AccountKind::Notice {
            let before = record.version.get().saturating_sub(1);
            let Ok(before) = KeyVersion::new(before) else {
                break;
            };
            let Some(stored) = self.store.version(&record.label(), before)? else {
                break;
            };
            record = AccountRecord::decode(&stored.value)?;
        }
        Ok(record.kind != AccountKind::Closed)
    }

    fn alias(&self, value: &[u8]) -> Result<Option<Vec<u8>>, ExportError> {
        let record = AliasRecord::decode(value)?;
        let Some(holder) = &record.holder else {
            return Ok(None);
        };
        let account = Label::Account(holder.account.clone());
        let Some(stored) = self.store.newest(&account, self.last)? else {
            return Ok(None);
        };
        let account = AccountRecord::decode(&stored.value)?;
        if !self.is_live(&account)? {
            return Ok(None);
        }
        let body = AliasBody {
            kind: AliasKind::Imported,
            origin: self.next.origin.clone(),
            version: KeyVersion::FIRST,
            previous: record.hash(),
            holder: Some(Holder {
                account: account.account.clone(),
                version: KeyVersion::FIRST,
                key: account.identity,
            }),
            previous_holder: None,
            ..record.body().clone()
        };
        let moved = body.sign(&[(Role::Import, self.key)])?;
        Ok(Some(moved.bytes().to_vec()))
    }
}
