//! Who is calling.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::State;
use super::problem::Refusal;
use crate::access::{Caller, TokenError};

impl State {
    /// The caller, by the `Authorization` header. Two of them would be two opinions.
    pub(super) fn caller(&self, request: &HttpRequest) -> Result<Caller, Refusal> {
        let mut values = request.headers().get_all(AUTHORIZATION);
        let value = values.next().map(|value| value.as_bytes());
        if values.next().is_some() {
            return Err(TokenError::Scheme.into());
        }
        Ok(self.access.caller(value)?)
    }
}
