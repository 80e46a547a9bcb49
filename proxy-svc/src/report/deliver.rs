//! The stream to the control plane: events in numbered batches, in the order in which they were written, at most a
//! window of them unacknowledged.
//!
//! It reads from the journal and keeps nothing but where each batch ends; so a stream that breaks is begun anew at the
//! first event that was not acknowledged. Sending an event twice is harmless: the control plane knows it by its id.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use http::uri::PathAndQuery;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollgate_proto::ReportResponse;
use tollgate_shared::{
    backoff::Backoff,
    clock::UnixMicros,
    ids::{BootId, ProxyId},
    secret::Secret,
};
use tonic::{Request, Status, Streaming, client::Grpc, metadata::MetadataValue, transport::Endpoint};

use super::{
    convert::{self, Batch, Encoded, REPORT_PATH, ReportCodec},
    journal::{Journal, Limits, Part},
    segment::Position,
};

/// A third of what a batch may be encoded: ids and numbers grow at most so much.
const LIMITS: Limits = Limits { events: 500, bytes: 512 << 10 };
/// A control plane that leaves a batch unacknowledged for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where events go.
#[derive(Clone, Debug)]
pub struct DeliveryOptions {
    /// With its TLS and time-outs.
    pub endpoint: Endpoint,
    pub join_token: Secret,
    pub proxy_id: ProxyId,
    pub boot_id: BootId,
    /// How long events are gathered before they are sent together.
    pub gather: Duration,
}

impl DeliveryOptions {
    pub const GATHER: Duration = Duration::from_millis(200);
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("refused: {} ({:?})", .0.message(), .0.code())]
    Refused(#[from] Status),
    #[error("the join token cannot be sent as a header")]
    Token,
    #[error("closed by the control plane")]
    Closed,
    #[error("no answer in time")]
    Silent,
    #[error("batch {acknowledged} was acknowledged and only {sent} were sent")]
    NotSent { acknowledged: u64, sent: u64 },
    #[error("reading the journal: {0}")]
    Journal(#[from] std::io::Error),
    #[error("reading the journal: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A batch that is not acknowledged.
#[derive(Debug)]
struct Sent {
    sequence: u64,
    /// Behind its last event, and behind what is no event after it.
    end: Position,
    finals: u64,
    last_ended: Option<UnixMicros>,
    /// All events of the journal, when this batch reached its end.
    complete: Option<u64>,
    at: Instant,
}

#[derive(Debug, Default)]
struct Window {
    unacknowledged: VecDeque<Sent>,
    /// Batches that the control plane takes unacknowledged; 0 until it said so.
    size: usize,
    sent: u64,
    /// At least one batch was.
    acknowledged: bool,
}

impl Window {
    fn is_overdue(&self) -> bool {
        self.unacknowledged.front().is_some_and(|oldest| oldest.at.elapsed() >= SILENCE)
    }

    /// What was sent was taken, some of it at least.
    fn went_well(&self) -> bool {
        self.size > 0 && (self.sent == 0 || self.acknowledged)
    }
}

/// One stream, from hello to its end.
struct Session<'a> {
    journal: &'a Arc<Journal>,
    options: &'a DeliveryOptions,
    window: Mutex<Window>,
    /// Told when the window has grown or something was acknowledged.
    moved: Notify,
}

/// Delivers until `stop`.
pub(super) async fn run(journal: Arc<Journal>, options: DeliveryOptions, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
    let mut told = false;
    loop {
        let session = Session { journal: &journal, options: &options, window: Mutex::default(), moved: Notify::new() };
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session.run() => ended,
        };
        // A control plane that answers and takes nothing is not to be hurried.
        if session.window.lock().went_well() {
            backoff.reset();
            told = false;
        }
        if let Err(error) = ended {
            // While the control plane is away, once is enough.
            if told {
                tracing::debug!(%error, "usage is not delivered");
            } else {
                tracing::warn!(%error, events = journal.gauges().depth(), "usage is not delivered; it stays in the journal");
            }
            told = true;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = rest(&journal, &mut backoff, fastrand::f64()) => {}
        }
    }
}

/// Until another try is due. Whoever waits for delivery does not wait for that: the control plane may be back.
async fn rest(journal: &Journal, backoff: &mut Backoff, random: f64) {
    tokio::select! {
        () = journal.hurried() => backoff.reset(),
        () = tokio::time::sleep(backoff.next(random)) => {}
    }
}

