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
    /// What this process does: all (sequencer and replica come with the replicated setup) [default: all]
    #[arg(long, global = true, env = "KEYGLASS_ROLE", value_name = "ROLE")]
    pub role: Option<String>,
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
    /// The guard: a file outside the database and its backups [default: guard in the data folder]
    #[arg(long, global = true, env = "KEYGLASS_GUARD", value_name = "PATH")]
    pub guard: Option<String>,
    /// The key that opens the wrapped secrets [default: keys/wrapping.key in the data folder]
    #[arg(long, global = true, env = "KEYGLASS_WRAPPING_KEY", value_name = "FILE")]
    pub wrapping_key: Option<PathBuf>,
    /// Memory for VRF proofs and records that were shown lately [default: 96MiB]
    #[arg(long, global = true, env = "KEYGLASS_PROOF_CACHE", value_name = "SIZE")]
    pub proof_cache: Option<Memory>,
    /// Memory for answers that may be asked for again before the next epoch [default: 64MiB]
    #[arg(long, global = true, env = "KEYGLASS_ANSWER_CACHE", value_name = "SIZE")]
    pub answer_cache: Option<Memory>,
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
            cosigner: self.cosigner.or(below.cosigner),
            quorum: self.quorum.or(below.quorum),
            quorum_late: self.quorum_late.or(below.quorum_late),
            quorum_timeout: self.quorum_timeout.or(below.quorum_timeout),
            after_quorum_timeout: self.after_quorum_timeout.or(below.after_quorum_timeout),
            guard: self.guard.or(below.guard),
            wrapping_key: self.wrapping_key.or(below.wrapping_key),
            proof_cache: self.proof_cache.or(below.proof_cache),
            answer_cache: self.answer_cache.or(below.answer_cache),
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
