//! One watch stream.
//!
//! At most one delta or snapshot is under way to a proxy. What changes meanwhile costs nothing: when the proxy has
//! answered, it gets one delta from what it then holds to the newest revision.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prost::Message as _;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};
use tollgate_proto::{
    Ack, Heartbeat, Nack, WatchRequest, WatchResponse, watch_request::Message, watch_response::Message as Answer,
};
use tonic::{Status, Streaming};

use super::Shared;
use crate::{
    domain::proxy::RefusedResource,
    grpc::{ConnectionId, convert, stream_age},
    publish::{Changes, Head, Update},
};

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a proxy may take to receive, apply and store a message before its stream is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// When a proxy could not take a message at all, how long until it is sent a whole snapshot.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// A delta above this goes as a snapshot: that is compressed and cut into chunks.
const LARGEST_DELTA_BYTES: usize = 1024 * 1024;
/// The schema of resources that is spoken here.
const SCHEMA: u32 = 1;

/// Why a session ends.
type Ended = Status;
type Responses = mpsc::Sender<Result<WatchResponse, Status>>;
/// A place in the line of those who wait for a snapshot.
type Place = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send + Sync>>;

pub(super) struct Session {
    shared: Arc<Shared>,
    responses: Responses,
    head: watch::Receiver<Option<Head>>,
    connection: ConnectionId,
    /// What the proxy holds; absent when that is of no use.
    held: Option<Head>,
    under_way: Option<UnderWay>,
    place: Option<Place>,
    /// Nothing is sent before this.
    not_before: Instant,
}

