//! A platform in small: many accounts imported, then lookups, histories, updates and audit artefacts all at once, while the
//! server is killed with SIGKILL again and again. Afterwards everything is verified from outside.

pub mod import;
pub mod memory;
pub mod people;
mod traffic;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use keyglass_schema::DatabaseUrl;
use keyglass_schema::test_database::{Backend, TestDatabase};

use crate::keyring::ImportKey;
use crate::kill::{Observer, Scene, Seen, verify};
use memory::Peak;
use traffic::{Figures, Traffic};

/// How long an import of a batch may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the memory of the server is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Accounts that are imported, each with a handle.
    pub accounts: u64,
    /// How long the mixed load lasts.
    pub duration: Duration,
    /// Time between two kills.
    pub kill_every: Duration,
    /// Clients at the same time.
    pub clients: u8,
    /// The database.
    pub backend: Backend,
    /// Most memory of the server process, in MiB.
    pub max_memory: u64,
    /// Decides who is asked for.
    pub seed: u64,
}

/// What was done and found.
#[derive(Debug)]
pub struct Report {
    /// Lines imported.
    pub lines: u64,
    /// How long the import took.
    pub importing: Duration,
    /// Peak memory of the import, in MiB.
    pub import_memory: u64,
    /// Kills during the load.
    pub kills: u32,
    /// Peak memory of any server process under the load, in MiB.
    pub memory: u64,
    /// What the clients saw.
    pub figures: Figures,
    /// Imported accounts that were looked up at the end and verified.
    pub looked_up: usize,
    /// What the outside observer found.
    pub seen: Seen,
    /// How long the verification took.
    pub verifying: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.lines as f64 / self.importing.as_secs_f64().max(0.001);
        writeln!(
            f,
            "{:>7}  lines imported in {:.1} s ({per_second:.0} a second)",
            self.lines,
            self.importing.as_secs_f64()
        )?;
        writeln!(f, "{:>7}  MiB, most memory of the import", self.import_memory)?;
        writeln!(f, "{:>7}  MiB, most memory under the load", self.memory)?;
        writeln!(f, "{:>7}  kills with SIGKILL during the load", self.kills)?;
        write!(f, "{}", self.figures)?;
        writeln!(
            f,
            "{:>7}  imported accounts looked up at the end, all verified",
            self.looked_up
        )?;
        write!(f, "{}", self.seen)?;
        writeln!(f, "{:>7.0}  seconds to verify", self.verifying.as_secs_f32())
    }
}

/// Does the whole plan with the program `faulty-server` and a real auditor.
///
/// # Panics
/// Anything is lost, late, skipped or forked, does not verify, or takes more memory than the plan allows.
pub fn run(plan: &Plan, program: &Path) -> Report {
    let database =
        (plan.backend == Backend::Postgres).then(|| TestDatabase::on_own_server(Backend::Postgres));
    let url = database.as_ref().map(|database| match database.url() {
        DatabaseUrl::Postgres(url) => url.clone(),
        DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
    });
    let scene = Scene::on(program, true, url.as_deref());
    let file = scene.dir().join("lines");
    let key = ImportKey::load(&scene.dir().join("directory/keys/import.key")).unwrap();
    people::write_file(&file, &key, plan.accounts);

    let (began, mut peak) = (Instant::now(), Peak::default());
    let mut import = scene.start_with(&["--import".to_owned(), file.to_string_lossy().into_owned()]);
    let imported = loop {
        peak.look(import.id());
        let line = import.try_wait_for(TICK, |line| line.strip_prefix("imported ").map(str::to_owned));
        assert!(began.elapsed() < PATIENCE * 10, "the import does not end");
        if let Some(line) = line {
            break line;
        }
    };
    let lines: u64 = imported.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(lines, plan.accounts * 2, "{imported}");
    drop(import);
    let (importing, import_memory) = (began.elapsed(), peak.mib());
    assert!(
        import_memory <= plan.max_memory,
        "the import took {import_memory} MiB"
    );

    let mut peak = Peak::default();
    let mut server = scene.ready();
    let trust = scene.trust();
    let (observer, traffic) = (
        Observer::start(&scene, &trust),
        Traffic::start(&scene, &trust, plan),
    );
    let (until, mut next_kill) = (Instant::now() + plan.duration, Instant::now() + plan.kill_every);
    let mut kills = 0;
    while Instant::now() < until {
        std::thread::sleep(TICK);
        traffic.must_run();
        observer.must_run();
        peak.look(server.id());
        if Instant::now() >= next_kill {
            server.kill();
            server = scene.ready();
            kills += 1;
            // By the clock, however long the restart took.
            next_kill += plan.kill_every;
        }
    }
    let (figures, acknowledged) = traffic.finish();
    let heads = observer.finish();
    peak.look(server.id());
    let memory = peak.mib();
    let verified = Instant::now();
    let looked_up = people::check(&scene.http(), &trust, plan, &acknowledged);
    let seen = verify(&scene.http(), &trust, &heads, &acknowledged);
    scene.auditor_is_content();
    let verifying = verified.elapsed();
    server.kill();
    assert_eq!(seen.late, 0, "acknowledged updates came later than promised");
    assert!(memory <= plan.max_memory, "the server took {memory} MiB");
    Report {
        lines,
        importing,
        import_memory,
        kills,
        memory,
        figures,
        looked_up,
        seen,
        verifying,
    }
}
