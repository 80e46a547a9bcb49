//! A control plane that takes usage, keeps each event once by its id, and misbehaves when told to.

use std::{collections::HashMap, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    ReportHello, ReportRequest, ReportResponse, UsageBatch, UsageEvent,
    report_request::Message,
    usage_ingest_server::{UsageIngest, UsageIngestServer},
};
use tonic::{Request, Response, Status, Streaming};

pub(crate) const JOIN_TOKEN: &str = "join-token";

/// What it does other than take events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) window: u32,
    /// Between taking a batch and acknowledging it.
    pub(crate) commit_takes: Duration,
    /// Ends each stream after so many batches, the last of which it took and did not acknowledge.
    pub(crate) break_after: Option<u64>,
    pub(crate) acknowledge: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { window: 8, commit_takes: Duration::ZERO, break_after: None, acknowledge: true }
    }
}

/// What it took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: HashMap<String, UsageEvent>,
    pub(crate) hellos: Vec<ReportHello>,
    pub(crate) deliveries: u64,
    /// Events that came again with another content.
    pub(crate) contradictions: u64,
    pub(crate) largest_batch: usize,
    pub(crate) most_unacknowledged: u64,
    pub(crate) streams: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct ControlPlane {
    pub(crate) taken: Arc<Mutex<Taken>>,
    pub(crate) manners: Arc<Mutex<Manners>>,
    count: Arc<watch::Sender<usize>>,
    tasks: TaskTracker,
    /// Ends the streams of one [`Listening`].
    stop: CancellationToken,
}

/// One that listens; dropped, it is gone with all its streams.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl ControlPlane {
    pub(crate) fn new(manners: Manners) -> Self {
        Self {
            taken: Arc::default(),
            manners: Arc::new(Mutex::new(manners)),
            count: Arc::new(watch::Sender::new(0)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// On the address given, or on any.
    pub(crate) async fn listen(&self, address: Option<SocketAddr>) -> Listening {
        let listener = loop {
            match TcpListener::bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tonic::transport::Server::builder()
            .add_service(UsageIngestServer::new(Self { stop: stop.clone(), ..self.clone() }))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                served = server => served.unwrap(),
            }
        });
        Listening { address, stop }
    }

    pub(crate) async fn has_taken(&self, events: usize) {
        let mut count = self.count.subscribe();
        let waited = tokio::time::timeout(Duration::from_mins(1), count.wait_for(|count| *count >= events)).await;
        assert!(waited.is_ok(), "{events} events were expected, {} came", *self.count.borrow());
    }

    fn take(&self, batch: UsageBatch, unacknowledged: u64) {
        let mut taken = self.taken.lock();
        taken.most_unacknowledged = taken.most_unacknowledged.max(unacknowledged);
        taken.largest_batch = taken.largest_batch.max(batch.events.len());
        for event in batch.events {
            taken.deliveries += 1;
            let known = taken.events.get(&event.request_id);
            let contradicts = known.is_some_and(|known| *known != event);
            taken.contradictions += u64::from(contradicts);
            taken.events.entry(event.request_id.clone()).or_insert(event);
        }
        self.count.send_replace(taken.events.len());
    }

    async fn serve(
        self,
        mut requests: Streaming<ReportRequest>,
        responses: mpsc::Sender<Result<ReportResponse, Status>>,
    ) {
        let window = self.manners.lock().window;
        let _ = responses.send(Ok(ReportResponse { acknowledged_sequence: 0, window })).await;
        let (batches, mut committing) = mpsc::unbounded_channel::<u64>();
        let acknowledged = Arc::new(Mutex::new(0));
        let told = Arc::new(Mutex::new(0));
        let commit = {
            let (plane, acknowledged, told) = (self.clone(), Arc::clone(&acknowledged), Arc::clone(&told));
            async move {
                while let Some(sequence) = committing.recv().await {
                    let manners = *plane.manners.lock();
                    tokio::time::sleep(manners.commit_takes).await;
                    *acknowledged.lock() = sequence;
                    let response = ReportResponse { acknowledged_sequence: sequence, window: manners.window };
                    if manners.acknowledge && responses.send(Ok(response)).await.is_err() {
                        return;
                    }
                    *told.lock() = sequence;
                }
            }
        };
        let receive = async {
            let mut expected = 1;
            while let Ok(Some(request)) = requests.message().await {
                match request.message {
                    Some(Message::Hello(hello)) => self.taken.lock().hellos.push(hello),
                    Some(Message::Batch(batch)) => {
                        assert_eq!(batch.sequence, expected, "batches are numbered without gaps");
                        let sequence = batch.sequence;
                        expected += 1;
                        let waiting = sequence - *acknowledged.lock();
                        self.take(batch, waiting);
                        if self.manners.lock().break_after == Some(sequence) {
                            while *told.lock() + 1 < sequence {
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                            return;
                        }
                        let _ = batches.send(sequence);
                    }
                    None => panic!("a request without a message"),
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = receive => {}
            () = commit => {}
        }
    }
}

#[tonic::async_trait]
impl UsageIngest for ControlPlane {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send>>;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Self::ReportStream>, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if bearer != Some(&format!("Bearer {JOIN_TOKEN}")) {
            return Err(Status::unauthenticated("unknown join token"));
        }
        self.taken.lock().streams += 1;
        let (responses, receiver) = mpsc::channel(4);
        self.tasks.spawn(self.clone().serve(request.into_inner(), responses));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
