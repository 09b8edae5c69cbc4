//! Secrets in memory: wiped when dropped, never printed.

use std::fmt;
use std::io::IsTerminal as _;
use std::path::Path;

use ed25519_dalek::SigningKey;
use zeroize::{Zeroize as _, Zeroizing};

use crate::report::Failure;

/// Longest token file in bytes.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

/// A bearer token.
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token over.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads a token file: one line.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |why: String| {
            Failure::usage(
                "token-file",
                format!("the token file {} cannot be read: {why}", path.display()),
            )
        };
        let length = std::fs::metadata(path)
            .map_err(|e| unreadable(e.to_string()))?
            .len();
        if length > MAX_TOKEN_BYTES {
            return Err(unreadable(format!("it is larger than {MAX_TOKEN_BYTES} bytes")));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?);
        let line = text.trim();
        if line.is_empty() || !line.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unreadable("it does not hold one token".to_owned()));
        }
        Ok(Self::new(line.to_owned()))
    }

    /// The token, for the header only.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// 32 secret bytes: an Ed25519 seed or an X25519 scalar.
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Takes the bytes over; the caller's copy is wiped.
    pub(crate) fn new(mut bytes: [u8; 32]) -> Self {
        let secret = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        secret
    }

    /// Takes over 32 bytes of a longer buffer that wipes itself.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to be sealed only.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 32 bytes from the system's generator.
    pub(crate) fn random() -> Result<Self, Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// As an Ed25519 key, which wipes itself.
    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }

    /// The X25519 public key of these bytes as a scalar (RFC 7748 section 5, clamped).
    pub(crate) fn x25519_public(&self) -> [u8; 32] {
        curve25519_dalek::MontgomeryPoint::mul_base_clamped(*self.0).to_bytes()
    }

    /// 64 hex digits, for the key file only.
    pub(crate) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the passphrase of private keys and exports comes from.
#[derive(Debug, Clone, Default)]
pub(crate) enum Passphrase {
    /// There is none.
    #[default]
    None,
    /// It was read from a file or typed.
    Given(Words),
}

/// A passphrase.
#[derive(Clone)]
pub(crate) struct Words(Zeroizing<String>);

impl Words {
    /// Takes a text over.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads a file: one line.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |why: String| {
            Failure::usage(
                "passphrase-file",
                format!("{} cannot be used: {why}", path.display()),
            )
        };
        let length = std::fs::metadata(path)
            .map_err(|e| unreadable(e.to_string()))?
            .len();
        if length > MAX_TOKEN_BYTES {
            return Err(unreadable(format!("it is larger than {MAX_TOKEN_BYTES} bytes")));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?);
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.contains('\n') {
            return Err(unreadable(
                "it does not hold one passphrase on one line".to_owned(),
            ));
        }
        Ok(Self::new(line.to_owned()))
    }

    /// Asks at a terminal; without one it is refused.
    pub(crate) fn ask() -> Result<Self, Failure> {
        let needed = || {
            Failure::missing("passphrase-needed", "this is sealed with a passphrase")
                .next("give it with --passphrase-file FILE, or run this in a terminal")
        };
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(needed());
        }
        let text = rpassword::prompt_password("passphrase: ").map_err(|_| needed())?;
        if text.is_empty() {
            Err(needed())
        } else {
            Ok(Self::new(text))
        }
    }

    /// The bytes, to derive a key from only.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(..)")
    }
}

/// Fills with bytes from the system's generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|e| Failure::internal("no-randomness", format!("the system gives no random bytes: {e}")))
}
