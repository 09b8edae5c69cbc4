//! Settings: flag over environment over file over default.

mod layer;
mod memory;
mod period;
mod replication;
mod writes;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use keyglass_monitoring::LogFormat;
use keyglass_schema::DatabaseUrl;
use thiserror::Error;

pub use layer::{Layer, refuse_unknown_variables};
pub use memory::Memory;
pub use period::{BadPeriod, Period};
pub use replication::{ReplicationSettings, Role};
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
            replica_lease: period(given.replica_lease, 5_000),
            promotions: promotions(given.promotions.as_deref())?,
            require_synchronous: given.require_synchronous.unwrap_or_default(),
            wrapping_key: given
                .wrapping_key
                .unwrap_or_else(|| data_dir.join("keys").join("wrapping.key")),
            proof_cache: given.proof_cache.unwrap_or(Memory::mib(96)),
            answer_cache: given.answer_cache.unwrap_or(Memory::mib(64)),
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

fn value(name: &'static str, why: String) -> SettingsError {
    SettingsError::Value { name, why }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn database(url: Option<&str>, data_dir: &std::path::Path) -> Result<DatabaseUrl, SettingsError> {
    let Some(url) = url else {
        return Ok(DatabaseUrl::sqlite(&data_dir.join("keyglass.sqlite")));
    };
    // The value may hold a password: it is not repeated in the message.
    url.parse()
        .map_err(|_| value("database", "must be sqlite://PATH or postgres://…".to_owned()))
}

/// A guard in Postgres.
fn guard_database(text: Option<&str>) -> Result<Option<DatabaseUrl>, SettingsError> {
    match text.filter(|text| text.contains("://")) {
        None => Ok(None),
        // The value may hold a password: it is not repeated in the message.
        Some(url) => match url.parse() {
            Ok(url @ DatabaseUrl::Postgres(_)) => Ok(Some(url)),
            _ => Err(value("guard", "must be a path or postgres://…".to_owned())),
        },
    }
}

fn guard(text: Option<String>, data_dir: &std::path::Path) -> PathBuf {
    match text {
        Some(path) if !path.contains("://") => PathBuf::from(path),
        _ => data_dir.join("guard"),
    }
}

fn quorum(text: Option<String>) -> QuorumSetting {
    match text {
        None => QuorumSetting::Majority,
        Some(text) => match text.parse() {
            Ok(count) => QuorumSetting::Count(count),
            Err(_) => QuorumSetting::Policy(PathBuf::from(text)),
        },
    }
}

fn after_timeout(text: Option<&str>) -> Result<AfterTimeout, SettingsError> {
    match text {
        None | Some("hold") => Ok(AfterTimeout::Hold),
        Some("proceed") => Ok(AfterTimeout::Proceed),
        Some(_) => Err(value(
            "after_quorum_timeout",
            "must be hold or proceed".to_owned(),
        )),
    }
}

fn promotions(text: Option<&str>) -> Result<Promotions, SettingsError> {
    match text {
        None | Some("named") => Ok(Promotions::Named),
        Some("most-advanced") => Ok(Promotions::MostAdvanced),
        Some(_) => Err(value("promotions", "must be named or most-advanced".to_owned())),
    }
}

fn phone_lookups(text: Option<&str>) -> Result<PhoneLookups, SettingsError> {
    match text {
        None | Some("token") => Ok(PhoneLookups::Token),
        Some("open") => Ok(PhoneLookups::Open),
        Some(_) => Err(value("phone_lookups", "must be token or open".to_owned())),
    }
}

fn trusted_proxies(texts: Vec<String>) -> Result<Vec<IpNet>, SettingsError> {
    let read = |text: String| {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| value("trusted_proxy", format!("{text:?} is no network like 10.0.0.0/8")))
    };
    texts.into_iter().map(read).collect()
}

fn rate_limit(per_second: Option<u32>, burst: Option<u32>) -> Result<Option<RateLimit>, SettingsError> {
    let Some(per_second) = NonZeroU32::new(per_second.unwrap_or(100)) else {
        return Ok(None);
    };
    // A request that costs more than can ever be saved up could never be made.
    let burst =
        NonZeroU32::new(burst.unwrap_or(1_000)).filter(|b| (MIN_BURST..=1_000_000).contains(&b.get()));
    let burst = burst.ok_or_else(|| value("rate_burst", format!("must be {MIN_BURST} to 1000000")))?;
    if per_second.get() > 1_000_000 {
        return Err(value("rate_limit", "must be at most 1000000".to_owned()));
    }
    Ok(Some(RateLimit { per_second, burst }))
}

