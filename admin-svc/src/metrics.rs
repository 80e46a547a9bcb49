//! What the control plane counts of itself, in Prometheus's text format.
//!
//! Counters belong to whoever counts; this file knows only their names. Gauges are read when somebody asks.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every counter of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    pub usage_events: Counter,
    pub usage_duplicates: Counter,
    pub usage_quarantined: Counter,
    pub usage_commits: Counter,
    pub usage_commit_failures: Counter,
    pub snapshots_sent: Counter,
    pub deltas_sent: Counter,
    pub refusals: Counter,
    /// Budgets that had less left than a request needed, whatever others gave back; once a period.
    pub budgets_spent: Counter,
}

/// What is read when the metrics are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    pub connected_proxies: u64,
    pub head_revision: u64,
    pub ready: bool,
}

impl Metrics {
    pub fn render(&self, gauges: Gauges) -> String {
        let Self {
            usage_events,
            usage_duplicates,
            usage_quarantined,
            usage_commits,
            usage_commit_failures,
            snapshots_sent,
            deltas_sent,
            refusals,
            budgets_spent,
        } = self;
        let Gauges { connected_proxies, head_revision, ready } = gauges;
        let mut text = String::new();
        let mut line = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        line("tollgate_admin_ready", "gauge", "Whether this replica serves.", u64::from(ready));
        line("tollgate_admin_connected_proxies", "gauge", "Proxies connected to this replica.", connected_proxies);
        line("tollgate_admin_head_revision", "gauge", "Newest published revision.", head_revision);
        for (name, help, counter) in [
            ("tollgate_admin_usage_events_total", "Usage events stored.", usage_events),
            ("tollgate_admin_usage_duplicate_events_total", "Redelivered usage events, ignored.", usage_duplicates),
            ("tollgate_admin_usage_quarantined_events_total", "Usage events set aside.", usage_quarantined),
            ("tollgate_admin_usage_commits_total", "Commits of usage.", usage_commits),
            ("tollgate_admin_usage_commit_failures_total", "Failed commits of usage.", usage_commit_failures),
            ("tollgate_admin_snapshots_sent_total", "Whole configurations sent to proxies.", snapshots_sent),
            ("tollgate_admin_deltas_sent_total", "Configuration changes sent to proxies.", deltas_sent),
            ("tollgate_admin_refusals_total", "Configurations that a proxy refused in part.", refusals),
            (
                "tollgate_admin_budgets_spent_total",
                "Budgets found to have less left than a request needs, once a period.",
                budgets_spent,
            ),
        ] {
            line(name, "counter", help, counter.get());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_type() {
        let metrics = Metrics::default();
        metrics.usage_events.add(3);
        let text = metrics.render(Gauges { connected_proxies: 2, head_revision: 7, ready: true });
        assert!(
            text.contains("# TYPE tollgate_admin_usage_events_total counter\ntollgate_admin_usage_events_total 3\n")
        );
        assert!(text.contains("# TYPE tollgate_admin_head_revision gauge\ntollgate_admin_head_revision 7\n"));
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples, text.matches("# TYPE ").count());
    }
}
