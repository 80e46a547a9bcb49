//! A watermark of the memory in use: the resident set, read now and then beside the requests.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

const SAMPLED_EVERY: Duration = Duration::from_millis(250);
/// Below that share of the mark requests pass again: in percent, so that it does not flutter.
const RELEASED_AT_PERCENT: u64 = 95;
/// Where Linux tells the limit of a container, by the version of its control groups.
const CONTAINER_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// A limit above that is the kernel's way to say that there is none.
const NO_LIMIT: u64 = 1 << 60;

/// Whether too much memory is in use.
#[derive(Debug)]
pub(crate) struct MemoryWatermark {
    bytes: u64,
    exceeded: AtomicBool,
}

impl MemoryWatermark {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self { bytes, exceeded: AtomicBool::new(false) }
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Relaxed)
    }

    /// Returns whether that changed anything.
    fn observe(&self, in_use: u64) -> bool {
        let before = self.is_exceeded();
        let mark = if before { self.bytes / 100 * RELEASED_AT_PERCENT } else { self.bytes };
        let exceeded = in_use >= mark;
        self.exceeded.store(exceeded, Relaxed);
        before != exceeded
    }

    pub(crate) async fn run(self: Arc<Self>, metrics: Arc<Metrics>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SAMPLED_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Some(in_use) = resident_bytes() else { continue };
            metrics.protection.memory.set_unsigned(in_use);
            if self.observe(in_use) {
                let exceeded = self.is_exceeded();
                tracing::warn!(memory.bytes = in_use, watermark.bytes = self.bytes, exceeded, "memory watermark");
            }
        }
    }
}

/// The limit of the container that this process runs in, if there is one.
pub(crate) fn container_limit() -> Option<u64> {
    CONTAINER_LIMITS.iter().find_map(|path| parse_limit(&std::fs::read_to_string(Path::new(path)).ok()?))
}

fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

/// `VmRSS:     1234 kB`; unlike `/proc/self/statm` it does not depend on the size of a page.
fn resident_bytes() -> Option<u64> {
    parse_resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceeded_until_it_is_clearly_below() {
        let mark = MemoryWatermark::new(1000);
        let exceeded = |in_use| {
            mark.observe(in_use);
            mark.is_exceeded()
        };
        assert!(!exceeded(999) && exceeded(1000) && exceeded(951) && !exceeded(949) && !exceeded(999));
    }

    #[test]
    fn memory_in_use_is_known_here() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t    2048 kB\nRssAnon: 1 kB\n"), Some(2 << 20));
    }

    #[test]
    fn limits_of_containers_are_read() {
        assert_eq!(parse_limit("536870912\n"), Some(536_870_912));
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("9223372036854771712\n"), None);
    }
}
