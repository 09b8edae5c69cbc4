//! What a verifier holds fixed before it looks at an answer.

use thiserror::Error;

use crate::config::{ConfigChain, ConfigDocument};
use crate::note::{Policy, VerifierKey};
use crate::tree::VrfPublicKey;

/// The pins of one directory and the bounds that its answers must keep.
#[derive(Debug, Clone)]
pub struct Trust {
    log_key: VerifierKey,
    config: ConfigChain,
    vrf: VrfPublicKey,
    policy: Option<Policy>,
    bounds: TimeBounds,
}

/// Pins that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The configuration document is another log's.
    #[error("the configuration document names another log key than the pinned one")]
    ConfigOfOtherLog,
    /// The policy names logs and this is none of them.
    #[error("the policy does not name this log")]
    PolicyOfOtherLog,
    /// The configuration's VRF key is weak or not canonical.
    #[error("the VRF key of the configuration is weak or not canonical")]
    VrfKey,
}

impl TrustError {
    /// Stable kebab-case name of the broken rule.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConfigOfOtherLog => "config-of-other-log",
            Self::PolicyOfOtherLog => "policy-of-other-log",
            Self::VrfKey => "bad-vrf-key",
        }
    }
}

impl Trust {
    /// Pins of one directory.
    ///
    /// `policy`: the quorum of cosigners; `None` means that nobody but the operator vouches for the log.
    ///
    /// # Errors
    /// [`TrustError`] if the pins do not belong together.
    pub fn new(
        log_key: VerifierKey,
        config: ConfigChain,
        policy: Option<Policy>,
        bounds: TimeBounds,
    ) -> Result<Self, TrustError> {
        if config.newest().values().log_vkey != log_key {
            return Err(TrustError::ConfigOfOtherLog);
        }
        if let Some(policy) = &policy
            && policy.logs().next().is_some()
            && !policy.logs().any(|(key, _)| *key == log_key)
        {
            return Err(TrustError::PolicyOfOtherLog);
        }
        let vrf =
            VrfPublicKey::parse(&config.newest().values().vrf_public_key).map_err(|_| TrustError::VrfKey)?;
        Ok(Self {
            log_key,
            config,
            vrf,
            policy,
            bounds,
        })
    }

    /// The log's key; its name is the origin.
    pub fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// The chain of configuration documents as far as it was followed.
    pub fn config(&self) -> &ConfigChain {
        &self.config
    }

    /// The configuration document that the newest leaf must name.
    pub fn document(&self) -> &ConfigDocument {
        self.config.newest()
    }

    /// The key that places labels in the tree.
    pub fn vrf(&self) -> &VrfPublicKey {
        &self.vrf
    }

    /// The quorum of cosigners.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// How old and how far ahead timestamps may be.
    pub fn bounds(&self) -> &TimeBounds {
        &self.bounds
    }
}

/// How old and how far ahead timestamps may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBounds {
    /// Oldest cosignature that counts for the quorum.
    pub cosignature_age: u64,
    /// Oldest heartbeat.
    pub heartbeat_age: u64,
    /// How far ahead of the verifier's clock a timestamp may be.
    pub clock_skew: u64,
}

impl Default for TimeBounds {
    /// One hour for the quorum, five minutes for the heartbeat, one minute of clock skew.
    fn default() -> Self {
        Self {
            cosignature_age: 3600,
            heartbeat_age: 300,
            clock_skew: 60,
        }
    }
}
