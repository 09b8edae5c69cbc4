//! Call bindings that do not bind the person on the other end.

use keyglass_protocol::call::{
    CallBinding, CallExpectation, CallKey, CallParty, CallTerms, Direction, VerifiedCall,
};
use keyglass_protocol::label::AccountId;
use keyglass_protocol::log::leaf_hash;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, Millis};
use keyglass_protocol::record::{AccountChain, AccountKind, DeviceUses, Role};
use keyglass_protocol::verify::{self, Pinned};

use super::Scene;
use crate::world::{ORIGIN, Person, device, device_key};

/// Name of the call.
pub const CALL: [u8; 16] = [7; 16];

/// One lie about the key of a call from alice to bob.
#[derive(Debug, Clone, Copy)]
pub struct CallLie {
    /// Its name.
    pub name: &'static str,
    /// What is false.
    pub falsehood: &'static str,
    /// The reason with which it must be refused.
    pub reason: &'static str,
    /// What `keyglass call verify` must exit with.
    pub exit: u8,
    /// What the device signs, or what stands in the tree meanwhile.
    pub tell: fn(&mut CallScene),
}

/// All of them.
pub const CALL_LIES: &[CallLie] = &[
    CallLie {
        name: "call-of-another-directory",
        falsehood: "a binding made for another directory",
        reason: "call-other-origin",
        exit: 1,
        tell: |c| c.terms.origin = Origin::new("other.test/log").unwrap(),
    },
    CallLie {
        name: "another-call",
        falsehood: "a replay of another call's binding",
        reason: "call-other-call",
        exit: 1,
        tell: |c| c.terms.call_id[0] ^= 1,
    },
    CallLie {
        name: "call-reflected",
        falsehood: "an answer in place of an offer",
        reason: "call-other-direction",
        exit: 1,
        tell: |c| c.terms.direction = Direction::Answer,
    },
    CallLie {
        name: "call-of-yesterday",
        falsehood: "a binding whose time is over",
        reason: "call-expired",
        exit: 4,
        tell: |c| c.terms.not_after = Millis::new(c.scene.world.time().get() - 1),
    },
    CallLie {
        name: "call-by-somebody-else",
        falsehood: "a binding of another account",
        reason: "call-other-account",
        exit: 1,
        tell: |c| c.terms.signer.account = AccountId::parse("mallory").unwrap(),
    },
    CallLie {
        name: "call-for-somebody-else",
        falsehood: "a binding made for another callee",
        reason: "call-other-account",
        exit: 1,
        tell: |c| c.terms.peer.account = AccountId::parse("mallory").unwrap(),
    },
    CallLie {
        name: "call-by-a-version-to-come",
        falsehood: "a version of alice that does not exist",
        reason: "call-newer-version",
        exit: 1,
        tell: |c| c.terms.signer.version = KeyVersion::new(9).unwrap(),
    },
    CallLie {
        name: "call-by-a-device-that-is-none",
        falsehood: "a device that alice does not have",
        reason: "call-no-device",
        exit: 3,
        tell: |c| c.terms.signer.device = 9,
    },
    CallLie {
        name: "call-by-a-device-that-was-removed",
        falsehood: "a device that alice has removed",
        reason: "call-no-device",
        exit: 3,
        tell: |c| {
            let mut body = c.scene.alice.next_body(AccountKind::Owner);
            body.devices.retain(|d| d.id != 1);
            c.publish_alice(&body.sign(&[(Role::Identity, &c.scene.alice.identity)]).unwrap());
        },
    },
    CallLie {
        name: "call-by-a-device-that-is-not-for-calls",
        falsehood: "a device that may only write",
        reason: "call-not-for-calls",
        exit: 1,
        tell: |c| {
            let mut body = c.scene.alice.next_body(AccountKind::Owner);
            body.devices[0].uses = DeviceUses::DM;
            c.publish_alice(&body.sign(&[(Role::Identity, &c.scene.alice.identity)]).unwrap());
        },
    },
    CallLie {
        name: "call-for-another-device",
        falsehood: "a binding for another device of bob's",
        reason: "call-other-device",
        exit: 1,
        tell: |c| {
            let mut body = c.scene.bob.next_body(AccountKind::Owner);
            body.devices.push(device(5, 25));
            let record = body.sign(&[(Role::Identity, &c.scene.bob.identity)]).unwrap();
            c.scene.publish(record.label(), record.bytes());
            c.terms.peer.device = 5;
        },
    },
    CallLie {
        name: "call-signed-by-another-device",
        falsehood: "the key of the call, signed by a device that is not alice's",
        reason: "call-bad-signature",
        exit: 1,
        tell: |c| c.signing_seed = 66,
    },
    CallLie {
        name: "call-from-a-closed-account",
        falsehood: "an account that has ended",
        reason: "call-no-key",
        exit: 3,
        tell: |c| {
            let mut body = c.scene.alice.next_body(AccountKind::Closed);
            body.devices.clear();
            c.publish_alice(&body.sign(&[(Role::Identity, &c.scene.alice.identity)]).unwrap());
        },
    },
];

