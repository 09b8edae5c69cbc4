//! One layer of settings: the same names in a file, in the environment and as flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::SettingsError;
use super::memory::Memory;
use super::period::Period;

/// Environment variables with our prefix that belong to the verifier and may be around.
const FOREIGN: [&str; 1] = ["KEYGLASS_HOME"];
/// Longest settings file. 1 MiB.
const MAX_FILE: u64 = 1 << 20;

/// Settings that were given; what is `None` was not.
#[derive(Debug, Clone, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Address of the API [default: 127.0.0.1:8600]
    #[arg(long, global = true, env = "KEYGLASS_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address of health and metrics; keep it off the internet [default: 127.0.0.1:8601]
    #[arg(long, global = true, env = "KEYGLASS_ADMIN_LISTEN", value_name = "ADDR")]
    pub admin_listen: Option<SocketAddr>,
    /// Keys, artefacts and the default database [default: ./keyglass-data]
    #[arg(long, global = true, env = "KEYGLASS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// sqlite://PATH or postgres://… [default: a SQLite file in the data folder]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<String>,
    /// Name of the log, fixed at the first start [default: a random name under keyglass.localhost]
    #[arg(long, global = true, env = "KEYGLASS_ORIGIN", value_name = "NAME")]
    pub origin: Option<String>,
    /// Shortest time between two epochs [default: 1s]
    #[arg(long, global = true, env = "KEYGLASS_EPOCH_INTERVAL", value_name = "TIME")]
    pub epoch_interval: Option<Period>,
    /// Most updates in one epoch [default: 10000]
    #[arg(long, global = true, env = "KEYGLASS_MAX_BATCH", value_name = "N")]
    pub max_batch: Option<usize>,
    /// Time within which an accepted update is promised to be in the log [default: 60s]
    #[arg(long, global = true, env = "KEYGLASS_MERGE_DELAY", value_name = "TIME")]
    pub merge_delay: Option<Period>,
    /// What this process does: sequencer or all (publishes, takes updates, answers), or replica (answers, from a hot standby of
    /// Postgres) [default: all]
    #[arg(long, global = true, env = "KEYGLASS_ROLE", value_name = "ROLE")]
    pub role: Option<String>,
    /// Name of this replica, another one for each [default: a random one at each start]
    #[arg(long, global = true, env = "KEYGLASS_REPLICA_NAME", value_name = "NAME")]
    pub replica_name: Option<String>,
    /// Admin address of a sequencer, to which a replica acknowledges where it stands; repeatable, all of them
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_SEQUENCER",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub sequencer: Option<Vec<String>>,
    /// Address of a sequencer's API, to which a replica passes updates on; repeatable, tried in this order [default: none,
    /// updates are refused]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_UPDATES_TO",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub updates_to: Option<Vec<String>>,
    /// Where audit proofs are fetched from that are not in the folder of artefacts: another server's API or a CDN; repeatable.
    /// What comes is checked against its leaf [default: none]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_ARTEFACTS_FROM",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub artefacts_from: Option<Vec<String>>,
    /// The secret that replicas and sequencers share: a file of mode 0600 with at least 32 characters [default: none, a
    /// sequencer then takes no acknowledgements]
    #[arg(long, global = true, env = "KEYGLASS_REPLICA_TOKEN", value_name = "FILE")]
    pub replica_token: Option<PathBuf>,
    /// How often a replica looks for a new head [default: 200ms]
    #[arg(long, global = true, env = "KEYGLASS_HEAD_POLL", value_name = "TIME")]
    pub head_poll: Option<Period>,
    /// A cosigner that is asked for every checkpoint: '<vkey> [url]'; repeatable
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_COSIGNER",
        value_name = "VKEY [URL]",
        value_delimiter = ','
    )]
    pub cosigner: Option<Vec<String>>,
    /// Cosigners needed before readers move: a number, or a tlog-policy file [default: more than half]
    #[arg(long, global = true, env = "KEYGLASS_QUORUM", value_name = "N|FILE")]
    pub quorum: Option<String>,
    /// Fewest new entries of the tree per epoch; random ones fill it up, so that few updates look like many [default: 0]
    #[arg(long, global = true, env = "KEYGLASS_PADDING", value_name = "N")]
    pub padding: Option<usize>,
    /// A change of the log's configuration that is meant and will be announced, as in heartbeat-key; repeatable
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_ACCEPT_CONFIG_CHANGE",
        value_name = "CHANGE",
        value_delimiter = ','
    )]
    pub accept_config_change: Option<Vec<String>>,
    /// Last epoch in which imported records are accepted [default: none, imports stay open]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_IMPORT_CLOSED_AFTER_EPOCH",
        value_name = "EPOCH"
    )]
    pub import_closed_after_epoch: Option<u64>,
    /// Longest record in bytes; limits only grow within one log [default: 16384]
    #[arg(long, global = true, env = "KEYGLASS_LIMIT_RECORD_BYTES", value_name = "N")]
    pub limit_record_bytes: Option<usize>,
    /// Most devices of one account [default: 64]
    #[arg(long, global = true, env = "KEYGLASS_LIMIT_DEVICES", value_name = "N")]
    pub limit_devices: Option<usize>,
    /// Most ordinary versions of one label [default: 1000]
    #[arg(long, global = true, env = "KEYGLASS_LIMIT_OWNER_VERSIONS", value_name = "N")]
    pub limit_owner_versions: Option<u64>,
    /// Most versions of one label, with those reserved for recovery and closing [default: 1024]
    #[arg(long, global = true, env = "KEYGLASS_LIMIT_VERSIONS", value_name = "N")]
    pub limit_versions: Option<u64>,
    /// Longest recovery delay that an account may choose [default: 30d]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_LIMIT_RECOVERY_DELAY",
        value_name = "TIME"
    )]
    pub limit_recovery_delay: Option<Period>,
    /// The verifier key of the log that continues this one: the next leaf is the last, for ever
    #[arg(long, global = true, env = "KEYGLASS_SUCCESSOR", value_name = "VKEY")]
    pub successor: Option<String>,
    /// What `final-state` printed for the log that this one continues; needed at the first start only
    #[arg(long, global = true, env = "KEYGLASS_PREDECESSOR", value_name = "FILE")]
    pub predecessor: Option<PathBuf>,
    /// A handle that nobody can claim, and everything that looks like it; repeatable, added to the built-in list
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_RESERVED_HANDLE",
        value_name = "HANDLE",
        value_delimiter = ','
    )]
    pub reserved_handle: Option<Vec<String>>,
    /// Claims of handles that look like another's: refuse or allow [default: refuse]
    #[arg(long, global = true, env = "KEYGLASS_CONFUSABLE_HANDLES", value_name = "WHAT")]
    pub confusable_handles: Option<String>,
    /// How long after its closing an account's earlier records are erased [default: never]
    #[arg(long, global = true, env = "KEYGLASS_ERASE_CLOSED_AFTER", value_name = "TIME")]
    pub erase_closed_after: Option<Period>,
    /// When a missing quorum counts as late and updates are refused [default: 10s]
    #[arg(long, global = true, env = "KEYGLASS_QUORUM_LATE", value_name = "TIME")]
    pub quorum_late: Option<Period>,
    /// How long a hold lasts before `after-quorum-timeout` decides [default: 10m]
    #[arg(long, global = true, env = "KEYGLASS_QUORUM_TIMEOUT", value_name = "TIME")]
    pub quorum_timeout: Option<Period>,
    /// What happens then: hold or proceed [default: hold]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_AFTER_QUORUM_TIMEOUT",
        value_name = "WHAT"
    )]
    pub after_quorum_timeout: Option<String>,
    /// The guard, outside the database and its backups: a file, or a second Postgres that sequencers share
    /// [default: guard in the data folder]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_GUARD",
        value_name = "PATH|URL",
        hide_env_values = true
    )]
    pub guard: Option<String>,
    /// How long the sequencer holds its lease in Postgres without renewing it; a stand-by takes over after that [default: 6s]
    #[arg(long, global = true, env = "KEYGLASS_LEASE_TTL", value_name = "TIME")]
    pub lease_ttl: Option<Period>,
    /// How often the lease is renewed; at most a third of lease-ttl [default: 2s]
    #[arg(long, global = true, env = "KEYGLASS_LEASE_RENEW", value_name = "TIME")]
    pub lease_renew: Option<Period>,
    /// How long a replica serves after its last acknowledgement; the same for the sequencer and its replicas [default: 20s]
    #[arg(long, global = true, env = "KEYGLASS_REPLICA_LEASE", value_name = "TIME")]
    pub replica_lease: Option<Period>,
    /// What may be promoted: named (a standby that every commit waits for, as its cluster_name says), or most-advanced (whoever
    /// promotes takes care that it is the standby with the most) [default: named]
    #[arg(long, global = true, env = "KEYGLASS_PROMOTIONS", value_name = "WHAT")]
    pub promotions: Option<String>,
    /// Refuse to promise anything unless every commit waits for a standby of Postgres [default: false]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_REQUIRE_SYNCHRONOUS",
        value_name = "BOOL"
    )]
    pub require_synchronous: Option<bool>,
    /// The key that opens the wrapped secrets [default: keys/wrapping.key in the data folder]
    #[arg(long, global = true, env = "KEYGLASS_WRAPPING_KEY", value_name = "FILE")]
    pub wrapping_key: Option<PathBuf>,
    /// Memory for VRF proofs and records that were shown lately [default: 96MiB]
    #[arg(long, global = true, env = "KEYGLASS_PROOF_CACHE", value_name = "SIZE")]
    pub proof_cache: Option<Memory>,
    /// Memory for answers that may be asked for again before the next epoch [default: 64MiB]
    #[arg(long, global = true, env = "KEYGLASS_ANSWER_CACHE", value_name = "SIZE")]
    pub answer_cache: Option<Memory>,
    /// Memory for pages of a SQLite database, half of it for writing [default: 64MiB]
    #[arg(long, global = true, env = "KEYGLASS_SQLITE_CACHE", value_name = "SIZE")]
    pub sqlite_cache: Option<Memory>,
    /// Audit proofs, tiles and checkpoint as files that any file server can serve [default: artefacts in the data folder]
    #[arg(long, global = true, env = "KEYGLASS_ARTEFACTS_DIR", value_name = "DIR")]
    pub artefacts_dir: Option<PathBuf>,
    /// The journal of batches, with which an old backup is brought forward; keep it on another disk than the database
    /// [default: journal in the data folder]
    #[arg(long, global = true, env = "KEYGLASS_JOURNAL_DIR", value_name = "DIR")]
    pub journal_dir: Option<PathBuf>,
    /// Time in which the head and the body of a request must arrive [default: 8s]
    #[arg(long, global = true, env = "KEYGLASS_REQUEST_TIMEOUT", value_name = "TIME")]
    pub request_timeout: Option<Period>,
    /// The platform's token keys, a JWK set of Ed25519 public keys, read again when it changes [default: none, which is
    /// open registration: anybody may publish for any account that does not exist yet]
    #[arg(long, global = true, env = "KEYGLASS_TOKEN_KEYS", value_name = "FILE")]
    pub token_keys: Option<PathBuf>,
    /// Who may look up telephone numbers: token (its scope is lookup) or open [default: token]
    #[arg(long, global = true, env = "KEYGLASS_PHONE_LOOKUPS", value_name = "WHO")]
    pub phone_lookups: Option<String>,
    /// A proxy whose X-Forwarded-For is believed, as in 10.0.0.0/8; repeatable [default: none]
    #[arg(
        long,
        global = true,
        env = "KEYGLASS_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub trusted_proxy: Option<Vec<String>>,
    /// What each client may spend a second; a lookup of an account costs 1; 0 is no limit [default: 100]
    #[arg(long, global = true, env = "KEYGLASS_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// What a client may save up and spend at once; at least 500, the price of a whole batch [default: 1000]
    #[arg(long, global = true, env = "KEYGLASS_RATE_BURST", value_name = "N")]
    pub rate_burst: Option<u32>,
    /// plain or json [default: plain]
    #[arg(long, global = true, env = "KEYGLASS_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, as in info or warn,keyglass_server=debug [default: info]
    #[arg(long, global = true, env = "KEYGLASS_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

