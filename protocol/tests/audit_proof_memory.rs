//! What an audit proof may cost in memory, whoever made it: measured at the allocator.
//!
//! One test only, because whatever runs beside it would be counted too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::quantity::{Commitment, Epoch, LeafLabel, RootHash};
use keyglass_protocol::tree::wire::{put_bytes, put_varint};
use keyglass_protocol::tree::{MAX_AUDIT_NODES, MAX_AUDIT_PROOF_BYTES, audit_contains, verify_append_only};
use peak_alloc::PeakAlloc;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What the lists and batches of one part take, however small the proof is.
const FIXED: usize = 2 << 20;

/// Bytes that were held at most while the proof was refused, and why it was.
fn cost(proof: &[u8]) -> (usize, &'static str) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let verdict = verify_append_only(proof, Epoch::new(5), &RootHash::ZERO, &RootHash::ZERO);
    let cost = ALLOCATOR.peak_usage().saturating_sub(before);
    (cost, verdict.unwrap_err().reason())
}

/// A node of a proof: field 1 is inserted, 2 unchanged.
fn put_node(proof: &mut Vec<u8>, field: u32, label: &[u8], bits: u64) {
    let used = label
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let mut name = Vec::new();
    put_bytes(&mut name, 1, &label[..used]);
    put_varint(&mut name, 2, bits);
    let mut node = Vec::new();
    put_bytes(&mut node, 1, &name);
    put_bytes(&mut node, 2, &[7; 32]);
    put_bytes(proof, field, &node);
}

/// Well-formed: inserted leaves with random labels, in random order.
fn leaves(count: usize, random: &mut StdRng) -> Vec<u8> {
    let mut proof = Vec::new();
    for _ in 0..count {
        put_node(&mut proof, 1, &random.random::<[u8; 32]>(), 256);
    }
    proof
}

/// Well-formed and as short as can be: all labels of 17 bits.
fn short_labels(random: &mut StdRng) -> Vec<u8> {
    let mut proof = leaves(1, random);
    for label in 0..1_u32 << 17 {
        put_node(&mut proof, 2, &(label << 15).to_be_bytes(), 17);
    }
    proof
}

#[test]
fn no_proof_costs_more_than_its_length_allows() {
    let mut random = StdRng::seed_from_u64(7);
    let bounded = |proof: &[u8], reason: &str| {
        let (cost, why) = cost(proof);
        assert_eq!(why, reason, "{} bytes", proof.len());
        assert!(
            cost <= 4 * proof.len() + FIXED,
            "{cost} bytes for {} ({why})",
            proof.len()
        );
        cost
    };

    // Whatever is well-formed is verified to the end.
    let honest = leaves(20_000, &mut random);
    bounded(&honest, "previous-root-mismatch");
    bounded(&short_labels(&mut random), "label-is-prefix");

    // Refused for its size or its count before anything is allocated.
    let long = vec![0; MAX_AUDIT_PROOF_BYTES + 1];
    assert_eq!(cost(&long), (0, "proof-too-long"));
    drop(long);
    let many = [0x0a, 0x00].repeat(MAX_AUDIT_NODES + 1);
    assert_eq!(cost(&many), (0, "protobuf-too-many"));
    // A length that is only claimed.
    assert_eq!(
        cost(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (0, "protobuf-truncated")
    );
    // As many empty nodes as are allowed: their number alone earns them no room.
    bounded(&many[..2 * MAX_AUDIT_NODES], "protobuf-missing-field");

    // Truncated and mutated ones, and bytes of any kind: refused, without panic.
    for _ in 0..200 {
        let cut = random.random_range(0..honest.len());
        let mut proof = honest[..cut].to_vec();
        for _ in 0..random.random_range(0..4) {
            if let Some(byte) = proof.get_mut(random.random_range(0..cut.max(1))) {
                *byte = random.random();
            }
        }
        let (held, _) = cost(&proof);
        assert!(held <= 4 * proof.len() + FIXED, "{held} bytes for {cut}");
        let noise: Vec<u8> = (0..random.random_range(0..4_000))
            .map(|_| random.random())
            .collect();
        let (held, _) = cost(&noise);
        assert!(held <= 4 * noise.len() + FIXED, "{held} bytes for noise");
        let _ = audit_contains(&noise, &LeafLabel::ZERO, &Commitment::ZERO);
    }
}