/// Alice calls bob: what her device signs, and what bob's client knows.
pub struct CallScene {
    /// The directory.
    pub scene: Scene,
    /// What alice's device says.
    pub terms: CallTerms,
    /// Whose device signs it.
    pub signing_seed: u8,
}

impl CallScene {
    /// An honest call.
    pub fn new() -> Self {
        Self::of(Scene::new())
    }

    /// The same in this scene.
    pub fn of(scene: Scene) -> Self {
        let party = |person: &Person| CallParty {
            account: person.id.clone(),
            version: person.newest.body().version,
            device: 1,
        };
        let terms = CallTerms {
            origin: Origin::new(ORIGIN).unwrap(),
            call_id: CALL,
            signer: party(&scene.alice),
            peer: party(&scene.bob),
            key: CallKey::DtlsSha256([3; 32]),
            direction: Direction::Offer,
            not_after: scene.world.time().plus(60_000),
            epoch: scene.world.epoch(),
            leaf_hash: leaf_hash(&scene.world.leaf(scene.world.epoch()).encode()),
        };
        Self {
            scene,
            terms,
            signing_seed: 1,
        }
    }

    fn publish_alice(&mut self, record: &keyglass_protocol::record::AccountRecord) {
        self.scene.publish(record.label(), record.bytes());
    }

    /// The binding as it is sent.
    pub fn binding(&self) -> CallBinding {
        self.terms.sign(&device_key(self.signing_seed)).unwrap()
    }

    /// Bob's account with the private keys of the device that is called, as `keyglass identity import` takes it.
    pub fn callee(&self) -> String {
        self.scene.bob.exported(1, 2)
    }

    /// What bob's client says to it.
    ///
    /// # Errors
    /// The reason.
    pub fn verify(&self) -> Result<VerifiedCall, &'static str> {
        let (alice, bob) = (self.chain("account:alice"), self.chain("account:bob"));
        let expected = CallExpectation {
            origin: &Origin::new(ORIGIN).unwrap(),
            call_id: &CALL,
            direction: Direction::Offer,
            signer: &alice,
            peer: &bob,
            peer_device: 1,
            now: self.scene.world.time(),
        };
        let sent = self.binding().encode().unwrap();
        let binding = CallBinding::decode(&sent).map_err(|e| e.reason())?;
        binding.verify(&expected).map_err(|e| e.reason())
    }

    /// The authorised history of an account.
    fn chain(&self, label: &str) -> AccountChain {
        let answer = self.scene.honest(label);
        let mut client = self.scene.client();
        let epoch = client.accept(&answer, None).unwrap();
        let label = keyglass_protocol::label::Label::parse(label).unwrap();
        let history = verify::history(&epoch, &client.trust, &label, KeyVersion::FIRST, &answer).unwrap();
        verify::authorise_account(&client.trust, &history, Pinned::Nothing)
            .unwrap()
            .chain()
            .clone()
    }
}

impl Default for CallScene {
    fn default() -> Self {
        Self::new()
    }
}
