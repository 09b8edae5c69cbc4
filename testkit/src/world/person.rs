//! A person with an account: makes and signs her own records.

use ed25519_dalek::SigningKey;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AccountRecord, AliasBody, AliasKind, AliasRecord, Device, DeviceDhKey,
    DeviceSigningKey, DeviceUses, Holder, IdentityKey, KeyAnnouncement, PreviousHolder, Role,
};

use super::{ORIGIN, keys::key};

/// A person with an account and the key to it.
#[derive(Clone)]
pub struct Person {
    /// The account.
    pub id: AccountId,
    /// The identity key.
    pub identity: SigningKey,
    /// Her newest record.
    pub newest: AccountRecord,
}

impl Person {
    /// A new account with one device; `seed` makes the keys.
    pub fn new(id: &str, seed: u8) -> Self {
        let id = AccountId::parse(id).unwrap();
        let identity = key(seed, 11);
        let body = AccountBody {
            kind: AccountKind::Created,
            origin: Origin::new(ORIGIN).unwrap(),
            account: id.clone(),
            version: KeyVersion::FIRST,
            previous: RecordHash::ZERO,
            identity: IdentityKey::from(&identity),
            recovery_delay: 0,
            announced: KeyAnnouncement::NONE,
            devices: vec![device(1, seed)],
            extension: Vec::new(),
        };
        let newest = body.sign(&[(Role::Identity, &identity)]).unwrap();
        Self { id, identity, newest }
    }

    /// A new account with this identity key; the platform vouches for it if it has an import key.
    pub fn with_key(
        id: &str,
        identity: SigningKey,
        recovery_delay: u32,
        import: Option<&SigningKey>,
    ) -> Self {
        let mut person = Self::new(id, 1);
        let mut body = person.newest.body().clone();
        body.identity = IdentityKey::from(&identity);
        body.recovery_delay = recovery_delay;
        person.newest = match import {
            None => body.sign(&[(Role::Identity, &identity)]).unwrap(),
            Some(key) => {
                body.kind = AccountKind::Imported;
                body.sign(&[(Role::Import, key)]).unwrap()
            }
        };
        person.identity = identity;
        person
    }

    /// Her label.
    pub fn label(&self) -> Label {
        Label::Account(self.id.clone())
    }

    /// Her newest record as it is published.
    pub fn entry(&self) -> (Label, Vec<u8>) {
        (self.label(), self.newest.bytes().to_vec())
    }

    /// The body of her next version, of a kind, not signed.
    pub fn next_body(&self, kind: AccountKind) -> AccountBody {
        AccountBody {
            kind,
            version: self.newest.body().version.next().unwrap(),
            previous: self.newest.hash(),
            announced: KeyAnnouncement::NONE,
            ..self.newest.body().clone()
        }
    }

