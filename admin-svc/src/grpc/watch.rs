//! `ConfigDiscovery.Watch`: says hello, gets what it lacks, acknowledges, and so on.
//!
//! This file starts streams; one stream's life is in `session`.

use std::sync::{Arc, atomic::AtomicU64};

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{WatchRequest, WatchResponse, config_discovery_server::ConfigDiscovery};
use tonic::{Request, Response, Status, Streaming};

mod session;

use super::{ProxyRegistry, frame::Frames};
use crate::{metrics::Metrics, publish::Published};
use session::Session;

/// How many proxies are sent a whole snapshot at a time; the others wait in line, with heartbeats. Bounds memory and
/// bandwidth when all proxies come back at once.
const SNAPSHOTS_AT_A_TIME: usize = 32;
/// Messages to one proxy that it has not read yet: a chunk in flight, and one behind it.
const RESPONSES: usize = 2;

pub(super) struct WatchService(Arc<Shared>);

/// What all streams share.
struct Shared {
    published: Arc<Published>,
    proxies: Arc<dyn ProxyRegistry>,
    metrics: Arc<Metrics>,
    frames: Frames,
    snapshots: Arc<Semaphore>,
    nonces: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl WatchService {
    pub(super) fn new(
        published: Arc<Published>,
        proxies: Arc<dyn ProxyRegistry>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self(Arc::new(Shared {
            published,
            proxies,
            metrics,
            frames: Frames::default(),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_AT_A_TIME)),
            nonces: AtomicU64::new(1),
            stop,
            tasks,
        }))
    }
}

#[tonic::async_trait]
impl ConfigDiscovery for WatchService {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES);
        let shared = Arc::clone(&self.0);
        let requests = request.into_inner();
        self.0.tasks.spawn(async move {
            if let Err(status) = Session::run(shared, requests, responses.clone()).await {
                tracing::debug!(code = ?status.code(), message = status.message(), "watch stream ended");
                // A proxy that is gone or does not read needs no reason.
                drop(responses.try_send(Err(status)));
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