impl Layer {
    /// The settings in a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB, or holds anything that is not a setting.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |error| SettingsError::Unreadable {
            path: path.to_owned(),
            error,
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE {
            return Err(SettingsError::File {
                path: path.to_owned(),
                why: "larger than 1 MiB".to_owned(),
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        toml::from_str(&text).map_err(|e| SettingsError::File {
            path: path.to_owned(),
            why: e.to_string().trim_end().to_owned(),
        })
    }

    /// This layer with the gaps filled from `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            admin_listen: self.admin_listen.or(below.admin_listen),
            data_dir: self.data_dir.or(below.data_dir),
            database: self.database.or(below.database),
            origin: self.origin.or(below.origin),
            epoch_interval: self.epoch_interval.or(below.epoch_interval),
            max_batch: self.max_batch.or(below.max_batch),
            merge_delay: self.merge_delay.or(below.merge_delay),
            role: self.role.or(below.role),
            replica_name: self.replica_name.or(below.replica_name),
            sequencer: self.sequencer.or(below.sequencer),
            updates_to: self.updates_to.or(below.updates_to),
            artefacts_from: self.artefacts_from.or(below.artefacts_from),
            replica_token: self.replica_token.or(below.replica_token),
            head_poll: self.head_poll.or(below.head_poll),
            cosigner: self.cosigner.or(below.cosigner),
            quorum: self.quorum.or(below.quorum),
            padding: self.padding.or(below.padding),
            accept_config_change: self.accept_config_change.or(below.accept_config_change),
            import_closed_after_epoch: self.import_closed_after_epoch.or(below.import_closed_after_epoch),
            limit_record_bytes: self.limit_record_bytes.or(below.limit_record_bytes),
            limit_devices: self.limit_devices.or(below.limit_devices),
            limit_owner_versions: self.limit_owner_versions.or(below.limit_owner_versions),
            limit_versions: self.limit_versions.or(below.limit_versions),
            limit_recovery_delay: self.limit_recovery_delay.or(below.limit_recovery_delay),
            successor: self.successor.or(below.successor),
            predecessor: self.predecessor.or(below.predecessor),
            reserved_handle: self.reserved_handle.or(below.reserved_handle),
            confusable_handles: self.confusable_handles.or(below.confusable_handles),
            erase_closed_after: self.erase_closed_after.or(below.erase_closed_after),
            quorum_late: self.quorum_late.or(below.quorum_late),
            quorum_timeout: self.quorum_timeout.or(below.quorum_timeout),
            after_quorum_timeout: self.after_quorum_timeout.or(below.after_quorum_timeout),
            guard: self.guard.or(below.guard),
            lease_ttl: self.lease_ttl.or(below.lease_ttl),
            lease_renew: self.lease_renew.or(below.lease_renew),
            replica_lease: self.replica_lease.or(below.replica_lease),
            promotions: self.promotions.or(below.promotions),
            require_synchronous: self.require_synchronous.or(below.require_synchronous),
            wrapping_key: self.wrapping_key.or(below.wrapping_key),
            proof_cache: self.proof_cache.or(below.proof_cache),
            answer_cache: self.answer_cache.or(below.answer_cache),
            sqlite_cache: self.sqlite_cache.or(below.sqlite_cache),
            artefacts_dir: self.artefacts_dir.or(below.artefacts_dir),
            journal_dir: self.journal_dir.or(below.journal_dir),
            request_timeout: self.request_timeout.or(below.request_timeout),
            token_keys: self.token_keys.or(below.token_keys),
            phone_lookups: self.phone_lookups.or(below.phone_lookups),
            trusted_proxy: self.trusted_proxy.or(below.trusted_proxy),
            rate_limit: self.rate_limit.or(below.rate_limit),
            rate_burst: self.rate_burst.or(below.rate_burst),
            log_format: self.log_format.or(below.log_format),
            log: self.log.or(below.log),
        }
    }
}

