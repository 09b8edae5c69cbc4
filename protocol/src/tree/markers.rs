//! Which versions must be shown to exist, or not to exist, beside those that are asked for.
//!
//! akd looks at O(log) of them (`akd_core::utils::get_marker_versions`): powers of two, numbers
//! that share leading bits, and the skip list 1, 2, 4, 16, 256, 65,536, 2^32.

use crate::quantity::{Epoch, KeyVersion};

const SKIP_LIST: [u64; 7] = [1, 1 << 1, 1 << 2, 1 << 4, 1 << 8, 1 << 16, 1 << 32];

/// The greatest power of two that is at most `version`.
pub(super) fn power_below(version: KeyVersion) -> KeyVersion {
    KeyVersion::new(1 << version.get().ilog2()).unwrap_or(KeyVersion::FIRST)
}

/// Versions that a lookup of `version` must show besides `version` itself and the power of two
/// below it (which the lookup proof contains): version 1 and akd's past markers. Ascending.
pub fn lookup_markers(version: KeyVersion, epoch: Epoch) -> Vec<KeyVersion> {
    let (mut markers, _) = history_markers(version, version, epoch);
    if markers.first() != Some(&KeyVersion::FIRST) {
        markers.insert(0, KeyVersion::FIRST);
    }
    let power = power_below(version);
    markers.retain(|marker| *marker != version && *marker != power);
    markers
}

/// Versions whose leaves a history of `since` to `newest` must show to exist (past) and not to
/// exist (future) in a tree of this epoch. Both ascending.
pub fn history_markers(
    since: KeyVersion,
    newest: KeyVersion,
    epoch: Epoch,
) -> (Vec<KeyVersion>, Vec<KeyVersion>) {
    (
        versions(past(since.get())),
        versions(future(newest.get(), epoch.get())),
    )
}

fn versions(numbers: Vec<u64>) -> Vec<KeyVersion> {
    numbers
        .into_iter()
        .filter_map(|number| KeyVersion::new(number).ok())
        .collect()
}

fn past(since: u64) -> Vec<u64> {
    let mut markers = Vec::new();
    let mut add = |marker: u64| {
        if marker != since && marker != 0 && markers.last() != Some(&marker) {
            markers.push(marker);
        }
    };
    add(SKIP_LIST.into_iter().rfind(|entry| *entry <= since).unwrap_or(0));
    add(1 << since.ilog2());
    // Each bit that is set, from the top: the version with this bit and all below cleared.
    for i in (0..=since.ilog2()).rev().filter(|i| since >> i & 1 == 1) {
        add(since & !((1 << i) | ((1 << i) - 1)));
    }
    markers
}

fn future(newest: u64, epoch: u64) -> Vec<u64> {
    let mut markers = Vec::new();
    // Each bit that is clear, from the bottom: the version with this bit set and all below cleared.
    let mut marker = newest;
    for i in (0..=newest.ilog2()).filter(|i| newest >> i & 1 == 0) {
        marker = (marker | (1 << i)) & !((1 << i) - 1);
        if marker <= epoch {
            markers.push(marker);
        }
    }
    let skips = SKIP_LIST
        .into_iter()
        .filter(|entry| *entry > newest && *entry <= epoch);
    let first_skip = skips.clone().next().unwrap_or(u64::MAX);
    let powers = (newest.ilog2() + 1..64)
        .map(|i| 1 << i)
        .take_while(|power| *power <= epoch && *power < first_skip);
    markers.extend(powers);
    markers.extend(skips);
    markers
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn check(since: u64, newest: u64, epoch: u64) {
        let theirs = akd_core::utils::get_marker_versions(since, newest, epoch);
        assert_eq!(
            (past(since), future(newest, epoch)),
            theirs,
            "{since} {newest} {epoch}"
        );
    }

    #[test]
    fn markers_agree_with_akd_for_all_small_versions() {
        for newest in 1..=130 {
            for since in 1..=newest {
                for epoch in [
                    newest,
                    newest + 1,
                    newest + 7,
                    255,
                    256,
                    257,
                    1000,
                    65_536,
                    1 << 33,
                ] {
                    check(since, newest, epoch.max(newest));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn markers_agree_with_akd_for_large_versions(a: u64, b: u64, c: u64, shift in 0..63_u32) {
            let mut sorted = [(a >> shift).max(1), (b >> shift).max(1), (c >> (shift / 2)).max(1)];
            sorted.sort_unstable();
            let [since, newest, epoch] = sorted;
            check(since, newest, epoch);
        }
    }

    #[test]
    fn lookup_markers_are_one_and_the_past_without_what_the_proof_has() {
        let numbers = |version| -> Vec<u64> {
            let version = KeyVersion::new(version).unwrap();
            lookup_markers(version, Epoch::new(1000))
                .iter()
                .map(|v| v.get())
                .collect()
        };
        assert_eq!(numbers(1), [0_u64; 0]);
        assert_eq!(numbers(2), [1]);
        assert_eq!(numbers(3), [1]);
        assert_eq!(numbers(8), [1, 4]);
        assert_eq!(numbers(85), [1, 16, 80, 84]);
        assert_eq!(numbers(64), [1, 16]);
    }
}
