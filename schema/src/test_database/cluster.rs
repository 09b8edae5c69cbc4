//! A Postgres cluster that lives no longer than the process that started it.
//!
//! The cluster is run by a small shell whose standard input is a pipe from this process. When the pipe closes, because
//! the [`Cluster`] was dropped or the process ended, panicked or was killed, the shell stops Postgres and removes the
//! directory. Postgres refuses to run as root, so root hands it to `postgres` or `nobody`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;

/// How long initdb and the first start may take.
const START: Duration = Duration::from_secs(60);

/// Where Debian keeps the versions' programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// $1: directory of the programs, $2: directory of the cluster.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
"$1/initdb" -D "$2/data" -U keyglass -A trust -E UTF8 --locale=C -N --wal-segsize=1 \
    >"$2/log" 2>&1 </dev/null || exit 1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=400 -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off >>"$2/log" 2>&1 </dev/null &
cat >/dev/null
kill -QUIT $!
wait
rm -rf "$2"
"#;

/// A running cluster, reachable by a unix socket in its directory as user `keyglass`. Dropping it stops it.
pub struct Cluster {
    watchdog: Child,
    dir: PathBuf,
}

impl Cluster {
    /// Starts an empty cluster.
    ///
    /// # Errors
    /// What is missing, and what to install.
    pub fn start() -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = find_programs(&path, Path::new(DEBIAN))?;
        // Kept: the watchdog removes it, also when this process no longer can.
        let dir = tempfile::Builder::new()
            .prefix("keyglass-pg-")
            .tempdir()
            .map_err(text)?
            .keep();
        let mut shell = Command::new("sh");
        shell
            .args([
                OsStr::new("-c"),
                OsStr::new(WATCHDOG),
                OsStr::new("sh"),
                programs.as_os_str(),
            ])
            .arg(&dir)
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_clear()
            .env("PATH", &path);
        give_to_unprivileged(&mut shell, &dir)?;
        let watchdog = shell.spawn().map_err(text)?;
        let mut cluster = Self { watchdog, dir };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// Connection URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=keyglass", self.dir.display())
    }

    /// Where its files are.
    pub fn data_directory(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Runs SQL in the maintenance database.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn execute(&self, sql: &str) {
        self.run(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// As [`Self::execute`], for cleaning up: failures do not matter.
    pub(super) fn try_execute(&self, sql: &str) {
        let _ = self.run(sql);
    }

    fn run(&self, sql: &str) -> Result<(), String> {
        let mut conn = PgConnection::establish(&self.url("postgres")).map_err(text)?;
        conn.batch_execute(sql).map_err(text)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            if self.run("SELECT 1").is_ok() {
                return Ok(());
            }
            let ended = self.watchdog.try_wait().map_err(text)?.is_some();
            if ended || begin.elapsed() > START {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                return Err(format!("Postgres did not start:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The directory of all of Postgres' programs.
///
/// # Errors
/// What is missing, and what to install.
pub fn postgres_programs() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = find_programs(&path, Path::new(DEBIAN))?.join("initdb");
    // On the PATH there may be links to some of them only.
    let real = fs::canonicalize(found).map_err(text)?;
    let folder = real.parent().ok_or("initdb lies in no folder")?;
    Ok(folder.to_owned())
}

/// The directory of `initdb` and `postgres`: from the PATH, else the newest of Debian's.
fn find_programs(path: &OsStr, debian: &Path) -> Result<PathBuf, String> {
    let mut candidates: Vec<PathBuf> = std::env::split_paths(path).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    candidates.extend(versions.into_iter().rev().map(|(_, bin)| bin));
    let complete = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    candidates.into_iter().find(complete).ok_or_else(|| {
        "This test needs Postgres and found no initdb and postgres on the PATH or in /usr/lib/postgresql/*/bin. \
         Install the server programs (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install \
         postgresql-server; macOS: brew install postgresql)."
            .to_owned()
    })
}

/// Root hands directory and process to an unprivileged user; others keep both.
///
/// # Errors
/// There is no such user, or the directory cannot be handed on.
pub fn give_to_unprivileged(command: &mut Command, dir: &Path) -> Result<(), String> {
    if fs::metadata("/proc/self")
        .or_else(|_| fs::metadata(dir))
        .map_err(text)?
        .uid()
        != 0
    {
        return Ok(());
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(text)?;
    let (uid, gid) = ["postgres", "nobody"]
        .iter()
        .find_map(|name| ids(&passwd, name))
        .ok_or("Postgres refuses to run as root, and there is neither a user postgres nor nobody")?;
    chown(dir, Some(uid), Some(gid)).map_err(text)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(text)?;
    // Clears root's other groups as well.
    command.uid(uid).gid(gid);
    Ok(())
}

fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

fn text(error: impl core::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_missing_postgres_says_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let why = find_programs(empty.path().as_os_str(), empty.path()).unwrap_err();
        assert!(why.contains("apt-get install postgresql"), "{why}");
    }

    #[test]
    fn the_newest_of_debians_versions_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16"] {
            let bin = root.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("initdb"), "").unwrap();
            if version != "16" {
                fs::write(bin.join("postgres"), "").unwrap();
            }
        }
        let found = find_programs(OsStr::new(""), root.path());
        assert_eq!(found, Ok(root.path().join("15/bin")));
    }

    #[test]
    fn when_the_pipe_closes_the_cluster_is_gone() {
        let mut cluster = Cluster::start().unwrap();
        let (url, dir) = (cluster.url("postgres"), cluster.dir.clone());
        assert!(PgConnection::establish(&url).is_ok());
        // What the kernel does when this process dies in whatever way.
        drop(cluster.watchdog.stdin.take());
        cluster.watchdog.wait().unwrap();
        assert!(!dir.exists());
        assert!(PgConnection::establish(&url).is_err());
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "postgresql:x:1:2::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(ids(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids(passwd, "nobody"), None);
    }
}
