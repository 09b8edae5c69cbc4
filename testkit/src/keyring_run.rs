//! People with their keys, imported into a fresh directory by the real import, and verified over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{TimeBounds, Trust};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, from_json};
use keyglass_protocol::record::AccountKind;
use keyglass_server::bootstrap;
use keyglass_server::clock::{Clock as _, SystemClock};
use keyglass_server::import::{self, Advance, BadRecord, Import, Watcher};
use keyglass_server::keys::SystemRandom;
use keyglass_server::publisher::NoSteps;
use keyglass_server::server;
use keyglass_server::settings::Settings;

use crate::client::{Client, Verified};
use crate::http::Http;
use crate::keyring::{Developer, ImportKey};
use crate::process::poll;

/// How long the directory may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// People.
    pub people: usize,
    /// Lines that were imported.
    pub imported: u64,
    /// Lines that the directory refused.
    pub refused: Vec<String>,
    /// Accounts that were looked up by fingerprint and verified.
    pub accounts: usize,
    /// Accounts that were looked up by handle and verified.
    pub handles: usize,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  people with an Ed25519 key", self.people)?;
        writeln!(f, "{:>5}  lines imported", self.imported)?;
        writeln!(f, "{:>5}  lines refused", self.refused.len())?;
        for why in &self.refused {
            writeln!(f, "         {why}")?;
        }
        writeln!(f, "{:>5}  accounts looked up and verified", self.accounts)?;
        writeln!(f, "{:>5}  handles looked up and verified", self.handles)?;
        write!(f, "{:>5.1}  seconds", self.took.as_secs_f32())
    }
}

/// Notes the lines that are refused.
struct Refused(std::sync::mpsc::Sender<String>);

impl Watcher for Refused {
    fn resumed(&mut self, _at: &Advance) {}

    fn advanced(&mut self, _to: &Advance) {}

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        let _nobody_listens = self.0.send(format!("line {line}: {why} ({})", why.reason()));
    }
}

/// Imports everybody and verifies everybody.
///
/// # Errors
/// Anything that does not work or does not verify.
pub fn run(people: &[Developer]) -> Result<Report> {
    let began = Instant::now();
    let dir = tempfile::tempdir()?;
    let settings = Settings::local(dir.path())?;
    let keys = bootstrap::keys(&settings, &SystemRandom)?;
    let key = ImportKey::load(&settings.key_dir().join("import.key"))?;
    let lines = people.iter().map(|p| key.lines(p)).collect::<Result<String>>()?;
    let file = dir.path().join("lines");
    std::fs::write(&file, lines)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sender, refused) = std::sync::mpsc::channel();
    let imported = runtime.block_on(async {
        let import = Import { file, skip_bad: true };
        let (clock, steps) = (Arc::new(SystemClock), Arc::new(NoSteps));
        let watcher = Box::new(Refused(sender));
        import::start(settings.clone(), keys, clock, steps, import, watcher)
            .await?
            .wait()
            .await
    })?;
    let keys = bootstrap::keys(&settings, &SystemRandom)?;
    let running = runtime.block_on(server::start(
        settings,
        keys,
        Arc::new(SystemClock),
        Arc::new(NoSteps),
    ))?;
    let (http, admin) = (
        Http::new(&format!("http://{}", running.api)),
        Http::new(&format!("http://{}", running.admin)),
    );
    poll("readiness", PATIENCE, || {
        matches!(admin.get("/readyz"), Ok((200, _))).then_some(())
    });
    let client = client(&http)?;
    let refused: Vec<String> = refused.iter().collect();
    let (mut accounts, mut handles) = (0, 0);
    for person in people {
        verify(
            &client,
            &http,
            &Label::parse(&format!("account:{}", person.fingerprint))?,
            person,
        )?;
        accounts += 1;
        let Some(name) = &person.name else { continue };
        let label = Label::parse(&format!("handle:{name}"))?;
        if http.get(&path(&label)).is_ok_and(|(status, _)| status == 200) {
            verify(&client, &http, &label, person)?;
            handles += 1;
        }
    }
    running.stopper().stop();
    runtime.block_on(running.wait())?;
    Ok(Report {
        people: people.len(),
        imported: imported.counts.imported,
        refused,
        accounts,
        handles,
        took: began.elapsed(),
    })
}

/// A client without a policy: there is no auditor here.
fn client(http: &Http) -> Result<Client> {
    let document = ConfigDocument::parse(&http.body("/v1/config"))?;
    let log_key = document.log_vkey.clone();
    let trust = Trust::new(
        log_key,
        ConfigChain::start(document)?,
        None,
        TimeBounds::default(),
    )?;
    Ok(Client {
        trust,
        seen: None,
        now: SystemClock.now(),
    })
}

fn path(label: &Label) -> String {
    format!("/v1/{}s/{}?since=1", label.kind(), label.name())
}

fn verify(client: &Client, http: &Http, label: &Label, person: &Developer) -> Result<()> {
    let answer: Answer = from_json(&http.body(&path(label)))?;
    let verified = client
        .verify_unaudited(label, &answer)
        .with_context(|| format!("{label:?}"))?;
    let Verified::Account(record) = verified else {
        anyhow::bail!("{label:?} is not there");
    };
    ensure!(
        record.identity.as_bytes() == &person.key,
        "{label:?} has another key"
    );
    ensure!(
        record.account.as_str() == person.fingerprint,
        "{label:?} is another account"
    );
    ensure!(
        record.kind == AccountKind::Imported,
        "{label:?} is not shown as imported"
    );
    Ok(())
}
