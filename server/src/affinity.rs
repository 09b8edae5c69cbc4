//! Where answers are made: each thread for it has a processor of its own.
//!
//! A scheduler moves work to a processor that is idle. While the publisher keeps every processor busy none is, so answers can queue
//! on one of two while the publisher, to which they need not give way, has the other. With a thread on each, whatever waits
//! is taken by whichever is free.

use std::sync::{Arc, Barrier, mpsc};

use tokio::runtime::Runtime;

/// A processor for each worker of a runtime.
#[derive(Clone, Default)]
pub(crate) struct Affinity(Arc<[usize]>);

impl Affinity {
    /// Every processor that this process may use, one for each worker.
    pub(crate) fn one_each() -> Self {
        let time = std::thread::available_parallelism().map_or(1, usize::from);
        Self::to(usable().unwrap_or_default(), time)
    }

    /// None if there is one processor only, where the system has no such thing, or if the process has less time than its
    /// processors have together: the workers of all containers with a quota would be bound to the same ones.
    fn to(processors: Vec<usize>, time: usize) -> Self {
        if processors.len() < 2 || processors.len() != time {
            return Self::default();
        }
        Self(processors.into())
    }

    /// How many workers can be bound; zero: none.
    pub(crate) fn workers(&self) -> usize {
        self.0.len()
    }

    /// For each thread when it starts: it inherits the processor of the worker that started it, and what blocks may run anywhere.
    pub(crate) fn unbind(&self) {
        bind(&self.0);
    }

    /// Binds each of the [`Self::workers`] of a runtime.
    pub(crate) fn bind_workers(&self, runtime: &Runtime) {
        // While one waits for the others, its worker runs nothing else: so each runs one of these.
        let all_here = Arc::new(Barrier::new(self.workers()));
        let (bound, all_bound) = mpsc::channel::<()>();
        for number in 0..self.workers() {
            let (this, all_here, bound) = (self.clone(), Arc::clone(&all_here), bound.clone());
            runtime.spawn(async move {
                all_here.wait();
                this.0.get(number).map(std::slice::from_ref).map(bind);
                drop(bound);
            });
        }
        drop(bound);
        // Nothing is sent: it ends when nobody holds it any more.
        all_bound.iter().for_each(drop);
    }
}

/// From here on this thread runs on these only; no processors: as before.
fn bind(processors: &[usize]) {
    if processors.is_empty() {
        return;
    }
    if let Err(error) = run_on(processors) {
        tracing::debug!(%error, "a thread runs where it likes");
    }
}

/// The processors that this thread may run on.
#[cfg(target_os = "linux")]
fn usable() -> std::io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    let all = 0..rustix::thread::CpuSet::MAX_CPU;
    Ok(all.filter(|processor| set.is_set(*processor)).collect())
}

#[cfg(target_os = "linux")]
fn run_on(processors: &[usize]) -> std::io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    processors.iter().for_each(|processor| set.set(*processor));
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(not(target_os = "linux"))]
fn usable() -> std::io::Result<Vec<usize>> {
    Ok(Vec::new())
}

#[cfg(not(target_os = "linux"))]
fn run_on(_: &[usize]) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_bound_where_all_processors_are_not_ours_all_the_time() {
        for (processors, time, count) in [
            (vec![2, 5], 2, 2),
            (vec![0, 1, 2, 3], 2, 0),
            (vec![3], 1, 0),
            (vec![], 1, 0),
        ] {
            let affinity = Affinity::to(processors.clone(), time);
            assert_eq!(affinity.workers(), count, "{processors:?} {time}");
        }
    }
}
