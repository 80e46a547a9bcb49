use std::{collections::HashMap, sync::Arc};

use super::*;

/// Every sample of a page, and a check that each belongs to a declared family.
fn samples(page: &str) -> HashMap<String, String> {
    let mut families = Vec::new();
    let mut samples = HashMap::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            families.push(declared.split(' ').next().unwrap().to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(families.iter().any(|family| series.starts_with(family.as_str())), "{series}");
            assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "{series} stands twice");
        }
    }
    samples
}

fn finished(status: u16, outcome: Outcome, millis: u64) -> FinishedRequest {
    let duration = Duration::from_millis(millis);
    FinishedRequest {
        protocol: Protocol::Anthropic,
        status,
        outcome,
        duration,
        time_to_first_token: Some(duration / 2),
    }
}

#[test]
fn requests_of_all_threads_are_added_up() {
    let metrics = Arc::new(Metrics::default());
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let metrics = Arc::clone(&metrics);
            std::thread::spawn(move || {
                for _ in 0..100 {
                    metrics.request_finished(&finished(200, Outcome::Ok, 20));
                    metrics.attempt_finished(AttemptOutcome::TimedOut);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let samples = samples(&metrics.render());
    let requests = "tollgate_proxy_requests_total{protocol=\"anthropic\",status_class=\"2xx\",outcome=\"ok\"}";
    assert_eq!(samples[requests], "2000");
    assert_eq!(samples["tollgate_proxy_attempts_total{outcome=\"timed_out\"}"], "2000");
    assert_eq!(samples["tollgate_proxy_request_duration_seconds_sum{protocol=\"anthropic\"}"], "40");
}

#[test]
fn buckets_are_cumulative_and_bounds_belong_to_them() {
    let metrics = Metrics::default();
    for millis in [1, 5, 6, 1000, 2_000_000] {
        metrics.request_finished(&finished(503, Outcome::Refused, millis));
    }
    let samples = samples(&metrics.render());
    let bucket = |bound| {
        samples[&format!("tollgate_proxy_request_duration_seconds_bucket{{protocol=\"anthropic\",le=\"{bound}\"}}")]
            .as_str()
    };
    assert_eq!(
        [bucket("0.005"), bucket("0.01"), bucket("1"), bucket("900"), bucket("+Inf")],
        ["2", "3", "4", "4", "5"]
    );
}

#[test]
fn strange_status_is_counted_too() {
    let metrics = Metrics::default();
    metrics.request_finished(&finished(0, Outcome::ClientClosed, 1));
    metrics.request_finished(&finished(999, Outcome::ClientClosed, 1));
    let page = metrics.render();
    assert!(page.contains("status_class=\"none\",outcome=\"client_closed\"} 2"), "{page}");
}

#[test]
fn staleness_grows_from_the_last_time_the_configuration_was_current() {
    let clock = Clock::held_at(1_000_000);
    let metrics = Metrics::new(clock.clone());
    assert_eq!(metrics.configuration_staleness(), None);
    metrics.configuration.current_at.set(clock.now());
    clock.advance(Duration::from_millis(1500));
    assert!(metrics.render().contains("tollgate_proxy_config_staleness_seconds 1.5\n"));
}

#[test]
fn gauges_go_up_and_down() {
    let metrics = Metrics::default();
    assert_eq!(metrics.in_flight.add(2), 2);
    assert_eq!(metrics.in_flight.add(-1), 1);
    metrics.journal.bytes.set_unsigned(7);
    let samples = samples(&metrics.render());
    assert_eq!(samples["tollgate_proxy_requests_in_flight"], "1");
    assert_eq!(samples["tollgate_proxy_journal_bytes"], "7");
}
