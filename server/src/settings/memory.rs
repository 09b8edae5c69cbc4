//! Amounts of memory as people write them.

use core::fmt;
use core::str::FromStr;

/// Largest amount: 1 TiB.
const MAX: u64 = 1 << 40;

/// An amount of memory in bytes: a whole number with its unit, `512KiB`, `64MiB` or `2GiB`; `0` for none. At most 1 TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    pub(super) const fn mib(number: u64) -> Self {
        Self(number << 20)
    }

    /// In bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The text is not a whole number with a unit, or the amount is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount of memory: write 0, 512KiB, 64MiB or 2GiB, at most 1024GiB")]
pub struct BadMemory(String);

impl FromStr for Memory {
    type Err = BadMemory;

    fn from_str(text: &str) -> Result<Self, BadMemory> {
        let bad = || BadMemory(text.to_owned());
        if text == "0" {
            return Ok(Self(0));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let unit: u64 = match unit {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        let total = number.checked_mul(unit).filter(|total| *total <= MAX);
        total.map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes => write!(f, "{}KiB", bytes >> 10),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Memory {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn units_are_demanded() {
        for (text, bytes) in [
            ("0", 0),
            ("512KiB", 524_288),
            ("64MiB", 1 << 26),
            ("1024GiB", 1 << 40),
        ] {
            assert_eq!(text.parse::<Memory>().unwrap().get(), bytes, "{text}");
        }
        for bad in [
            "",
            "64",
            "MiB",
            "-1MiB",
            "1.5GiB",
            "1 MiB",
            "64MB",
            "1025GiB",
            "99999999999999999999MiB",
        ] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
        for text in ["0MiB", "64MiB", "3KiB"] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), text);
        }
    }
}
