//! The VRF key in memory, expanded once, with what it proved lately.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, OnceLock};

use akd::ecvrf::{Proof, VRFExpandedPrivateKey, VRFKeyStorage, VRFPrivateKey, VRFPublicKey, VrfError};
use akd::{
    AkdLabel, AkdValue, Configuration, NodeLabel, VersionFreshness, WhatsAppV1Configuration as Config,
};
use async_trait::async_trait;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Commitment, KeyVersion, LeafLabel, Nonce};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::KeyError;

/// Length of an ECVRF proof in bytes.
pub const VRF_PROOF_LEN: usize = 80;

/// What one kept proof takes in memory, its share of the table included. Bytes.
const KEPT: u64 = 192;

/// Places that are known ahead of their publish: more than those of the batches that an import makes ready. About 4 MiB when
/// full.
const FORESEEN: usize = 32_768;

/// The VRF key of the log. It never changes, and every reader needs it: akd derives its commitment key from it.
#[derive(Clone)]
pub struct Vrf(Arc<Inner>);

struct Inner {
    seed: Zeroizing<[u8; 32]>,
    expanded: VRFExpandedPrivateKey,
    public: VRFPublicKey,
    /// Hash of the seed: akd's key for the nonces of commitments.
    commitment_key: Zeroizing<[u8; 32]>,
    /// By the hash that goes into the VRF: no label is in it.
    kept: OnceLock<Cache<[u8; 32], Placed>>,
    /// Each until it is asked for, by the same hash.
    foreseen: Cache<[u8; 32], NodeLabel>,
}

/// Where a (label, freshness, version) lies in the tree, and the proof of it. Both never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// VRF output: the leaf's place in the tree.
    pub leaf: LeafLabel,
    /// The ECVRF proof.
    pub proof: [u8; VRF_PROOF_LEN],
}

/// What will enter the tree for one version of a label.
#[derive(Debug, Clone)]
pub struct TreeEntry {
    /// VRF output: the leaf's place in the tree.
    pub leaf_label: LeafLabel,
    /// Proof that the place belongs to the label. 80 bytes.
    pub vrf_proof: [u8; VRF_PROOF_LEN],
    /// akd's commitment to the record.
    pub commitment: Commitment,
    /// What opens the commitment.
    pub nonce: Nonce,
}

impl core::fmt::Debug for Vrf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Vrf(secret)")
    }
}

impl Vrf {
    pub(super) fn new(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let key = VRFPrivateKey::try_from(seed.as_slice()).map_err(|_| KeyError::Vrf)?;
        let inner = Inner {
            expanded: VRFExpandedPrivateKey::from(&key),
            public: VRFPublicKey::from(&key),
            commitment_key: Zeroizing::new(Config::hash(seed.as_slice())),
            kept: OnceLock::new(),
            foreseen: Cache::new(FORESEEN),
            seed,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Keeps proofs from now on, in about `bytes` bytes of memory. The first call counts.
    pub fn keep_proofs(&self, bytes: u64) {
        let count = usize::try_from(bytes / KEPT).unwrap_or(usize::MAX);
        self.0.kept.get_or_init(|| Cache::new(count));
    }

    /// The public key, for the configuration document.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.public.to_bytes()
    }

    /// Place and proof for one (label, freshness, version).
    pub fn place(&self, label: &[u8], freshness: VersionFreshness, version: u64) -> Placed {
        let input = input(label, freshness, version);
        if let Some(found) = self.kept(&input) {
            return found;
        }
        let proof = self.0.expanded.prove(&self.0.public, &input);
        let placed = Placed {
            leaf: LeafLabel::new(output(self, proof).label_val),
            proof: proof.to_bytes(),
        };
        if let Some(cache) = self.0.kept.get() {
            cache.insert(input, placed);
        }
        placed
    }

    /// The leaf's label alone: cheaper than the proof.
    pub fn node_label(&self, label: &AkdLabel, freshness: VersionFreshness, version: u64) -> NodeLabel {
        let input = input(label, freshness, version);
        if let Some(found) = self.kept(&input) {
            return NodeLabel::new(*found.leaf.as_bytes(), 256);
        }
        if let Some((_, found)) = self.0.foreseen.remove(&input) {
            return found;
        }
        self.evaluate(label, freshness, version)
    }

    fn evaluate(&self, label: &AkdLabel, freshness: VersionFreshness, version: u64) -> NodeLabel {
        let (key, public) = (&self.0.expanded, &self.0.public);
        Self::get_node_label_with_expanded_key::<Config>(key, public, label, freshness, version)
    }

    /// Computes the place of a version that will be published soon, on the caller's thread; [`Self::node_label`] has it then.
    pub fn foresee(&self, label: &Label, version: KeyVersion) -> LeafLabel {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let input = input(label.as_bytes(), VersionFreshness::Fresh, version.get());
        let place = self.evaluate(&akd_label, VersionFreshness::Fresh, version.get());
        self.0.foreseen.insert(input, place);
        LeafLabel::new(place.label_val)
    }

    /// What opens akd's commitment to `record` at this leaf.
    pub fn nonce(&self, leaf: &LeafLabel, version: u64, record: &AkdValue) -> Nonce {
        let node = NodeLabel::new(*leaf.as_bytes(), 256);
        Nonce::new(Config::get_commitment_nonce(
            self.0.commitment_key.as_slice(),
            &node,
            version,
            record,
        ))
    }

    /// What `record` will be in the tree as version `version` of `label`.
    pub fn tree_entry(&self, label: &[u8], version: KeyVersion, record: &[u8]) -> TreeEntry {
        let placed = self.place(label, VersionFreshness::Fresh, version.get());
        let (value, key) = (AkdValue(record.to_vec()), self.0.commitment_key.as_slice());
        let node = NodeLabel::new(*placed.leaf.as_bytes(), 256);
        let fresh = Config::compute_fresh_azks_value(key, &node, version.get(), &value);
        TreeEntry {
            leaf_label: placed.leaf,
            vrf_proof: placed.proof,
            commitment: Commitment::new(fresh.0),
            nonce: self.nonce(&placed.leaf, version.get(), &value),
        }
    }

    fn kept(&self, input: &[u8; 32]) -> Option<Placed> {
        self.0.kept.get()?.get(input)
    }
}

/// What goes into the VRF: a hash.
fn input(label: &[u8], freshness: VersionFreshness, version: u64) -> [u8; 32] {
    // akd's function takes an owned label.
    let mut text = Vec::with_capacity(label.len().saturating_add(17));
    text.extend_from_slice(&u64::try_from(label.len()).unwrap_or(u64::MAX).to_be_bytes());
    text.extend_from_slice(label);
    text.push(match freshness {
        VersionFreshness::Stale => 0,
        VersionFreshness::Fresh => 1,
    });
    text.extend_from_slice(&version.to_be_bytes());
    Config::hash(&text)
}

/// The VRF output of a proof. akd declares this as asynchronous; nothing in it ever waits.
fn output(vrf: &Vrf, proof: Proof) -> NodeLabel {
    let mut work = pin!(vrf.get_node_label_from_vrf_proof(proof));
    loop {
        if let Poll::Ready(label) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return label;
        }
    }
}

