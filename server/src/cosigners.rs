//! Who cosigns, and how many of them readers wait for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use keyglass_protocol::note::{MAX_POLICY_BYTES, NoteError, Policy, PolicyError, VerifierKey};
use thiserror::Error;

use crate::settings::{QuorumSetting, Settings};

/// Cosigner settings that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CosignerError {
    /// The verifier key of a cosigner is none.
    #[error("cosigner {number}: {error}")]
    Key {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        error: NoteError,
    },
    /// The key is not one for cosignatures.
    #[error("cosigner {name}: the key does not make cosignatures")]
    KeyKind {
        /// Name in the key.
        name: String,
    },
    /// The address is not one of HTTP.
    #[error("cosigner {name}: the address must begin with http:// or https://")]
    Address {
        /// Name in the key.
        name: String,
    },
    /// One key stands twice.
    #[error("cosigner {name}: the same key twice")]
    Twice {
        /// Name in the key.
        name: String,
    },
    /// The quorum is larger than the number of cosigners, an auditor's two keys counting once.
    #[error("the quorum {quorum} is larger than the number of cosigners {cosigners}")]
    Quorum {
        /// What was asked for.
        quorum: usize,
        /// Cosigners by name.
        cosigners: usize,
    },
    /// The policy file cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The policy file is none.
    #[error("{path}: {error}")]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PolicyError,
    },
}

impl CosignerError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Key { error, .. } => error.reason(),
            Self::KeyKind { .. } => "cosigner-key-kind",
            Self::Address { .. } => "cosigner-address",
            Self::Twice { .. } => "cosigner-twice",
            Self::Quorum { .. } => "quorum-too-large",
            Self::Unreadable { .. } => "policy-unreadable",
            Self::Policy { error, .. } => error.reason(),
        }
    }
}

/// One cosigner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    /// Verifies its cosignatures.
    pub key: VerifierKey,
    /// Prefix of its witness interface, without trailing slash; without one it hands its cosignatures in.
    pub url: Option<String>,
}

/// All cosigners and the rule for when there are enough.
#[derive(Debug, Clone)]
pub struct Cosigners {
    list: Vec<Cosigner>,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Count(usize),
    Policy(Box<Policy>),
}

impl Cosigners {
    /// The cosigners of the settings.
    ///
    /// # Errors
    /// [`CosignerError`] for the first that cannot be used.
    pub fn from_settings(settings: &Settings) -> Result<Self, CosignerError> {
        let mut list = Vec::new();
        for (number, text) in (1..).zip(&settings.cosigners) {
            add(
                &mut list,
                parse(text).map_err(|error| CosignerError::Key { number, error })?,
            )?;
        }
        let names: BTreeSet<&str> = list.iter().map(|c| c.key.name()).collect();
        let cosigners = names.len();
        let rule = match &settings.quorum {
            QuorumSetting::Majority if list.is_empty() => Rule::Count(0),
            QuorumSetting::Majority => Rule::Count(cosigners / 2 + 1),
            QuorumSetting::Count(quorum) if *quorum > cosigners => {
                return Err(CosignerError::Quorum {
                    quorum: *quorum,
                    cosigners,
                });
            }
            QuorumSetting::Count(quorum) => Rule::Count(*quorum),
            QuorumSetting::Policy(path) => Rule::Policy(Box::new(read_policy(path, &mut list)?)),
        };
        Ok(Self { list, rule })
    }

    /// All cosigners.
    pub fn list(&self) -> &[Cosigner] {
        &self.list
    }

    /// Whether the keys for which `has` answers true are enough. An auditor's two keys have one name and count once.
    pub fn enough(&self, has: &dyn Fn(&VerifierKey) -> bool) -> bool {
        match &self.rule {
            Rule::Policy(policy) => policy.satisfied(has),
            Rule::Count(quorum) => {
                let keys = self.list.iter().map(|c| &c.key).filter(|key| has(key));
                keys.map(VerifierKey::name).collect::<BTreeSet<_>>().len() >= *quorum
            }
        }
    }
}

fn parse(text: &str) -> Result<Cosigner, NoteError> {
    let mut words = text.trim().splitn(2, ' ');
    let key = words.next().unwrap_or_default().parse()?;
    let url = words.next().map(|u| u.trim().trim_end_matches('/').to_owned());
    Ok(Cosigner { key, url })
}

