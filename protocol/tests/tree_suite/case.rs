//! One thing to verify, as bytes: what a vector file holds.

use std::num::NonZeroUsize;

use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree::{
    self, Freshness, Hashing, Marker, StepPart, TreeError, TreeHead, VrfPublicKey, Work, verify_absence,
    verify_append_only, verify_append_only_in_parts, verify_history, verify_lookup, verify_vrf,
};
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub struct Head {
    pub epoch: u64,
    pub root: [u8; 32],
    pub vrf: [u8; 32],
}

#[derive(Debug, Clone)]
pub struct MarkerBytes {
    pub version: u64,
    pub vrf_proof: Vec<u8>,
    pub proof: Vec<u8>,
}

#[derive(Debug, Clone)]
pub enum Ask {
    Lookup {
        markers: Vec<MarkerBytes>,
    },
    Absence {
        vrf_proof: Vec<u8>,
    },
    History {
        since: u64,
    },
    AppendOnly {
        previous: [u8; 32],
    },
    /// `proof` is a VRF proof of (label, fresh, 1).
    Vrf,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub head: Head,
    pub label: String,
    pub ask: Ask,
    pub proof: Vec<u8>,
}

/// Folds parts, in some order, perhaps not all.
type Run = fn(&mut [StepPart<'_>]);

/// The verdict on a step, which does not depend on how the work is done.
fn verify_step(proof: &[u8], epoch: Epoch, previous: &RootHash, root: &RootHash) -> Result<(), TreeError> {
    let verdict = verify_append_only(proof, epoch, previous, root).map(drop);
    let runs: [Run; 3] = [
        |parts| parts.iter_mut().for_each(StepPart::work),
        |parts| parts.iter_mut().rev().for_each(StepPart::work),
        |parts| parts.iter_mut().step_by(2).for_each(StepPart::work),
    ];
    for ((parts, hashing), run) in [1, 2, 3, 7, usize::MAX]
        .into_iter()
        .zip([Hashing::OneByOne, Hashing::ManyAtOnce].into_iter().cycle())
        .zip(runs.into_iter().cycle())
    {
        let work = Work {
            parts: NonZeroUsize::new(parts).unwrap(),
            hashing,
        };
        let again = verify_append_only_in_parts(proof, epoch, previous, root, work, run).map(drop);
        assert_eq!(again, verdict, "{work:?}");
    }
    verdict
}

impl Case {
    /// Our verdict.
    pub fn verify(&self) -> Result<(), TreeError> {
        let root = RootHash::new(self.head.root);
        let epoch = Epoch::new(self.head.epoch);
        if let Ask::AppendOnly { previous } = &self.ask {
            return verify_step(&self.proof, epoch, &RootHash::new(*previous), &root);
        }
        let vrf = VrfPublicKey::parse(&self.head.vrf)?;
        let head = TreeHead {
            epoch,
            root: &root,
            vrf: &vrf,
        };
        let label = self.label.as_bytes();
        match &self.ask {
            Ask::Lookup { markers } => {
                let markers: Vec<_> = markers.iter().map(MarkerBytes::borrowed).collect();
                verify_lookup(&head, label, &self.proof, &markers).map(drop)
            }
            Ask::Absence { vrf_proof } => verify_absence(&head, label, vrf_proof, &self.proof),
            Ask::History { since } => {
                let since = KeyVersion::new(*since).unwrap();
                verify_history(&head, label, since, &self.proof).map(drop)
            }
            Ask::Vrf => verify_vrf(&vrf, label, Freshness::Fresh, KeyVersion::FIRST, &self.proof).map(drop),
            Ask::AppendOnly { .. } => unreachable!(),
        }
    }

    pub fn reason(&self) -> &'static str {
        self.verify().map_or_else(|error| error.reason(), |()| "accepted")
    }

    pub fn with_proof(&self, proof: Vec<u8>) -> Self {
        Self {
            proof,
            ..self.clone()
        }
    }

    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "epoch": self.head.epoch,
            "root": hex::encode(self.head.root),
            "proof": hex::encode(&self.proof),
        });
        if let Ask::AppendOnly { previous } = &self.ask {
            json["verify"] = "append-only".into();
            json["previous_root"] = hex::encode(previous).into();
            return json;
        }
        json["vrf_public_key"] = hex::encode(self.head.vrf).into();
        json["label"] = self.label.clone().into();
        match &self.ask {
            Ask::Lookup { markers } => {
                json["verify"] = "lookup".into();
                json["markers"] = markers.iter().map(MarkerBytes::to_json).collect();
            }
            Ask::Absence { vrf_proof } => {
                json["verify"] = "absence".into();
                json["vrf_proof"] = hex::encode(vrf_proof).into();
            }
            Ask::History { since } => {
                json["verify"] = "history".into();
                json["since"] = (*since).into();
            }
            _ => json["verify"] = "vrf".into(),
        }
        json
    }

    pub fn from_json(json: &Value) -> Self {
        let optional = |field: &str| json[field].as_str().map(|text| hex::decode(text).unwrap());
        let hash = |field: &str| optional(field).map_or([0; 32], |bytes| bytes.try_into().unwrap());
        let ask = match json["verify"].as_str().unwrap() {
            "lookup" => Ask::Lookup {
                markers: json["markers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(MarkerBytes::from_json)
                    .collect(),
            },
            "absence" => Ask::Absence {
                vrf_proof: optional("vrf_proof").unwrap(),
            },
            "history" => Ask::History {
                since: json["since"].as_u64().unwrap(),
            },
            "append-only" => Ask::AppendOnly {
                previous: hash("previous_root"),
            },
            "vrf" => Ask::Vrf,
            other => panic!("unknown kind {other}"),
        };
        let head = Head {
            epoch: json["epoch"].as_u64().unwrap(),
            root: hash("root"),
            vrf: hash("vrf_public_key"),
        };
        let label = json["label"].as_str().unwrap_or_default().to_owned();
        Self {
            head,
            label,
            ask,
            proof: optional("proof").unwrap(),
        }
    }
}

impl MarkerBytes {
    pub fn borrowed(&self) -> Marker<'_> {
        Marker {
            version: KeyVersion::new(self.version).unwrap(),
            vrf_proof: &self.vrf_proof,
            proof: &self.proof,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "version": self.version,
            "vrf_proof": hex::encode(&self.vrf_proof),
            "proof": hex::encode(&self.proof),
        })
    }

    fn from_json(json: &Value) -> Self {
        let bytes = |field: &str| hex::decode(json[field].as_str().unwrap()).unwrap();
        Self {
            version: json["version"].as_u64().unwrap(),
            vrf_proof: bytes("vrf_proof"),
            proof: bytes("proof"),
        }
    }
}

/// The marker versions that a lookup must carry.
pub fn demanded_markers(version: u64, epoch: u64) -> Vec<u64> {
    let version = KeyVersion::new(version).unwrap();
    tree::lookup_markers(version, Epoch::new(epoch))
        .iter()
        .map(|v| v.get())
        .collect()
}
