//! An import that is killed with SIGKILL inside steps of publishing, and goes on each time.

use std::path::Path;
use std::time::Duration;

use keyglass_server::publisher::Step;

use super::people;
use crate::keyring::ImportKey;
use crate::kill::{Scene, verify};

/// How long a step may take to be reached.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lines of one epoch.
const BATCH: &str = "100";

/// What became of the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Times that it was killed.
    pub kills: usize,
    /// Times that it had noted how far it was before it was killed.
    pub resumed: usize,
    /// Lines that were new.
    pub imported: u64,
    /// Lines that were recognised.
    pub known: u64,
    /// People who were looked up and verified.
    pub looked_up: usize,
    /// Epochs, verified from genesis.
    pub epochs: usize,
}

/// Imports `accounts` people with their handles, killed at each of these steps, then once more in peace.
///
/// # Panics
/// Anything is lost, or does not verify.
pub fn killed(program: &Path, accounts: u64, kills: &[(Step, u32)]) -> Imported {
    let scene = Scene::new(program, true);
    let file = scene.dir().join("lines");
    let key = ImportKey::load(&scene.dir().join("directory/keys/import.key")).unwrap();
    people::write_file(&file, &key, accounts);
    let start = |stop_at: Option<(Step, u32)>| {
        let mut arguments = vec!["--import".to_owned(), file.to_string_lossy().into_owned()];
        arguments.extend(["--max-batch".to_owned(), BATCH.to_owned()]);
        if let Some((step, nth)) = stop_at {
            arguments.extend(["--stop-at".to_owned(), format!("{}:{nth}", step.name())]);
        }
        scene.start_with(&arguments)
    };
    let mut resumed = 0;
    for (step, nth) in kills {
        let mut import = start(Some((*step, *nth)));
        let reached = format!("reached {}", step.name());
        import.wait_for(PATIENCE, |line| (line == reached).then_some(()));
        import.kill();
        resumed += usize::from(scene.dir().join("directory/import").exists());
    }
    let done = start(None).wait_for(PATIENCE, |line| line.strip_prefix("imported ").map(str::to_owned));
    let (imported, known) = done.split_once(" known ").unwrap();
    let (imported, known) = (imported.parse().unwrap(), known.parse().unwrap());

    let server = scene.ready();
    let trust = scene.trust();
    let plan = super::Plan {
        accounts,
        duration: Duration::ZERO,
        kill_every: Duration::ZERO,
        clients: 0,
        backend: keyglass_schema::test_database::Backend::Sqlite,
        max_memory: 0,
        seed: 0,
    };
    let looked_up = people::check(&scene.http(), &trust, &plan, &[]);
    let seen = verify(&scene.http(), &trust, &crate::kill::Heads::new(), &[]);
    scene.auditor_is_content();
    server.kill();
    Imported {
        kills: kills.len(),
        resumed,
        imported,
        known,
        looked_up,
        epochs: seen.epochs,
    }
}
