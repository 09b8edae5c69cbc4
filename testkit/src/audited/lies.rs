//! What a directory with all its keys may tell its auditors. Each lie is signed again with every key and breaks one
//! rule; everything else about it is true.

mod forks;
mod leaves;
mod steps;
mod supply;

use keyglass_protocol::log::{TileKind, TilePath};

use super::{Rig, START, Staged, World};

/// What an auditor must make of a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A stranger can be shown: evidence of this kind, and the end of signing.
    Proven(&'static str),
    /// Refused, and nobody is accused: a stranger could not be shown that it is a lie.
    Refused,
    /// Waited for: it may be the network's fault.
    Waited,
}

/// How the auditor comes to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It asks for the newest checkpoint.
    Pull,
    /// It looks at what others see.
    Watch,
}

/// A lie by its name.
#[derive(Clone, Copy)]
pub struct Lie {
    /// What is false.
    pub name: &'static str,
    /// What the auditor must make of it.
    pub verdict: Verdict,
    /// The rule that it breaks.
    pub reason: &'static str,
    /// How the auditor hears of it.
    pub way: Way,
    /// Tells it.
    pub tell: fn(&mut Scene),
}

/// A directory with two epochs that an auditor has cosigned, and an honest third that is made and not in the log.
pub struct Scene {
    /// The directory.
    pub world: World,
    /// Its auditor.
    pub rig: Rig,
    /// The third epoch.
    pub next: Staged,
}

impl Scene {
    /// The scene before anything is said.
    pub async fn new() -> Self {
        let mut world = World::new().await;
        world.publish(20).await;
        let mut rig = Rig::new(&world).await;
        rig.signs(2).await;
        world.show_readers(START / 1000 + 10, Vec::new());
        rig.watch().await.unwrap();
        let next = world.stage(3).await;
        Self { world, rig, next }
    }

    /// An auditor that has seen nothing yet.
    pub async fn unheard() -> Self {
        let mut world = World::new().await;
        let rig = Rig::new(&world).await;
        let next = world.stage(3).await;
        Self { world, rig, next }
    }

    /// Puts the third epoch into the log and signs.
    pub fn publish(&mut self) {
        self.world.put(&self.next);
        self.world.sign();
    }

    /// Changes the third epoch, then publishes it.
    fn publish_with(&mut self, change: impl FnOnce(&mut Staged)) {
        change(&mut self.next);
        self.publish();
    }

    /// Serves these entries in place of the log's first ones.
    fn serve_entries(&self, bytes: Vec<u8>) {
        let width = self.world.entries.len() as u16;
        let path = TilePath::new(TileKind::Entries, 0, width).unwrap();
        self.world.source.put(format!("/log/{path}"), bytes);
    }
}

/// All lies, and whether each is told to an auditor that has seen nothing yet.
pub fn all() -> Vec<(Lie, bool)> {
    let later = [steps::LIES, leaves::LIES, forks::LIES, supply::LIES].concat();
    later
        .into_iter()
        .map(|lie| (lie, false))
        .chain(leaves::FIRST.iter().map(|lie| (*lie, true)))
        .collect()
}

const fn lie(name: &'static str, verdict: Verdict, reason: &'static str, tell: fn(&mut Scene)) -> Lie {
    Lie {
        name,
        verdict,
        reason,
        way: Way::Pull,
        tell,
    }
}
