//! Settings: flag over environment over file. Unknown settings are refused.

use std::path::{Path, PathBuf};

use keyglass_protocol::epoch::TimeBounds;
use serde::Deserialize;

use crate::args::Globals;
use crate::report::Failure;
use crate::secret::{Passphrase, Token, Words};

/// Largest settings file in bytes.
const MAX_SETTINGS_BYTES: u64 = 64 * 1024;

/// What a settings file may state.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    directory: Option<String>,
    token_file: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    allow_unaudited: Option<bool>,
    offline: Option<bool>,
    json: Option<bool>,
    max_cosignature_age: Option<u64>,
    max_heartbeat_age: Option<u64>,
    max_clock_skew: Option<u64>,
}

/// The settings in force.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Address that was asked for.
    pub(crate) directory: Option<String>,
    /// File with the bearer token.
    pub(crate) token_file: Option<PathBuf>,
    /// File with the passphrase of private keys and exports.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The absence of an auditor is accepted.
    pub(crate) allow_unaudited: bool,
    /// No socket is opened.
    pub(crate) offline: bool,
    /// One JSON object.
    pub(crate) json: bool,
    /// No remarks.
    pub(crate) quiet: bool,
    /// More remarks.
    pub(crate) verbose: bool,
    /// How old and how far ahead signed times may be.
    pub(crate) bounds: TimeBounds,
}

impl Settings {
    /// Reads the settings file, if one is named, below what the command line and environment say.
    pub(crate) fn new(globals: &Globals) -> Result<Self, Failure> {
        let file = globals
            .config
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default();
        let default = TimeBounds::default();
        Ok(Self {
            directory: globals.directory.clone().or(file.directory),
            token_file: globals.token_file.clone().or(file.token_file),
            passphrase_file: globals.passphrase_file.clone().or(file.passphrase_file),
            allow_unaudited: globals.allow_unaudited || file.allow_unaudited.unwrap_or_default(),
            offline: globals.offline || file.offline.unwrap_or_default(),
            json: globals.json || file.json.unwrap_or_default(),
            quiet: globals.quiet,
            verbose: globals.verbose,
            bounds: TimeBounds {
                cosignature_age: or(
                    globals.max_cosignature_age,
                    file.max_cosignature_age,
                    default.cosignature_age,
                ),
                heartbeat_age: or(
                    globals.max_heartbeat_age,
                    file.max_heartbeat_age,
                    default.heartbeat_age,
                ),
                clock_skew: or(globals.max_clock_skew, file.max_clock_skew, default.clock_skew),
            },
        })
    }

    /// The passphrase of private keys and exports, if a file is named.
    pub(crate) fn passphrase(&self) -> Result<Passphrase, Failure> {
        let words = self.passphrase_file.as_deref().map(Words::read).transpose()?;
        Ok(words.map_or(Passphrase::None, Passphrase::Given))
    }

    /// The bearer token, if one is configured.
    pub(crate) fn token(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(Token::read).transpose()
    }
}

fn or(flag: Option<u64>, file: Option<u64>, default: u64) -> u64 {
    flag.or(file).unwrap_or(default)
}

fn read(path: &Path) -> Result<SettingsFile, Failure> {
    let bad = |why: String| Failure::usage("bad-settings", format!("{}: {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|e| bad(e.to_string()))?.len();
    if length > MAX_SETTINGS_BYTES {
        return Err(bad(format!("larger than {MAX_SETTINGS_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    toml::from_str(&text).map_err(|e| bad(e.message().to_owned()))
}
