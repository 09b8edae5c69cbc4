//! The first lock: does this session belong to the account?

use keyglass_protocol::label::Label;

use super::SubmitError;

/// How callers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody may submit for any account; only the account's own key decides. For development and the embedded default.
    Open,
}

/// Somebody who submits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: open mode.
    Anyone,
}

impl Access {
    /// Who is calling, by the `Authorization` header. Open mode asks for none and so ignores it.
    ///
    /// # Errors
    /// [`SubmitError::Unauthorized`] if a token is needed and missing or wrong.
    pub fn caller(self, _authorization: Option<&[u8]>) -> Result<Caller, SubmitError> {
        match self {
            Self::Open => Ok(Caller::Anyone),
        }
    }
}

impl Caller {
    /// Whether this caller may write to `label`.
    ///
    /// # Errors
    /// [`SubmitError::Forbidden`].
    pub fn may_write(&self, _label: &Label) -> Result<(), SubmitError> {
        match self {
            Self::Anyone => Ok(()),
        }
    }
}
