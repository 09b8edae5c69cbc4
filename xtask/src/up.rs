//! `cargo xtask up`: a real directory and an independent auditor on this machine, with sample accounts.
//!
//! Built in the dev profile: its dependencies are optimised in any case (see the workspace's `Cargo.toml`), so
//! cryptography is fast, and on a fresh machine it starts minutes sooner than a release build.

mod child;
mod people;
mod ready;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::child::Child;
use crate::{built, cargo, root, tools};

/// Name under which the sample auditor cosigns.
const AUDITOR: &str = "auditor.localhost";

/// Arguments of `cargo xtask up`.
#[derive(Args)]
pub(crate) struct Options {
    /// Where everything is kept; run again on the same folder, it goes on where it stopped
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The directory's API gets this port, its admin port the next, the auditor the one after
    #[arg(long, default_value_t = 8600, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_533))]
    port: u16,
    /// Build with optimisation
    #[arg(long)]
    release: bool,
    /// Stop after everything is shown, instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

/// Where things are.
struct Place {
    /// Folder of the three programs.
    programs: PathBuf,
    data: PathBuf,
    port: u16,
}

impl Place {
    fn directory_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn listen(&self, offset: u16) -> String {
        format!("127.0.0.1:{}", self.port.saturating_add(offset))
    }

    fn auditor_url(&self) -> String {
        format!("http://{}", self.listen(2))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        // Settings of the caller's own directory must not reach the sample one.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("KEYGLASS_") {
                command.env_remove(variable);
            }
        }
        command
    }
}

