//! An outsider: asks over HTTP, verifies everything with `protocol`, remembers every head.

use std::collections::BTreeMap;

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{Leaf, SignedEpoch, TimeBounds, Trust, VerifiedEpoch};
use keyglass_protocol::label::Label;
use keyglass_protocol::log::{Frontier, TILE_WIDTH, TileKind, TilePath, leaf_hash, unbundle_entries};
use keyglass_protocol::message::{Answer, PutAnswer, ReceiptAnswer, ReceiptState};
use keyglass_protocol::note::{Policy, SignedCheckpoint};
use keyglass_protocol::quantity::{AuditHash, KeyVersion, LogHash, LogSize, Millis, Nonce};
use keyglass_protocol::receipt::SignedReceipt;
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use keyglass_protocol::tree::{self, Freshness};
use keyglass_protocol::verify::{self, AuthorisedAccount, Found, Pinned, Refusal};
use sha2::{Digest as _, Sha256};

use super::{Site, path_of};

/// What an outsider has pinned and seen.
pub struct Outside {
    pub trust: Trust,
    heads: Vec<(LogSize, LogHash)>,
}

impl Outside {
    /// Pins the log key and the configuration that the operator announces.
    pub async fn new(site: &Site, policy: Option<Policy>) -> Self {
        let (status, bytes) = site.get("/v1/config").await;
        assert_eq!(status, 200);
        let config = ConfigDocument::parse(&bytes).unwrap();
        assert_eq!(config.hash(), site.service.config.hash());
        let (_, again) = site.get(&format!("/v1/config/{}", config.hash())).await;
        assert_eq!(again, bytes);
        let log_key = config.log_vkey.clone();
        let chain = ConfigChain::start(config).unwrap();
        let trust = Trust::new(log_key, chain, policy, TimeBounds::default()).unwrap();
        Self {
            trust,
            heads: Vec::new(),
        }
    }

    /// Verifies every epoch, every audit proof and every head from genesis on. Returns the size of the signed log.
    pub async fn check_log(&mut self, site: &Site) -> LogSize {
        let pending = self.open(site, "/log/pending").await;
        let size = pending.checkpoint().size;
        let leaves = self.leaves(site, size).await;
        self.follow(site, &leaves).await;
        let roots = self.roots(&leaves);
        assert_eq!(roots[size.get() as usize], pending.checkpoint().root);
        self.heads.push((size, pending.checkpoint().root));
        if site.service.head.get().is_some() {
            let head = self.open(site, "/log/checkpoint").await.checkpoint().clone();
            assert!(
                head.size <= size && head.size.get() + 1 >= size.get(),
                "readers lag by at most one epoch"
            );
            self.heads.push((head.size, head.root));
        }
        for (seen, root) in &self.heads {
            assert_eq!(
                roots[seen.get() as usize],
                *root,
                "a head that was seen before is a prefix, size {seen}"
            );
        }
        for (previous, next) in leaves.iter().zip(leaves.iter().skip(1)) {
            Leaf::check_successor(previous, next).unwrap();
            self.check_audit(site, next).await;
        }
        assert_eq!(leaves[0].root, tree::empty_root());
        size
    }

    async fn open(&self, site: &Site, path: &str) -> SignedCheckpoint {
        let (status, note) = site.get(path).await;
        assert_eq!(status, 200, "{path}");
        SignedCheckpoint::open(&note, self.trust.log_key()).unwrap()
    }

