//! Who is calling, and what that allows: the platform's lock before the account's own.
//!
//! A platform signs short-lived tokens ([`token`]) with keys that stand in a file ([`keys`]). Without such a file the
//! directory is *open*: anybody may submit for any account, and only the account's own key decides. That is meant for
//! development and for a directory embedded in a program; it is said loudly.

mod keys;
mod scope;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use keyglass_monitoring::ServerMetrics;
use keyglass_protocol::label::{AccountId, Label, LabelKind, Phone};
use thiserror::Error;

use crate::clock::Clock;
use crate::settings::PhoneLookups;

pub use keys::{KeySetError, TokenKeys};
pub use scope::{Scope, Scopes};
pub use token::TokenError;

/// How callers are known. Cheap to clone.
#[derive(Clone)]
pub enum Access {
    /// Anybody may do anything; only the account's own key decides.
    Open,
    /// By the platform's tokens.
    Tokens(Arc<Tokens>),
}

/// What is needed to check tokens.
pub struct Tokens {
    keys: TokenKeys,
    origin: String,
    phone_lookups: PhoneLookups,
    clock: Arc<dyn Clock>,
}

/// Somebody who asks or submits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular, who may do anything: open mode.
    Anyone,
    /// Somebody without a token where tokens are used.
    Unknown {
        /// Whether telephone numbers may be looked up without one.
        phones: bool,
    },
    /// Somebody with a valid token.
    Session(Session),
}

/// What a valid token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The account that the session belongs to; a service of the platform has none.
    pub account: Option<AccountId>,
    /// The telephone number that the platform has verified for this session.
    pub phone: Option<Phone>,
    /// What the token is for.
    pub scopes: Scopes,
}

/// On whose authority a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The owner's: created, owner, closed by the owner; claim, release, transfer.
    Owner,
    /// The platform's for an owner who lost everything: notice, recovery, closed by the platform, reassign.
    Recovery,
    /// The platform's for keys that it had before: imported.
    Import,
}

impl Act {
    fn scope(self) -> Scope {
        match self {
            Self::Owner => Scope::Account,
            Self::Recovery => Scope::Recovery,
            Self::Import => Scope::Import,
        }
    }
}

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denied {
    /// There is no token, or it is not valid.
    #[error("{0}")]
    Unauthorized(#[from] TokenError),
    /// The token is valid and does not allow this.
    #[error("{0}")]
    Forbidden(Forbidden),
}

/// What a valid token lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// Its scope.
    #[error("the token lacks the scope {0}")]
    Scope(Scope),
    /// It belongs to another account.
    #[error("the token belongs to another account")]
    OtherAccount,
    /// Its session has not verified this telephone number.
    #[error("the token does not name this telephone number as verified")]
    OtherPhone,
}

impl Denied {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized(e) => e.reason(),
            Self::Forbidden(Forbidden::Scope(_)) => "token-scope",
            Self::Forbidden(Forbidden::OtherAccount) => "token-other-account",
            Self::Forbidden(Forbidden::OtherPhone) => "token-other-phone",
        }
    }
}

impl From<Forbidden> for Denied {
    fn from(why: Forbidden) -> Self {
        Self::Forbidden(why)
    }
}

impl Access {
    /// Tokens of the keys in `file`, for the log `origin`.
    ///
    /// # Errors
    /// [`KeySetError`] if the file is not a usable key set.
    pub fn tokens(
        file: &Path,
        origin: &str,
        phone_lookups: PhoneLookups,
        clock: Arc<dyn Clock>,
        metrics: ServerMetrics,
    ) -> Result<Self, KeySetError> {
        Ok(Self::Tokens(Arc::new(Tokens {
            keys: TokenKeys::open(file, clock.now(), metrics)?,
            origin: origin.to_owned(),
            phone_lookups,
            clock,
        })))
    }

    /// Whether anybody may submit.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Who is calling, by the `Authorization` header. Open mode asks for none and so ignores it. Reads the key file, at
    /// most once a second.
    ///
    /// # Errors
    /// [`TokenError`] if there is a token and it is not valid.
    pub fn caller(&self, authorization: Option<&[u8]>) -> Result<Caller, TokenError> {
        let Self::Tokens(tokens) = self else {
            return Ok(Caller::Anyone);
        };
        let Some(authorization) = authorization else {
            return Ok(Caller::Unknown {
                phones: tokens.phone_lookups == PhoneLookups::Open,
            });
        };
        let now = tokens.clock.now();
        let keys = tokens.keys.current(now);
        let mut session = token::session(token::bearer(authorization)?, &keys, &tokens.origin, now)?;
        if tokens.phone_lookups == PhoneLookups::Open {
            // What anybody may do, everybody with a token may.
            session.scopes.add(Scope::Lookup);
        }
        Ok(Caller::Session(session))
    }
}

impl Caller {
    /// Whether this caller may write to `label` at all, before it is known what the record says. For an alias the accounts
    /// that it names decide next: see [`Self::may_act_for`].
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may_write(&self, label: &Label, act: Act) -> Result<(), Denied> {
        let Some(session) = self.session()? else {
            return Ok(());
        };
        session.demand(act.scope())?;
        match (act, label) {
            // The import key has signed: the token only says that an import is going on.
            (Act::Import, _) | (_, Label::Handle(_)) => Ok(()),
            (_, Label::Account(account)) => session.is_of(account),
            (_, Label::Phone(phone)) if session.phone.as_ref() == Some(phone) => Ok(()),
            (_, Label::Phone(_)) => Err(Forbidden::OtherPhone.into()),
        }
    }

    /// Whether this caller's session belongs to `account`, on whose behalf an alias is written: its new holder, or for a
    /// release the one who holds it.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may_act_for(&self, account: &AccountId, act: Act) -> Result<(), Denied> {
        let Some(session) = self.session()? else {
            return Ok(());
        };
        session.demand(act.scope())?;
        match act {
            Act::Import => Ok(()),
            Act::Owner | Act::Recovery => session.is_of(account),
        }
    }

    /// Whether this caller may submit anything: said before the body of an update is read.
    ///
    /// # Errors
    /// [`Denied::Unauthorized`] without a token where tokens are used.
    pub fn may_submit(&self) -> Result<(), Denied> {
        self.session().map(|_| ())
    }

    /// Whether this caller may look up labels of this kind; a history follows its label.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may_read(&self, kind: LabelKind) -> Result<(), Denied> {
        match (self, kind) {
            (Self::Anyone | Self::Unknown { phones: true }, _)
            | (_, LabelKind::Account | LabelKind::Handle) => Ok(()),
            (Self::Unknown { phones: false }, LabelKind::Phone) => Err(TokenError::Missing.into()),
            (Self::Session(session), LabelKind::Phone) => session.demand(Scope::Lookup),
        }
    }

    /// The session; `None` if nobody asks for one.
    fn session(&self) -> Result<Option<&Session>, Denied> {
        match self {
            Self::Anyone => Ok(None),
            Self::Unknown { .. } => Err(TokenError::Missing.into()),
            Self::Session(session) => Ok(Some(session)),
        }
    }
}

impl Session {
    fn demand(&self, scope: Scope) -> Result<(), Denied> {
        if self.scopes.contains(scope) {
            Ok(())
        } else {
            Err(Forbidden::Scope(scope).into())
        }
    }

    fn is_of(&self, account: &AccountId) -> Result<(), Denied> {
        if self.account.as_ref() == Some(account) {
            Ok(())
        } else {
            Err(Forbidden::OtherAccount.into())
        }
    }
}

/// Names nobody: labels are never logged.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
