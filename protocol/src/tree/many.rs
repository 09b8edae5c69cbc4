//! BLAKE3 of many short inputs, as many at once as the processor has lanes.
//!
//! Everything in akd's tree but commitments is the BLAKE3 hash of 36, 40 or 64 bytes. That is one
//! compression of one block, with no chaining: lane `i` of each vector belongs to input `i`, and
//! the 7 rounds are computed for all lanes together. The vectors are those of `fearless_simd`,
//! which asks the processor what it has at run time, so that there is no unsafe code here.
//!
//! BLAKE3: <https://github.com/BLAKE3-team/BLAKE3-specs>, sections 2.2 and 2.4.

use fearless_simd::{Level, dispatch, prelude::*};

use super::hash::Digest;

/// An input of at most 64 bytes; what lies past its length is zero.
pub(super) type Block = [u8; BLOCK_BYTES];

const BLOCK_BYTES: usize = 64;

/// How hashes are computed. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Hashing {
    /// With the widest vectors that the processor has.
    #[default]
    ManyAtOnce,
    /// One after the other.
    OneByOne,
}

/// Hashes inputs of one length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Many(Option<Level>);

impl Many {
    /// Asks the processor, if many are to be hashed at once.
    pub(super) fn new(hashing: Hashing) -> Self {
        match hashing {
            Hashing::ManyAtOnce => Self::lanes(Level::new()),
            Hashing::OneByOne => Self(None),
        }
    }

    /// Without vectors in hardware there is nothing to gain; all vectors are little-endian, as BLAKE3 is.
    fn lanes(level: Level) -> Self {
        Self((!level.is_fallback()).then_some(level))
    }

    /// Puts the hash of the first `LEN` bytes (at most 64) of each input into `out`.
    pub(super) fn hash<const LEN: usize>(self, inputs: &[Block], out: &mut Vec<Digest>) {
        const { assert!(LEN <= BLOCK_BYTES, "one block") };
        out.clear();
        match self.0 {
            Some(level) => {
                out.resize(inputs.len(), [0; 32]);
                let len = u32::try_from(LEN).unwrap_or_default();
                dispatch!(level, simd => hash_lanes(simd, inputs, len, out));
            }
            None => out.extend(inputs.iter().map(|input| {
                let input = input.first_chunk::<LEN>().map_or(&input[..], |used| &used[..]);
                Digest::from(blake3::hash(input))
            })),
        }
    }
}

const IV: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// The block is the first of its chunk, the last of its chunk, and the root.
const FLAGS: u32 = 1 | 2 | 8;
/// Most lanes that a vector has.
const MAX_LANES: usize = 16;

/// All groups of as many inputs as there are lanes; the last one is filled up.
#[inline(always)]
fn hash_lanes<S: Simd>(simd: S, inputs: &[Block], len: u32, out: &mut [Digest]) {
    let lanes = S::u32s::LEN;
    let whole = inputs.len() - inputs.len() % lanes;
    let (inputs, last_inputs) = inputs.split_at(whole);
    let (out, last_out) = out.split_at_mut(whole);
    for (inputs, out) in inputs.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
        hash_group(simd, inputs, len, out);
    }
    if !last_inputs.is_empty() {
        let (mut padded, mut results) = ([[0; BLOCK_BYTES]; MAX_LANES], [[0; 32]; MAX_LANES]);
        for (to, from) in padded.iter_mut().zip(last_inputs) {
            *to = *from;
        }
        let (padded, results) = (padded.split_at(lanes).0, results.split_at_mut(lanes).0);
        hash_group(simd, padded, len, results);
        for (to, from) in last_out.iter_mut().zip(results) {
            *to = *from;
        }
    }
}