    /// All leaves, from tiles of entries, each compared with its tile of hashes.
    async fn leaves(&self, site: &Site, size: LogSize) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        while (leaves.len() as u64) < size.get() {
            let index = leaves.len() as u64 / u64::from(TILE_WIDTH);
            let width = (size.get() - leaves.len() as u64).min(u64::from(TILE_WIDTH)) as u16;
            let path = TilePath::new(TileKind::Entries, index, width).unwrap();
            let (status, bundle) = site.get(&format!("/log/{path}")).await;
            assert_eq!(status, 200, "{path}");
            let hashes = TilePath::new(TileKind::Hashes(0), index, width).unwrap();
            let (_, tile) = site.get(&format!("/log/{hashes}")).await;
            let entries = unbundle_entries(&bundle, width).unwrap();
            let expected: Vec<u8> = entries.iter().flat_map(|e| *leaf_hash(e).as_bytes()).collect();
            assert_eq!(tile, expected);
            leaves.extend(entries.iter().map(|e| Leaf::decode(e).unwrap()));
        }
        leaves
    }

    /// Follows the configuration along the leaves, each document from the first leaf that names it.
    async fn follow(&mut self, site: &Site, leaves: &[Leaf]) {
        let mut chain = self.trust.config().clone();
        for leaf in leaves {
            if chain.document(&leaf.config).is_some() {
                continue;
            }
            let (status, bytes) = site.get(&format!("/v1/config/{}", leaf.config)).await;
            assert_eq!(status, 200);
            chain
                .push(ConfigDocument::parse(&bytes).unwrap(), leaf.epoch)
                .unwrap();
        }
        if let Some(last) = leaves.last() {
            chain.check_not_ended(last.epoch).unwrap();
        }
        let trust = &self.trust;
        let (key, policy) = (trust.log_key().clone(), trust.policy().cloned());
        self.trust = Trust::new(key, chain, policy, *trust.bounds()).unwrap();
    }

    /// The root of every prefix.
    fn roots(&self, leaves: &[Leaf]) -> Vec<LogHash> {
        let mut frontier = Frontier::new();
        let mut roots = vec![frontier.root()];
        for (index, leaf) in leaves.iter().enumerate() {
            assert_eq!(leaf.epoch.get(), index as u64, "epochs without gap");
            let named = self.trust.config().documents().iter().rev();
            let (_, named) = named.clone().find(|(from, _)| *from <= leaf.epoch).unwrap();
            assert_eq!(leaf.config, named.hash(), "documents follow each other");
            frontier.push(leaf.hash()).unwrap();
            roots.push(frontier.root());
        }
        roots
    }

    async fn check_audit(&self, site: &Site, leaf: &Leaf) -> Vec<u8> {
        let path = format!("/log/audit/{}/{}/{}", leaf.epoch, leaf.previous_root, leaf.root);
        let (status, proof) = site.get(&path).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(proof.len() as u64, leaf.audit_length);
        assert_eq!(AuditHash::new(Sha256::digest(&proof).into()), leaf.audit_hash);
        let step = tree::verify_append_only(&proof, leaf.epoch, &leaf.previous_root, &leaf.root).unwrap();
        assert_eq!(step.inserted(), leaf.inserted);
        proof
    }

    /// A lookup with complete history, and a consistency proof from the first epoch.
    pub async fn ask(&self, site: &Site, label: &Label) -> (u16, Answer) {
        let (status, body) = site.get(&format!("{}?from=1&since=1", path_of(label))).await;
        let answer = serde_json::from_slice(&body)
            .unwrap_or_else(|e| panic!("{status} {e}: {}", String::from_utf8_lossy(&body)));
        (status, answer)
    }

    pub fn verify_epoch(&self, site: &Site, answer: &Answer) -> VerifiedEpoch {
        let now = site.service.clock.now();
        let epoch = SignedEpoch::of_answer(answer)
            .unwrap()
            .verify(&self.trust, now)
            .unwrap();
        epoch.standing().check(self.trust.policy().is_none()).unwrap();
        epoch
    }

    /// The authorised newest record of an account, or of the account that an alias points to.
    pub async fn account(&self, site: &Site, label: &Label) -> Option<AccountRecord> {
        let (status, answer) = self.ask(site, label).await;
        let epoch = self.verify_epoch(site, &answer);
        let found = verify::lookup(&epoch, &self.trust, label, &answer).unwrap();
        let account = match found {
            Found::Account(account) => account,
            Found::Alias { account, .. } => *account,
            Found::Released(_) => {
                assert_eq!(status, 200);
                return None;
            }
            Found::Absent => {
                assert_eq!(status, 404);
                return None;
            }
        };
        assert_eq!(status, 200);
        let label = account.record().label();
        let history = verify::history(&epoch, &self.trust, &label, KeyVersion::FIRST, &answer).unwrap();
        let authorised = verify::authorise_account(&self.trust, &history, Pinned::Nothing).unwrap();
        authorised.matches(&account).unwrap();
        Some(authorised.newest().clone())
    }

    /// The authorised history of an account, whatever has become of it.
    pub async fn history(&self, site: &Site, label: &Label) -> AuthorisedAccount {
        let (status, answer) = self.ask(site, label).await;
        assert_eq!(status, 200);
        let epoch = self.verify_epoch(site, &answer);
        let history = verify::history(&epoch, &self.trust, label, KeyVersion::FIRST, &answer).unwrap();
        verify::authorise_account(&self.trust, &history, Pinned::Nothing).unwrap()
    }

    /// The authorised newest record of an alias, by the histories of everybody who ever held it.
    pub async fn alias(&self, site: &Site, alias: &Label) -> Result<AliasRecord, Refusal> {
        let (status, body) = site.get(&format!("{}/history", path_of(alias))).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Answer = serde_json::from_slice(&body).unwrap();
        let epoch = self.verify_epoch(site, &answer);
        let history = verify::history(&epoch, &self.trust, alias, KeyVersion::FIRST, &answer)?;
        let mut accounts = BTreeMap::new();
        for version in history.versions() {
            let record = AliasRecord::decode(version.value().unwrap()).unwrap();
            if let Some(holder) = &record.holder {
                let label = Label::Account(holder.account.clone());
                accounts.insert(holder.account.clone(), self.history(site, &label).await);
            }
        }
        let alias = verify::authorise_alias(&self.trust, &history, Pinned::Nothing, &accounts)?;
        Ok(alias.newest().clone())
    }

    /// Verifies what a client verifies when it gets a receipt.
    pub fn check_receipt(&self, given: &PutAnswer, record: &[u8]) -> SignedReceipt {
        let documents = self.trust.config().documents().iter();
        let signed = documents
            .filter_map(|(_, d)| {
                let opened = SignedReceipt::open(given.receipt.as_bytes(), &d.receipt_vkey).ok();
                opened.filter(|r| r.receipt().config == d.hash())
            })
            .next()
            .expect("signed by the key of the document that it names");
        let receipt = signed.receipt();
        assert_eq!(receipt.id().to_string(), given.id);
        let version = KeyVersion::new(given.version).unwrap();
        let label = given.label.as_bytes();
        let leaf = tree::verify_vrf(
            self.trust.vrf(),
            label,
            Freshness::Fresh,
            version,
            &given.vrf_proof.0,
        )
        .unwrap();
        assert_eq!(leaf, receipt.leaf_label);
        let nonce = Nonce::try_from(given.nonce.0.as_slice()).unwrap();
        assert_eq!(tree::commitment(record, &nonce), receipt.commitment);
        signed
    }

    /// Demands that a receipt is fulfilled: the promised pair stands in the audit proof of the epoch that it names, and
    /// that epoch came in time.
    pub async fn check_fulfilled(&self, site: &Site, given: &PutAnswer, record: &[u8]) {
        let receipt = self.check_receipt(given, record).receipt().clone();
        let status = self.receipt_status(site, given).await;
        assert_eq!(status.status, ReceiptState::Included);
        let proof = status.epoch.unwrap();
        let checkpoint =
            SignedCheckpoint::open(status.checkpoint.unwrap().as_bytes(), self.trust.log_key()).unwrap();
        let head = checkpoint.checkpoint();
        let path: Vec<LogHash> = proof
            .inclusion_proof
            .iter()
            .map(|h| LogHash::try_from(h.0.as_slice()).unwrap())
            .collect();
        let hash = leaf_hash(&proof.leaf.0);
        keyglass_protocol::log::verify_inclusion(&hash, proof.index, head.size, &path, &head.root).unwrap();
        let leaf = Leaf::decode(&proof.leaf.0).unwrap();
        assert!(leaf.time <= receipt.deadline);
        let audit = self.check_audit(site, &leaf).await;
        assert!(tree::audit_contains(&audit, &receipt.leaf_label, &receipt.commitment).unwrap());
    }

    pub async fn receipt_status(&self, site: &Site, given: &PutAnswer) -> ReceiptAnswer {
        let (status, body) = site.get(&format!("/v1/receipts/{}", given.id)).await;
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    /// The heartbeat's time on the readers' head.
    pub async fn heartbeat(&self, site: &Site) -> Option<Millis> {
        let head = self.open(site, "/log/checkpoint").await;
        head.cosignature(&self.trust.document().heartbeat_vkey)
            .unwrap()
            .map(|t| t.millis())
    }
}
