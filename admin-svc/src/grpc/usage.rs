//! `UsageIngest.Report`: numbered batches come in, a batch is acknowledged after its commit.
//!
//! Batches of all streams go through one queue to one writer, which commits them in their order. So a stream's
//! acknowledgements come in order too, and a slow database shows as a full window, not as memory that grows.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    ReportRequest, ReportResponse, UsageBatch, report_request::Message, usage_ingest_server::UsageIngest,
};
use tollgate_shared::{
    clock::Clock,
    ids::{BootId, ProxyId},
};
use tonic::{Request, Response, Status, Streaming};

use super::{Committed, IncomingBatch, UsageIntake, convert, stream_age};

/// How many batches of a stream may wait for their commit: enough that a proxy never waits for the round trip.
const WINDOW: usize = 8;
/// The most events of a batch, by the protocol.
const EVENTS_PER_BATCH: usize = 1_000;
/// Acknowledgements wait here only while the proxy does not read: one for each batch of the window, the first, and one.
const RESPONSES: usize = WINDOW + 2;
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// On a stop, how long batches that were taken may still be committed and acknowledged.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct IngestService {
    intake: Arc<dyn UsageIntake>,
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl IngestService {
    pub(super) fn new(intake: Arc<dyn UsageIntake>, clock: Clock, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self { intake, clock, stop, tasks }
    }
}

#[tonic::async_trait]
impl UsageIngest for IngestService {
    type ReportStream = ReceiverStream<Result<ReportResponse, Status>>;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Self::ReportStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES);
        let mut session = Session {
            requests: request.into_inner(),
            responses: responses.clone(),
            intake: Arc::clone(&self.intake),
            clock: self.clock.clone(),
            waiting: VecDeque::with_capacity(WINDOW),
            received: 0,
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Err(status) = session.run(stop).await {
                tracing::debug!(code = ?status.code(), message = status.message(), "usage stream ended");
                // A proxy that is gone or does not read needs no reason.
                drop(responses.try_send(Err(status)));
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// One stream.
struct Session {
    requests: Streaming<ReportRequest>,
    responses: mpsc::Sender<Result<ReportResponse, Status>>,
    intake: Arc<dyn UsageIntake>,
    clock: Clock,
    /// Batches that were taken and not yet committed, oldest first.
    waiting: VecDeque<(u64, Committed)>,
    /// Sequence of the last batch taken.
    received: u64,
}

impl Session {
    async fn run(&mut self, stop: CancellationToken) -> Result<(), Status> {
        let proxy_id = self.hello().await?;
        self.acknowledge(0).await?;
        let mut open = true;
        let end = tokio::time::sleep(stream_age());
        tokio::pin!(end);
        while open || !self.waiting.is_empty() {
            let room = self.waiting.len() < WINDOW;
            tokio::select! {
                () = stop.cancelled() => return self.drain().await,
                // What the proxy sends from here on is not taken; it sends it again on its next stream.
                () = &mut end, if open => open = false,
                committed = oldest(&mut self.waiting), if !self.waiting.is_empty() => self.committed(committed).await?,
                request = self.requests.message(), if open && room => match request? {
                    Some(ReportRequest { message: Some(Message::Batch(batch)) }) => self.take(proxy_id, batch).await?,
                    Some(_) => return Err(Status::invalid_argument("a batch is expected")),
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    async fn hello(&mut self) -> Result<ProxyId, Status> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, self.requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(ReportRequest { message: Some(Message::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        hello.boot_id.parse::<BootId>().map_err(|_| Status::invalid_argument("hello.boot_id is not a UUID"))?;
        hello.proxy_id.parse().map_err(|_| Status::invalid_argument("hello.proxy_id is not a UUID"))
    }

    async fn take(&mut self, proxy_id: ProxyId, batch: UsageBatch) -> Result<(), Status> {
        let UsageBatch { sequence, events } = batch;
        if sequence != self.received + 1 {
            return Err(Status::invalid_argument("batches must be numbered from 1, without gaps"));
        }
        if events.len() > EVENTS_PER_BATCH {
            return Err(Status::invalid_argument("a batch holds at most 1,000 events"));
        }
        let mut incoming = IncomingBatch::default();
        let now = self.clock.now();
        for event in &events {
            match convert::usage_event(event, proxy_id, now) {
                Ok(event) => incoming.events.push(event),
                Err(quarantined) => incoming.quarantined.push(quarantined),
            }
        }
        let committed =
            self.intake.take(incoming).await.map_err(|stopping| Status::unavailable(stopping.to_string()))?;
        self.received = sequence;
        self.waiting.push_back((sequence, committed));
        Ok(())
    }

    /// The oldest batch is committed, and perhaps some after it: one acknowledgement says it for all.
    async fn committed(&mut self, oldest: Result<(), Status>) -> Result<(), Status> {
        oldest?;
        let mut acknowledged = self.waiting.pop_front().map_or(self.received, |(sequence, _)| sequence);
        let mut stopping = false;
        while let Some((sequence, next)) = self.waiting.front_mut() {
            match next.try_recv() {
                Ok(()) => acknowledged = *sequence,
                Err(oneshot::error::TryRecvError::Empty) => break,
                Err(oneshot::error::TryRecvError::Closed) => {
                    stopping = true;
                    break;
                }
            }
            self.waiting.pop_front();
        }
        self.acknowledge(acknowledged).await?;
        if stopping { Err(unavailable()) } else { Ok(()) }
    }

    async fn acknowledge(&self, sequence: u64) -> Result<(), Status> {
        let response =
            ReportResponse { acknowledged_sequence: sequence, window: u32::try_from(WINDOW).unwrap_or(u32::MAX) };
        self.responses.send(Ok(response)).await.map_err(|_| Status::cancelled("the proxy is gone"))
    }

    async fn drain(&mut self) -> Result<(), Status> {
        let rest = async {
            while !self.waiting.is_empty() {
                let committed = oldest(&mut self.waiting).await;
                self.committed(committed).await?;
            }
            Ok::<(), Status>(())
        };
        // What is not committed in time is delivered again to the next process: no harm is done.
        drop(tokio::time::timeout(DRAIN_TIMEOUT, rest).await);
        Err(unavailable())
    }
}

async fn oldest(waiting: &mut VecDeque<(u64, Committed)>) -> Result<(), Status> {
    match waiting.front_mut() {
        Some((_, committed)) => committed.await.map_err(|_| unavailable()),
        None => std::future::pending().await,
    }
}

fn unavailable() -> Status {
    Status::unavailable("the control plane is stopping")
}
