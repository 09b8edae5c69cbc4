//! A network between an honest directory and its auditor: answers are lost, late, truncated, altered, or come from a
//! cache that is behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use keyglass_auditor::source::{EpochSource, MemorySource, Trouble};

/// What a network does to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// No answer.
    Lost,
    /// None in time.
    Late,
    /// A status that a proxy makes up.
    Status,
    /// Only the first part arrives.
    Truncated,
    /// A bit is another.
    Altered,
    /// What this path answered earlier.
    Stale,
    /// What another path answered just before.
    Reordered,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Lost,
        Self::Late,
        Self::Status,
        Self::Truncated,
        Self::Altered,
        Self::Stale,
        Self::Reordered,
    ];
}

/// The directory as it looks through such a network.
pub struct BadNetwork {
    directory: Arc<MemorySource>,
    state: Mutex<State>,
}

struct State {
    random: u64,
    /// One answer in this many is spoiled; 0: none.
    one_in: u64,
    earlier: HashMap<String, Vec<Vec<u8>>>,
    last: Vec<u8>,
    seen: HashMap<Fault, u64>,
}

impl BadNetwork {
    /// A network in front of `directory` that spoils one answer in `one_in`; the same seed spoils the same ones.
    pub fn new(directory: Arc<MemorySource>, seed: u64, one_in: u64) -> Self {
        Self {
            directory,
            state: Mutex::new(State {
                random: seed,
                one_in,
                earlier: HashMap::new(),
                last: Vec::new(),
                seen: HashMap::new(),
            }),
        }
    }

    /// From now on one answer in `one_in` is spoiled; 0: none.
    pub fn spoil_one_in(&self, one_in: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).one_in = one_in;
    }

    /// How often each fault happened.
    pub fn seen(&self) -> HashMap<Fault, u64> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .seen
            .clone()
    }
}

impl State {
    /// SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    fn fault(&mut self) -> Option<Fault> {
        if self.one_in == 0 || self.below(self.one_in) != 0 {
            return None;
        }
        let fault = Fault::ALL[self.below(Fault::ALL.len() as u64) as usize];
        *self.seen.entry(fault).or_default() += 1;
        Some(fault)
    }

    /// What arrives in place of `answer`.
    fn arrives(&mut self, path: &str, answer: Result<Vec<u8>, Trouble>) -> Result<Vec<u8>, Trouble> {
        let fault = self.fault();
        let last = std::mem::take(&mut self.last);
        if let Ok(bytes) = &answer {
            self.last.clone_from(bytes);
            // What never changes is cached once; a few older answers are enough of what does.
            let earlier = self.earlier.entry(path.to_owned()).or_default();
            if earlier.last() != Some(bytes) && earlier.len() < 64 {
                earlier.push(bytes.clone());
            }
        }
        match fault {
            None => answer,
            Some(Fault::Lost) => Err(Trouble::Network("lost".to_owned())),
            Some(Fault::Late) => Err(Trouble::Timeout),
            Some(Fault::Status) => Err(Trouble::Status {
                status: [404, 500, 502, 503][self.below(4) as usize],
                path: path.to_owned(),
            }),
            Some(Fault::Truncated) => answer.map(|mut bytes| {
                let length = self.below(bytes.len() as u64 + 1) as usize;
                bytes.truncate(length);
                bytes
            }),
            Some(Fault::Altered) => answer.map(|mut bytes| {
                if !bytes.is_empty() {
                    let bit = self.below(bytes.len() as u64 * 8) as usize;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                bytes
            }),
            Some(Fault::Stale) => {
                let earlier = self.earlier.get(path).cloned().unwrap_or_default();
                if earlier.is_empty() {
                    return answer;
                }
                let which = self.below(earlier.len() as u64) as usize;
                Ok(earlier[which].clone())
            }
            Some(Fault::Reordered) => Ok(last),
        }
    }
}

#[async_trait]
impl EpochSource for BadNetwork {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        let answer = self.directory.get(path, max).await;
        let arrived = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrives(path, answer)?;
        // As over HTTP: whoever reads stops at his limit.
        if arrived.len() as u64 > max {
            return Err(Trouble::TooLarge {
                path: path.to_owned(),
                max,
            });
        }
        Ok(arrived)
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        let spoiled = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fault()
            .is_some();
        if spoiled {
            return Err(Trouble::Timeout);
        }
        self.directory.hand_in(note).await
    }
}

/// A directory that shows another thing at a path to whoever asks for the second time.
pub struct SecondAnswer {
    directory: Arc<MemorySource>,
    path: String,
    asked: AtomicU64,
    second: OnceLock<Vec<u8>>,
}

impl SecondAnswer {
    /// What `directory` shows, but for `path`.
    pub fn new(directory: Arc<MemorySource>, path: String) -> Arc<Self> {
        Arc::new(Self {
            directory,
            path,
            asked: AtomicU64::new(0),
            second: OnceLock::new(),
        })
    }

    /// What it shows the second time.
    pub fn then(&self, second: Vec<u8>) {
        self.second.set(second).unwrap();
    }
}

#[async_trait]
impl EpochSource for SecondAnswer {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        if path == self.path && self.asked.fetch_add(1, Ordering::SeqCst) == 1 {
            return Ok(self.second.get().unwrap().clone());
        }
        self.directory.get(path, max).await
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        self.directory.hand_in(note).await
    }
}
