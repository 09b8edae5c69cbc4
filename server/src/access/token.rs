//! Platform tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), read strictly.
//!
//! A library for JWTs exists to offer many algorithms and would bring a second crypto stack. One algorithm, one header
//! and six claims are all that is needed here, so the algorithm is not the token's choice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyglass_protocol::ed25519::verify_strict;
use keyglass_protocol::label::{AccountId, Phone};
use keyglass_protocol::quantity::Millis;
use serde::Deserialize;
use thiserror::Error;

use super::keys::KeySet;
use super::{Scopes, Session};

/// Longest token in bytes.
const MAX_TOKEN: usize = 4 * 1024;
/// By how much the platform's clock may be ahead of ours, in seconds.
const LEEWAY: u64 = 30;
/// Latest time that is looked at: the year 9999, in seconds.
const MAX_TIME: u64 = 253_402_300_799;

/// Why a token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is none.
    #[error("a bearer token is required")]
    Missing,
    /// The header is not `Bearer` and one token, or stands twice.
    #[error("the Authorization header is not 'Bearer' and one token")]
    Scheme,
    /// Longer than 4 KiB.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts in base64url, or not the JSON that is expected.
    #[error("the token is malformed")]
    Malformed,
    /// Another algorithm than EdDSA.
    #[error("the token's algorithm is not EdDSA")]
    Algorithm,
    /// Neither `JWT` nor `at+jwt`.
    #[error("the token's type is neither JWT nor at+jwt")]
    Type,
    /// No key has this id.
    #[error("the token is signed by a key that is not known here")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature does not verify")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// It is for another log.
    #[error("the token's audience is not the origin of this log")]
    Audience,
    /// The subject is no account id, or the telephone number is none.
    #[error("the token's subject is not an account id, or its telephone number not in E.164")]
    Subject,
}

impl TokenError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Scheme => "token-scheme",
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::Algorithm => "token-algorithm",
            Self::Type => "token-type",
            Self::UnknownKey => "token-unknown-key",
            Self::Signature => "token-signature",
            Self::Expired => "token-expired",
            Self::NotYet => "token-not-yet",
            Self::Audience => "token-audience",
            Self::Subject => "token-subject",
        }
    }
}

/// The header. Nothing that could name a key by anything but its id, and nothing critical, is known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The claims that matter. Others are the platform's own business.
#[derive(Deserialize)]
struct Claims {
    exp: u64,
    #[serde(default)]
    nbf: u64,
    aud: Audience,
    sub: Option<String>,
    #[serde(default)]
    scope: String,
    phone_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, origin: &str) -> bool {
        match self {
            Self::One(name) => name == origin,
            Self::Many(names) => names.iter().any(|name| name == origin),
        }
    }
}

/// The token in an `Authorization` header (RFC 6750 section 2.1).
pub(super) fn bearer(header: &[u8]) -> Result<&str, TokenError> {
    let text = core::str::from_utf8(header).map_err(|_| TokenError::Scheme)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains([' ', ',']) {
        return Err(TokenError::Scheme);
    }
    Ok(token)
}

/// Checks a token and answers what it says.
pub(super) fn session(token: &str, keys: &KeySet, origin: &str, now: Millis) -> Result<Session, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    if claims.contains('.') {
        return Err(TokenError::Malformed);
    }
    let header: Header = json(header)?;
    if header.alg != "EdDSA" {
        return Err(TokenError::Algorithm);
    }
    if header.typ != "JWT" && header.typ != "at+jwt" {
        return Err(TokenError::Type);
    }
    let key = keys.get(&header.kid).ok_or(TokenError::UnknownKey)?;
    let signature: [u8; 64] = decode(signature)?.try_into().map_err(|_| TokenError::Malformed)?;
    if !verify_strict(key, signed.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    // Nothing of the claims is looked at before.
    judge(json(claims)?, origin, now)
}

fn judge(claims: Claims, origin: &str, now: Millis) -> Result<Session, TokenError> {
    let now = now.seconds().get();
    if claims.exp > MAX_TIME || claims.nbf > MAX_TIME {
        return Err(TokenError::Malformed);
    }
    if now >= claims.exp {
        return Err(TokenError::Expired);
    }
    if claims.nbf > now.saturating_add(LEEWAY) {
        return Err(TokenError::NotYet);
    }
    if !claims.aud.names(origin) {
        return Err(TokenError::Audience);
    }
    let account = claims.sub.as_deref().map(AccountId::parse);
    let phone = claims.phone_number.as_deref().map(Phone::parse);
    Ok(Session {
        account: account.transpose().map_err(|_| TokenError::Subject)?,
        phone: phone.transpose().map_err(|_| TokenError::Subject)?,
        scopes: Scopes::parse(&claims.scope),
    })
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&decode(part)?).map_err(|_| TokenError::Malformed)
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
