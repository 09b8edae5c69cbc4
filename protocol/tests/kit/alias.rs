//! An encoder of alias records that checks nothing, written from the layout alone.

use super::*;

pub const CLAIM: u8 = 1;
pub const RELEASE: u8 = 2;
pub const TRANSFER: u8 = 3;
pub const REASSIGN: u8 = 4;
pub const ALIAS_IMPORTED: u8 = 5;

#[derive(Debug, Clone)]
pub struct RawAlias {
    pub magic: [u8; 4],
    pub kind: u8,
    pub origin: Vec<u8>,
    pub label: Vec<u8>,
    pub version: u64,
    pub previous: [u8; 32],
    pub account: Vec<u8>,
    pub holder_version: u64,
    pub holder_key: [u8; 32],
    pub before_version: u64,
    pub before_key: [u8; 32],
    pub signers: Signers,
    pub context: &'static str,
    pub tail: Vec<u8>,
}

impl RawAlias {
    /// Version 1 of `handle:alice`, claimed by account 123 with Alice's key.
    pub fn first() -> Self {
        Self {
            magic: *b"KGH1",
            kind: CLAIM,
            origin: ORIGIN.into(),
            label: b"handle:alice".to_vec(),
            version: 1,
            previous: [0; 32],
            account: b"account:123".to_vec(),
            holder_version: 1,
            holder_key: public(ALICE),
            before_version: 0,
            before_key: [0; 32],
            signers: vec![(1, ALICE, Spoil::No)],
            context: "keyglass/alias-record/v1\0",
            tail: Vec::new(),
        }
    }

    fn then(&self, kind: u8) -> Self {
        Self {
            kind,
            version: self.version + 1,
            previous: sha256(&self.encode()),
            before_version: 0,
            before_key: [0; 32],
            ..self.clone()
        }
    }

    fn for_bob(self) -> Self {
        Self {
            account: b"account:456".to_vec(),
            holder_version: 1,
            holder_key: public(BOB),
            ..self
        }
    }

    /// Alice gives the handle up.
    pub fn release(&self) -> Self {
        Self {
            account: Vec::new(),
            holder_version: 0,
            holder_key: [0; 32],
            before_version: 1,
            before_key: public(ALICE),
            signers: vec![(2, ALICE, Spoil::No)],
            ..self.then(RELEASE)
        }
    }

    /// Bob takes it.
    pub fn claim(&self) -> Self {
        let mut next = self.then(CLAIM).for_bob();
        next.signers = vec![(1, BOB, Spoil::No)];
        next
    }

    /// From Alice to Bob.
    pub fn transfer(&self) -> Self {
        Self {
            before_version: 1,
            before_key: public(ALICE),
            signers: vec![(1, BOB, Spoil::No), (2, ALICE, Spoil::No)],
            ..self.then(TRANSFER).for_bob()
        }
    }

    /// The platform gives it to Bob.
    pub fn reassign(&self) -> Self {
        let mut next = self.then(REASSIGN).for_bob();
        next.signers = vec![(1, BOB, Spoil::No), (4, RECOVERY, Spoil::No)];
        next
    }

    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    pub fn unsigned(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.push(self.kind);
        put_str8(&mut out, &self.origin);
        put_str8(&mut out, &self.label);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.previous);
        put_str8(&mut out, &self.account);
        out.extend_from_slice(&self.holder_version.to_be_bytes());
        out.extend_from_slice(&self.holder_key);
        out.extend_from_slice(&self.before_version.to_be_bytes());
        out.extend_from_slice(&self.before_key);
        out
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.unsigned();
        put_signatures(&mut out, self.context, &self.signers);
        out.extend_from_slice(&self.tail);
        out
    }
}
