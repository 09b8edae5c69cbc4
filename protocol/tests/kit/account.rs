//! An encoder of account records that checks nothing, written from the layout alone.

use super::*;

pub const CREATED: u8 = 1;
pub const IMPORTED: u8 = 2;
pub const OWNER: u8 = 3;
pub const NOTICE: u8 = 4;
pub const RECOVERED: u8 = 5;
pub const CLOSED: u8 = 6;

#[derive(Debug, Clone)]
pub struct RawDevice {
    pub id: u32,
    pub uses: u8,
    pub dh: [u8; 32],
    pub signing: [u8; 32],
    pub opaque: Vec<u8>,
}

pub fn device(id: u32) -> RawDevice {
    let seed = u8::try_from(id % 200).unwrap();
    RawDevice {
        id,
        uses: 3,
        dh: dh(seed),
        signing: public(seed),
        opaque: vec![seed; 3],
    }
}

#[derive(Debug, Clone)]
pub struct RawAccount {
    pub magic: [u8; 4],
    pub kind: u8,
    pub origin: Vec<u8>,
    pub label: Vec<u8>,
    pub version: u64,
    pub previous: [u8; 32],
    pub identity: [u8; 32],
    pub delay: u32,
    pub announced: [u8; 32],
    pub devices: Vec<RawDevice>,
    pub extension: Vec<u8>,
    pub signers: Signers,
    pub context: &'static str,
    pub tail: Vec<u8>,
}

impl RawAccount {
    /// Version 1 of account 123, with Alice's key and one device.
    pub fn first() -> Self {
        Self {
            magic: *b"KGA1",
            kind: CREATED,
            origin: ORIGIN.into(),
            label: b"account:123".to_vec(),
            version: 1,
            previous: [0; 32],
            identity: public(ALICE),
            delay: 0,
            announced: [0; 32],
            devices: vec![device(7)],
            extension: b"ext".to_vec(),
            signers: vec![(1, ALICE, Spoil::No)],
            context: "keyglass/account-record/v1\0",
            tail: Vec::new(),
        }
    }

    /// What follows this record, so far with nothing changed: an owner's version.
    pub fn then(&self) -> Self {
        Self {
            kind: OWNER,
            version: self.version + 1,
            previous: sha256(&self.encode()),
            announced: [0; 32],
            signers: vec![(1, ALICE, Spoil::No)],
            ..self.clone()
        }
    }

    pub fn notice(&self, announced: [u8; 32]) -> Self {
        Self {
            kind: NOTICE,
            announced,
            signers: vec![(4, RECOVERY, Spoil::No)],
            ..self.then()
        }
    }

    /// A new key for Alice.
    pub fn recovery(&self) -> Self {
        Self {
            kind: RECOVERED,
            identity: public(ALICE_2),
            signers: vec![(1, ALICE_2, Spoil::No), (4, RECOVERY, Spoil::No)],
            ..self.then()
        }
    }

    pub fn closed(&self) -> Self {
        Self {
            kind: CLOSED,
            devices: Vec::new(),
            ..self.then()
        }
    }

    pub fn closed_by_platform(&self) -> Self {
        Self {
            signers: vec![(4, RECOVERY, Spoil::No)],
            ..self.closed()
        }
    }

    pub fn rotated(&self) -> Self {
        Self {
            identity: public(ALICE_2),
            signers: vec![(1, ALICE_2, Spoil::No), (2, ALICE, Spoil::No)],
            ..self.then()
        }
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
        out.extend_from_slice(&self.identity);
        out.extend_from_slice(&self.delay.to_be_bytes());
        out.extend_from_slice(&self.announced);
        out.push(u8::try_from(self.devices.len()).unwrap());
        for device in &self.devices {
            out.extend_from_slice(&device.id.to_be_bytes());
            out.push(device.uses);
            out.extend_from_slice(&device.dh);
            out.extend_from_slice(&device.signing);
            put_bytes16(&mut out, &device.opaque);
        }
        put_bytes16(&mut out, &self.extension);
        out
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.unsigned();
        put_signatures(&mut out, self.context, &self.signers);
        out.extend_from_slice(&self.tail);
        out
    }
}

/// What a notice announces for a key.
pub fn announce(seed: u8) -> [u8; 32] {
    sha256(&public(seed))
}
