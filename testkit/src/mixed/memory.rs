//! What a process that runs has taken: memory and CPU time.

/// Peak resident memory of several processes, in KiB; the largest counts.
#[derive(Debug, Default)]
pub struct Peak(u64);

impl Peak {
    /// Looks at a process that runs (Linux: `VmHWM` in `/proc`).
    pub fn look(&mut self, process: u32) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line
            .and_then(|l| l.split_whitespace().next())
            .and_then(|n| n.parse().ok());
        self.0 = self.0.max(kib.unwrap_or(0));
    }

    /// In MiB, rounded up.
    pub fn mib(&self) -> u64 {
        self.0.div_ceil(1024)
    }
}

/// Clock ticks of Linux's process accounting in one second.
const TICKS: f64 = 100.0;

/// CPU seconds of a process so far, 0 if it is gone (Linux: `stat` in `/proc`).
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = rest.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory() {
        let mut peak = Peak::default();
        peak.look(std::process::id());
        assert!(peak.mib() > 0);
    }

    #[test]
    fn work_takes_time_of_the_processor() {
        let own = std::process::id();
        let until = cpu_seconds(own) + 0.02;
        let mut work = 0_u64;
        while cpu_seconds(own) < until {
            work = std::hint::black_box(work.wrapping_add(1));
        }
        assert!(work > 0 && cpu_seconds(own) >= until);
    }
}
