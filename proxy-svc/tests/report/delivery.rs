//! Events reach the control plane: soon, once, in spite of it.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use proxy_svc::report::{DeliveryOptions, JournalOptions, Level, Reporter};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{Outcome, UsageSource};
use tollgate_shared::{
    ids::{BootId, ProxyId, RequestId},
    secret::Secret,
};
use tonic::transport::Endpoint;

use crate::{
    control_plane::{ControlPlane, JOIN_TOKEN, Manners},
    requests::Caller,
};

pub(crate) fn small(directory: &Path) -> JournalOptions {
    JournalOptions { segment_bytes: 128 << 10, max_bytes: 4 << 20, ..JournalOptions::new(directory) }
}

/// A reporter with its tasks.
pub(crate) struct Running {
    pub(crate) reporter: Reporter,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    pub(crate) fn start(reporter: Reporter, address: SocketAddr) -> Self {
        Self::start_with(reporter, address, JOIN_TOKEN)
    }

    fn start_with(reporter: Reporter, address: SocketAddr, token: &str) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let delivery = DeliveryOptions {
            endpoint: Endpoint::from_shared(format!("http://{address}")).unwrap(),
            join_token: Secret::new(token.to_owned()),
            proxy_id: ProxyId::generate(),
            boot_id: BootId::generate(),
            gather: DeliveryOptions::GATHER,
        };
        reporter.start(delivery, &tasks, &stop);
        Self { reporter, tasks, stop }
    }

    pub(crate) async fn deliver_all(&self) {
        tokio::time::timeout(Duration::from_mins(1), self.reporter.delivered()).await.expect("delivered in time");
    }

    pub(crate) async fn stop(self) -> Reporter {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.expect("all tasks end on stop");
        self.reporter
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_arrives_within_a_second_as_it_was_finished() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let (caller, id) = (Caller::new(), RequestId::generate());

    let open = running.reporter.begin(&caller.intent(id)).unwrap();
    assert_eq!(running.reporter.open_intents(), 1);
    let finished = Instant::now();
    open.finish(&caller.event(id, 17));
    plane.has_taken(1).await;
    assert!(finished.elapsed() < Duration::from_secs(1), "took {:?}", finished.elapsed());
    running.deliver_all().await;
    assert_eq!((running.reporter.depth(), running.reporter.oldest()), (0, None));

    let event = plane.taken.lock().events[&id.to_string()].clone();
    assert_eq!(event.service_id, caller.service.to_string());
    assert_eq!(event.duration_us, 432_100);
    assert_eq!(event.ttft_us, Some(120_000));
    assert_eq!(event.outcome(), Outcome::Ok);
    assert_eq!(event.attempts.len(), 1);
    assert_eq!(event.attempts[0].reason, "first");
    let usage = event.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.output, usage.source()), (321, 17, UsageSource::Provider));
    assert_eq!(usage.raw, "{\"prompt_tokens\":321,\"completion_tokens\":17}");
    running.stop().await;
}

/// Begins and finishes `count` requests; their ids, each with its output tokens.
fn report_some(reporter: &Reporter, caller: &Caller, count: u64) -> Vec<(RequestId, u64)> {
    (0..count)
        .map(|output| {
            let id = RequestId::generate();
            reporter.begin(&caller.intent(id)).unwrap().finish(&caller.event(id, output));
            (id, output)
        })
        .collect()
}

