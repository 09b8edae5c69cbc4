//! Two sequencers in one process, on one Postgres: one publishes, the other stands by and takes over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{DatabaseUrl, Store};
use keyglass_server::clock::SystemClock;
use keyglass_server::guard::{Claim, Guard as _, Mark, SharedGuard};
use keyglass_server::keys::SystemRandom;
use keyglass_server::publisher::NoSteps;
use keyglass_server::server::{self, Running, ServerError};
use keyglass_server::settings::{Layer, Period, Settings};
use keyglass_server::{bootstrap, guard_accept};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that two processes in turn listen on cannot be chosen by the system.
const HOST: &str = "127.0.0.1";

struct Machines {
    dir: tempfile::TempDir,
    database: TestDatabase,
    guards: TestDatabase,
}

impl Machines {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            database: TestDatabase::new(Backend::Postgres),
            guards: TestDatabase::new(Backend::Postgres),
        }
    }

    /// The settings of one sequencer; all have the keys of the first.
    fn settings(&self, name: &str) -> Settings {
        let DatabaseUrl::Postgres(guard) = self.guards.url() else {
            panic!("not Postgres")
        };
        let data_dir = self.dir.path().join(name);
        let layer = Layer {
            listen: Some(format!("{HOST}:0").parse().unwrap()),
            admin_listen: Some(
                format!("{HOST}:{}", keyglass_testkit::process::free_ports()[0])
                    .parse()
                    .unwrap(),
            ),
            data_dir: Some(data_dir.clone()),
            guard: Some(guard.clone()),
            epoch_interval: Some(Period(Duration::from_millis(50))),
            lease_ttl: Some(Period(Duration::from_millis(1_500))),
            lease_renew: Some(Period(Duration::from_millis(200))),
            ..Layer::default()
        };
        let mut settings = Settings::resolve(Layer {
            database: Some(match self.database.url() {
                DatabaseUrl::Postgres(url) => url.clone(),
                DatabaseUrl::Sqlite(_) => panic!("not Postgres"),
            }),
            ..layer
        })
        .unwrap();
        settings.origin = Some("log.example/lease".to_owned());
        let first = self.dir.path().join("a");
        if !first.join("keys").exists() {
            let mut first_settings = settings.clone();
            first_settings.data_dir = first.clone();
            first_settings.wrapping_key = first.join("keys").join("wrapping.key");
            bootstrap::generate(&first_settings, &SystemRandom).unwrap();
        }
        if !data_dir.join("keys").exists() {
            std::fs::create_dir_all(data_dir.join("keys")).unwrap();
            for entry in std::fs::read_dir(first.join("keys")).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), data_dir.join("keys").join(entry.file_name())).unwrap();
            }
        }
        settings
    }

    async fn start(&self, name: &str) -> Result<Running, ServerError> {
        let settings = self.settings(name);
        let keys = bootstrap::existing_keys(&settings).unwrap();
        server::start(settings, keys, Arc::new(SystemClock), Arc::new(NoSteps)).await
    }

    fn store(&self) -> Store {
        let keys = bootstrap::existing_keys(&self.settings("a")).unwrap();
        let keys = keyglass_schema::StoreKeys::from_secret(keys.storage.expose());
        Store::open(self.database.url(), keys).unwrap()
    }

    fn guard(&self) -> SharedGuard {
        SharedGuard::open(&self.settings("a"), "log.example/lease").unwrap()
    }
}

async fn reason(started: Result<Running, ServerError>) -> &'static str {
    match started {
        Ok(running) => {
            running.stopper().stop();
            running.wait().await.unwrap();
            "runs"
        }
        Err(error) => error.reason(),
    }
}

async fn stop(running: Running) {
    running.stopper().stop();
    running.wait().await.unwrap();
}