/// One question of akd's: label, freshness, version, value.
type Asked = (AkdLabel, VersionFreshness, u64, AkdValue);

#[async_trait]
impl VRFKeyStorage for Vrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(self.0.seed.to_vec())
    }

    async fn get_node_label<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<NodeLabel, VrfError> {
        Ok(self.node_label(label, freshness, version))
    }

    async fn get_label_proof<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<Proof, VrfError> {
        Proof::try_from(self.place(label, freshness, version).proof.as_slice())
    }

    /// A batch, on all cores.
    async fn get_node_labels<TC: Configuration>(
        &self,
        labels: &[Asked],
    ) -> Result<Vec<(Asked, NodeLabel)>, VrfError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = labels.len().div_ceil(cores).max(1);
        let tasks: Vec<_> = labels
            .chunks(share)
            .map(|share| {
                let (vrf, share) = (self.clone(), share.to_vec());
                tokio::task::spawn_blocking(move || {
                    let place = |asked: Asked| {
                        let node = vrf.node_label(&asked.0, asked.1, asked.2);
                        (asked, node)
                    };
                    share.into_iter().map(place).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(labels.len());
        for task in tasks {
            let done = task.await;
            all.extend(done.map_err(|_| VrfError::SigningKey("a thread of the VRF died".to_owned()))?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_what_akd_computes() {
        let vrf = Vrf::new(Zeroizing::new([7; 32])).unwrap();
        vrf.keep_proofs(1 << 20);
        let key = VRFPrivateKey::try_from([7; 32].as_slice()).unwrap();
        for freshness in [VersionFreshness::Fresh, VersionFreshness::Stale] {
            for version in [1, 2, 1_000] {
                let label = AkdLabel(b"account:alice".to_vec());
                let theirs = Vrf::get_label_proof_with_key::<Config>(&key, &label, freshness, version);
                let node = vrf.get_node_label_from_vrf_proof(theirs).await;
                // Evaluated, proven, kept.
                assert_eq!(vrf.node_label(&label, freshness, version), node);
                for _ in 0..2 {
                    let placed = vrf.place(&label, freshness, version);
                    assert_eq!(placed.proof, theirs.to_bytes());
                    assert_eq!(placed.leaf.as_bytes(), &node.label_val);
                }
                assert_eq!(vrf.node_label(&label, freshness, version), node);
                let asked = (label, freshness, version, AkdValue(vec![1]));
                let many = vrf
                    .get_node_labels::<Config>(&vec![asked.clone(); 5])
                    .await
                    .unwrap();
                assert_eq!(many, vec![(asked, node); 5]);
            }
        }
    }

    #[test]
    fn what_was_foreseen_is_the_place_and_is_kept_until_it_is_asked_for() {
        let vrf = Vrf::new(Zeroizing::new([7; 32])).unwrap();
        let other = Vrf::new(Zeroizing::new([7; 32])).unwrap();
        let label = Label::parse("account:alice").unwrap();
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        vrf.foresee(&label, KeyVersion::FIRST);
        assert_eq!(vrf.0.foreseen.len(), 1);
        for _ in 0..2 {
            let place = vrf.node_label(&akd_label, VersionFreshness::Fresh, 1);
            assert_eq!(place, other.node_label(&akd_label, VersionFreshness::Fresh, 1));
            assert_eq!(vrf.0.foreseen.len(), 0);
        }
        // Another version, or the same as stale, lies elsewhere.
        vrf.foresee(&label, KeyVersion::FIRST);
        for (freshness, version) in [(VersionFreshness::Stale, 1), (VersionFreshness::Fresh, 2)] {
            let place = vrf.node_label(&akd_label, freshness, version);
            assert_eq!(place, other.node_label(&akd_label, freshness, version));
        }
        assert_eq!(vrf.0.foreseen.len(), 1);
    }

    #[test]
    fn no_more_is_kept_than_is_allowed() {
        let vrf = Vrf::new(Zeroizing::new([7; 32])).unwrap();
        vrf.keep_proofs(KEPT * 8);
        for version in 1..64 {
            vrf.place(b"account:alice", VersionFreshness::Fresh, version);
        }
        assert!(vrf.0.kept.get().unwrap().len() <= 8);
    }
}
