//! schemathesis, in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::Effort;
use super::prepared::Prepared;
use super::reached::Reached;
use crate::http::Http;

/// The version whose findings are known.
const TESTER: &str = "schemathesis==4.32.5";
const HOOKS: &str = include_str!("../../schemathesis/hooks.py");

/// The installed tester.
pub(super) struct Tester(PathBuf);

/// One run of it.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    /// A client of the API.
    pub(super) http: &'a Http,
    /// The description.
    pub(super) document: &'a [u8],
    pub(super) prepared: &'a Prepared,
    pub(super) phases: &'a str,
    /// Bounds of what is generated; none where nothing is but what the description asks for.
    pub(super) effort: Option<Effort>,
    /// The one error of a server that is no finding, if there is one.
    pub(super) unavailable: Option<u16>,
}

impl Tester {
    /// Installs it at `place`, unless it is there.
    pub(super) fn install(place: &Path) -> Result<Self> {
        let program = place.join("bin").join("schemathesis");
        if !program.exists() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(place).status()?;
            ensure!(made.success(), "python3 -m venv failed");
            let pip = Command::new(place.join("bin").join("pip"))
                .args(["install", "-q", TESTER])
                .status()?;
            ensure!(pip.success(), "{TESTER} is not to be had");
        }
        Ok(Self(program))
    }

    /// Runs one pass.
    ///
    /// # Errors
    /// It found something.
    pub(super) fn run(&self, pass: &Pass<'_>) -> Result<Reached> {
        let dir = tempfile::tempdir()?;
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("hooks.py"), HOOKS)?;
        std::fs::write(file("schemathesis.toml"), configuration(pass.unavailable))?;
        // From a file: the operation from which it loads a description it would not test.
        std::fs::write(file("openapi.json"), pass.document)?;
        std::fs::write(file("prepared.json"), serde_json::to_vec(pass.prepared)?)?;
        let status = Command::new(&self.0)
            .current_dir(dir.path())
            .args(["run", "openapi.json", "--url", pass.http.base()])
            .args(["--checks", "all", "--phases", pass.phases])
            .args(pass.effort.iter().flat_map(bounds))
            .args(["--seed", "1", "--continue-on-failure"])
            .args(["--no-color", "--warnings", "off"])
            .status()?;
        ensure!(status.success(), "the tester found something");
        Reached::parse(&std::fs::read_to_string(file("reached.jsonl"))?)
    }
}

fn bounds(effort: &Effort) -> [String; 4] {
    let Effort { examples, seconds } = effort;
    [
        "--max-examples".to_owned(),
        examples.to_string(),
        "--max-time".to_owned(),
        seconds.to_string(),
    ]
}

/// What a schema cannot say (canonical base64, forms of names, signatures, whose turn it is) may be refused although the
/// schema is met; and what is too long may be refused as that.
fn configuration(unavailable: Option<u16>) -> String {
    let more = unavailable.map_or(String::new(), |status| format!(", '{status}'"));
    format!(
        "hooks = 'hooks.py'\n\
         [checks]\n\
         positive_data_acceptance.expected-statuses = ['2xx', '400', '401', '403', '404', '409', '422'{more}]\n\
         negative_data_rejection.expected-statuses = ['4xx'{more}]\n\
         not_a_server_error.expected-statuses = ['2xx', '3xx', '4xx'{more}]\n"
    )
}
