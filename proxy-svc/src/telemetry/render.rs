//! Prometheus's text format, version 0.0.4.

use std::fmt::Write;

use super::{
    AttemptOutcome, Metrics, Outcome, Protocol,
    histogram::{BOUNDS_MICROS, Histogram, Reading},
    label::STATUS_CLASSES,
    shard::Shard,
};
use crate::budget::Scope;

/// Writing to a `String` cannot fail; the results of `write!` are dropped for that reason.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    page.family("build_info", "gauge", "The running version.");
    page.line("build_info", &format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
    requests(&mut page, metrics);
    let durations = "From a request's header to the end of its answer.";
    histograms(&mut page, metrics, "request_duration_seconds", durations, |shard| &shard.duration);
    let first = "From a request's header to the first byte of the answer's body.";
    histograms(&mut page, metrics, "time_to_first_token_seconds", first, |shard| &shard.time_to_first_token);
    attempts(&mut page, metrics);
    traffic(&mut page, metrics);
    configuration(&mut page, metrics);
    journal(&mut page, metrics);
    limits(&mut page, metrics);
    budgets(&mut page, metrics);
    protection(&mut page, metrics);
    cache(&mut page, metrics);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP tollgate_proxy_{name} {help}\n# TYPE tollgate_proxy_{name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "tollgate_proxy_{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.line(name, "", value);
    }
}

/// Combinations that never happened are left out: most of them cannot happen.
fn requests(page: &mut Page, metrics: &Metrics) {
    page.family("requests_total", "counter", "Requests that ended.");
    for protocol in Protocol::ALL {
        for (class, class_name) in STATUS_CLASSES.iter().enumerate() {
            for outcome in Outcome::ALL {
                let count = metrics.shards.sum(|shard| &shard.requests[*protocol as usize][class][*outcome as usize]);
                if count > 0 {
                    let (protocol, outcome) = (protocol.as_str(), outcome.as_str());
                    let labels =
                        format!("{{protocol=\"{protocol}\",status_class=\"{class_name}\",outcome=\"{outcome}\"}}");
                    page.line("requests_total", &labels, count);
                }
            }
        }
    }
}

fn histograms(
    page: &mut Page,
    metrics: &Metrics,
    name: &str,
    help: &str,
    of: impl Fn(&Shard) -> &[Histogram; Protocol::ALL.len()],
) {
    page.family(name, "histogram", help);
    for protocol in Protocol::ALL {
        let mut reading = Reading::default();
        for shard in metrics.shards.iter() {
            of(shard)[*protocol as usize].add_to(&mut reading);
        }
        histogram(page, name, protocol.as_str(), &reading);
    }
}

fn histogram(page: &mut Page, name: &str, protocol: &str, reading: &Reading) {
    let mut count = 0;
    for (index, bucket) in reading.buckets.iter().enumerate() {
        count += bucket;
        let bound = BOUNDS_MICROS.get(index).map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
        let labels = format!("{{protocol=\"{protocol}\",le=\"{bound}\"}}");
        page.line(&format!("{name}_bucket"), &labels, count);
    }
    let labels = format!("{{protocol=\"{protocol}\"}}");
    page.line(&format!("{name}_sum"), &labels, seconds(reading.sum_micros));
    page.line(&format!("{name}_count"), &labels, count);
}

fn attempts(page: &mut Page, metrics: &Metrics) {
    page.family("attempts_total", "counter", "Tries against upstream keys.");
    for outcome in AttemptOutcome::ALL {
        let count = metrics.shards.sum(|shard| &shard.attempts[*outcome as usize]);
        page.line("attempts_total", &format!("{{outcome=\"{}\"}}", outcome.as_str()), count);
    }
}

fn traffic(page: &mut Page, metrics: &Metrics) {
    page.family("tokens_total", "counter", "Tokens, as the providers counted them.");
    page.line("tokens_total", "{direction=\"input\"}", metrics.shards.sum(|shard| &shard.input_tokens));
    page.line("tokens_total", "{direction=\"output\"}", metrics.shards.sum(|shard| &shard.output_tokens));
    page.single("requests_in_flight", "gauge", "Requests in work.", metrics.in_flight.get());
    page.single("connections", "gauge", "Client connections that are open.", metrics.connections.get());
    let accepted = metrics.shards.sum(|shard| &shard.connections);
    page.single("connections_total", "counter", "Client connections that were accepted.", accepted);
}