/// One input per lane.
#[inline(always)]
fn hash_group<S: Simd>(simd: S, inputs: &[Block], len: u32, out: &mut [Digest]) {
    let mut m = load(simd, inputs);
    let iv = |word: u32| S::u32s::splat(simd, word);
    let [i0, i1, i2, i3, i4, i5, i6, i7] = IV;
    let (i0, i1, i2, i3) = (iv(i0), iv(i1), iv(i2), iv(i3));
    let (counter, len, flags) = (iv(0), iv(len), iv(FLAGS));
    let mut v = [
        i0,
        i1,
        i2,
        i3,
        iv(i4),
        iv(i5),
        iv(i6),
        iv(i7),
        i0,
        i1,
        i2,
        i3,
        counter,
        counter,
        len,
        flags,
    ];
    v = round::<S>(v, m);
    // Written out, so that no vector is moved for a permutation.
    m = permute::<S>(m);
    v = round::<S>(v, m);
    m = permute::<S>(m);
    v = round::<S>(v, m);
    m = permute::<S>(m);
    v = round::<S>(v, m);
    m = permute::<S>(m);
    v = round::<S>(v, m);
    m = permute::<S>(m);
    v = round::<S>(v, m);
    m = permute::<S>(m);
    v = round::<S>(v, m);
    let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7] = v;
    let hash = [
        a0 ^ b0,
        a1 ^ b1,
        a2 ^ b2,
        a3 ^ b3,
        a4 ^ b4,
        a5 ^ b5,
        a6 ^ b6,
        a7 ^ b7,
    ];
    // Eight vectors of words become the words of one lane after those of the other.
    let hash = riffle::<S, 8>(riffle::<S, 8>(riffle::<S, 8>(hash)));
    let out = out.as_flattened_mut().chunks_exact_mut(S::u8s::LEN);
    for (vector, slot) in hash.into_iter().zip(out) {
        vector.bitcast::<S::u8s>().store_slice(slot);
    }
}

/// Vector `w` has word `w` of each input: square matrices of words, turned.
#[inline(always)]
fn load<S: Simd>(simd: S, inputs: &[Block]) -> [S::u32s; 16] {
    let lanes = S::u32s::LEN;
    let mut m = [S::u32s::splat(simd, 0); 16];
    for (row, input) in inputs.iter().enumerate() {
        for (column, bytes) in input.chunks_exact(S::u8s::LEN).enumerate() {
            if let Some(vector) = m.get_mut(column * lanes + row) {
                *vector = S::u8s::from_slice(simd, bytes).bitcast();
            }
        }
    }
    match lanes {
        16 => riffle::<S, 16>(riffle::<S, 16>(riffle::<S, 16>(riffle::<S, 16>(m)))),
        8 => {
            for square in m.as_chunks_mut::<8>().0 {
                *square = riffle::<S, 8>(riffle::<S, 8>(riffle::<S, 8>(*square)));
            }
            m
        }
        _ => {
            for square in m.as_chunks_mut::<4>().0 {
                *square = riffle::<S, 4>(riffle::<S, 4>(*square));
            }
            m
        }
    }
}

/// The elements of the first half of the vectors and those of the second half, in turn. Done log2(L)
/// times it turns L vectors of L elements.
#[inline(always)]
fn riffle<S: Simd, const L: usize>(vectors: [S::u32s; L]) -> [S::u32s; L] {
    let mut turned = vectors;
    let (first, second) = vectors.split_at(L / 2);
    for ((a, b), pair) in first.iter().zip(second).zip(turned.as_chunks_mut::<2>().0) {
        *pair = a.interleave(*b).into();
    }
    turned
}

#[inline(always)]
fn round<S: Simd>(v: [S::u32s; 16], m: [S::u32s; 16]) -> [S::u32s; 16] {
    let [
        v0,
        v1,
        v2,
        v3,
        v4,
        v5,
        v6,
        v7,
        v8,
        v9,
        v10,
        v11,
        v12,
        v13,
        v14,
        v15,
    ] = v;
    let [
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
        m8,
        m9,
        m10,
        m11,
        m12,
        m13,
        m14,
        m15,
    ] = m;
    // Columns, then diagonals.
    let [v0, v4, v8, v12] = mix::<S>([v0, v4, v8, v12], m0, m1);
    let [v1, v5, v9, v13] = mix::<S>([v1, v5, v9, v13], m2, m3);
    let [v2, v6, v10, v14] = mix::<S>([v2, v6, v10, v14], m4, m5);
    let [v3, v7, v11, v15] = mix::<S>([v3, v7, v11, v15], m6, m7);
    let [v0, v5, v10, v15] = mix::<S>([v0, v5, v10, v15], m8, m9);
    let [v1, v6, v11, v12] = mix::<S>([v1, v6, v11, v12], m10, m11);
    let [v2, v7, v8, v13] = mix::<S>([v2, v7, v8, v13], m12, m13);
    let [v3, v4, v9, v14] = mix::<S>([v3, v4, v9, v14], m14, m15);
    [
        v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15,
    ]
}

