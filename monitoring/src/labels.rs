//! Label values that come from outside, kept few.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Most route templates that get a time series of their own; later ones are counted as `other`.
pub const MAX_ROUTES: usize = 64;

/// Lets the first `cap` distinct values through and calls every later one `other`.
#[derive(Debug)]
pub(crate) struct Capped {
    seen: Mutex<HashSet<String>>,
    cap: usize,
}

impl Capped {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            seen: Mutex::new(HashSet::new()),
            cap,
        }
    }

    pub(crate) fn admit<'v>(&self, value: &'v str) -> &'v str {
        // The set stays valid whatever a panicking thread did with it.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(value) {
            return value;
        }
        if seen.len() >= self.cap {
            return "other";
        }
        seen.insert(value.to_owned());
        value
    }
}

/// `2xx` for 200 and so on; `other` outside 100..=599.
pub(crate) fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_cap_share_one_name() {
        let capped = Capped::new(2);
        assert_eq!(
            ["a", "b", "c", "a"].map(|value| capped.admit(value)),
            ["a", "b", "other", "a"]
        );
    }

    #[test]
    fn every_status_has_a_class() {
        assert_eq!(
            [101, 204, 304, 429, 503, 0].map(status_class),
            ["1xx", "2xx", "3xx", "4xx", "5xx", "other"]
        );
    }
}