/// A message that the proxy has not answered yet.
struct UnderWay {
    nonce: u64,
    head: Head,
    deadline: Instant,
    /// Held until the answer, so that only so many snapshots are under way.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    /// Serves a stream until one of both sides ends it.
    pub(super) async fn run(
        shared: Arc<Shared>,
        mut requests: Streaming<WatchRequest>,
        responses: Responses,
    ) -> Result<(), Ended> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(WatchRequest { message: Some(Message::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        if hello.schema < SCHEMA {
            return Err(Status::failed_precondition("the proxy is too old for this control plane's resources"));
        }
        let proxy = convert::connected_proxy(hello)?;
        let held = Head { epoch: proxy.epoch.as_str().into(), revision: proxy.revision };
        let connection = shared.proxies.connected(proxy);
        let mut session = Self {
            head: shared.published.head(),
            held: (!held.epoch.is_empty()).then_some(held),
            shared: Arc::clone(&shared),
            responses,
            connection,
            under_way: None,
            place: None,
            not_before: Instant::now(),
        };
        let ended = session.serve(requests).await;
        shared.proxies.disconnected(connection);
        ended
    }

    async fn serve(&mut self, mut requests: Streaming<WatchRequest>) -> Result<(), Ended> {
        let stop = self.shared.stop.clone();
        let end = tokio::time::sleep(stream_age());
        tokio::pin!(end);
        let mut heartbeat = heartbeat();
        loop {
            self.update().await?;
            let wake = self.wake_at();
            tokio::select! {
                () = stop.cancelled() => return Err(Status::unavailable("the control plane is stopping")),
                () = &mut end, if self.under_way.is_none() => return Ok(()),
                request = requests.message() => match request? {
                    Some(request) => self.answered(request)?,
                    None => return Ok(()),
                },
                changed = self.head.changed() => {
                    changed.map_err(|_| Status::unavailable("the control plane is stopping"))?;
                }
                permit = in_line(&mut self.place), if self.place.is_some() => {
                    self.place = None;
                    self.send_snapshot(permit).await?;
                }
                _ = heartbeat.tick() => self.send_heartbeat(),
                () = tokio::time::sleep_until(wake) => self.check_deadline()?,
            }
        }
    }

    /// When something is due even if nobody says anything.
    fn wake_at(&self) -> Instant {
        match &self.under_way {
            Some(under_way) => under_way.deadline,
            None if self.not_before > Instant::now() => self.not_before,
            None => Instant::now() + ANSWER_TIMEOUT,
        }
    }

    fn check_deadline(&self) -> Result<(), Ended> {
        match &self.under_way {
            Some(under_way) if under_way.deadline <= Instant::now() => {
                Err(Status::deadline_exceeded("a message was not answered in time"))
            }
            _ => Ok(()),
        }
    }

    /// Sends what the proxy lacks, unless it is still busy.
    async fn update(&mut self) -> Result<(), Ended> {
        let head = self.head.borrow_and_update().clone();
        let busy = self.under_way.is_some() || self.place.is_some() || self.not_before > Instant::now();
        if busy || head.is_none() || head == self.held {
            return Ok(());
        }
        let update = match &self.held {
            Some(held) => self.shared.published.since(&held.epoch, held.revision),
            None => Some(Update::Whole),
        };
        match update {
            None | Some(Update::Current) => Ok(()),
            Some(Update::Changes(changes)) => self.send_delta(changes).await,
            Some(Update::Whole) => {
                self.queue();
                Ok(())
            }
        }
    }

    async fn send_delta(&mut self, changes: Changes) -> Result<(), Ended> {
        let nonce = self.next_nonce();
        let head = Head { epoch: Arc::clone(&changes.epoch), revision: changes.to };
        let delta = convert::delta(changes, nonce);
        if delta.encoded_len() > LARGEST_DELTA_BYTES {
            self.queue();
            return Ok(());
        }
        self.send(Answer::Delta(delta)).await?;
        self.shared.metrics.deltas_sent.add(1);
        self.expect_answer(nonce, head, None);
        Ok(())
    }

    fn queue(&mut self) {
        let snapshots = Arc::clone(&self.shared.snapshots);
        self.place = Some(Box::pin(async move { snapshots.acquire_owned().await.ok() }));
    }

    async fn send_snapshot(&mut self, permit: Option<OwnedSemaphorePermit>) -> Result<(), Ended> {
        let frame = self.shared.frames.newest(&self.shared.published).await?;
        let nonce = self.next_nonce();
        for chunk in frame.messages(nonce) {
            self.send(Answer::Snapshot(chunk)).await?;
        }
        self.shared.metrics.snapshots_sent.add(1);
        self.expect_answer(nonce, frame.head.clone(), permit);
        Ok(())
    }

    fn expect_answer(&mut self, nonce: u64, head: Head, permit: Option<OwnedSemaphorePermit>) {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.under_way = Some(UnderWay { nonce, head, deadline, _permit: permit });
    }

    fn answered(&mut self, request: WatchRequest) -> Result<(), Ended> {
        match request.message {
            Some(Message::Ack(Ack { nonce, revision })) => self.taken(nonce, revision, Vec::new()),
            Some(Message::Nack(Nack { nonce, applied, errors })) => {
                self.shared.metrics.refusals.add(1);
                let refused = errors.into_iter().map(convert::refused_resource).collect();
                self.taken(nonce, applied, refused)
            }
            Some(Message::Hello(_)) => Err(Status::invalid_argument("only the first message may be a hello")),
            None => Err(Status::invalid_argument("an empty message")),
        }
    }

    /// The proxy answered: it holds `revision`, but for the refused resources.
    fn taken(&mut self, nonce: u64, revision: u64, refused: Vec<RefusedResource>) -> Result<(), Ended> {
        // An answer to something older is no news.
        let Some(under_way) = self.under_way.take_if(|under_way| under_way.nonce == nonce) else { return Ok(()) };
        let UnderWay { head: sent, .. } = under_way;
        if revision > sent.revision {
            return Err(Status::invalid_argument("a revision was acknowledged that was not sent"));
        }
        self.shared.proxies.applied(self.connection, &sent.epoch, revision, refused);
        if revision == sent.revision {
            self.held = Some(sent);
        } else {
            // It could not take the message as a whole. A snapshot needs nothing of what it holds.
            self.held = None;
            self.not_before = Instant::now() + RETRY_AFTER;
        }
        Ok(())
    }

    /// A heartbeat is worth nothing late: when the proxy does not read, it is left out.
    fn send_heartbeat(&self) {
        let Some(Head { epoch, revision }) = self.head.borrow().clone() else { return };
        let live_proxies = self.shared.proxies.live();
        let heartbeat = Heartbeat { epoch: epoch.to_string(), head_revision: revision, live_proxies };
        drop(self.responses.try_send(Ok(WatchResponse { message: Some(Answer::Heartbeat(heartbeat)) })));
    }

    async fn send(&self, answer: Answer) -> Result<(), Ended> {
        let response = Ok(WatchResponse { message: Some(answer) });
        tokio::select! {
            sent = tokio::time::timeout(ANSWER_TIMEOUT, self.responses.send(response)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(Status::cancelled("the proxy is gone")),
                Err(_) => Err(Status::deadline_exceeded("the proxy does not read")),
            },
            () = self.shared.stop.cancelled() => Err(Status::unavailable("the control plane is stopping")),
        }
    }

    fn next_nonce(&self) -> u64 {
        self.shared.nonces.fetch_add(1, Ordering::Relaxed)
    }
}

async fn in_line(place: &mut Option<Place>) -> Option<OwnedSemaphorePermit> {
    match place {
        Some(place) => place.await,
        None => std::future::pending().await,
    }
}

fn heartbeat() -> Interval {
    let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}
