//! Everything that an outsider can check, checked: over HTTP, with `protocol` only.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use keyglass_protocol::epoch::{Leaf, SeenHead, SignedEpoch, Trust, VerifiedEpoch};
use keyglass_protocol::log::{
    Frontier, TileKind, TilePath, leaf_hash, tile_width, unbundle_entries, verify_inclusion,
};
use keyglass_protocol::message::{Answer, ReceiptAnswer, ReceiptState, from_json};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogHash, LogSize, Millis};
use keyglass_protocol::tree;
use keyglass_protocol::verify::{self as rules, Found, Pinned};
use sha2::{Digest as _, Sha256};

use super::PATIENCE;
use super::load::Acknowledged;
use super::observer::Heads;
use crate::client::Client;
use crate::http::Http;
use crate::process::poll;

/// What an outsider found in order.
#[derive(Debug)]
pub struct Seen {
    /// Leaves of the log.
    pub epochs: usize,
    /// Heads that were shown at any time, all of them prefixes of the last.
    pub heads: usize,
    /// Acknowledged updates, all of them in the tree.
    pub acknowledged: usize,
    /// Accounts, their complete history verified.
    pub accounts: usize,
    /// Bytes of audit proofs, all of them verified.
    pub audit_bytes: usize,
    /// Updates that came into the log after their deadline.
    pub late: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  epochs without gap or fork", self.epochs)?;
        writeln!(f, "{:>5}  different heads seen, all consistent", self.heads)?;
        writeln!(f, "{:>5}  acknowledged updates, none lost", self.acknowledged)?;
        writeln!(f, "{:>5}    of them later than promised", self.late)?;
        writeln!(f, "{:>5}  accounts with verified history", self.accounts)?;
        writeln!(f, "{:>5}  KiB of audit proofs verified", self.audit_bytes / 1024)
    }
}

/// Verifies a directory that nobody publishes to any more.
///
/// # Panics
/// Anything is lost, skipped, forked, or does not verify.
pub fn verify(http: &Http, trust: &Trust, heads: &Heads, acknowledged: &[Acknowledged]) -> Seen {
    for update in acknowledged {
        poll("inclusion of an acknowledged update", PATIENCE, || {
            (receipt(http, update).status == ReceiptState::Included).then_some(())
        });
    }
    let note = http.body("/log/checkpoint");
    let head = SignedCheckpoint::open(&note, trust.log_key()).unwrap();
    let leaves = leaves(http, head.checkpoint().size);
    let roots = roots(&leaves);
    assert_eq!(roots[&head.checkpoint().size], head.checkpoint().root);
    for (size, root) in heads {
        assert_eq!(
            roots.get(size),
            Some(root),
            "the head of size {size} is no prefix"
        );
    }
    check_leaves(trust, &leaves);
    let audits = audits(http, &leaves);
    let late = acknowledged
        .iter()
        .filter(|update| !included(http, trust, &leaves, &audits, update))
        .count();
    let mut accounts: BTreeMap<&str, Vec<&Acknowledged>> = BTreeMap::new();
    for update in acknowledged {
        accounts.entry(update.label.as_str()).or_default().push(update);
    }
    for updates in accounts.values() {
        lookup(http, trust, heads, updates);
    }
    Seen {
        epochs: leaves.len(),
        heads: heads.len(),
        acknowledged: acknowledged.len(),
        accounts: accounts.len(),
        audit_bytes: audits.iter().map(Vec::len).sum(),
        late,
    }
}

/// Every leaf, from the tiles.
fn leaves(http: &Http, size: LogSize) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    let tiles = (0..).map_while(|index| Some((index, tile_width(0, index, size)?)));
    for (index, width) in tiles {
        let path = TilePath::new(TileKind::Entries, index, width).unwrap();
        let bundle = http.body(&format!("/log/{path}"));
        leaves.extend(
            unbundle_entries(&bundle, width)
                .unwrap()
                .into_iter()
                .map(<[u8]>::to_vec),
        );
    }
    assert_eq!(leaves.len() as u64, size.get());
    leaves
}

/// The root of every size, computed from the leaves alone.
fn roots(leaves: &[Vec<u8>]) -> BTreeMap<LogSize, LogHash> {
    let mut frontier = Frontier::new();
    let mut roots = BTreeMap::new();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf)).unwrap();
        roots.insert(frontier.size(), frontier.root());
    }
    roots
}

