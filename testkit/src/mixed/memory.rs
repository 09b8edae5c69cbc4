//! The most memory that a process ever had.

/// Peak resident memory of several processes, in KiB; the largest counts.
#[derive(Debug, Default)]
pub(super) struct Peak(u64);

impl Peak {
    /// Looks at a process that runs (Linux: `VmHWM` in `/proc`).
    pub(super) fn look(&mut self, process: u32) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line
            .and_then(|l| l.split_whitespace().next())
            .and_then(|n| n.parse().ok());
        self.0 = self.0.max(kib.unwrap_or(0));
    }

    pub(super) fn mib(&self) -> u64 {
        self.0.div_ceil(1024)
    }
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
}
