//! Every proof up to size 70: made, verified here and by another implementation, and refused when changed.

use keyglass_protocol::log::{
    Frontier, LogError, ProveError, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
use keyglass_protocol::quantity::{LogHash, LogSize};
use tlog_tiles::{Hash, HashReader, check_record, check_tree, prove_record, prove_tree, stored_hashes};

use super::Memory;

const SIZES: u64 = 70;

/// Their store of hashes.
struct Theirs(Vec<Hash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

fn theirs(size: u64) -> Theirs {
    let mut store = Theirs(Vec::new());
    for n in 0..size {
        let new = stored_hashes(n, &n.to_be_bytes(), &store).unwrap();
        store.0.extend(new);
    }
    store
}

fn raw(hashes: &[LogHash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(*hash.as_bytes())).collect()
}

fn roots(log: &Memory) -> Vec<LogHash> {
    (0..=SIZES)
        .map(|size| root(log, LogSize::new(size)).unwrap())
        .collect()
}

/// Every way to change a proof: each hash flipped or left out, one added at each place, neighbours swapped.
fn mutations(proof: &[LogHash]) -> Vec<Vec<LogHash>> {
    let mut all = Vec::new();
    for at in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(at, leaf_hash(b"foreign"));
        all.push(longer);
        if at == proof.len() {
            continue;
        }
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        all.push(shorter);
        let mut flipped = proof.to_vec();
        let mut bytes = *flipped[at].as_bytes();
        bytes[at % 32] ^= 1;
        flipped[at] = LogHash::new(bytes);
        all.push(flipped);
        if at + 1 < proof.len() {
            let mut swapped = proof.to_vec();
            swapped.swap(at, at + 1);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn every_inclusion_proof() {
    let (log, other) = (Memory::of(SIZES), theirs(SIZES));
    let roots = roots(&log);
    for size in 1..=SIZES {
        let root = &roots[size as usize];
        for index in 0..size {
            let leaf = &log.0[index as usize];
            let proof = inclusion_proof(&log, index, LogSize::new(size)).unwrap();
            assert_eq!(
                prove_record(size, index, &other).unwrap(),
                raw(&proof),
                "{index} of {size}"
            );
            let verify = |index, size, proof: &[LogHash]| {
                verify_inclusion(leaf, index, LogSize::new(size), proof, root)
            };
            assert_eq!(verify(index, size, &proof), Ok(()));
            let (their_root, their_leaf) = (Hash(*root.as_bytes()), Hash(*leaf.as_bytes()));
            assert!(check_record(&raw(&proof), size, their_root, index, their_leaf).is_ok());
            for wrong in (0..size + 2).filter(|wrong| *wrong != index) {
                assert!(
                    verify(wrong, size, &proof).is_err(),
                    "{wrong} for {index} of {size}"
                );
            }
            for changed in mutations(&proof) {
                assert!(verify(index, size, &changed).is_err(), "{index} of {size}");
            }
        }
    }
}

#[test]
fn every_consistency_proof() {
    let (log, other) = (Memory::of(SIZES), theirs(SIZES));
    let roots = roots(&log);
    for to in 0..=SIZES {
        for from in 0..=to {
            let proof = consistency_proof(&log, LogSize::new(from), LogSize::new(to)).unwrap();
            let (old, new) = (&roots[from as usize], &roots[to as usize]);
            let verify = |old, new, proof: &[LogHash]| {
                verify_consistency(LogSize::new(from), old, LogSize::new(to), new, proof)
            };
            assert_eq!(verify(old, new, &proof), Ok(()), "{from} to {to}");
            for changed in mutations(&proof) {
                assert!(verify(old, new, &changed).is_err(), "{from} to {to}");
            }
            if from == 0 {
                assert!(proof.is_empty());
                continue;
            }
            let foreign = leaf_hash(b"foreign");
            assert!(verify(&foreign, new, &proof).is_err());
            assert!(verify(old, &foreign, &proof).is_err());
            assert_eq!(
                prove_tree(to, from, &other).unwrap(),
                raw(&proof),
                "{from} to {to}"
            );
            let (old, new) = (Hash(*old.as_bytes()), Hash(*new.as_bytes()));
            assert!(check_tree(&raw(&proof), to, new, from, old).is_ok());
        }
    }
}

#[test]
fn proofs_beyond_the_log_are_not_made() {
    let log = Memory::of(3);
    assert_eq!(
        inclusion_proof(&log, 3, LogSize::new(3)),
        Err(ProveError::OutOfRange)
    );
    assert_eq!(
        inclusion_proof(&log, 0, LogSize::ZERO),
        Err(ProveError::OutOfRange)
    );
    let shrinking = consistency_proof(&log, LogSize::new(3), LogSize::new(2));
    assert_eq!(shrinking, Err(ProveError::OutOfRange));
}

#[test]
fn the_largest_sizes_are_handled() {
    let (leaf, last) = (leaf_hash(b"x"), u64::MAX - 1);
    let path = vec![leaf; 64];
    let top = LogSize::new(u64::MAX);
    for count in 0..=64 {
        let found = verify_inclusion(&leaf, last, top, &path[..count], &leaf).unwrap_err();
        assert!(matches!(
            found,
            LogError::ProofTooShort | LogError::RootMismatch | LogError::ProofTooLong
        ));
        let found = verify_consistency(LogSize::new(last), &leaf, top, &leaf, &path[..count]).unwrap_err();
        assert_ne!(found, LogError::SizeShrinks);
    }
}

#[test]
fn a_frontier_has_the_roots_of_the_log() {
    let log = Memory::of(SIZES);
    let mut frontier = Frontier::new();
    for (size, expected) in roots(&log).iter().enumerate() {
        assert_eq!((frontier.size().get(), frontier.root()), (size as u64, *expected));
        let again = Frontier::from_peaks(frontier.size(), frontier.peaks().to_vec());
        assert_eq!(again, Ok(frontier.clone()));
        frontier
            .push(log.0.get(size).copied().unwrap_or_default())
            .unwrap();
    }
    let peaks = [leaf_hash(b"x"); 2];
    for (size, count) in [(4, 2), (7, 2), (3, 1)] {
        let refused = Frontier::from_peaks(LogSize::new(size), peaks[..count].to_vec());
        assert_eq!(refused, Err(LogError::FrontierPeaks));
    }
    let mut full = Frontier::from_peaks(LogSize::new(u64::MAX), vec![peaks[0]; 64]).unwrap();
    assert_eq!(full.push(peaks[0]), Err(LogError::LogFull));
}
