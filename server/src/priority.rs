//! Who gives way to whom while processors are short: what an import makes ready to the publisher, and the publisher to
//! answers. A publish of many updates takes a little longer; whoever looks a key up does not wait for it.

/// What a thread is for.
#[derive(Clone, Copy)]
pub(crate) enum Priority {
    /// Answers: as the process was started.
    Answers,
    /// Publishing. Beside a thread of answers that never rests it still gets a thirtieth of the processor.
    Publishing,
    /// Making lines of an import ready: only while nobody publishes.
    Ahead,
}

impl Priority {
    /// Gives this thread, and those that it starts from now on, this priority. Where that cannot be had everything works as
    /// well, with other latencies.
    pub(crate) fn take(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.lower() {
            tracing::debug!(%error, "the priority of a thread stays as it is");
        }
    }

    /// On Linux each thread has a nice value of its own, and cannot go back.
    #[cfg(target_os = "linux")]
    fn lower(self) -> rustix::io::Result<()> {
        let nice = match self {
            Self::Answers => return Ok(()),
            Self::Publishing => 15,
            Self::Ahead => 19,
        };
        let now = rustix::process::getpriority_process(None)?;
        rustix::process::setpriority_process(None, now.max(nice))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn a_thread_gives_way_with_those_that_it_starts_and_no_other() {
        let before = nice();
        let seen = std::thread::spawn(move || {
            Priority::Answers.take();
            assert_eq!(nice(), before);
            Priority::Publishing.take();
            let child = std::thread::spawn(|| {
                let inherited = nice();
                Priority::Ahead.take();
                (inherited, nice())
            });
            (nice(), child.join().unwrap())
        });
        let [publishing, ahead] = [15, 19].map(|nice: i32| nice.max(before));
        assert_eq!(seen.join().unwrap(), (publishing, (publishing, ahead)));
        assert_eq!(nice(), before);
    }
}
