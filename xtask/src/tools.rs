//! What must be on the machine. A missing tool is installed where that is possible without asking (Debian as
//! root, rustup); otherwise the step fails and says how.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};

use crate::step::Log;

/// A Debian package and how to see that what we need from it is there.
struct Package {
    name: &'static str,
    present: fn() -> bool,
}

/// Needed to compile: SQLite, libpq and ring are built from source, libpq against the system's OpenSSL.
const BUILD: &[Package] = &[
    Package {
        name: "build-essential",
        present: || works("cc", &["--version"]) && works("make", &["--version"]),
    },
    Package {
        name: "pkg-config",
        present: || works("pkg-config", &["--version"]),
    },
    Package {
        name: "libssl-dev",
        present: || works("pkg-config", &["--exists", "openssl"]),
    },
];

/// Needed by tests: real Postgres servers, a PKCS#11 token, and promtool for the alert rules.
const TEST: &[Package] = &[
    Package {
        name: "postgresql",
        present: || postgres_tool("initdb").is_some(),
    },
    Package {
        name: "softhsm2",
        present: || works("softhsm2-util", &["--version"]),
    },
    Package {
        name: "prometheus",
        present: || works("promtool", &["--version"]),
    },
];

/// Fails with the exact command if something needed for compiling is missing.
pub(crate) fn can_build() -> Result<()> {
    let missing = missing(BUILD);
    ensure!(
        missing.is_empty(),
        "missing on this machine; please run: {}",
        apt_command(&missing)
    );
    Ok(())
}

/// Everything `cargo xtask test` needs.
pub(crate) fn can_test(log: &mut Log) -> Result<()> {
    let mut missing = missing(BUILD);
    missing.extend(self::missing(TEST));
    if !missing.is_empty() {
        install_packages(log, &missing)?;
    }
    for (tool, component) in [("clippy", "clippy"), ("fmt", "rustfmt")] {
        if !works(&crate::cargo(), &[tool, "--version"]) {
            rustup(log, &["component", "add", component])?;
        }
    }
    if !wasm_target(log)? {
        rustup(log, &["target", "add", "wasm32-unknown-unknown"])?;
        ensure!(
            wasm_target(log)?,
            "the wasm32-unknown-unknown target is still missing"
        );
    }
    Ok(())
}

/// Whether `cargo nextest` is there. It runs the same tests as `cargo test`, in parallel, so it is not required.
pub(crate) fn has_nextest() -> bool {
    works(&crate::cargo(), &["nextest", "--version"])
}

/// Whether `cargo deny` is there. Building it takes longer than all our tests; its rules on bans, sources and
/// licences are checked by us in any case, what it adds are the advisories.
pub(crate) fn has_deny() -> bool {
    works(&crate::cargo(), &["deny", "--version"])
}

fn missing(packages: &[Package]) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|package| !(package.present)())
        .map(|package| package.name)
        .collect()
}

fn apt_command(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

fn install_packages(log: &mut Log, packages: &[&str]) -> Result<()> {
    let root = log.output("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !root || !works("apt-get", &["--version"]) {
        bail!(
            "missing: {}; on Debian: {}",
            packages.join(", "),
            apt_command(packages)
        );
    }
    log.command("apt-get", &["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    log.command("apt-get", &arguments)?;
    let still = self::missing(TEST);
    ensure!(
        still.is_empty(),
        "installed, but still not found: {}",
        still.join(", ")
    );
    Ok(())
}

fn rustup(log: &mut Log, arguments: &[&str]) -> Result<()> {
    if !works("rustup", &["--version"]) {
        bail!(
            "please install, with the means of your Rust toolchain: {}",
            arguments.join(" ")
        );
    }
    log.command("rustup", arguments)
}

fn wasm_target(log: &mut Log) -> Result<bool> {
    let folder = log.output(
        "rustc",
        &["--print", "target-libdir", "--target", "wasm32-unknown-unknown"],
    )?;
    Ok(Path::new(folder.trim()).exists())
}

/// Postgres tools are on PATH or in Debian's versioned folder.
fn postgres_tool(name: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")?;
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    std::env::split_paths(&on_path)
        .chain(versions.map(|version| version.path().join("bin")))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
