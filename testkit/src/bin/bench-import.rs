//! `cargo xtask bench-import`: the real program imports accounts into an empty directory, then serves them.
//!
//! Prints the rate and the memory of the whole process, the bytes on disk, and what serving costs afterwards. Killed and
//! started again on the same `--folder`, it goes on where the import was.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use keyglass_testkit::http::Http;
use keyglass_testkit::keyring::ImportKey;
use keyglass_testkit::mixed::{memory, people};
use keyglass_testkit::process::{Process, command};
use keyglass_testkit::world::ORIGIN;

/// What an import costs, and what serving so many accounts costs afterwards.
#[derive(Parser)]
struct Options {
    /// Accounts to import
    #[arg(long, default_value_t = 100_000)]
    accounts: u32,
    /// Where the directory and the file of lines lie; a temporary folder by default
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Handed on to `keyglass-server import`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Lookups after the import.
const LOOKUPS: u64 = 2_000;

fn main() -> Result<()> {
    let o = Options::parse();
    let temporary = tempfile::tempdir()?;
    let folder = o.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let data = folder.join("directory");
    let program = std::env::current_exe()?.with_file_name("keyglass-server");
    ensure!(program.exists(), "{} is not built", program.display());
    if !data.exists() {
        run(server(&program, &data).arg("keygen"))?;
    }
    let lines = folder.join(format!("{}.lines", o.accounts));
    if !lines.exists() {
        let key = ImportKey::load(&data.join("keys/import.key"))?;
        let unfinished = lines.with_extension("part");
        people::write_accounts(&unfinished, &key, o.accounts.into());
        std::fs::rename(unfinished, &lines)?;
    }
    import(&o, &program, &data, &lines)?;
    // The log is bounded, but a small directory may lie in it whole.
    let bytes = std::fs::metadata(data.join("keyglass.sqlite"))?.len();
    let log = std::fs::metadata(data.join("keyglass.sqlite-wal")).map_or(0, |log| log.len());
    let record = people::record_bytes();
    println!(
        "disk: {} bytes per account, of them {record} the record; and a write-ahead log of {} MB",
        bytes / u64::from(o.accounts),
        log / 1_000_000
    );
    serve(&o, &program, &data)
}

fn server(program: &Path, data: &Path) -> Command {
    let mut command = command(program);
    command.arg("--data-dir").arg(data).args(["--origin", ORIGIN]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn import(o: &Options, program: &Path, data: &Path, lines: &Path) -> Result<()> {
    let (began, mut peak, mut cpu) = (Instant::now(), memory::Peak::default(), 0.0_f64);
    let mut child = server(program, data)
        .args(&o.arguments)
        .arg("import")
        .arg(lines)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().context("no stderr")?;
    let told = std::thread::spawn(move || {
        let mut last = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            last = line;
        }
        last
    });
    let status = loop {
        peak.look(child.id());
        cpu = cpu.max(memory::cpu_seconds(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let seconds = began.elapsed().as_secs_f64();
    let last = told.join().unwrap_or_default();
    ensure!(status.success(), "the import ended with {status}: {last}");
    println!(
        "import: {} accounts in {seconds:.1} s, {:.0} a second, {:.0} us of CPU each, at most {} MiB",
        o.accounts,
        f64::from(o.accounts) / seconds,
        cpu * 1e6 / f64::from(o.accounts),
        peak.mib()
    );
    Ok(())
}

fn serve(o: &Options, program: &Path, data: &Path) -> Result<()> {
    let mut arguments = vec!["--data-dir".to_owned(), data.display().to_string()];
    arguments.extend(["--origin", ORIGIN, "--listen", "127.0.0.1:0"].map(str::to_owned));
    arguments.extend(["--admin-listen", "127.0.0.1:0"].map(str::to_owned));
    let began = Instant::now();
    let mut process = Process::start(program, &arguments, &data.with_extension("log"));
    let http = process.wait_for(Duration::from_secs(3_600), |line| {
        line.strip_prefix("api ").map(Http::new)
    });
    let path = |number: u64| format!("/v1/accounts/{}", people::account(number).name());
    while !matches!(http.get(&path(0)), Ok((200, _))) {
        ensure!(process.ended().is_none(), "the server ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    println!(
        "start to the first answer: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let step = (u64::from(o.accounts) / LOOKUPS).max(1);
    let mut took = Vec::new();
    for number in (0..u64::from(o.accounts)).step_by(usize::try_from(step)?) {
        let asked = Instant::now();
        let answered = matches!(http.get(&path(number)), Ok((200, _)));
        ensure!(answered, "{} was not answered", path(number));
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(f64::NAN);
    println!(
        "lookups never seen, one after the other: median {:.2} ms, 99th of 100 {:.2} ms",
        at(50),
        at(99)
    );
    let mut peak = memory::Peak::default();
    peak.look(process.id());
    println!("most memory of the server: {} MiB", peak.mib());
    Ok(())
}
