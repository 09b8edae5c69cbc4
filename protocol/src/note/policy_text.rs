//! Text of a policy file: parsing by its rules, printing in one canonical form.

use core::fmt;
use core::str::FromStr;
use std::collections::{HashMap, HashSet};

use super::error::{PolicyError, PolicyFlaw};
use super::key::{KeyId, KeyKind, VerifierKey};
use super::policy::{Entry, MAX_POLICY_BYTES, MAX_POLICY_ENTRIES, Party, Policy, Threshold, What};
use super::text;

/// Predefined name: no cosignature is needed.
const NONE: &str = "none";

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let whole = |flaw| PolicyError::Flaw { line: 1, flaw };
        if text.len() > MAX_POLICY_BYTES {
            return Err(whole(PolicyFlaw::TooLarge));
        }
        let mut parser = Parser::default();
        let text = text.strip_suffix('\n').ok_or(whole(PolicyFlaw::FinalNewline))?;
        let mut lines = 0;
        for (line, content) in (1..).zip(text.split('\n')) {
            parser.line(line, content)?;
            lines = line;
        }
        parser
            .finish()
            .map_err(|flaw| PolicyError::Flaw { line: lines, flaw })
    }
}

/// One item separated by one space each, logs first, then witnesses and groups as defined, then the quorum.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |position: usize| {
            self.entries
                .get(position)
                .map_or(NONE, |entry| entry.name.as_str())
        };
        for log in &self.logs {
            writeln!(f, "log {log}")?;
        }
        for entry in &self.entries {
            match &entry.what {
                What::Witness(party) => writeln!(f, "witness {} {party}", entry.name)?,
                What::Group { threshold, members } => {
                    write!(f, "group {} {threshold}", entry.name)?;
                    members
                        .iter()
                        .try_for_each(|member| write!(f, " {}", name(*member)))?;
                    writeln!(f)?;
                }
            }
        }
        writeln!(f, "quorum {}", self.quorum.map_or(NONE, name))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        self.url.iter().try_for_each(|url| write!(f, " {url}"))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Any => f.write_str("any"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Parser {
    logs: Vec<Party>,
    entries: Vec<Entry>,
    quorum: Option<Option<usize>>,
    names: HashMap<String, usize>,
    members: HashSet<usize>,
    keys: HashSet<Vec<u8>>,
    ids: HashSet<(String, KeyId)>,
}

/// A refusal before its line is known.
enum Refusal {
    Flaw(PolicyFlaw),
    Key(super::error::NoteError),
}

impl From<PolicyFlaw> for Refusal {
    fn from(flaw: PolicyFlaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl Parser {
    fn line(&mut self, line: usize, content: &str) -> Result<(), PolicyError> {
        self.items(content).map_err(|refusal| match refusal {
            Refusal::Flaw(flaw) => PolicyError::Flaw { line, flaw },
            Refusal::Key(key) => PolicyError::Key { line, key },
        })
    }

    fn items(&mut self, content: &str) -> Result<(), Refusal> {
        if content.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(PolicyFlaw::ControlCharacter.into());
        }
        let items: Vec<&str> = content
            .split([' ', '\t'])
            .filter(|item| !item.is_empty())
            .collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ["quorum", name] => self.set_quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(PolicyFlaw::Items.into()),
            _ => Err(PolicyFlaw::Keyword.into()),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), Refusal> {
        let party = self.party(vkey, url, |kind| kind == KeyKind::Ed25519)?;
        if self.logs.len() == MAX_POLICY_ENTRIES {
            return Err(PolicyFlaw::TooManyEntries.into());
        }
        self.logs.push(party);
        Ok(())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Result<(), Refusal> {
        let party = self.party(vkey, url, KeyKind::cosigns)?;
        self.define(name, What::Witness(party))
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), Refusal> {
        let threshold = match threshold {
            "all" => Threshold::All,
            "any" => Threshold::Any,
            number => text::decimal(number)
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| (1..=members.len()).contains(count))
                .map(Threshold::Count)
                .ok_or(PolicyFlaw::Threshold)?,
        };
        let mut positions = Vec::with_capacity(members.len());
        for member in members {
            let position = self.find(member)?;
            if !self.members.insert(position) {
                return Err(PolicyFlaw::MemberTwice.into());
            }
            positions.push(position);
        }
        self.define(
            name,
            What::Group {
                threshold,
                members: positions,
            },
        )
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), Refusal> {
        if self.quorum.is_some() {
            return Err(PolicyFlaw::QuorumTwice.into());
        }
        self.quorum = Some(if name == NONE {
            None
        } else {
            Some(self.find(name)?)
        });
        Ok(())
    }

    /// A key of the right kind whose public key, and whose name with key ID, are new here.
    fn party(&mut self, vkey: &str, url: Option<&str>, fits: fn(KeyKind) -> bool) -> Result<Party, Refusal> {
        let key: VerifierKey = vkey.parse().map_err(Refusal::Key)?;
        if !fits(key.kind()) {
            return Err(PolicyFlaw::KeyKind.into());
        }
        if !self.keys.insert(key.public_key().to_vec()) {
            return Err(PolicyFlaw::KeyTwice.into());
        }
        if !self.ids.insert((key.name().to_owned(), key.key_id())) {
            return Err(PolicyFlaw::KeyAmbiguous.into());
        }
        Ok(Party {
            key,
            url: url.map(str::to_owned),
        })
    }

    fn define(&mut self, name: &str, what: What) -> Result<(), Refusal> {
        if name == NONE {
            return Err(PolicyFlaw::NameReserved.into());
        }
        let position = self.entries.len();
        if position == MAX_POLICY_ENTRIES {
            return Err(PolicyFlaw::TooManyEntries.into());
        }
        if self.names.insert(name.to_owned(), position).is_some() {
            return Err(PolicyFlaw::NameTwice.into());
        }
        self.entries.push(Entry {
            name: name.to_owned(),
            what,
        });
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, PolicyFlaw> {
        self.names.get(name).copied().ok_or(PolicyFlaw::NameUndefined)
    }

    fn finish(self) -> Result<Policy, PolicyFlaw> {
        Ok(Policy {
            logs: self.logs,
            entries: self.entries,
            quorum: self.quorum.ok_or(PolicyFlaw::QuorumMissing)?,
        })
    }
}
