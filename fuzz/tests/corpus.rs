//! Every target on every committed vector and on random changes of them. A fuzzer looks further.

use std::collections::BTreeSet;

use keyglass_fuzz::{TARGETS, run, seeds};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Random changes of seeds for each target.
const CHANGES: usize = 4_000;

#[test]
fn nothing_in_the_vectors_breaks_a_target() {
    let seeds = seeds();
    assert!(seeds.len() > 2_000, "{}", seeds.len());
    for (name, _) in TARGETS {
        for seed in &seeds {
            run(name, seed);
        }
    }
}

#[test]
fn nothing_near_the_vectors_breaks_a_target() {
    let seeds = seeds();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (name, _) in TARGETS {
        for _ in 0..CHANGES {
            let mut data = seeds.choose(&mut rng).unwrap().clone();
            for _ in 0..rng.random_range(1..4) {
                change(&mut data, &mut rng);
            }
            run(name, &data);
        }
    }
}

fn change(data: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=data.len());
    match rng.random_range(0..5) {
        0 => data.truncate(at),
        1 => data.insert(at, rng.random()),
        2 if at < data.len() => drop(data.remove(at)),
        3 if at < data.len() => {
            let end = rng.random_range(at..data.len().min(at + 100));
            let again = data[at..=end].to_vec();
            data.splice(at..at, again);
        }
        _ if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
        _ => data.push(rng.random()),
    }
}

#[test]
fn every_target_has_its_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz_targets");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| {
            e.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, names);
}