fn add(list: &mut Vec<Cosigner>, cosigner: Cosigner) -> Result<(), CosignerError> {
    let name = cosigner.key.name().to_owned();
    if !cosigner.key.kind().cosigns() {
        return Err(CosignerError::KeyKind { name });
    }
    if cosigner
        .url
        .as_deref()
        .is_some_and(|u| !u.starts_with("http://") && !u.starts_with("https://"))
    {
        return Err(CosignerError::Address { name });
    }
    if list.iter().any(|c| c.key == cosigner.key) {
        return Err(CosignerError::Twice { name });
    }
    list.push(cosigner);
    Ok(())
}

/// The policy of a file; its witnesses are cosigners as well, at the addresses that it gives.
fn read_policy(path: &std::path::Path, list: &mut Vec<Cosigner>) -> Result<Policy, CosignerError> {
    let unreadable = |why: String| CosignerError::Unreadable {
        path: path.to_owned(),
        why,
    };
    let length = std::fs::metadata(path)
        .map_err(|e| unreadable(e.to_string()))?
        .len();
    if usize::try_from(length).map_or(true, |l| l > MAX_POLICY_BYTES) {
        return Err(unreadable("too long for a policy".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
    let policy: Policy = text.parse().map_err(|error| CosignerError::Policy {
        path: path.to_owned(),
        error,
    })?;
    for (key, url) in policy.witnesses() {
        if list.iter().all(|c| c.key != *key) {
            let url = url.map(|u| u.trim_end_matches('/').to_owned());
            add(
                list,
                Cosigner {
                    key: key.clone(),
                    url,
                },
            )?;
        }
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::settings::Layer;

    fn vkey(name: &str, seed: u8) -> VerifierKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        VerifierKey::new_cosignature(name, key.verifying_key().as_bytes()).unwrap()
    }

    fn settings(cosigners: &[String], quorum: Option<&str>) -> Settings {
        Settings::resolve(Layer {
            cosigner: Some(cosigners.to_vec()),
            quorum: quorum.map(str::to_owned),
            ..Layer::default()
        })
        .unwrap()
    }

    #[test]
    fn more_than_half_is_the_default_and_two_keys_of_a_name_count_once() {
        let keys = [
            vkey("a.example", 1),
            vkey("a.example", 2),
            vkey("b.example", 3),
            vkey("c.example", 4),
        ];
        let texts: Vec<String> = keys.iter().map(|k| format!("{k} http://127.0.0.1:1/")).collect();
        let cosigners = Cosigners::from_settings(&settings(&texts, None)).unwrap();
        assert_eq!(cosigners.list()[0].url.as_deref(), Some("http://127.0.0.1:1"));
        assert!(!cosigners.enough(&|k| *k == keys[0] || *k == keys[1]));
        assert!(cosigners.enough(&|k| *k == keys[1] || *k == keys[3]));
        assert!(
            Cosigners::from_settings(&settings(&[], None))
                .unwrap()
                .enough(&|_| false)
        );
    }

    #[test]
    fn a_policy_file_brings_its_witnesses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        let (a, b) = (vkey("a.example", 1), vkey("b.example", 2));
        let text = format!("witness a {a} http://a.example/\nwitness b {b}\ngroup all any a b\nquorum all\n");
        std::fs::write(&path, text).unwrap();
        let cosigners = Cosigners::from_settings(&settings(&[], path.to_str())).unwrap();
        assert_eq!(cosigners.list().len(), 2);
        assert!(cosigners.enough(&|k| *k == b) && !cosigners.enough(&|_| false));
    }

    #[test]
    fn unusable_cosigners_are_named() {
        let note_key = VerifierKey::new_ed25519(
            "n.example",
            &[
                0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                0x66, 0x66,
            ],
        )
        .unwrap()
        .to_string();
        let good = vkey("a.example", 1).to_string();
        let refused = |texts: &[String], quorum| {
            Cosigners::from_settings(&settings(texts, quorum))
                .unwrap_err()
                .reason()
        };
        assert_eq!(refused(&[note_key], None), "cosigner-key-kind");
        assert_eq!(refused(&[format!("{good} ftp://x")], None), "cosigner-address");
        assert_eq!(refused(&[good.clone(), good.clone()], None), "cosigner-twice");
        let two = [good, vkey("a.example", 2).to_string()];
        assert_eq!(refused(&two, Some("2")), "quorum-too-large");
    }
}
