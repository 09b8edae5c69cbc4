//! `backup`, `restore`, `verify-store`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::StoreError;
use keyglass_server::clock::SystemClock;
use keyglass_server::keys::{Keys, SystemRandom};
use keyglass_server::settings::Settings;
use keyglass_server::verify_store::{self, Finding, Report};
use keyglass_server::{backup, bootstrap, restore};

use super::{Failure, print};

/// What a restored database needs, in one sentence.
const BEHIND: &str = "the database is older than what was signed, and the server refuses to sign from it: run `keyglass-server restore --replay`";

fn keys(settings: &Settings) -> Result<Keys, Failure> {
    bootstrap::keys(settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))
}

pub(super) fn back_up(settings: &Settings, dir: &Path, prune_journal: bool) -> Result<(), Failure> {
    let keys = keys(settings)?;
    let refused = |e: backup::BackupError| Failure::refused(e.reason(), &e);
    let manifest = backup::take(settings, &keys, dir).map_err(refused)?;
    print(&format!(
        "backup {}\nsize {}\nsha256 {}\nbytes {}\n",
        dir.display(),
        manifest.size,
        manifest.sha256,
        manifest.length
    ));
    if prune_journal {
        let removed = backup::prune_journal(settings, &keys, &manifest).map_err(refused)?;
        print(&format!("journal-files-removed {removed}\n"));
    }
    Ok(())
}

pub(super) fn partition(settings: &Settings, parts: u16) -> Result<(), Failure> {
    let refused = |e: StoreError| Failure::refused(e.reason(), &e);
    let store = bootstrap::open_store(settings, &keys(settings)?).map_err(refused)?;
    store.partition(parts).map_err(refused)?;
    print(&format!("parts {parts}\n"));
    Ok(())
}

pub(super) async fn bring_back(
    settings: Settings,
    dir: Option<PathBuf>,
    replay: bool,
) -> Result<(), Failure> {
    if let Some(dir) = dir {
        // Keys are never made here: they would fit no backup.
        if !settings.key_dir().exists() {
            let text = format!(
                "{}: no keys; bring those of this log back first",
                settings.key_dir().display()
            );
            return Err(Failure::refused("keys-missing", &text));
        }
        let standing = backup::bring_back(&settings, &keys(&settings)?, &dir)
            .map_err(|e| Failure::refused(e.reason(), &e))?;
        let guard = standing
            .guard
            .map_or_else(|| "missing".to_owned(), |g| g.to_string());
        print(&format!("size {}\nguard {guard}\n", standing.size));
        if !replay {
            if standing.guard.is_some_and(|guard| guard > standing.size) {
                eprintln!("{BEHIND}");
            }
            return Ok(());
        }
    }
    let keys = bootstrap::existing_keys(&settings).map_err(|e| Failure::refused(e.reason(), &e))?;
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("replaying {msg}  {elapsed}") {
        bar.set_style(style);
    }
    let mut each = |epoch: Epoch| bar.set_message(format!("epoch {epoch}"));
    let done = restore::replay(settings, keys, Arc::new(SystemClock), &mut each).await;
    bar.finish_and_clear();
    let done = done.map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&format!("replayed-from {}\nreplayed-to {}\n", done.from, done.to));
    Ok(())
}

/// Progress on a terminal; findings on stdout.
struct Shown(ProgressBar);

impl Report for Shown {
    fn progress(&mut self, part: &'static str, done: u64, total: u64) {
        self.0.set_message(match total {
            0 => format!("{part} {done}"),
            total => format!("{part} {done} of {total}"),
        });
    }

    fn finding(&mut self, finding: &Finding) {
        self.0.suspend(|| print(&format!("finding {finding}\n")));
    }
}

pub(super) async fn verify(settings: Settings, sample: Option<u64>) -> Result<(), Failure> {
    let keys = bootstrap::existing_keys(&settings).map_err(|e| Failure::refused(e.reason(), &e))?;
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg}  {elapsed}") {
        bar.set_style(style);
    }
    let mut shown = Shown(bar);
    let checked = verify_store::verify(&settings, &keys, sample, &mut shown).await;
    shown.0.finish_and_clear();
    let checked = checked.map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&format!(
        "leaves {}\ncheckpoints {}\ncosignatures {}\naudit-proofs {}\nlabels {}\nversions {}\nlookups {}\nreceipts {}\nfindings {}\n",
        checked.leaves,
        checked.checkpoints,
        checked.cosignatures,
        checked.audits,
        checked.labels,
        checked.versions,
        checked.lookups,
        checked.receipts,
        checked.findings
    ));
    match checked.findings {
        0 => Ok(()),
        count => Err(Failure::refused(
            "store-damaged",
            &format!("{count} findings: this store is damaged"),
        )),
    }
}