impl Session<'_> {
    /// Never ends well.
    async fn run(&self) -> Result<(), Broken> {
        let (requests, receiver) = mpsc::channel(1);
        let mut responses = self.open(receiver, &requests).await?;
        let first = within(CONNECT_WITHIN, responses.message()).await??.ok_or(Broken::Closed)?;
        self.window.lock().size = (first.window as usize).max(1);
        tracing::info!(events = self.journal.gauges().depth(), window = first.window, "usage is being delivered");
        tokio::select! {
            ended = self.send(&requests) => ended,
            ended = self.receive(&mut responses) => ended,
        }
    }

    async fn open(
        &self,
        receiver: mpsc::Receiver<Encoded>,
        requests: &mpsc::Sender<Encoded>,
    ) -> Result<Streaming<ReportResponse>, Broken> {
        let bearer = format!("Bearer {}", self.options.join_token.expose());
        let mut bearer = MetadataValue::try_from(bearer).map_err(|_| Broken::Token)?;
        bearer.set_sensitive(true);
        let channel = within(CONNECT_WITHIN, self.options.endpoint.connect()).await??;
        // The channel has room for one, so this does not wait.
        let _ = requests.send(convert::hello(self.options.proxy_id, self.options.boot_id)).await;
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", bearer);
        let mut client = Grpc::new(channel);
        client.ready().await?;
        let path = PathAndQuery::from_static(REPORT_PATH);
        Ok(within(CONNECT_WITHIN, client.streaming(request, path, ReportCodec)).await??.into_inner())
    }

    async fn send(&self, requests: &mpsc::Sender<Encoded>) -> Result<(), Broken> {
        let mut position = self.journal.acknowledged_position();
        loop {
            self.journal.more_than(position).await;
            tokio::select! {
                () = self.journal.hurried() => {}
                () = tokio::time::sleep(self.options.gather) => {}
            }
            // Everything that has gathered, in as many batches as it takes.
            loop {
                self.window_open().await;
                let (part, request) = self.next(position).await?;
                position = part.end;
                let complete = part.complete.is_some();
                match request {
                    Some(request) => requests.send(request).await.map_err(|_| Broken::Closed)?,
                    None => self.passed_nothing(&part),
                }
                if complete {
                    break;
                }
            }
        }
    }

    /// Reads and encodes aside, because both take a while for hundreds of events.
    async fn next(&self, position: Position) -> Result<(Part, Option<Encoded>), Broken> {
        let journal = Arc::clone(self.journal);
        let sequence = self.window.lock().sent + 1;
        let (part, request) = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::default();
            let part = journal.read(position, LIMITS, |event| batch.add(event))?;
            let request = (batch.len() > 0).then(|| batch.finish(sequence));
            Ok::<_, std::io::Error>((part, request))
        })
        .await??;
        if request.is_some() {
            let mut window = self.window.lock();
            window.sent = sequence;
            let Part { end, finals, last_ended, complete, .. } = part;
            window.unacknowledged.push_back(Sent { sequence, end, finals, last_ended, complete, at: Instant::now() });
        }
        Ok((part, request))
    }

    /// What held no event counts as acknowledged with the batch before it.
    fn passed_nothing(&self, part: &Part) {
        let mut window = self.window.lock();
        if let Some(last) = window.unacknowledged.back_mut() {
            last.end = part.end;
            last.finals += part.finals;
            last.complete = part.complete;
        } else if let Some(total) = part.complete {
            self.journal.acknowledge_all(part.end, total);
        } else {
            self.journal.acknowledge(part.end, part.finals, None);
        }
    }

    async fn window_open(&self) {
        loop {
            let moved = self.moved.notified();
            {
                let window = self.window.lock();
                if window.unacknowledged.len() < window.size {
                    return;
                }
            }
            moved.await;
        }
    }

    async fn receive(&self, responses: &mut Streaming<ReportResponse>) -> Result<(), Broken> {
        loop {
            match tokio::time::timeout(SILENCE, responses.message()).await {
                Ok(response) => self.take(&response?.ok_or(Broken::Closed)?)?,
                Err(_) if self.window.lock().is_overdue() => return Err(Broken::Silent),
                // Nothing to acknowledge, so nothing to say.
                Err(_) => {}
            }
        }
    }

    fn take(&self, response: &ReportResponse) -> Result<(), Broken> {
        let acknowledged = response.acknowledged_sequence;
        let mut window = self.window.lock();
        if acknowledged > window.sent {
            return Err(Broken::NotSent { acknowledged, sent: window.sent });
        }
        if response.window > 0 {
            window.size = response.window as usize;
        }
        while let Some(sent) = window.unacknowledged.pop_front_if(|sent| sent.sequence <= acknowledged) {
            window.acknowledged = true;
            match sent.complete {
                Some(total) => self.journal.acknowledge_all(sent.end, total),
                None => self.journal.acknowledge(sent.end, sent.finals, sent.last_ended),
            }
        }
        drop(window);
        self.moved.notify_one();
        Ok(())
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Result<T, Broken> {
    tokio::time::timeout(time, future).await.map_err(|_| Broken::Silent)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tollgate_shared::ids::RequestId;

    use super::{
        super::{journal::JournalOptions, samples},
        *,
    };

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_delivery_does_not_wait_for_the_next_try() {
        let directory = TempDir::new().unwrap();
        let (journal, _) = Journal::open(JournalOptions::new(directory.path())).unwrap();
        journal.record(&samples::final_of(RequestId::generate(), 1));
        let mut backoff = Backoff::new(Duration::from_secs(1), HOUR);
        while backoff.next(1.0) < HOUR {}

        let begun = tokio::time::Instant::now();
        tokio::select! {
            () = journal.delivered() => panic!("nobody has delivered it"),
            () = rest(&journal, &mut backoff, 1.0) => {}
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(backoff.next(1.0), Duration::from_secs(1), "the next one is soon, too");

        rest(&journal, &mut backoff, 1.0).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2), "nobody waits");
    }
}