fn configuration(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.configuration;
    page.single("config_revision", "gauge", "The revision in force.", of.revision.get());
    page.single("config_connected", "gauge", "1 while the control plane is connected.", of.connected.get());
    if let Some(staleness) = metrics.configuration_staleness() {
        let elapsed = seconds(u64::try_from(staleness.as_micros()).unwrap_or(u64::MAX));
        page.single("config_staleness_seconds", "gauge", "Since the newest revision was surely in force.", elapsed);
    }
    let rejected = of.rejected_resources.get();
    page.single("config_rejected_resources", "gauge", "Resources that keep their last good version.", rejected);
    let not_stored = of.not_stored.get();
    page.single("config_not_stored", "gauge", "1 while a restart would bring an older revision back.", not_stored);
    page.single("config_updates_total", "counter", "Snapshots and deltas put in force.", of.updates.get());
    let failures = of.store_failures.get();
    page.single("config_store_failures_total", "counter", "Snapshots that could not be stored.", failures);
    let reconnects = of.reconnects.get();
    page.single("config_reconnects_total", "counter", "Streams to the control plane that ended.", reconnects);
}

fn journal(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.journal;
    page.single("journal_events", "gauge", "Usage events not yet acknowledged.", of.events.get());
    page.single("journal_bytes", "gauge", "Size of the usage journal.", of.bytes.get());
    let failures = of.write_failures.get();
    page.single("journal_write_failures_total", "counter", "Failed writes to the usage journal.", failures);
}

fn limits(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.limits;
    page.family("limit_refusals_total", "counter", "Requests refused, or upstream keys passed over, by a limit.");
    for (scope, dimension, mode, count) in of.refusals() {
        let (scope, dimension) = (scope.as_str(), dimension.as_str());
        let labels = format!("{{scope=\"{scope}\",dimension=\"{dimension}\",mode=\"{mode}\"}}");
        page.line("limit_refusals_total", &labels, count);
    }
    page.single("live_proxies", "gauge", "Proxies that divide limits, as last told.", of.live_proxies.get());
    page.single("redis_in_force", "gauge", "1 while Redis counts the limits.", of.redis_in_force.get());
    let timeouts = of.redis_timeouts.get();
    page.single("redis_timeouts_total", "counter", "Questions that Redis did not answer in time.", timeouts);
    let given_up = of.redis_given_up.get();
    page.single("redis_given_up_total", "counter", "Times that Redis was given up.", given_up);
    let dropped = of.settlements_dropped.get();
    page.single("limit_settlements_dropped_total", "counter", "Settlements that Redis was not told.", dropped);
}

fn budgets(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.budgets;
    for (name, help, counters) in [
        ("budget_refused_total", "Requests refused for a spent hard budget.", &of.refused),
        (
            "budget_unavailable_total",
            "Requests told to try again: a hard budget was held for others, or not known.",
            &of.unavailable,
        ),
        ("budget_waits_total", "Requests that waited for money to be lent.", &of.waits),
        ("budget_overdrawn_total", "Requests that went on though a soft budget had nothing left.", &of.overdrawn),
    ] {
        page.family(name, "counter", help);
        for scope in Scope::ALL {
            page.line(name, &format!("{{scope=\"{}\"}}", scope.as_str()), counters.of(scope).get());
        }
    }
}

fn protection(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.protection;
    page.family("refused_total", "counter", "What was turned away before anything was looked up, by reason.");
    for (reason, counter) in [
        ("address_connections", &of.connections_refused),
        ("address_requests", &of.requests_refused),
        ("bad_keys", &of.bad_keys_throttled),
        ("tokens_unverified", &of.tokens_unverified),
        ("proxy_header", &of.proxy_headers_refused),
        ("memory", &of.shed_for_memory),
    ] {
        page.line("refused_total", &format!("{{reason=\"{reason}\"}}"), counter.get());
    }
    page.single(
        "bad_keys_total",
        "counter",
        "Access keys and tokens that were presented and are none.",
        of.bad_keys.get(),
    );
    page.single("memory_bytes", "gauge", "Memory in use, where a watermark is set.", of.memory.get());
}

fn cache(page: &mut Page, metrics: &Metrics) {
    let of = &metrics.cache;
    page.family("cache_requests_total", "counter", "Requests to services that keep answers.");
    for (result, count) in [("hit", &of.hits), ("miss", &of.misses), ("bypass", &of.bypasses)] {
        page.line("cache_requests_total", &format!("{{result=\"{result}\"}}"), count.get());
    }
    page.single("cache_entries", "gauge", "Answers that are kept.", of.entries.get());
    page.single("cache_bytes", "gauge", "Memory that kept answers take.", of.bytes.get());
}

/// Exact, without a float: `1234567` → `1.234567`, `5000` → `0.005`, `1000000` → `1`.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        for (micros, text) in [(0, "0"), (5_000, "0.005"), (1_234_567, "1.234567"), (900_000_000, "900")] {
            assert_eq!(seconds(micros), text);
        }
    }
}
