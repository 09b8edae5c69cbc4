//! The safety number as four short clauses, for people who read it to each other.
//!
//! The first 120 bits of SHA-256 of `"keyglass/safety-sentence/v1\0"` and the 60 digits, 6 bits a word, in clauses of five
//! words: "the quiet baker admired the rusty violin". Both parties see the same sentence. Whoever wants two numbers
//! with one sentence has to try some 2^60 keys, each of which costs 5,200 hashes.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{SafetyNumber, SafetyNumberError};

const CONTEXT: &[u8] = b"keyglass/safety-sentence/v1\0";
/// Clauses of a sentence.
const CLAUSES: usize = 4;
/// Words of a clause that carry 6 bits each.
const WORDS: usize = 5;

/// 6 bits each.
const ADJECTIVES: [&str; 64] = [
    "amber", "ancient", "angry", "bitter", "blue", "brave", "bright", "broken", "busy", "calm", "clever",
    "cold", "copper", "curious", "damp", "dark", "eager", "early", "empty", "famous", "fast", "fierce",
    "flat", "foolish", "gentle", "giant", "golden", "grateful", "green", "happy", "heavy", "hidden",
    "hollow", "honest", "humble", "hungry", "icy", "jealous", "jolly", "lazy", "lonely", "loud", "lucky",
    "marble", "modest", "narrow", "nervous", "noble", "odd", "orange", "patient", "polite", "proud",
    "purple", "quiet", "rapid", "rusty", "salty", "silver", "sleepy", "strange", "tiny", "velvet", "wild",
];
/// 6 bits each.
const NOUNS: [&str; 64] = [
    "acrobat", "admiral", "anchor", "baker", "banjo", "barrel", "beaver", "biscuit", "bishop", "butcher",
    "camel", "candle", "carpet", "castle", "cello", "cheese", "cobra", "compass", "cousin", "dentist",
    "dolphin", "donkey", "dragon", "eagle", "engine", "falcon", "farmer", "ferry", "fiddler", "garden",
    "giraffe", "goblet", "hammer", "harbour", "hunter", "island", "jacket", "jaguar", "kettle", "ladder",
    "lantern", "lawyer", "lemon", "lizard", "magnet", "monkey", "mountain", "needle", "officer", "onion",
    "oyster", "painter", "parrot", "pencil", "pigeon", "pirate", "potato", "rabbit", "sailor", "spider",
    "teapot", "turtle", "violin", "walrus",
];
/// 6 bits each.
const VERBS: [&str; 64] = [
    "admired",
    "amused",
    "answered",
    "avoided",
    "blamed",
    "blessed",
    "borrowed",
    "carried",
    "caught",
    "charmed",
    "chased",
    "cleaned",
    "copied",
    "counted",
    "covered",
    "crossed",
    "defeated",
    "delayed",
    "described",
    "drew",
    "envied",
    "escorted",
    "feared",
    "fed",
    "filmed",
    "followed",
    "forgot",
    "found",
    "greeted",
    "guarded",
    "heard",
    "helped",
    "hired",
    "ignored",
    "imitated",
    "interrupted",
    "invited",
    "joined",
    "kissed",
    "lifted",
    "loved",
    "measured",
    "met",
    "missed",
    "needed",
    "noticed",
    "ordered",
    "painted",
    "paid",
    "photographed",
    "pleased",
    "praised",
    "pushed",
    "refused",
    "replaced",
    "rescued",
    "sketched",
    "sold",
    "startled",
    "studied",
    "thanked",
    "tickled",
    "visited",
    "warned",
];

impl SafetyNumber {
    /// The sentence, the same for both parties: four clauses, each on a line.
    pub fn sentence(&self) -> String {
        let clauses: Vec<String> = self
            .words()
            .chunks(WORDS)
            .map(|words| match words {
                [a, b, c, d, e] => format!("the {a} {b} {c} the {d} {e}"),
                _ => words.join(" "),
            })
            .collect();
        clauses.join("\n")
    }

    /// Whether a sentence that somebody read aloud is this one; case, punctuation and "the" do not count.
    ///
    /// Compares in constant time.
    ///
    /// # Errors
    /// [`SafetyNumberError::Sentence`] if it has another number of words.
    pub fn matches_sentence(&self, theirs: &str) -> Result<bool, SafetyNumberError> {
        let lower = theirs.to_lowercase();
        let words: Vec<&str> = lower
            .split(|c: char| !c.is_alphabetic())
            .filter(|w| !w.is_empty() && !matches!(*w, "the" | "and"))
            .collect();
        if words.len() != CLAUSES * WORDS {
            return Err(SafetyNumberError::Sentence { words: words.len() });
        }
        Ok(self
            .words()
            .join(" ")
            .as_bytes()
            .ct_eq(words.join(" ").as_bytes())
            .into())
    }

    fn words(&self) -> Vec<&'static str> {
        let hash = Sha256::new()
            .chain_update(CONTEXT)
            .chain_update(self.digits())
            .finalize();
        let bits = hash
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1));
        let bits: Vec<u8> = bits.take(CLAUSES * WORDS * 6).collect();
        bits.chunks(6)
            .map(|six| six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit)))
            .zip([ADJECTIVES, NOUNS, VERBS, ADJECTIVES, NOUNS].iter().cycle())
            .filter_map(|(index, list)| list.get(index).copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_one_of_its_list_only() {
        let all: BTreeSet<_> = [ADJECTIVES, NOUNS, VERBS].concat().into_iter().collect();
        assert_eq!(all.len(), 3 * 64);
        assert!(all.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
        assert!(!all.contains("the") && !all.contains("and"));
    }
}