/// Refuses `KEYGLASS_…` variables that are no setting: a misspelt setting would silently not apply.
///
/// # Errors
/// The first such variable.
pub fn refuse_unknown_variables(
    known: &[String],
    mut present: impl Iterator<Item = String>,
) -> Result<(), SettingsError> {
    let unknown = present.find(|name| {
        name.starts_with("KEYGLASS_") && !FOREIGN.contains(&name.as_str()) && !known.contains(name)
    });
    unknown.map_or(Ok(()), |name| Err(SettingsError::UnknownVariable(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn unknown_settings_of_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyglass.toml");
        std::fs::write(
            &path,
            "listen = \"127.0.0.1:1\"\nepoch_interval = \"2s\"\ncosigner = [\"a\", \"b\"]\n",
        )
        .unwrap();
        let layer = Layer::from_file(&path).unwrap();
        assert_eq!(layer.listen, Some("127.0.0.1:1".parse().unwrap()));
        assert_eq!(layer.cosigner, Some(vec!["a".to_owned(), "b".to_owned()]));
        for bad in [
            "lissten = \"127.0.0.1:1\"",
            "listen = 5",
            "[server]\n",
            "epoch_interval = 1",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(
                Layer::from_file(&path).unwrap_err().reason(),
                "settings-file",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_misspelt_variable_is_refused() {
        let known = ["KEYGLASS_LISTEN".to_owned()];
        let given = |names: &[&str]| {
            names
                .iter()
                .map(|n| (*n).to_owned())
                .collect::<Vec<_>>()
                .into_iter()
        };
        assert!(
            refuse_unknown_variables(&known, given(&["KEYGLASS_LISTEN", "KEYGLASS_HOME", "PATH"])).is_ok()
        );
        assert_eq!(
            refuse_unknown_variables(&known, given(&["KEYGLASS_LISSTEN"]))
                .unwrap_err()
                .reason(),
            "unknown-variable"
        );
    }

    #[test]
    fn the_upper_layer_wins() {
        let upper = Layer {
            origin: Some("up".to_owned()),
            ..Layer::default()
        };
        let lower = Layer {
            origin: Some("low".to_owned()),
            max_batch: Some(3),
            ..Layer::default()
        };
        let merged = upper.over(lower);
        assert_eq!(
            (merged.origin.as_deref(), merged.max_batch),
            (Some("up"), Some(3))
        );
    }
}
