//! A platform that signs tokens, for tests.

use ed25519_dalek::{Signer as _, SigningKey};
use keyglass_protocol::codec::base64_encode;
use serde_json::{Value, json};

/// Signs tokens with one key.
pub struct Platform {
    key: SigningKey,
    id: String,
}

impl Platform {
    /// A platform whose key is made from `seed` and named after it.
    pub fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            id: format!("key-{seed}"),
        }
    }

    /// Its public key as a JWK.
    pub fn jwk(&self) -> Value {
        let public = base64url(self.key.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": public, "alg": "EdDSA", "use": "sig" })
    }

    /// A key set of this key alone.
    pub fn key_set(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// The header of its tokens.
    pub fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.id })
    }

    /// A token with these parts, whatever they are.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            base64url(header.as_bytes()),
            base64url(claims.as_bytes())
        );
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", base64url(&signature))
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// A token of `account` (none: of a service) for the log `origin`, valid until `exp` in seconds.
    pub fn session(&self, origin: &str, account: Option<&str>, scope: &str, exp: u64) -> String {
        let mut claims = json!({ "aud": origin, "exp": exp, "scope": scope });
        if let (Some(account), Some(claims)) = (account, claims.as_object_mut()) {
            claims.insert("sub".to_owned(), json!(account));
        }
        self.token(&claims)
    }
}

/// Base64url without padding (RFC 7515 section 2).
pub fn base64url(bytes: &[u8]) -> String {
    base64_encode(bytes)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}
