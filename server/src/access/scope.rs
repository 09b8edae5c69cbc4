//! What a token is for.

use core::fmt;

/// One thing that a token can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The owner's own updates of the session's account and of its aliases.
    Account,
    /// Recovery of the session's account.
    Recovery,
    /// Records signed by the import key, for any account.
    Import,
    /// Lookups of telephone numbers.
    Lookup,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Account, Self::Recovery, Self::Import, Self::Lookup];

    /// Its name in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Recovery => "recovery",
            Self::Import => "import",
            Self::Lookup => "lookup",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads names with single spaces between them (RFC 8693 section 4.2). Names that mean nothing here are passed over:
    /// a platform's token may be for other services as well.
    pub(super) fn parse(text: &str) -> Self {
        let named = |word: &str| Scope::ALL.into_iter().find(|s| s.as_str() == word);
        Self(text.split(' ').filter_map(named).collect())
    }

    pub(super) fn add(&mut self, scope: Scope) {
        self.0.push(scope);
    }

    /// Whether this one is among them.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}