    /// Adds a device and signs the next version.
    pub fn add_device(&mut self, id: u32, seed: u8) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Owner);
        body.devices.push(device(id, seed));
        self.newest = body.sign(&[(Role::Identity, &self.identity)]).unwrap();
        self.newest.clone()
    }

    /// Changes the identity key and signs with both.
    pub fn rotate(&mut self, seed: u8) -> AccountRecord {
        self.rotate_to(key(seed, 11))
    }

    /// Changes the identity key to this one and signs with both.
    pub fn rotate_to(&mut self, new: SigningKey) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Owner);
        body.identity = IdentityKey::from(&new);
        let keys = [(Role::Identity, &new), (Role::PreviousIdentity, &self.identity)];
        self.newest = body.sign(&keys).unwrap();
        self.identity = new;
        self.newest.clone()
    }

    /// The platform announces a recovery to this key; a closing without one.
    pub fn notice(&mut self, next: Option<&SigningKey>, recovery: &SigningKey) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Notice);
        body.announced = next.map_or(KeyAnnouncement::NONE, |k| IdentityKey::from(k).announcement());
        self.newest = body.sign(&[(Role::Recovery, recovery)]).unwrap();
        self.newest.clone()
    }

    /// The platform gives the account to this key, on a new device.
    pub fn recover(&mut self, next: SigningKey, recovery: &SigningKey) -> AccountRecord {
        self.readmit(next, vec![device(1, 1)], recovery)
    }

    fn readmit(&mut self, next: SigningKey, devices: Vec<Device>, recovery: &SigningKey) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Recovery);
        body.identity = IdentityKey::from(&next);
        body.devices = devices;
        let keys = [(Role::Identity, &next), (Role::Recovery, recovery)];
        self.newest = body.sign(&keys).unwrap();
        self.identity = next;
        self.newest.clone()
    }

    /// Her record as the platform imports it into the log `origin`, continuing a record of an earlier log or none.
    pub fn imported(&self, origin: &str, previous: RecordHash, import: &SigningKey) -> AccountRecord {
        let body = AccountBody {
            kind: AccountKind::Imported,
            origin: Origin::new(origin).unwrap(),
            version: KeyVersion::FIRST,
            previous,
            announced: KeyAnnouncement::NONE,
            ..self.newest.body().clone()
        };
        body.sign(&[(Role::Import, import)]).unwrap()
    }

    /// Sets her recovery delay and signs the next version.
    pub fn delay(&mut self, seconds: u32) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Owner);
        body.recovery_delay = seconds;
        self.newest = body.sign(&[(Role::Identity, &self.identity)]).unwrap();
        self.newest.clone()
    }

    /// The platform's notice of a recovery to the key of `seed`; of a closing without one.
    pub fn announce(&mut self, seed: Option<u8>, recovery: &SigningKey) -> AccountRecord {
        self.notice(seed.map(|seed| key(seed, 11)).as_ref(), recovery)
    }

    /// The platform gives the account to the key of `seed`, with the devices that it has.
    pub fn let_in(&mut self, seed: u8, recovery: &SigningKey) -> AccountRecord {
        self.readmit(key(seed, 11), self.newest.body().devices.clone(), recovery)
    }

    /// Closes the account, signed by her or, with its key, by the platform.
    pub fn end(&mut self, recovery: Option<&SigningKey>) -> AccountRecord {
        let mut body = self.next_body(AccountKind::Closed);
        body.devices.clear();
        let signer = match recovery {
            Some(recovery) => (Role::Recovery, recovery),
            None => (Role::Identity, &self.identity),
        };
        self.newest = body.sign(&[signer]).unwrap();
        self.newest.clone()
    }

    /// The body of an alias's next version that gives it to her.
    fn takes(&self, held: &AliasRecord, kind: AliasKind) -> AliasBody {
        AliasBody {
            kind,
            version: held.body().version.next().unwrap(),
            previous: held.hash(),
            holder: Some(self.holder()),
            previous_holder: None,
            ..held.body().clone()
        }
    }

    fn holder(&self) -> Holder {
        Holder {
            account: self.id.clone(),
            version: self.newest.body().version,
            key: IdentityKey::from(&self.identity),
        }
    }

    /// Hands an alias that she holds to somebody else, signed by both.
    pub fn transfer(&self, held: &AliasRecord, to: &Self) -> AliasRecord {
        let body = AliasBody {
            previous_holder: Some(PreviousHolder {
                version: self.newest.body().version,
                key: IdentityKey::from(&self.identity),
            }),
            ..to.takes(held, AliasKind::Transfer)
        };
        let keys = [
            (Role::Identity, &to.identity),
            (Role::PreviousIdentity, &self.identity),
        ];
        body.sign(&keys).unwrap()
    }

    /// Is given an alias by the platform, whoever holds it.
    pub fn reassign(&self, held: &AliasRecord, recovery: &SigningKey) -> AliasRecord {
        let body = self.takes(held, AliasKind::Reassign);
        let keys = [(Role::Identity, &self.identity), (Role::Recovery, recovery)];
        body.sign(&keys).unwrap()
    }

    /// An alias of hers as the platform imports it into the log `origin`.
    pub fn imported_alias(
        &self,
        alias: &str,
        origin: &str,
        previous: RecordHash,
        import: &SigningKey,
    ) -> AliasRecord {
        let body = AliasBody {
            kind: AliasKind::Imported,
            origin: Origin::new(origin).unwrap(),
            alias: Label::parse(alias).unwrap(),
            version: KeyVersion::FIRST,
            previous,
            holder: Some(self.holder()),
            previous_holder: None,
        };
        body.sign(&[(Role::Import, import)]).unwrap()
    }

    /// Claims an alias, new or released.
    pub fn claim(&self, alias: &str, released: Option<&AliasRecord>) -> AliasRecord {
        let body = AliasBody {
            kind: AliasKind::Claim,
            origin: Origin::new(ORIGIN).unwrap(),
            alias: Label::parse(alias).unwrap(),
            version: released.map_or(KeyVersion::FIRST, |r| r.body().version.next().unwrap()),
            previous: released.map_or(RecordHash::ZERO, AliasRecord::hash),
            holder: Some(self.holder()),
            previous_holder: None,
        };
        body.sign(&[(Role::Identity, &self.identity)]).unwrap()
    }

    /// Releases an alias that she holds.
    pub fn release(&self, held: &AliasRecord) -> AliasRecord {
        let body = AliasBody {
            kind: AliasKind::Release,
            version: held.body().version.next().unwrap(),
            previous: held.hash(),
            holder: None,
            previous_holder: Some(PreviousHolder {
                version: self.newest.body().version,
                key: IdentityKey::from(&self.identity),
            }),
            ..held.body().clone()
        };
        body.sign(&[(Role::PreviousIdentity, &self.identity)]).unwrap()
    }
}

/// The signing key of the device that [`device`] makes of a seed.
pub fn device_key(seed: u8) -> SigningKey {
    key(seed, 13)
}

/// A device with keys from a seed.
pub fn device(id: u32, seed: u8) -> Device {
    let dh = key(seed, 12).verifying_key().to_montgomery().to_bytes();
    Device {
        id,
        uses: DeviceUses::DM_AND_CALL,
        dh_key: DeviceDhKey::new(&dh).unwrap(),
        signing_key: DeviceSigningKey::from(&key(seed, 13)),
        opaque: Vec::new(),
    }
}
