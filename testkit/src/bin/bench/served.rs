//! Our side as a whole process: the real server on the directory that was filled, asked over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use keyglass_protocol::message::PROTOBUF_MEDIA_TYPE;
use keyglass_testkit::mixed::memory::cpu_seconds;
use keyglass_testkit::process::Process;
use serde::Deserialize;

use crate::ours::asked;
use crate::{Options, Spent};

/// What was seen from outside.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Served {
    /// From the start of the process to the first answer of a lookup. Seconds.
    pub(crate) ready: f64,
    /// Of the server's process, per answer.
    pub(crate) lookup: Spent,
    pub(crate) lookup_again: Spent,
    pub(crate) same: Spent,
    pub(crate) static_body: Spent,
    /// Resident memory after all of it, and its highest. MiB.
    pub(crate) resident: f64,
    pub(crate) resident_peak: f64,
    /// Bytes of the body of one lookup in JSON.
    pub(crate) body: f64,
    /// Mean bytes of the body of a lookup in protobuf.
    pub(crate) compact: f64,
}

/// Repetitions of what is quick.
const REPEAT: u32 = 20_000;
/// Clients at once. One alone would let the processor fall asleep between two requests, and waking it costs more than an answer.
const CLIENTS: usize = 4;

pub(crate) struct Server {
    process: Process,
    pub(crate) address: Address,
    ready: f64,
}

/// Where a server listens.
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.0)?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    /// Asks for all of these, one after the other.
    fn ask(&self, paths: &[String]) -> Result<()> {
        let mut connection = self.connect()?;
        for path in paths {
            let (status, _) = connection.get(path)?;
            ensure!(status == 200, "{path}: {status}");
        }
        Ok(())
    }
}

impl Server {
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("keyglass-server");
        ensure!(program.exists(), "{} is not built", program.display());
        let mut arguments = vec![
            "--data-dir".to_owned(),
            folder.display().to_string(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--admin-listen".to_owned(),
            "127.0.0.1:0".to_owned(),
        ];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let began = Instant::now();
        let mut process = Process::start(&program, &arguments, &folder.join("server.log"));
        let address = process.wait_for(Duration::from_secs(600), |line| {
            line.strip_prefix("api http://")
                .map(|address| Address(address.to_owned()))
        });
        let mut server = Self {
            process,
            address,
            ready: 0.0,
        };
        let mut connection = server.address.connect()?;
        while connection.get("/v1/accounts/0000000000")?.0 != 200 {
            ensure!(
                began.elapsed() < Duration::from_secs(600),
                "the server does not get ready"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        server.ready = began.elapsed().as_secs_f64();
        Ok(server)
    }

    /// A line of the process's status, in MiB.
    fn memory(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .context("no memory")?;
        let kib: f64 = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse()?;
        Ok(kib / 1024.0)
    }

    /// What one of these costs the server while several clients keep it busy.
    fn cost(&self, paths: impl Iterator<Item = String>) -> Result<Spent> {
        let paths: Vec<String> = paths.collect();
        let count = f64::from(u32::try_from(paths.len())?);
        let (began, cpu, address) = (Instant::now(), cpu_seconds(self.process.id()), &self.address);
        std::thread::scope(|scope| {
            let parts = paths.chunks(paths.len().div_ceil(CLIENTS).max(1));
            let clients: Vec<_> = parts.map(|part| scope.spawn(|| address.ask(part))).collect();
            let mut asked = clients.into_iter().map(|client| client.join());
            asked.try_for_each(|asked| asked.unwrap_or_else(|_| bail!("a client died")))
        })?;
        let spent = Spent {
            wall: began.elapsed().as_secs_f64(),
            cpu: cpu_seconds(self.process.id()) - cpu,
        };
        Ok(spent.per(count))
    }
}

pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Status and length of the body.
    pub(crate) fn get(&mut self, path: &str) -> Result<(u32, usize)> {
        let (status, body) = self.get_as(path, "*/*")?;
        Ok((status, body.len()))
    }

    /// Status and body in the form that is asked for.
    fn get_as(&mut self, path: &str, form: &str) -> Result<(u32, Vec<u8>)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: {form}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    /// Status of the answer to a JSON body.
    pub(crate) fn put(&mut self, path: &str, body: &[u8]) -> Result<u32> {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        Ok(self.answer()?.0)
    }

    fn answer(&mut self) -> Result<(u32, Vec<u8>)> {
        let (mut line, mut status, mut length) = (String::new(), 0, 0_usize);
        loop {
            line.clear();
            ensure!(self.0.read_line(&mut line)? > 0, "the server hung up");
            let lower = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().context("no status")?.parse()?;
            } else if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse()?;
            } else if lower.is_empty() {
                break;
            }
        }
        let mut body = Vec::with_capacity(length);
        self.0
            .by_ref()
            .take(u64::try_from(length)?)
            .read_to_end(&mut body)?;
        ensure!(body.len() == length, "the server hung up");
        Ok((status, body))
    }
}

/// Serves the directory in `folder` twice: without kept answers, and as it is by default.
pub(crate) fn measure(o: &Options, folder: &Path) -> Result<Served> {
    let more = database(o);
    let mut served = Served::default();
    let paths = || asked(o).into_iter().map(path);
    let bare = Server::start(folder, &[more.as_slice(), &["--answer-cache", "0"]].concat())?;
    served.lookup = bare.cost(paths())?;
    // Often enough for the coarse clock.
    let rounds = (REPEAT / 4 / o.lookups).max(1);
    let again: Vec<String> = (0..rounds).flat_map(|_| paths()).collect();
    served.lookup_again = bare.cost(again.into_iter())?;
    drop(bare);
    let server = Server::start(folder, &more)?;
    served.ready = server.ready;
    served.body = f64::from(u32::try_from(server.address.connect()?.get(&path(1))?.1)?);
    served.compact = compact(o, &server.address)?;
    let same = |path: &str| vec![path.to_owned(); usize::try_from(REPEAT).unwrap_or(1)].into_iter();
    served.same = server.cost(same(&path(0)))?;
    served.static_body = server.cost(same("/v1/config"))?;
    server.cost(paths())?;
    served.resident = server.memory("VmRSS")?;
    served.resident_peak = server.memory("VmHWM")?;
    Ok(served)
}

/// Mean bytes of a lookup in protobuf. Nobody cosigns here, so that its checkpoint has the log's own signature and no other.
fn compact(o: &Options, server: &Address) -> Result<f64> {
    let (mut connection, mut bytes, asked) = (server.connect()?, 0, asked(o));
    for path in asked.iter().map(|i| path(*i)) {
        let (status, body) = connection.get_as(&path, PROTOBUF_MEDIA_TYPE)?;
        ensure!(status == 200, "{path}: {status}");
        bytes += body.len();
    }
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(u32::try_from(asked.len())?))
}

pub(crate) fn path(i: u32) -> String {
    format!("/v1/accounts/{i:010}")
}

/// Arguments that name the database, if it is not the default.
pub(crate) fn database(o: &Options) -> Vec<&str> {
    let more = o.database.as_deref().map(|url| ["--database", url]);
    more.into_iter().flatten().collect()
}
