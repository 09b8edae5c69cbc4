//! A Postgres primary and two standbys that stream from it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyglass_schema::test_database::{execute_on, lines_of, postgres_programs};

use super::shell::Shell;
use super::{Link, PATIENCE};
use crate::process::{free_ports, poll};

/// Servers: the first is the primary at the beginning.
pub const NODES: usize = 3;
/// Name of the database.
const DATABASE: &str = "keyglass";
/// No durability against a loss of power, which no test causes; standbys that notice within seconds.
const SETTINGS: &str = "listen_addresses=127.0.0.1 max_connections=120 shared_buffers=16MB fsync=off full_page_writes=off \
     autovacuum=off wal_level=replica hot_standby=on max_wal_senders=10 wal_keep_size=512MB dynamic_shared_memory_type=mmap \
     wal_sender_timeout=5s wal_receiver_timeout=5s wal_receiver_status_interval=1s wal_retrieve_retry_interval=100ms \
     hot_standby_feedback=on max_standby_streaming_delay=60s";

/// What a commit on the primary waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// One of the standbys has it, too.
    Synchronous,
    /// The primary alone.
    Asynchronous,
}

/// The three servers. Reachable by TCP as user `keyglass`, without a password.
pub struct Databases {
    shell: Mutex<Shell>,
    programs: PathBuf,
    ports: Vec<u16>,
    /// By which each node finds the primary, while it is a standby.
    upstream: Vec<Link>,
    primary: usize,
}

impl Databases {
    /// Starts all three; the standbys stream.
    ///
    /// # Panics
    /// They do not start; without Postgres with a message that says what to install.
    pub fn start(commits: Commits) -> Self {
        let programs = postgres_programs().unwrap_or_else(|why| panic!("{why}"));
        let shell = Shell::start();
        let ports: Vec<u16> = (0..NODES).map(|_| free_ports()[0]).collect();
        let upstream = (0..NODES).map(|_| Link::to(ports[0])).collect();
        let this = Self {
            shell: Mutex::new(shell),
            programs,
            ports,
            upstream,
            primary: 0,
        };
        this.create(0);
        if commits == Commits::Synchronous {
            // In every copy, and in force only once there is somebody to wait for.
            let names: Vec<String> = (0..NODES).map(|node| format!("node{node}")).collect();
            let sql = format!(
                "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({})'",
                names.join(",")
            );
            this.execute(0, &sql).unwrap();
        }
        for node in 1..NODES {
            this.copy_primary(node);
        }
        this.wait_until_streaming();
        this.execute(0, "SELECT pg_reload_conf()").unwrap();
        this
    }

    /// Waits until both standbys, or those that are left, stream from the primary.
    fn wait_until_streaming(&self) {
        poll("the standbys", PATIENCE, || {
            let sql = "SELECT count(*)::text AS line FROM pg_stat_replication WHERE state = 'streaming'";
            (self.ask(self.primary, sql)?.parse::<usize>() == Ok(NODES - 1)).then_some(())
        });
    }