fn check_leaves(trust: &Trust, leaves: &[Vec<u8>]) {
    let leaves: Vec<Leaf> = leaves.iter().map(|bytes| Leaf::decode(bytes).unwrap()).collect();
    assert_eq!(
        (leaves[0].epoch, leaves[0].root),
        (Epoch::ZERO, tree::empty_root())
    );
    for pair in leaves.windows(2) {
        Leaf::check_successor(&pair[0], &pair[1]).unwrap();
    }
    assert!(leaves.iter().all(|leaf| leaf.config == trust.document().hash()));
}

/// The audit proof into every epoch, verified. That of epoch 0 is empty.
fn audits(http: &Http, leaves: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut audits = vec![Vec::new()];
    for bytes in &leaves[1..] {
        let leaf = Leaf::decode(bytes).unwrap();
        let (before, after) = (&leaf.previous_root, &leaf.root);
        let proof = http.body(&format!("/log/audit/{}/{before}/{after}", leaf.epoch));
        assert_eq!(Sha256::digest(&proof).as_slice(), leaf.audit_hash.as_bytes());
        assert_eq!(proof.len() as u64, leaf.audit_length);
        let step = tree::verify_append_only(&proof, leaf.epoch, before, after).unwrap();
        assert_eq!(step.inserted(), leaf.inserted);
        audits.push(proof);
    }
    audits
}

fn receipt(http: &Http, update: &Acknowledged) -> ReceiptAnswer {
    from_json(&http.body(&format!("/v1/receipts/{}", update.id))).unwrap()
}

/// Demands that the promise of a receipt was kept: the step into its epoch inserts the promised pair. Answers whether
/// it was kept in time.
fn included(
    http: &Http,
    trust: &Trust,
    leaves: &[Vec<u8>],
    audits: &[Vec<u8>],
    update: &Acknowledged,
) -> bool {
    let answer = receipt(http, update);
    let head = SignedCheckpoint::open(answer.checkpoint.unwrap().as_bytes(), trust.log_key()).unwrap();
    let epoch = answer.epoch.unwrap();
    let index = epoch.index as usize;
    assert_eq!(epoch.leaf.0, leaves[index]);
    let proof: Vec<LogHash> = epoch
        .inclusion_proof
        .iter()
        .map(|hash| LogHash::try_from(hash.0.as_slice()).unwrap())
        .collect();
    let (size, root) = (head.checkpoint().size, head.checkpoint().root);
    verify_inclusion(&leaf_hash(&epoch.leaf.0), epoch.index, size, &proof, &root).unwrap();
    let promise = &update.receipt;
    assert_eq!(
        tree::audit_contains(&audits[index], &promise.leaf_label, &promise.commitment),
        Ok(true),
        "{:?} is not in the epoch of its receipt",
        update.label
    );
    Leaf::decode(&epoch.leaf.0).unwrap().time <= promise.deadline
}

/// Looks an account up as a client does, and finds every acknowledged version in its history, byte by byte.
fn lookup(http: &Http, trust: &Trust, heads: &Heads, updates: &[&Acknowledged]) {
    let label = &updates[0].label;
    let (size, root) = heads.iter().next().map(|(size, root)| (*size, *root)).unwrap();
    let path = label.as_str().strip_prefix("account:").unwrap();
    let answer = http.body(&format!("/v1/accounts/{path}?since=1&from={size}"));
    let answer: Answer = from_json(&answer).unwrap();
    let client = Client {
        trust: trust.clone(),
        seen: Some(SeenHead { size, root }),
        now: now(),
    };
    let epoch = verified_epoch(&client, &answer);
    let Found::Account(found) = rules::lookup(&epoch, trust, label, &answer).unwrap() else {
        panic!("{label:?} is no account");
    };
    let history = rules::history(&epoch, trust, label, KeyVersion::FIRST, &answer).unwrap();
    let authorised = rules::authorise_account(trust, &history, Pinned::Nothing).unwrap();
    authorised.matches(&found).unwrap();
    for update in updates {
        let version = &history.versions()[update.version.get() as usize - 1];
        assert_eq!(version.version(), update.version);
        assert_eq!(version.value(), Some(update.record.as_slice()), "{label:?}");
    }
}

/// Signature, memory and, where an auditor is demanded, the quorum.
fn verified_epoch(client: &Client, answer: &Answer) -> VerifiedEpoch {
    if client.trust.policy().is_some() {
        return client.verify_epoch(answer).unwrap();
    }
    let epoch = SignedEpoch::of_answer(answer)
        .unwrap()
        .verify(&client.trust, client.now)
        .unwrap();
    epoch
        .extends(client.seen.as_ref().unwrap(), answer.consistency_proof.as_ref())
        .unwrap();
    epoch
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Millis::new(since.as_millis() as u64)
}