fn assert_taken(plane: &ControlPlane, reported: &[(RequestId, u64)]) {
    let taken = plane.taken.lock();
    assert_eq!(taken.events.len(), reported.len());
    assert_eq!(taken.contradictions, 0);
    for (id, output) in reported {
        assert_eq!(taken.events[&id.to_string()].usage.as_ref().unwrap().output, *output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_come_in_few_batches_within_the_window() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let caller = Caller::new();
    let reported = report_some(&reporter, &caller, 4000);
    let plane = ControlPlane::new(Manners { window: 2, commit_takes: Duration::from_millis(20), ..Manners::default() });
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    {
        let taken = plane.taken.lock();
        assert_eq!(taken.deliveries, 4000, "each was sent once");
        assert!(taken.largest_batch > 100 && taken.largest_batch <= 1000, "{}", taken.largest_batch);
        assert!(taken.most_unacknowledged <= 2, "{}", taken.most_unacknowledged);
        assert_eq!(taken.hellos.len(), 1);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_breaks_off_gets_what_it_did_not_acknowledge_again() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let caller = Caller::new();
    let reported = report_some(&reporter, &caller, 3000);
    let plane = ControlPlane::new(Manners { break_after: Some(2), ..Manners::default() });
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    plane.has_taken(3000).await;
    plane.manners.lock().break_after = None;
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    {
        let taken = plane.taken.lock();
        assert!(taken.deliveries > 3000, "unacknowledged batches came again");
        assert!(taken.streams > 2);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_for_a_control_plane_that_is_away_and_come_when_it_is_back() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let caller = Caller::new();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let address = listening.address;
    let running = Running::start(reporter, address);
    let mut reported = report_some(&running.reporter, &caller, 50);
    plane.has_taken(50).await;

    drop(listening);
    reported.extend(report_some(&running.reporter, &caller, 200));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.reporter.depth() >= 200);
    assert!(running.reporter.oldest().is_some());
    assert!(tokio::time::timeout(Duration::from_millis(200), running.reporter.delivered()).await.is_err());

    let _listening = plane.listen(Some(address)).await;
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    assert_eq!(running.reporter.depth(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unacknowledged_events_come_again_after_a_restart_and_acknowledged_ones_do_not() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let caller = Caller::new();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let mut reported = report_some(&running.reporter, &caller, 100);
    running.deliver_all().await;
    plane.manners.lock().acknowledge = false;
    reported.extend(report_some(&running.reporter, &caller, 40));
    plane.has_taken(140).await;
    drop(running.stop().await);

    let (reporter, recovered) = Reporter::open(small(directory.path())).unwrap();
    assert_eq!((recovered.undelivered, recovered.interrupted, recovered.damaged), (40, 0, 0));
    plane.manners.lock().acknowledge = true;
    let running = Running::start(reporter, listening.address);
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    assert_eq!(plane.taken.lock().deliveries, 180);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_panics_is_reported_as_interrupted_by_the_running_process() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let (caller, id) = (Caller::new(), RequestId::generate());
    let reporter = running.reporter.clone();
    let panicked = tokio::task::spawn_blocking(move || {
        let _open = reporter.begin(&caller.intent(id)).unwrap();
        panic!("as a bug would");
    });
    assert!(panicked.await.is_err());
    plane.has_taken(1).await;
    let event = plane.taken.lock().events[&id.to_string()].clone();
    assert_eq!(event.outcome(), Outcome::Interrupted);
    let usage = event.usage.unwrap();
    assert_eq!((usage.source(), usage.input_uncached), (UsageSource::Estimated, 7));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_reported_without_a_caller() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let mut event = Caller::new().event(RequestId::generate(), 0);
    (event.service_id, event.access_key_id, event.user_id) = (None, None, None);
    (event.usage, event.status, event.error_code) = (None, Some(401), Some("invalid_api_key".into()));
    running.reporter.record(&event);
    plane.has_taken(1).await;
    let taken = plane.taken.lock().events[&event.request_id.to_string()].clone();
    assert_eq!((taken.service_id.as_str(), taken.user_id.as_str()), ("", ""));
    assert_eq!((taken.status, taken.error_code.as_str(), taken.usage), (401, "invalid_api_key", None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_join_token_delivers_nothing_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let caller = Caller::new();
    let reported = report_some(&reporter, &caller, 3);
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start_with(reporter, listening.address, "another");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((plane.taken.lock().deliveries, running.reporter.depth()), (0, 3));
    drop(running.stop().await);

    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let running = Running::start(reporter, listening.address);
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_segments_leave_the_disk_while_requests_go_on() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let caller = Caller::new();
    let mut count = 0;
    // Several times the bound of 4 MiB.
    for _ in 0..40 {
        count += report_some(&running.reporter, &caller, 1000).len();
        running.deliver_all().await;
    }
    plane.has_taken(count).await;
    let bound = Instant::now() + Duration::from_secs(10);
    while running.reporter.bytes() > 4 * (128 << 10) {
        assert!(Instant::now() < bound, "{} bytes remain", running.reporter.bytes());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_level_host_a_final_is_synchronised_when_it_is_confirmed() {
    let directory = TempDir::new().unwrap();
    let options = JournalOptions { level: Level::Host, ..small(directory.path()) };
    let (reporter, _) = Reporter::open(options).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let caller = Caller::new();
    let mut finishing = tokio::task::JoinSet::new();
    for output in 0..64 {
        let id = RequestId::generate();
        let open = running.reporter.begin(&caller.intent(id)).unwrap();
        finishing.spawn(async move { open.finish_durable(&caller.event(id, output)).await });
    }
    while let Some(finished) = finishing.join_next().await {
        finished.unwrap().unwrap();
    }
    running.deliver_all().await;
    assert_eq!(plane.taken.lock().events.len(), 64);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_several_threads_are_all_delivered_once() {
    let directory = TempDir::new().unwrap();
    let (reporter, _) = Reporter::open(small(directory.path())).unwrap();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let reporter = running.reporter.clone();
            std::thread::spawn(move || report_some(&reporter, &Caller::new(), 800))
        })
        .collect();
    let reported: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    running.deliver_all().await;
    assert_taken(&plane, &reported);
    assert_eq!(plane.taken.lock().deliveries, 3200);
    running.stop().await;
}