    /// Starts one more server, by itself and with an empty database: for a guard. Answers its number.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_another(&mut self) -> usize {
        let node = self.ports.len();
        self.ports.push(free_ports()[0]);
        self.upstream.push(Link::to(self.ports[node]));
        self.create(node);
        node
    }

    /// A new cluster with one database.
    fn create(&self, node: usize) {
        self.run(&format!(
            "{} -D {} -U keyglass -A trust -E UTF8 --locale=C -N --wal-segsize=1",
            self.program("initdb"),
            self.data(node)
        ));
        self.start_node(node);
        let sql = format!("CREATE DATABASE {DATABASE}");
        execute_on(&self.url_of(node, "postgres"), &sql).unwrap();
    }

    /// The node that takes writes.
    pub fn primary(&self) -> usize {
        self.primary
    }

    /// The nodes that do not.
    pub fn standbys(&self) -> Vec<usize> {
        (0..NODES).filter(|node| *node != self.primary).collect()
    }

    /// The port of a node.
    pub fn port(&self, node: usize) -> u16 {
        self.ports[node]
    }

    /// Connection URL of a node.
    pub fn url(&self, node: usize) -> String {
        self.url_of(node, DATABASE)
    }

    /// Connection URL by ports of which one may lead to the primary: it is found, also after another was promoted.
    pub fn primary_among(ports: &[u16]) -> String {
        let hosts = vec!["127.0.0.1"; ports.len()].join(",");
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!(
            "postgres:///{DATABASE}?host={hosts}&port={}&user=keyglass&target_session_attrs=read-write&connect_timeout=2",
            ports.join(",")
        )
    }

    /// The link by which a standby follows the primary.
    pub fn upstream(&self, node: usize) -> &Link {
        &self.upstream[node]
    }

    /// Kills the primary with SIGKILL, all its processes at once.
    pub fn kill_primary(&self) {
        self.kill(self.primary);
    }

    /// Kills a node with SIGKILL, all its processes at once.
    pub fn kill(&self, node: usize) {
        // Stopped first: it must not see its children die.
        self.run(&format!(
            "kill -STOP $pid{node} && kill -KILL $(cat /proc/$pid{node}/task/$pid{node}/children) $pid{node}; \
             wait $pid{node}; ipcrm -m $(sed -n 7p {data}/postmaster.pid | awk '{{print $2}}'); rm -f {data}/postmaster.pid",
            data = self.data(node)
        ));
    }

    /// Starts a node that was killed, as what it was.
    pub fn restart(&self, node: usize) {
        self.start_node(node);
    }

    /// Starts a standby that was killed as a primary by itself: an old copy of the database, on the same timeline.
    pub fn restart_alone(&self, node: usize) {
        self.run(&format!("rm {}/standby.signal", self.data(node)));
        self.start_node(node);
    }

    /// Makes a standby the primary; the others follow it, if they are not ahead of it.
    pub fn promote(&mut self, node: usize) {
        execute_on(&self.url(node), "SELECT pg_promote(true, 60)").unwrap();
        poll("the promotion", PATIENCE, || {
            (self.ask(node, "SELECT pg_is_in_recovery()::text AS line")? == "false").then_some(())
        });
        self.primary = node;
        for link in &self.upstream {
            link.aim(self.ports[node]);
        }
    }

    /// The standby that has received most of what the primary wrote.
    pub fn most_advanced(&self) -> usize {
        let received = |node: &usize| {
            let sql = "SELECT (pg_last_wal_receive_lsn() - '0/0')::text AS line";
            self.ask(*node, sql).and_then(|bytes| bytes.parse::<u64>().ok())
        };
        self.standbys().into_iter().max_by_key(received).unwrap()
    }

    /// Makes a node a standby of the primary, from a fresh copy.
    pub fn copy_primary(&self, node: usize) {
        let data = self.data(node);
        self.run(&format!(
            "rm -rf {data} && {} -D {data} -h 127.0.0.1 -p {} -U keyglass -X stream -c fast --no-sync --no-manifest \
             && touch {data}/standby.signal",
            self.program("pg_basebackup"),
            self.ports[self.primary]
        ));
        self.start_node(node);
    }

    /// A standby receives, and shows nothing new: it is slow.
    pub fn pause_replay(&self, node: usize) {
        execute_on(&self.url(node), "SELECT pg_wal_replay_pause()").unwrap();
        poll("the pause", PATIENCE, || {
            (self.ask(node, "SELECT pg_get_wal_replay_pause_state() AS line")? == "paused").then_some(())
        });
    }

    /// It goes on.
    pub fn resume_replay(&self, node: usize) {
        execute_on(&self.url(node), "SELECT pg_wal_replay_resume()").unwrap();
    }

    /// The answer of a query with one row and one text column named `line`; `None` if there is none.
    pub fn ask(&self, node: usize, sql: &str) -> Option<String> {
        lines_of(&self.url(node), sql).ok()?.pop()
    }

    /// Runs SQL on a node.
    ///
    /// # Errors
    /// It is down or refuses.
    pub fn execute(&self, node: usize, sql: &str) -> Result<(), String> {
        execute_on(&self.url(node), sql)
    }

    fn start_node(&self, node: usize) {
        let options: String = SETTINGS
            .split_whitespace()
            .map(|set| format!(" -c {set}"))
            .collect();
        self.run(&format!(
            "{} -D {} -p {} -k {}{options} -c 'primary_conninfo=host=127.0.0.1 \
             port={} user=keyglass application_name=node{node} connect_timeout=2' & pid{node}=$!; pids=\"$pids $!\"",
            self.program("postgres"),
            self.data(node),
            self.ports[node],
            self.dir().display(),
            self.upstream[node].port()
        ));
        poll("a database", PATIENCE, || {
            lines_of(&self.url_of(node, "postgres"), "SELECT 'up' AS line").ok()
        });
    }

    fn url_of(&self, node: usize, database: &str) -> String {
        format!(
            "postgres://keyglass@127.0.0.1:{}/{database}?connect_timeout=5",
            self.ports[node]
        )
    }

    fn data(&self, node: usize) -> String {
        self.dir().join(format!("node{node}")).display().to_string()
    }

    fn dir(&self) -> PathBuf {
        self.shell().dir().to_owned()
    }

    fn program(&self, name: &str) -> String {
        self.programs.join(name).display().to_string()
    }

    fn shell(&self) -> MutexGuard<'_, Shell> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, line: &str) {
        self.shell().run(line);
    }
}