/// What the directory says about itself when it starts.
struct Identity {
    log_vkey: String,
    config_sha256: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let data = options
        .data_dir
        .clone()
        .map_or_else(|| Ok(root()?.join("keyglass-data")), Ok::<_, anyhow::Error>)?;
    let place = Place {
        programs: build(options.release)?,
        data: std::path::absolute(data)?,
        port: options.port,
    };
    for folder in ["directory", "auditor", "people"] {
        let folder = place.data.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    ports_are_free(&place)?;

    let cosigner = auditor_vkey(&place)?;
    println!(
        "starting the directory and its auditor in {}",
        place.data.display()
    );
    let (mut server, identity) = start_server(&place, &cosigner)?;
    let mut auditor = start_auditor(&place, &identity)?;
    ready::wait(&place.listen(1), &mut server, &stop)?;
    ready::wait(&place.listen(2), &mut auditor, &stop)?;

    let policy = write_policy(&place, &identity, &cosigner)?;
    let outcome = people::publish(&place, &identity, &policy, &stop).and_then(|()| {
        people::print_commands(&place, &identity);
        if options.once {
            Ok(())
        } else {
            wait(&stop, &mut [&mut server, &mut auditor])
        }
    });
    println!("\nstopping the auditor and the directory");
    let stopped = auditor.stop().and(server.stop());
    if stop.load(Ordering::Relaxed) {
        stopped
    } else {
        outcome.and(stopped)
    }
}

/// Builds the three programs and says where they are: beside this program, or in `release`.
fn build(release: bool) -> Result<PathBuf> {
    tools::can_build()?;
    println!("building keyglass-server, keyglass-auditor and keyglass");
    let mut command = Command::new(cargo());
    command.current_dir(root()?).args(["build", "--locked"]);
    command.args([
        "-p",
        "keyglass-server",
        "-p",
        "keyglass-auditor",
        "-p",
        "keyglass",
    ]);
    if release {
        command.arg("--release");
    }
    ensure!(command.status()?.success(), "the programs do not build");
    built(if release { "release" } else { "debug" })
}

fn ports_are_free(place: &Place) -> Result<()> {
    for offset in 0..3 {
        let address = place.listen(offset);
        TcpListener::bind(&address).with_context(|| {
            format!(
                "{address} is taken: does another `cargo xtask up` run? Stop it, or choose others with --port"
            )
        })?;
    }
    Ok(())
}

/// The auditor's verifier key; its keys are made once.
fn auditor_vkey(place: &Place) -> Result<String> {
    let kept = place.data.join("auditor.vkeys");
    if !kept.exists() {
        let output = place
            .program("keyglass-auditor")
            .args(["keygen", "--name", AUDITOR, "--data-dir"])
            .arg(place.data.join("auditor"))
            .output()?;
        ensure!(
            output.status.success(),
            "keyglass-auditor keygen: {}{}",
            output.status,
            indented(&String::from_utf8_lossy(&output.stderr))
        );
        fs::write(&kept, output.stdout)?;
    }
    let text = fs::read_to_string(&kept)?;
    let first = text.lines().map(str::trim).find(|line| is_vkey(line));
    first
        .map(str::to_owned)
        .with_context(|| format!("{} holds no verifier key", kept.display()))
}

fn start_server(place: &Place, cosigner: &str) -> Result<(Child, Identity)> {
    let mut command = place.program("keyglass-server");
    command.arg("--data-dir").arg(place.data.join("directory"));
    command.args(["--listen", &place.listen(0), "--admin-listen", &place.listen(1)]);
    command.args([
        "--cosigner",
        &format!("{cosigner} {}", place.auditor_url()),
        "--quorum",
        "1",
    ]);
    let mut child = Child::start("keyglass-server", &command, &place.data)?;
    let mut said = Vec::new();
    let until = Instant::now() + ready::LIMIT;
    while let Some(line) = child.line_before(until)? {
        said.push(line);
        if let Some(identity) = identity(&said) {
            return Ok((child, identity));
        }
    }
    bail!(
        "keyglass-server did not print its log vkey and configuration hash{}",
        child.last_words()
    );
}

/// Finds the log's verifier key and the configuration's hash in what the server prints.
fn identity(said: &[String]) -> Option<Identity> {
    let find = |word: &str, fits: fn(&str) -> bool| {
        said.iter()
            .filter(|line| line.to_lowercase().contains(word))
            .flat_map(|line| line.split_whitespace())
            .map(|token| token.trim_matches(['"', '\'', ',']))
            .find(|token| fits(token))
            .map(str::to_owned)
    };
    let log_vkey = find("log", is_vkey)?;
    Some(Identity {
        log_vkey,
        config_sha256: find("config", is_sha256)?,
    })
}

fn start_auditor(place: &Place, identity: &Identity) -> Result<Child> {
    let mut command = place.program("keyglass-auditor");
    command.args([
        "run",
        "--directory",
        &place.directory_url(),
        "--log-vkey",
        &identity.log_vkey,
    ]);
    command
        .args(["--listen", &place.listen(2), "--name", AUDITOR, "--data-dir"])
        .arg(place.data.join("auditor"));
    Child::start("keyglass-auditor", &command, &place.data)
}

/// A tlog-policy that cannot be met without the auditor.
fn write_policy(place: &Place, identity: &Identity, cosigner: &str) -> Result<PathBuf> {
    let path = place.data.join("policy.txt");
    let text = format!(
        "# Nothing counts as verified unless the auditor has checked and cosigned it.\n\
         log {} {}\nwitness auditor {cosigner} {}\ngroup auditors all auditor\nquorum auditors\n",
        identity.log_vkey,
        place.directory_url(),
        place.auditor_url()
    );
    fs::write(&path, text)?;
    Ok(path)
}

/// Stays until a signal comes or a program ends by itself.
fn wait(stop: &AtomicBool, children: &mut [&mut Child]) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        for child in children.iter_mut() {
            child.must_run()?;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// `<name>+<8 hex>+<base64>`.
fn is_vkey(token: &str) -> bool {
    let mut parts = token.splitn(3, '+');
    let name = parts.next().is_some_and(|name| !name.is_empty());
    let id = parts
        .next()
        .is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    name && id && parts.next().is_some_and(|key| key.len() >= 44)
}

fn is_sha256(token: &str) -> bool {
    token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("\n    {line}")).collect()
}

fn display(path: &Path) -> String {
    // Shorter to read and to copy than an absolute path.
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_identity_is_found_in_its_words() {
        let vkey = "localhost:8600+0a1b2c3d+AdGvGfFM1ZsLYlYUZyz3/tDzmM6vCeAKPKsFVqLnS1Bb";
        let said = [
            "origin  localhost:8600".to_owned(),
            format!("log vkey  {vkey}"),
            format!("config  {}", "ab".repeat(32)),
        ];
        let found = identity(&said);
        assert!(found.is_some_and(|found| found.log_vkey == vkey && found.config_sha256 == "ab".repeat(32)));
        assert!(identity(&said[..2]).is_none());
    }

    #[test]
    fn only_a_verifier_key_is_taken_for_one() {
        assert!(!is_vkey("http://127.0.0.1:8600"));
        assert!(!is_vkey("name+0a1b2c3d+short"));
        assert!(!is_vkey(
            "name+nothexad+AdGvGfFM1ZsLYlYUZyz3/tDzmM6vCeAKPKsFVqLnS1Bb"
        ));
    }
}