fn log_format(text: Option<&str>) -> Result<LogFormat, SettingsError> {
    text.map_or(Ok(LogFormat::Plain), |t| {
        t.parse()
            .map_err(|_| value("log_format", "must be plain or json".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn defaults_need_no_settings() {
        let s = Settings::resolve(Layer::default()).unwrap();
        assert_eq!(s.listen.to_string(), "127.0.0.1:8600");
        assert_eq!(s.admin_listen.to_string(), "127.0.0.1:8601");
        assert_eq!(s.database.to_string(), "sqlite://keyglass-data/keyglass.sqlite");
        assert_eq!(s.guard, PathBuf::from("keyglass-data/guard"));
        assert_eq!(
            (s.epoch_interval, s.merge_delay),
            (Duration::from_secs(1), Duration::from_secs(60))
        );
        assert_eq!(s.quorum, QuorumSetting::Majority);
    }

    #[test]
    fn every_unusable_value_is_named() {
        let layer = Layer::default;
        let cases = [
            (
                "role",
                Layer {
                    role: Some("reader".into()),
                    ..layer()
                },
            ),
            (
                "database",
                Layer {
                    database: Some("mysql://x".into()),
                    ..layer()
                },
            ),
            (
                "guard",
                Layer {
                    guard: Some("postgres://x".into()),
                    ..layer()
                },
            ),
            (
                "max_batch",
                Layer {
                    max_batch: Some(0),
                    ..layer()
                },
            ),
            (
                "merge_delay",
                Layer {
                    merge_delay: Some("1500ms".parse().unwrap()),
                    ..layer()
                },
            ),
            (
                "request_timeout",
                Layer {
                    request_timeout: Some("10s".parse().unwrap()),
                    ..layer()
                },
            ),
            (
                "quorum_late",
                Layer {
                    quorum_late: Some("1h".parse().unwrap()),
                    ..layer()
                },
            ),
            (
                "quorum",
                Layer {
                    quorum: Some("1".into()),
                    ..layer()
                },
            ),
            (
                "after_quorum_timeout",
                Layer {
                    after_quorum_timeout: Some("give up".into()),
                    ..layer()
                },
            ),
            (
                "phone_lookups",
                Layer {
                    phone_lookups: Some("nobody".into()),
                    ..layer()
                },
            ),
            (
                "trusted_proxy",
                Layer {
                    trusted_proxy: Some(vec!["10.0.0.0/33".into()]),
                    ..layer()
                },
            ),
            (
                "rate_limit",
                Layer {
                    rate_limit: Some(1_000_001),
                    ..layer()
                },
            ),
            (
                "rate_burst",
                Layer {
                    rate_burst: Some(499),
                    ..layer()
                },
            ),
            (
                "lease_ttl",
                Layer {
                    lease_ttl: Some(Period(Duration::from_millis(299))),
                    ..layer()
                },
            ),
            (
                "lease_renew",
                Layer {
                    lease_renew: Some(Period(Duration::from_millis(2_001))),
                    ..layer()
                },
            ),
            (
                "replica_lease",
                Layer {
                    replica_lease: Some(Period(Duration::ZERO)),
                    ..layer()
                },
            ),
            (
                "promotions",
                Layer {
                    promotions: Some("any".into()),
                    ..layer()
                },
            ),
            (
                "require_synchronous",
                Layer {
                    require_synchronous: Some(true),
                    ..layer()
                },
            ),
            (
                "log_format",
                Layer {
                    log_format: Some("xml".into()),
                    ..layer()
                },
            ),
        ];
        for (expected, layer) in cases {
            match Settings::resolve(layer) {
                Err(SettingsError::Value { name, .. }) => assert_eq!(name, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_quorum_is_a_number_or_a_file() {
        assert_eq!(quorum(Some("0".into())), QuorumSetting::Count(0));
        assert_eq!(
            quorum(Some("policy.txt".into())),
            QuorumSetting::Policy("policy.txt".into())
        );
    }
}
