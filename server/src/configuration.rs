//! The configuration documents that the leaves name: the one in force, and the one that this process announces.
//!
//! Keys and settings make a document. If it differs from the one that the newest leaf names, it is linked to that one by
//! its hash and announced in a leaf of its own: first the queue is published under the old rules, then an epoch without
//! user updates names the new document, and only then updates are accepted again. So no record is ever judged by one
//! document and published under another.

mod error;
mod values;

use std::sync::{Arc, PoisonError, RwLock};

use keyglass_protocol::config::{ConfigChain, ConfigDocument, Successor};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{ConfigHash, Epoch};
use keyglass_protocol::record::Rules;
use keyglass_schema::Store;

pub use error::ConfigurationError;

use crate::keys::Keys;
use crate::settings::Settings;

/// Most documents of one log that are followed back: more would be a loop or a mistake.
const MAX_DOCUMENTS: usize = 10_000;

/// The document that keys and settings make, and the chain that leaves have named so far.
///
/// Dereferences to the document that this process announces or has found announced.
pub struct Configuration {
    target: ConfigDocument,
    named: RwLock<Arc<InForce>>,
}

/// What the leaves have named so far.
#[derive(Debug, Clone)]
pub struct InForce {
    chain: ConfigChain,
    rules: Rules,
    announced: bool,
}

impl InForce {
    fn new(chain: ConfigChain, target: &ConfigDocument) -> Self {
        Self {
            // A server may have to check millions of imported records.
            rules: chain.rules().prepared(),
            announced: chain.newest().hash() == target.hash(),
            chain,
        }
    }

    /// The rules for records, with the platform's keys of each period.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The documents, each with the first epoch whose leaf names it.
    pub fn chain(&self) -> &ConfigChain {
        &self.chain
    }

    /// The document that the newest leaf names.
    pub fn newest(&self) -> &ConfigDocument {
        self.chain.newest()
    }

    /// Whether the newest document is the one that keys and settings make: then updates may be accepted.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// The log that continues this one, once the last leaf has named it.
    pub fn ended(&self) -> Option<&Successor> {
        self.newest().successor.as_ref()
    }

    /// The shortest merge delay ever promised, in ms: what waits may have been promised under any document.
    pub fn shortest_merge_delay(&self) -> u64 {
        let delays = self.chain.documents().iter().map(|(_, d)| d.merge_delay_seconds);
        delays.min().unwrap_or_default().saturating_mul(1000)
    }
}

impl Configuration {
    /// The documents of the log in `store`, and the one that keys and settings make now. Blocking.
    ///
    /// # Errors
    /// [`ConfigurationError`] if these keys and settings cannot be those of this log.
    pub fn load(store: &Store, keys: &Keys, settings: &Settings) -> Result<Self, ConfigurationError> {
        let Some(last) = store.log_size()?.last_epoch() else {
            let first = ConfigDocument::create(&values::first(keys, settings)?)?;
            return Ok(Self::new(ConfigChain::start(first.clone())?, first));
        };
        let leaf = store.leaf(last)?.ok_or(ConfigurationError::Missing)?;
        let chain = chain(store, &leaf.config)?;
        let current = chain.newest().clone();
        let next = ConfigDocument::create(&values::next(keys, settings, &current)?)?;
        let target = match values::differences(&current, &next)?.as_slice() {
            [] => current,
            changes => {
                values::accepted(changes, settings)?;
                let names: Vec<_> = changes.iter().map(|c| c.as_str()).collect();
                tracing::warn!(changes = %names.join(","), document = %next.hash(),
                    "a new configuration document will be announced: every verifier is told, key changes alarm");
                next
            }
        };
        Ok(Self::new(chain, target))
    }

    /// The documents of the log in `store`, whatever keys and settings are now; or a first one. Blocking.
    ///
    /// # Errors
    /// [`ConfigurationError`] if one of them is not stored.
    pub fn named_last(store: &Store, keys: &Keys, settings: &Settings) -> Result<Self, ConfigurationError> {
        let Some(last) = store.log_size()?.last_epoch() else {
            return Self::load(store, keys, settings);
        };
        let leaf = store.leaf(last)?.ok_or(ConfigurationError::Missing)?;
        let chain = chain(store, &leaf.config)?;
        let newest = chain.newest().clone();
        Ok(Self::new(chain, newest))
    }

    fn new(chain: ConfigChain, target: ConfigDocument) -> Self {
        let named = RwLock::new(Arc::new(InForce::new(chain, &target)));
        Self { target, named }
    }

    /// What the leaves have named so far.
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.named.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The document that the next leaf names. Updates of users were accepted under the one in force.
    pub(crate) fn for_leaf(&self, has_updates: bool) -> ConfigDocument {
        if has_updates {
            self.in_force().newest().clone()
        } else {
            self.target.clone()
        }
    }

    /// Takes note of a leaf that is durable: from the first one that names the new document on, that one is in force.
    ///
    /// # Errors
    /// [`ConfigurationError`] if the leaf names a document that is neither in force nor the announced one.
    pub(crate) fn observe(&self, leaf: &Leaf) -> Result<(), ConfigurationError> {
        let named = self.in_force();
        if leaf.config == named.newest().hash() {
            return Ok(());
        }
        if leaf.config != self.target.hash() {
            return Err(ConfigurationError::Missing);
        }
        let mut chain = named.chain.clone();
        chain.push(self.target.clone(), leaf.epoch)?;
        tracing::warn!(epoch = %leaf.epoch, document = %leaf.config, "a new configuration document is in force");
        let next = Arc::new(InForce::new(chain, &self.target));
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

/// Read access to the document that this process announces or has found announced.
impl core::ops::Deref for Configuration {
    type Target = ConfigDocument;

    fn deref(&self) -> &ConfigDocument {
        &self.target
    }
}

/// The documents up to the one with this hash, followed back by their links.
fn chain(store: &Store, newest: &ConfigHash) -> Result<ConfigChain, ConfigurationError> {
    let mut found: Vec<(Epoch, ConfigDocument)> = Vec::new();
    let mut next = Some(*newest);
    while let Some(hash) = next {
        let (epoch, bytes) = store.dated_config(&hash)?.ok_or(ConfigurationError::Missing)?;
        let document = ConfigDocument::parse(&bytes)?;
        if document.hash() != hash || found.len() == MAX_DOCUMENTS {
            return Err(ConfigurationError::Missing);
        }
        next = document.previous_config_sha256;
        found.push((epoch, document));
    }
    let mut documents = found.into_iter().rev();
    let (_, first) = documents.next().ok_or(ConfigurationError::Missing)?;
    let mut chain = ConfigChain::start(first)?;
    for (epoch, document) in documents {
        chain.push(document, epoch)?;
    }
    Ok(chain)
}
