//! Telling the auditor's owner of evidence: a webhook and a command, tried a bounded number of times, beside and
//! never before anything else. What was not told when the process ends is told by the next one.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyglass_monitoring::AuditorMetrics;
use keyglass_schema::auditor::{AuditorStore, AuditorStoreError, Latch};
use serde::Serialize;
use tokio::sync::Notify;

use crate::clock::Clock;

/// Attempts per contradiction and process.
const ATTEMPTS: u32 = 6;
/// Pause after the first failed attempt.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a command is looked after.
const GLANCE: Duration = Duration::from_millis(20);

/// Where the owner wants to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Gets the message as a JSON body by `POST`; any 2xx is success.
    pub webhook: Option<String>,
    /// Program that gets the message on its standard input and the path of the evidence file, if there is one, as
    /// its only argument; exit code 0 is success.
    pub command: Option<PathBuf>,
}

/// What the owner is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// 1.
    pub schema: u32,
    /// Name of the auditor.
    pub auditor: String,
    /// The log.
    pub origin: String,
    /// Kind of the evidence.
    pub kind: String,
    /// Stable name of the broken rule.
    pub reason: String,
    /// Path of the evidence file.
    pub file: Option<PathBuf>,
    /// When it was caught, ms since 1970.
    pub latched_at: u64,
}

/// Tells the owner.
pub struct Alarm {
    /// Where.
    pub hooks: Hooks,
    /// Name of the auditor.
    pub auditor: String,
    /// Directory of the evidence files.
    pub evidence: PathBuf,
    /// The database: what was told is remembered there.
    pub store: AuditorStore,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Failures are counted.
    pub metrics: AuditorMetrics,
    /// Pause after the first failed attempt, [`FIRST_PAUSE`] but in tests; twice as long after each further one.
    pub first_pause: Duration,
}

impl Alarm {
    /// Tells of everything that stands and was not told, then waits to be woken, for ever.
    pub async fn run(self, wake: Arc<Notify>) {
        let mut given_up = HashSet::new();
        loop {
            self.tell_all(&mut given_up).await;
            wake.notified().await;
        }
    }

    /// Tells of everything that stands and was not told, once. Those of whom the owner could not be told are added
    /// to `given_up`, and not tried again.
    pub async fn tell_all(&self, given_up: &mut HashSet<i64>) {
        if self.hooks == Hooks::default() {
            return;
        }
        let client = match client() {
            Ok(client) => client,
            Err(error) => return tracing::error!(%error, "no HTTP client: nobody will be told of evidence"),
        };
        match self.untold().await {
            Ok(untold) => {
                for (latch, message) in untold {
                    if !given_up.contains(&latch) && !self.tell(&client, latch, &message).await {
                        given_up.insert(latch);
                    }
                }
            }
            Err(error) => tracing::error!(%error, "what the owner is to be told cannot be read"),
        }
    }

    async fn untold(&self) -> Result<Vec<(i64, Message)>, String> {
        let store = self.store.clone();
        let read = move || -> Result<Vec<(String, Latch)>, AuditorStoreError> {
            let mut standing = Vec::new();
            for (origin, id) in store.directories()? {
                let of_log = store.latches(id)?.into_iter();
                let untold = of_log.filter(|latch| latch.cleared.is_none() && latch.told.is_none());
                standing.extend(untold.map(|latch| (origin.clone(), latch)));
            }
            Ok(standing)
        };
        let standing = tokio::task::spawn_blocking(read).await;
        let standing = standing.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        Ok(standing
            .into_iter()
            .map(|(origin, latch)| (latch.id, self.message(origin, &latch)))
            .collect())
    }

    fn message(&self, origin: String, latch: &Latch) -> Message {
        Message {
            schema: 1,
            auditor: self.auditor.clone(),
            origin,
            kind: latch.kind.clone(),
            reason: latch.reason.clone(),
            file: latch.file.as_ref().map(|file| self.evidence.join(file)),
            latched_at: latch.at.get(),
        }
    }

    /// Whether every hook was reached. One that was is not asked again in this process.
    async fn tell(&self, client: &reqwest::Client, latch: i64, message: &Message) -> bool {
        let (mut webhook, mut command) = (self.hooks.webhook.as_deref(), self.hooks.command.as_deref());
        let mut pause = self.first_pause;
        for attempt in 1..=ATTEMPTS {
            if let Some(url) = webhook
                && self.settled(post(client, url, message).await, "webhook")
            {
                webhook = None;
            }
            if let Some(program) = command
                && self.settled(call(program, message).await, "command")
            {
                command = None;
            }
            if webhook.is_none() && command.is_none() {
                return self.remember(latch).await;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2);
            }
        }
        tracing::error!(
            origin = message.origin,
            "the owner could not be told of evidence; the next start tries again"
        );
        false
    }

    fn settled(&self, result: Result<(), String>, hook: &'static str) -> bool {
        match result {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(hook, error, "the owner was not told");
                self.metrics.hook_failed();
                false
            }
        }
    }

    async fn remember(&self, latch: i64) -> bool {
        let (store, now) = (self.store.clone(), self.clock.now());
        let stored = tokio::task::spawn_blocking(move || store.told(latch, now)).await;
        match stored {
            Ok(Ok(())) => {}
            // He is told twice then, which is better than never.
            Ok(Err(error)) => tracing::warn!(%error, "that the owner was told is not stored"),
            Err(error) => tracing::warn!(%error, "that the owner was told is not stored"),
        }
        true
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("keyglass-auditor/", env!("CARGO_PKG_VERSION")))
        .build()
}

async fn post(client: &reqwest::Client, url: &str, message: &Message) -> Result<(), String> {
    let body = serde_json::to_vec(message).map_err(|e| e.to_string())?;
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .body(body);
    // Without the URL: it may carry a secret.
    let response = request.send().await.map_err(|e| e.without_url().to_string())?;
    match response.status().is_success() {
        true => Ok(()),
        false => Err(format!("status {}", response.status().as_u16())),
    }
}

async fn call(program: &Path, message: &Message) -> Result<(), String> {
    let body = serde_json::to_vec(message).map_err(|e| e.to_string())?;
    let (program, file) = (program.to_owned(), message.file.clone());
    let called = tokio::task::spawn_blocking(move || run(&program, file.as_deref(), &body));
    called
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())?
}

fn run(program: &Path, file: Option<&Path>, body: &[u8]) -> std::io::Result<Result<(), String>> {
    let mut command = Command::new(program);
    command
        .args(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input may have ended already; its exit code counts.
        let _ = stdin.write_all(body);
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(Ok(())),
            Some(status) => return Ok(Err(format!("it ended with {status}"))),
            None if Instant::now() >= until => {
                // It took too long, whether it can still be ended or just has.
                let _ = child.kill().and_then(|()| child.wait());
                return Ok(Err("it took too long".to_owned()));
            }
            None => std::thread::sleep(GLANCE),
        }
    }
}