#[inline(always)]
fn mix<S: Simd>([a, b, c, d]: [S::u32s; 4], x: S::u32s, y: S::u32s) -> [S::u32s; 4] {
    let a = a + b + x;
    let d = d ^ a;
    let d = (d >> 16) | (d << 16);
    let c = c + d;
    let b = b ^ c;
    let b = (b >> 12) | (b << 20);
    let a = a + b + y;
    let d = d ^ a;
    let d = (d >> 8) | (d << 24);
    let c = c + d;
    let b = b ^ c;
    let b = (b >> 7) | (b << 25);
    [a, b, c, d]
}

#[inline(always)]
fn permute<S: Simd>(m: [S::u32s; 16]) -> [S::u32s; 16] {
    let [
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
        m8,
        m9,
        m10,
        m11,
        m12,
        m13,
        m14,
        m15,
    ] = m;
    [
        m2, m6, m3, m10, m7, m0, m4, m13, m1, m11, m12, m5, m9, m14, m15, m8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::hash::{LABEL_INPUT, LEAF_INPUT, PAIR_INPUT};
    use proptest::prelude::*;

    /// Every level that this processor has, from the widest, and none.
    fn levels() -> Vec<Many> {
        let best = Level::new();
        let mut levels = vec![Many(None), Many::new(Hashing::default()), Many::lanes(best)];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            levels.extend(best.as_avx2().map(|token| Many(Some(Level::Avx2(token)))));
            levels.extend(best.as_sse4_2().map(|token| Many(Some(Level::Sse4_2(token)))));
            levels.extend(best.as_sse2().map(|token| Many(Some(Level::Sse2(token)))));
        }
        levels
    }

    fn check<const LEN: usize>(inputs: &[Block]) {
        let mut inputs = inputs.to_vec();
        for input in &mut inputs {
            input.iter_mut().skip(LEN).for_each(|byte| *byte = 0);
        }
        let used = |input: &Block| input.first_chunk::<LEN>().copied();
        let expected: Vec<Digest> = inputs
            .iter()
            .filter_map(used)
            .map(|input| blake3::hash(&input).into())
            .collect();
        for many in levels() {
            let mut found = vec![[7; 32]; 3];
            many.hash::<LEN>(&inputs, &mut found);
            assert_eq!(found, expected, "{many:?}, {LEN} bytes, {} inputs", inputs.len());
        }
    }

    fn check_lengths(inputs: &[Block]) {
        check::<LABEL_INPUT>(inputs);
        check::<LEAF_INPUT>(inputs);
        check::<PAIR_INPUT>(inputs);
        check::<0>(inputs);
        check::<1>(inputs);
        check::<63>(inputs);
    }

    /// Groups of 4, 8 and 16 lanes, full and not, and many of them.
    #[test]
    fn any_number_of_inputs() {
        let input =
            |i: u8| core::array::from_fn(|byte| i.wrapping_mul(31) ^ u8::try_from(byte * 3).unwrap_or(0));
        for count in 0..=70 {
            check_lengths(&(0..count).map(input).collect::<Vec<_>>());
        }
        check_lengths(&(0..=255).cycle().take(1000).map(input).collect::<Vec<_>>());
    }

    #[test]
    fn extreme_inputs() {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            check_lengths(&[[byte; 64]; 17]);
        }
    }

    proptest! {
        #[test]
        fn as_blake3_itself(inputs in prop::collection::vec(any::<[[u8; 32]; 2]>(), 0..40)) {
            let blocks: Vec<Block> = inputs
                .iter()
                .filter_map(|halves| halves.as_flattened().try_into().ok())
                .collect();
            check_lengths(&blocks);
        }
    }
}
