//! The chain of configuration documents: fetched, checked step by step, each dated by the leaf that names it first.

use keyglass_protocol::config::{ConfigChain, ConfigChange, ConfigDocument, ConfigError};
use keyglass_protocol::epoch::{SignedEpoch, Trust, VerifiedEpoch};
use keyglass_protocol::message::B64;
use keyglass_protocol::quantity::{ConfigHash, Epoch, Millis};

use crate::exit::Exit;
use crate::report::Failure;
use crate::session::Trouble;
use crate::source::Source;
use crate::state::{Directory, PinnedConfig};

/// Most configuration documents that are followed at once.
const MAX_STEPS: usize = 100;

/// The documents from behind a known one up to the one with this hash, oldest first.
///
/// With `known` none they begin with the log's first. `None`: the source does not have them all.
pub(crate) fn fetch(
    source: &mut dyn Source,
    hash: &ConfigHash,
    known: Option<&ConfigHash>,
) -> Result<Option<Vec<ConfigDocument>>, Failure> {
    let mut documents = Vec::new();
    let mut next = Some(*hash);
    while let Some(hash) = next
        && known != Some(&hash)
    {
        if documents.len() == MAX_STEPS {
            return Ok(None);
        }
        let Some(bytes) = source.config(&hash)? else {
            return Ok(None);
        };
        let document = ConfigDocument::parse(&bytes).map_err(|e| refuse(&e))?;
        if document.hash() != hash {
            return Err(refuse_hash());
        }
        next = document.values().previous_config_sha256;
        documents.push(document);
    }
    if next.is_none() && known.is_some() {
        return Ok(None);
    }
    documents.reverse();
    Ok(Some(documents))
}

/// Appends documents to a chain, each from the first epoch whose leaf names it.
///
/// `signed` is an epoch whose leaf names the last of them.
pub(crate) fn append(
    source: &mut dyn Source,
    trust: &Trust,
    documents: Vec<ConfigDocument>,
    signed: &SignedEpoch<'_>,
    now: Millis,
) -> Result<(Trust, Vec<ConfigChange>), Trouble> {
    let mut chain = trust.config().clone();
    let mut changes = Vec::new();
    // Only a log that names the last document makes it count, so the epoch is verified under it first.
    let mut last = chain.clone();
    for document in &documents {
        let from = Epoch::new(u64::MAX).min(next_epoch(&last));
        last.push(document.clone(), from).map_err(|e| refuse(&e))?;
    }
    let epoch = signed.verify(&with_chain(trust, last)?, now)?;
    for document in documents {
        let from = first_epoch(source, &epoch, &chain, &document.hash())?;
        changes.extend(chain.push(document, from).map_err(|e| refuse(&e))?);
    }
    Ok((with_chain(trust, chain)?, changes))
}

/// The same pins with another chain.
pub(crate) fn with_chain(trust: &Trust, chain: ConfigChain) -> Result<Trust, Failure> {
    Trust::new(
        trust.log_key().clone(),
        chain,
        trust.policy().cloned(),
        *trust.bounds(),
    )
    .map_err(|e| Failure::new(Exit::Invalid, e.reason(), e.to_string()))
}

/// The chain as it was when a document was the newest; for answers that are older than the newest pin.
pub(crate) fn as_of(chain: &ConfigChain, hash: &ConfigHash) -> Option<ConfigChain> {
    let end = chain.documents().iter().position(|(_, d)| d.hash() == *hash)?;
    rebuild(chain.documents().iter().take(end + 1).cloned()).ok()?
}

/// A chain of documents with their epochs, oldest first.
pub(crate) fn rebuild(
    documents: impl IntoIterator<Item = (Epoch, ConfigDocument)>,
) -> Result<Option<ConfigChain>, ConfigError> {
    let mut chain: Option<ConfigChain> = None;
    for (from, document) in documents {
        match &mut chain {
            None => chain = Some(ConfigChain::pinned(document, from)),
            Some(chain) => {
                chain.push(document, from)?;
            }
        }
    }
    Ok(chain)
}

/// Writes a chain into the memory.
pub(crate) fn remember(directory: &mut Directory, chain: &ConfigChain) {
    directory.configs = chain
        .documents()
        .iter()
        .map(|(epoch, document)| PinnedConfig {
            epoch: epoch.get(),
            document: B64(document.bytes().to_vec()),
        })
        .collect();
}

fn next_epoch(chain: &ConfigChain) -> Epoch {
    chain
        .documents()
        .last()
        .and_then(|(e, _)| e.next())
        .unwrap_or_default()
}

/// The first epoch whose leaf names a document, found by halving: documents follow each other in the log.
fn first_epoch(
    source: &mut dyn Source,
    epoch: &VerifiedEpoch,
    chain: &ConfigChain,
    hash: &ConfigHash,
) -> Result<Epoch, Trouble> {
    let older: Vec<ConfigHash> = chain.documents().iter().map(|(_, d)| d.hash()).collect();
    let (mut low, mut high) = (next_epoch(chain).get(), epoch.epoch().get());
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(proof) = source.epoch_proof(epoch.size(), middle)? else {
            return Err(Failure::missing("leaf-missing", "the log's older leaves cannot be read").into());
        };
        let leaf = epoch.older_leaf(&proof)?;
        if older.contains(&leaf.config) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let Some(proof) = source.epoch_proof(epoch.size(), low)? else {
        return Err(Failure::missing("leaf-missing", "the log's older leaves cannot be read").into());
    };
    if epoch.older_leaf(&proof)?.config != *hash {
        // A document that no leaf names never came into force.
        return Err(refuse_hash().into());
    }
    Ok(Epoch::new(low))
}

/// Explains why a configuration is refused.
pub(crate) fn refuse(error: &ConfigError) -> Failure {
    refuse_for(error.reason(), error.to_string())
}

fn refuse_hash() -> Failure {
    refuse_for(
        "config-hash",
        "it is not the document that the log names".to_owned(),
    )
}

fn refuse_for(reason: &'static str, why: String) -> Failure {
    Failure::new(
        Exit::Invalid,
        reason,
        crate::output::foreign(&format!("the directory's configuration: {why}")),
    )
    .checked("the configuration that the log names, along the chain from the pinned one")
    .meaning("the directory is broken, or somebody passes another one off as it")
    .next("keyglass trust show, and ask the operator through another channel")
}

/// Refuses new keys until somebody has looked at them.
pub(crate) fn new_keys(changes: &[ConfigChange], hash: &ConfigHash) -> Option<Failure> {
    let keys: Vec<&str> = changes
        .iter()
        .filter(|c| c.is_key_change())
        .map(|c| c.as_str())
        .collect();
    if keys.is_empty() {
        return None;
    }
    let failed = format!("the directory's configuration changed its {}", keys.join(", "));
    let failure = Failure::new(Exit::Alarm, "configuration-keys-changed", failed)
        .checked("the configuration that the newest leaf names, along the chain from the pinned one")
        .meaning("the operator renewed keys, or somebody who took the log key over did")
        .next(format!(
            "compare this hash with the operator's announcement, then keyglass trust update\n{hash}"
        ))
        .json(
            "changes",
            keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>(),
        )
        .json("config_sha256", hash.to_string());
    Some(failure)
}
