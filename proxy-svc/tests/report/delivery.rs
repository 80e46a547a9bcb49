//! Events reach the control plane: soon, once, in spite of it.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use proxy_svc::report::{DeliveryOptions, JournalOptions, Reporter};
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
        tokio::time::timeout(Duration::from_secs(60), self.reporter.delivered()).await.expect("delivered in time");
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
    assert_eq!(event.service_id, caller.service_id.to_string());
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
