//! Postgres is dumped and restored with its own tools, which know every version of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::BackupError;

/// Debian's folder of versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Most bytes of a tool's complaint that are repeated.
const MAX_COMPLAINT: usize = 2_000;

/// Dumps a database, as it is at one moment, into a file.
pub(super) fn dump(url: &str, to: &Path) -> Result<(), BackupError> {
    let mut command = tool("pg_dump", url)?;
    command
        .args(["--format=custom", "--no-owner", "--no-privileges", "--file"])
        .arg(to);
    run("pg_dump", command)
}

/// Restores a dump into an empty database, whole or not at all.
pub(super) fn restore(url: &str, from: &Path) -> Result<(), BackupError> {
    let mut command = tool("pg_restore", url)?;
    command
        .args([
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
        ])
        .arg(from);
    run("pg_restore", command)
}

/// The tool, told which database; a password goes by the environment, where others cannot see it.
fn tool(name: &'static str, url: &str) -> Result<Command, BackupError> {
    let path = find(name).ok_or_else(|| BackupError::Tool {
        tool: name,
        why: "not found on this machine: install postgresql-client".to_owned(),
    })?;
    let (url, password) = without_password(url);
    let mut command = Command::new(path);
    command.arg("--no-password").arg("--dbname").arg(url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(command)
}

fn run(tool: &'static str, mut command: Command) -> Result<(), BackupError> {
    let failed = |why: String| BackupError::Tool { tool, why };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(MAX_COMPLAINT).collect();
    Err(failed(format!("{} ({said})", output.status)))
}

/// On PATH, or in the newest of Debian's versioned folders.
fn find(name: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    std::env::split_paths(&on_path)
        .chain(versions.into_iter().rev())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The URL without its password, and the password.
fn without_password(url: &str) -> (String, Option<String>) {
    let kept = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else {
        return kept();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let Some((authority, path)) = rest.split_at_checked(end) else {
        return kept();
    };
    let Some((user, host)) = authority.rsplit_once('@') else {
        return kept();
    };
    let Some((user, password)) = user.split_once(':') else {
        return kept();
    };
    (format!("{scheme}://{user}@{host}{path}"), Some(decoded(password)))
}

/// Percent-decoding, as in every URL.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let byte = digits
            .and_then(|d| core::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_the_url() {
        for (url, expected, password) in [
            (
                "postgres://u:p%40%2Fs@h:5/db?x=y",
                "postgres://u@h:5/db?x=y",
                Some("p@/s"),
            ),
            ("postgres://u:a%zz@h/db", "postgres://u@h/db", Some("a%zz")),
            ("postgres://u@h/db", "postgres://u@h/db", None),
            (
                "postgres:///db?host=/tmp/x:y@z",
                "postgres:///db?host=/tmp/x:y@z",
                None,
            ),
            ("postgres://h", "postgres://h", None),
        ] {
            assert_eq!(
                without_password(url),
                (expected.to_owned(), password.map(str::to_owned)),
                "{url}"
            );
        }
    }
}