async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < limit, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn first_epoch(machines: &Machines) {
    let store = machines.store();
    until("the first epoch", async || store.head().unwrap()).await;
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn the_second_stands_by_says_so_and_takes_over_when_the_first_stops() {
    run(async {
        let machines = Arc::new(Machines::new());
        let first = machines.start("a").await.unwrap();
        first_epoch(&machines).await;
        assert_eq!(machines.store().lease().unwrap().fence, 1);
        let settings = machines.settings("b");
        let admin = settings.admin_listen;
        let keys = bootstrap::existing_keys(&settings).unwrap();
        let second = tokio::spawn(server::start(
            settings,
            keys,
            Arc::new(SystemClock),
            Arc::new(NoSteps),
        ));
        let client = reqwest::Client::new();
        let ready = until("the stand-by", async || {
            client.get(format!("http://{admin}/readyz")).send().await.ok()
        });
        let ready = ready.await;
        assert_eq!(ready.status(), 503);
        assert!(ready.headers().contains_key("retry-after"));
        let told: serde_json::Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
        assert_eq!(told["reason"], "stand-by");
        let metrics = client
            .get(format!("http://{admin}/metrics"))
            .send()
            .await
            .unwrap();
        assert!(
            metrics
                .text()
                .await
                .unwrap()
                .contains("keyglass_server_stand_by 1")
        );
        assert!(!second.is_finished());
        stop(first).await;
        let second = tokio::time::timeout(PATIENCE, second)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(machines.store().lease().unwrap().fence, 2);
        let state = machines.guard().state().unwrap();
        assert_eq!(state.claim.unwrap().fence, 2);
        stop(second).await;
        assert_eq!(machines.store().lease().unwrap().holder, "");
    });
}

#[test]
fn who_is_fenced_ends_with_the_reason() {
    run(async {
        let machines = Machines::new();
        let first = machines.start("a").await.unwrap();
        first_epoch(&machines).await;
        // As another sequencer would: the lease's time does not matter then.
        machines
            .database
            .execute("UPDATE lease SET fence = fence + 1, holder = 'b', ttl_ms = 60000, expires_ms = 9e15");
        let ended = tokio::time::timeout(PATIENCE, first.wait()).await.unwrap();
        assert_eq!(ended.unwrap_err().reason(), "fenced");
    });
}

#[test]
fn who_finds_the_guard_claimed_signs_nothing() {
    run(async {
        let machines = Machines::new();
        let first = machines.start("a").await.unwrap();
        first_epoch(&machines).await;
        let before = machines.guard().state().unwrap();
        let mut claim: Claim = before.claim.clone().unwrap();
        claim.fence += 1;
        machines.guard().claim(&claim).unwrap();
        // What is to be published next needs the guard: a new configuration would, an update does.
        let size = machines.store().newest_checkpoint().unwrap().unwrap().0;
        let own = SharedGuard::open(&machines.settings("a"), "log.example/lease").unwrap();
        let swap = own.swap(before.guarded, before.guarded.unwrap());
        assert_eq!(swap.unwrap_err().reason(), "guard-fenced");
        assert_eq!(machines.store().newest_checkpoint().unwrap().unwrap().0, size);
        // It renews its lease still, as on a primary that was cut off; nothing is to be signed, and it ends all the same.
        let ended = tokio::time::timeout(PATIENCE, first.wait()).await.unwrap();
        assert_eq!(ended.unwrap_err().reason(), "guard-fenced");
        // The database knows of no such lease: it is not the newest state.
        assert_eq!(reason(machines.start("a").await).await, "database-behind");
        assert_eq!(machines.store().lease().unwrap().holder, "", "given back");
        let (settings, keys) = (machines.settings("b"), machines.settings("a"));
        let keys = bootstrap::existing_keys(&keys).unwrap();
        let accepted = guard_accept::accept(&settings, &keys, &SystemRandom).unwrap();
        assert!(accepted.fence > claim.fence);
        assert_eq!(reason(machines.start("a").await).await, "runs");
    });
}

/// Not that its database is an old backup, which it would seem to be.
#[test]
fn who_was_replaced_in_the_guard_is_told_so_when_it_reads_it() {
    run(async {
        let machines = Machines::new();
        stop(machines.start("a").await.unwrap()).await;
        let (first, second) = (machines.guard(), machines.guard());
        let mut claim = first.state().unwrap().claim.unwrap();
        claim.fence += 1;
        first.claim(&claim).unwrap();
        assert_eq!(first.read().unwrap(), first.state().unwrap().guarded);
        claim.fence += 1;
        second.claim(&claim).unwrap();
        assert_eq!(first.read().unwrap_err().reason(), "guard-fenced");
        assert_eq!(second.read().unwrap(), second.state().unwrap().guarded);
    });
}

#[test]
fn a_promotion_of_which_nothing_is_known_is_refused_until_it_is_accepted() {
    run(async {
        let machines = Machines::new();
        stop(machines.start("a").await.unwrap()).await;
        let claim = machines.guard().state().unwrap().claim.unwrap();
        assert_eq!((claim.database.timeline, claim.database.synchronous), (1, false));
        let remember = |change: &dyn Fn(&mut Mark)| {
            let mut mark = claim.database.clone();
            change(&mut mark);
            machines.guard().accept(&mark).unwrap();
        };
        remember(&|mark| mark.timeline = 7);
        assert_eq!(reason(machines.start("a").await).await, "promotion-unknown");
        // Again, and on another machine.
        assert_eq!(reason(machines.start("b").await).await, "promotion-unknown");
        remember(&|mark| mark.system = "1".to_owned());
        assert_eq!(reason(machines.start("a").await).await, "other-postgres");
        let settings = machines.settings("a");
        let keys = bootstrap::existing_keys(&settings).unwrap();
        let accepted = guard_accept::accept(&settings, &keys, &SystemRandom).unwrap();
        assert_eq!(
            (accepted.before.unwrap().system.as_str(), accepted.now),
            ("1", claim.database.clone())
        );
        assert_eq!(reason(machines.start("a").await).await, "runs");
    });
}

#[test]
fn without_a_synchronous_standby_nothing_is_promised_where_one_is_required() {
    run(async {
        let machines = Machines::new();
        let mut settings = machines.settings("a");
        settings.require_synchronous = true;
        let keys = bootstrap::existing_keys(&settings).unwrap();
        let started = server::start(settings, keys, Arc::new(SystemClock), Arc::new(NoSteps)).await;
        assert_eq!(reason(started).await, "not-synchronous");
        assert_eq!(
            machines.guard().read().unwrap(),
            None,
            "nothing was claimed or signed"
        );
    });
}

#[test]
fn one_data_folder_has_one_process() {
    run(async {
        let machines = Machines::new();
        let first = machines.start("a").await.unwrap();
        assert_eq!(reason(machines.start("a").await).await, "data-folder-held");
        stop(first).await;
    });
}
