//! Commands about calls.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Which;

/// What a call binding is about.
#[derive(Debug, Args)]
pub(crate) struct CallTerms {
    /// Whom the call is with: a contact's name or a label.
    pub(crate) contact: String,
    /// The call: 32 hex digits that the caller chose at random.
    #[arg(long, value_name = "HEX")]
    pub(crate) call_id: String,
    /// Whether the signer called, or was called.
    #[arg(long, value_enum)]
    pub(crate) direction: CallDirection,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Which way a call binding travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CallDirection {
    /// From the caller.
    Offer,
    /// From the one who was called.
    Answer,
}

/// The key of a call, as the media layer knows it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct CallKeys {
    /// SHA-256 fingerprint of the DTLS certificate, 64 hex digits; colons may stand between.
    #[arg(long, value_name = "HEX")]
    pub(crate) dtls: Option<String>,
    /// X25519 public key, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) x25519: Option<String>,
    /// MLS epoch authenticator, 2 to 128 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) mls: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// Sign this device's key of a call; prints the binding, base64.
    #[command(after_help = "Examples:
  keyglass call sign Bob --call-id 00112233445566778899aabbccddeeff --direction offer --dtls 3b:17:…")]
    Sign {
        #[command(flatten)]
        terms: CallTerms,
        #[command(flatten)]
        keys: CallKeys,
        /// The other's device, if there are several for calls.
        #[arg(long, value_name = "ID")]
        device: Option<u32>,
        /// How long it may be used, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        valid: u64,
        /// Write the binding to a file too.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the other's binding against the newest verified devices of both.
    #[command(after_help = "Examples:
  keyglass call verify Alice binding.b64 --call-id 00112233445566778899aabbccddeeff --direction offer --dtls 3b:17:…")]
    Verify {
        #[command(flatten)]
        terms: CallTerms,
        /// File with the binding, base64.
        file: PathBuf,
        #[command(flatten)]
        keys: CallKeys,
    },
}
