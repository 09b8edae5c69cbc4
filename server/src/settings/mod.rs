//! Settings: flag over environment over file over default.

mod layer;
mod memory;
mod period;
mod replication;
mod texts;
mod writes;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use keyglass_monitoring::LogFormat;
use keyglass_schema::{DatabaseUrl, PageCache};
use thiserror::Error;

pub use layer::{Layer, refuse_unknown_variables};
pub use memory::Memory;
pub use period::{BadPeriod, Period};
pub use replication::{ReplicationSettings, Role};
use texts::{
    after_timeout, database, guard, guard_database, local, log_format, phone_lookups, promotions, quorum,
    rate_limit, sqlite_cache, trusted_proxies, value,
};
pub use writes::{ConfigurationSettings, HandleSettings};

/// Least that a client can save up: the price of a whole batch.
const MIN_BURST: u32 = 500;

/// Everything that can be set, complete and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this process does.
    pub role: Role,
    /// How replicas and sequencers find each other.
    pub replication: ReplicationSettings,
    /// Address of the API.
    pub listen: SocketAddr,
    /// Address of health and metrics.
    pub admin_listen: SocketAddr,
    /// Folder of keys, artefacts and the default database.
    pub data_dir: PathBuf,
    /// Where the database is.
    pub database: DatabaseUrl,
    /// Name of the log; `None` takes the one that the keys were made for.
    pub origin: Option<String>,
    /// Shortest time between two epochs.
    pub epoch_interval: Duration,
    /// Most updates in one epoch.
    pub max_batch: usize,
    /// Time within which an accepted update is promised to be in the log.
    pub merge_delay: Duration,
    /// What the configuration document says beside the keys.
    pub configuration: ConfigurationSettings,
    /// Which handles can be claimed.
    pub handles: HandleSettings,
    /// Fewest new entries of the tree per epoch.
    pub padding: usize,
    /// How long after its closing an account's earlier records are erased; `None`: never.
    pub erase_closed_after: Option<Duration>,
    /// The cosigners that are asked, each `<vkey> [url]`.
    pub cosigners: Vec<String>,
    /// Who must cosign before readers move.
    pub quorum: QuorumSetting,
    /// When a missing quorum counts as late.
    pub quorum_late: Duration,
    /// How long a hold lasts before `after_quorum_timeout` decides.
    pub quorum_timeout: Duration,
    /// What happens after the quorum timeout.
    pub after_quorum_timeout: AfterTimeout,
    /// The guard's file.
    pub guard: PathBuf,
    /// The Postgres that keeps the guard instead of a file.
    pub guard_database: Option<DatabaseUrl>,
    /// How long the sequencer's lease in Postgres lasts without being renewed.
    pub lease_ttl: Duration,
    /// How often it is renewed.
    pub lease_renew: Duration,
    /// How long a replica serves after its last acknowledgement.
    pub replica_lease: Duration,
    /// Which standbys may be promoted.
    pub promotions: Promotions,
    /// Whether nothing is promised unless every commit waits for a standby of Postgres.
    pub require_synchronous: bool,
    /// The file of the key that opens the wrapped secrets.
    pub wrapping_key: PathBuf,
    /// Memory for VRF proofs and records that were shown lately.
    pub proof_cache: Memory,
    /// Memory for the answers that were given at the present head.
    pub answer_cache: Memory,
    /// Memory for pages of a SQLite database.
    pub sqlite_cache: PageCache,
    /// The folder of immutable artefacts, laid out as their URLs.
    pub artefacts_dir: PathBuf,
    /// The folder of the journal.
    pub journal_dir: PathBuf,
    /// Time in which the head and the body of a request must arrive.
    pub request_timeout: Duration,
    /// The platform's token keys; `None`: open registration.
    pub token_keys: Option<PathBuf>,
    /// Who may look up telephone numbers.
    pub phone_lookups: PhoneLookups,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What each client may spend a second and at once; `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is logged.
    pub log: String,
}

/// How the quorum was stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuorumSetting {
    /// More than half of the cosigners; none if there are none.
    Majority,
    /// This many cosigners.
    Count(usize),
    /// A tlog-policy file.
    Policy(PathBuf),
}

/// What publishing does when the quorum timeout has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterTimeout {
    /// Wait on: readers stay where they are.
    Hold,
    /// Go on without the quorum, marked as degraded.
    Proceed,
}

/// Which standby of Postgres is known to have every acknowledged update when it is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotions {
    /// One that every commit waited for, known by its `cluster_name`.
    Named,
    /// Whatever is promoted, if commits waited for some standby: whoever promotes looks for the most advanced.
    MostAdvanced,
}

/// Who may look up telephone numbers where tokens are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneLookups {
    /// Whoever has a token with the scope `lookup`.
    Token,
    /// Anybody.
    Open,
}

/// What each client may spend. A lookup of an account costs 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run, a second.
    pub per_second: NonZeroU32,
    /// At once, saved up.
    pub burst: NonZeroU32,
}

/// A setting that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The settings file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The settings file holds something that is not a setting.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What and where.
        why: String,
    },
    /// An environment variable with our prefix is no setting.
    #[error("the environment variable {0} is not a setting")]
    UnknownVariable(String),
    /// A value is out of range or not one of its choices.
    #[error("{name}: {why}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl SettingsError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "settings-unreadable",
            Self::File { .. } => "settings-file",
            Self::UnknownVariable(_) => "unknown-variable",
            Self::Value { .. } => "setting-value",
        }
    }
}

impl Settings {
    /// Fills the gaps with the defaults and checks every value.
    ///
    /// # Errors
    /// [`SettingsError::Value`] for the first setting that cannot be used.
    pub fn resolve(given: Layer) -> Result<Self, SettingsError> {
        let role = Role::resolve(given.role.as_deref())?;
        let replication = ReplicationSettings::resolve(&given, role)?;
        let configuration = ConfigurationSettings::resolve(&given)?;
        let handles = HandleSettings::resolve(&given)?;
        let data_dir = given.data_dir.unwrap_or_else(|| PathBuf::from("keyglass-data"));
        let period = |p: Option<Period>, default: u64| p.map_or(Duration::from_millis(default), |p| p.0);
        let settings = Self {
            role,
            replication,
            listen: given.listen.unwrap_or_else(|| local(8600)),
            admin_listen: given.admin_listen.unwrap_or_else(|| local(8601)),
            database: database(given.database.as_deref(), &data_dir)?,
            origin: given.origin,
            epoch_interval: period(given.epoch_interval, 1_000),
            max_batch: given.max_batch.unwrap_or(10_000),
            merge_delay: period(given.merge_delay, 60_000),
            configuration,
            handles,
            padding: given.padding.unwrap_or_default(),
            erase_closed_after: given.erase_closed_after.map(|p| p.0),
            cosigners: given.cosigner.unwrap_or_default(),
            quorum: quorum(given.quorum),
            quorum_late: period(given.quorum_late, 10_000),
            quorum_timeout: period(given.quorum_timeout, 600_000),
            after_quorum_timeout: after_timeout(given.after_quorum_timeout.as_deref())?,
            guard_database: guard_database(given.guard.as_deref())?,
            guard: guard(given.guard, &data_dir),
            lease_ttl: period(given.lease_ttl, 6_000),
            lease_renew: period(given.lease_renew, 2_000),
            replica_lease: period(given.replica_lease, 20_000),
            promotions: promotions(given.promotions.as_deref())?,
            require_synchronous: given.require_synchronous.unwrap_or_default(),
            wrapping_key: given
                .wrapping_key
                .unwrap_or_else(|| data_dir.join("keys").join("wrapping.key")),
            proof_cache: given.proof_cache.unwrap_or(Memory::mib(96)),
            answer_cache: given.answer_cache.unwrap_or(Memory::mib(64)),
            sqlite_cache: sqlite_cache(given.sqlite_cache)?,
            artefacts_dir: given.artefacts_dir.unwrap_or_else(|| data_dir.join("artefacts")),
            journal_dir: given.journal_dir.unwrap_or_else(|| data_dir.join("journal")),
            request_timeout: period(given.request_timeout, 8_000),
            token_keys: given.token_keys,
            phone_lookups: phone_lookups(given.phone_lookups.as_deref())?,
            trusted_proxies: trusted_proxies(given.trusted_proxy.unwrap_or_default())?,
            rate_limit: rate_limit(given.rate_limit, given.rate_burst)?,
            log_format: log_format(given.log_format.as_deref())?,
            log: given.log.unwrap_or_else(|| "info".to_owned()),
            data_dir,
        };
        settings.check_ranges()?;
        Ok(settings)
    }

    /// Settings for a service of its own in `data_dir`, on free ports of this machine.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn local(data_dir: &std::path::Path) -> Result<Self, SettingsError> {
        Self::resolve(Layer {
            listen: Some(local(0)),
            admin_listen: Some(local(0)),
            data_dir: Some(data_dir.to_owned()),
            ..Layer::default()
        })
    }

    /// The folder of the keys.
    pub fn key_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    fn check_ranges(&self) -> Result<(), SettingsError> {
        if !(1..=1_000_000).contains(&self.max_batch) {
            return Err(value("max_batch", "must be 1 to 1000000".to_owned()));
        }
        if self.padding > writes::MAX_PADDING {
            return Err(value(
                "padding",
                format!("must be at most {}", writes::MAX_PADDING),
            ));
        }
        let whole_seconds = self.merge_delay.subsec_nanos() == 0;
        if self.merge_delay < Duration::from_secs(1) || !whole_seconds {
            return Err(value(
                "merge_delay",
                "must be at least 1s, in whole seconds".to_owned(),
            ));
        }
        if self.request_timeout.is_zero() || self.request_timeout > Duration::from_secs(9) {
            return Err(value(
                "request_timeout",
                "must be more than 0s and at most 9s".to_owned(),
            ));
        }
        if self.lease_ttl > Duration::from_secs(60) || self.lease_ttl < Duration::from_millis(300) {
            return Err(value("lease_ttl", "must be 300ms to 60s".to_owned()));
        }
        if self.lease_renew.is_zero() || self.lease_renew.saturating_mul(3) > self.lease_ttl {
            return Err(value(
                "lease_renew",
                "must be more than 0s and at most a third of lease_ttl".to_owned(),
            ));
        }
        if self.replica_lease.is_zero() || self.replica_lease > Duration::from_secs(60) {
            return Err(value(
                "replica_lease",
                "must be more than 0s and at most 60s".to_owned(),
            ));
        }
        if self.guard_database.is_some() && matches!(self.database, DatabaseUrl::Sqlite(_)) {
            return Err(value(
                "guard",
                "beside SQLite it must be a file, whose lock keeps other processes out".to_owned(),
            ));
        }
        if self.require_synchronous && matches!(self.database, DatabaseUrl::Sqlite(_)) {
            return Err(value(
                "require_synchronous",
                "needs Postgres: SQLite has no standby".to_owned(),
            ));
        }
        if self.quorum_late > self.quorum_timeout {
            return Err(value(
                "quorum_late",
                "must not be longer than quorum_timeout".to_owned(),
            ));
        }
        if matches!(self.quorum, QuorumSetting::Count(n) if n > self.cosigners.len()) {
            return Err(value(
                "quorum",
                "is larger than the number of cosigners".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
