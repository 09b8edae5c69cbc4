//! The problems that the HTTP API answers with (RFC 9457): stable types, one status each.
//!
//! A client matches on [`Problem::uri`]; titles and details are for people and may change.

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $title:literal;)*) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Problem {
            $($(#[$doc])* $name,)*
        }

        impl Problem {
            /// All kinds, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// HTTP status code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Short stable kebab-case code; also the metric label.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The `type` member of the problem document.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:keyglass:problem:", $code),)* }
            }

            /// The kind with this `type` URI.
            pub fn from_uri(uri: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|p| p.uri() == uri)
            }
        }
    };
}

problems! {
    /// The body is not what the route takes: malformed, duplicate keys, too deep, bad base64.
    MalformedBody = 400, "malformed-body", "The request body is malformed";
    /// The request line, a header or a query parameter is malformed.
    MalformedRequest = 400, "malformed-request", "The request is malformed";
    /// The label is not in canonical form.
    MalformedLabel = 400, "malformed-label", "The label is not in its canonical form";
    /// The record is not canonical, or for another label, version field or origin.
    MalformedRecord = 400, "malformed-record", "The record is malformed";
    /// A public key is low-order or not canonically encoded.
    BadKey = 400, "bad-key", "A public key in the record is weak or not canonical";
    /// A signature of the record is wrong or missing.
    BadSignature = 401, "bad-signature", "A signature of the record does not verify";
    /// No or no valid bearer token.
    Unauthorized = 401, "unauthorized", "A valid bearer token is required";
    /// The token belongs to another account.
    Forbidden = 403, "forbidden", "The token does not allow this";
    /// The label does not exist; a proof of absence is attached.
    Absent = 404, "absent", "The label does not exist; the proof of absence is attached";
    /// No such route or artefact.
    NotFound = 404, "not-found", "There is nothing here";
    /// The route exists, the method does not.
    MethodNotAllowed = 405, "method-not-allowed", "The method is not allowed here";
    /// None of the accepted media types can be produced.
    NotAcceptable = 406, "not-acceptable", "None of the accepted media types can be produced";
    /// Headers or body came too slowly.
    Timeout = 408, "timeout", "The request took too long to arrive";
    /// The record's version is not the next one.
    StaleVersion = 409, "stale-version", "The record does not follow the newest version";
    /// Another update of this label (or one that it depends on) is pending.
    UpdatePending = 409, "update-pending", "Another update is pending";
    /// The log has ended; another one continues it.
    LogEnded = 409, "log-ended", "This log has ended; another one continues it";
    /// `since` lies beyond the newest version.
    SinceBeyondNewest = 409, "since-beyond-newest", "since lies beyond the newest version";
    /// `from` lies beyond the current log, or the size is otherwise not known here.
    UnknownSize = 409, "unknown-size", "The log has not reached this size";
    /// The body is larger than the route allows.
    TooLarge = 413, "too-large", "The request body is too large";
    /// Wrong media type, or any Content-Encoding.
    UnsupportedMediaType = 415, "unsupported-media-type", "The media type or encoding is not supported";
    /// The record breaks a rule of authorisation.
    RuleBroken = 422, "rule-broken", "The record breaks a rule";
    /// The handle is reserved or can be mistaken for another.
    HandleRefused = 422, "handle-refused", "The handle is reserved or can be mistaken for another";
    /// The label has reached its number of versions.
    VersionLimit = 422, "version-limit", "The label has reached its number of versions";
    /// The alias names an account that does not exist or holds another identity key.
    AccountAbsent = 422, "account-absent", "The account named by the alias does not exist";
    /// This kind of record is not accepted here.
    KindNotAccepted = 422, "kind-not-accepted", "This kind of record is not accepted";
    /// A proof does not verify, or a possible fork (cosignature hand-in).
    UnprocessableProof = 422, "unprocessable-proof", "The checkpoint or proof cannot be accepted";
    /// Too many requests.
    TooManyRequests = 429, "too-many-requests", "Too many requests";
    /// The header section is too large.
    HeadersTooLarge = 431, "headers-too-large", "The header section is too large";
    /// An error of the service; logged there.
    Internal = 500, "internal", "The service failed";
    /// The quorum is late: no promise can be given now.
    Holding = 503, "holding", "The cosigners are late; updates are not accepted now";
    /// Starting, stopping or cut off from its store.
    Unavailable = 503, "unavailable", "The service is not ready";
}

/// Media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::Problem;

    #[test]
    fn every_code_is_unique_and_found_again() {
        for (i, p) in Problem::ALL.iter().enumerate() {
            assert_eq!(Problem::from_uri(p.uri()), Some(*p));
            assert!((400..600).contains(&p.status()));
            assert!(
                Problem::ALL.iter().skip(i + 1).all(|q| q.code() != p.code()),
                "{}",
                p.code()
            );
        }
    }
}
