//! One stream of `ConfigDiscovery.Watch`: what comes, what is done about it, what is answered.

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::mpsc, task::JoinError};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    self as proto, config_discovery_client::ConfigDiscoveryClient, watch_request, watch_response::Message,
};
use tollgate_shared::backoff::Backoff;
use tonic::{Streaming, transport::Channel};

use super::{
    Watcher,
    assembly::{Assembled, Assembly, AssemblyError},
};
use crate::snapshot::{
    apply::{Applier, Refusal},
    holdings::{Kind, Problem},
};

/// The schema of resources that this software understands.
const SCHEMA: u32 = 1;
/// Answers on their way out. A control plane that leaves so many unread is not there any more: the stream ends.
const ANSWERS: usize = 64;
/// How long a refusal may take to arrive before the stream is dropped.
const FAREWELL: Duration = Duration::from_secs(1);
/// A Nack names that many problems; a person reads the first few.
const MAX_ERRORS: usize = 100;
/// After so many heartbeats of a newer revision with no change in between, the change was lost.
const MAX_HEARTBEATS_BEHIND: u32 = 3;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("cannot connect: {0}")]
    Unreachable(String),
    #[error("the control plane refuses the join token")]
    Unauthenticated,
    #[error("{0}")]
    Status(String),
    #[error("closed by the control plane")]
    Closed,
    #[error("silent for too long")]
    Silent,
    #[error("the control plane takes no answers")]
    Deaf,
    #[error("behind the control plane's revision and not told the change")]
    Behind,
    #[error("the control plane's database is another one")]
    OtherEpoch,
    #[error("{0}")]
    Assembly(#[from] AssemblyError),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("applying failed: {0}")]
    Broken(#[from] JoinError),
}

/// An answer that waits until what it is about is stored.
#[derive(Debug)]
struct Answer {
    nonce: u64,
    revision: u64,
    problems: Vec<Problem>,
}

pub(super) struct Session {
    responses: Streaming<proto::WatchResponse>,
    requests: mpsc::Sender<proto::WatchRequest>,
    assembly: Option<Assembly>,
    unanswered: VecDeque<Answer>,
    heartbeats_behind: u32,
}

impl Session {
    /// Says hello.
    pub(super) async fn open(watcher: &Watcher, mut client: ConfigDiscoveryClient<Channel>) -> Result<Self, End> {
        let (epoch, revision) = watcher.applier.held();
        let hello = proto::Hello {
            proxy_id: watcher.identity.proxy_id.to_string(),
            boot_id: watcher.identity.boot_id.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: SCHEMA,
            epoch: epoch.to_owned(),
            revision,
            hostname: watcher.hostname.clone(),
        };
        let (requests, receiver) = mpsc::channel(ANSWERS);
        // The channel is empty and its receiver is here.
        let _ = requests.try_send(message(watch_request::Message::Hello(hello)));
        let mut request = tonic::Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", watcher.authorization.clone());
        let response = tokio::time::timeout(watcher.pace.silence, client.watch(request));
        let responses = response.await.map_err(|_| End::Silent)?.map_err(|status| end_of(&status))?.into_inner();
        Ok(Self { responses, requests, assembly: None, unanswered: VecDeque::new(), heartbeats_behind: 0 })
    }

    /// Until the stream ends.
    pub(super) async fn run(&mut self, watcher: &mut Watcher, backoff: &mut Backoff) -> End {
        let silence = tokio::time::sleep(watcher.pace.silence);
        tokio::pin!(silence);
        loop {
            tokio::select! {
                biased;
                next = self.responses.message() => match next {
                    Ok(Some(proto::WatchResponse { message })) => {
                        silence.as_mut().reset(tokio::time::Instant::now() + watcher.pace.silence);
                        if let Err(end) = self.handle(message, watcher, backoff).await {
                            return end;
                        }
                        // Applying may have taken long; that is not the control plane's silence.
                        silence.as_mut().reset(tokio::time::Instant::now() + watcher.pace.silence);
                    }
                    Ok(None) => return End::Closed,
                    Err(status) => return end_of(&status),
                },
                () = watcher.persister.written() => {
                    let caught_up = watcher.catch_up().await.map_err(End::from);
                    if let Err(end) = caught_up.and_then(|()| self.answer_when_settled(watcher)) {
                        return end;
                    }
                }
                () = &mut silence => return End::Silent,
            }
        }
    }

    async fn handle(
        &mut self,
        message: Option<Message>,
        watcher: &mut Watcher,
        backoff: &mut Backoff,
    ) -> Result<(), End> {
        let is_valid = match message {
            Some(Message::Heartbeat(heartbeat)) => self.heartbeat(&heartbeat, watcher).await?,
            Some(Message::Delta(delta)) => {
                let (nonce, to) = (delta.nonce, delta.to);
                let result = watcher.apply(move |applier| applier.delta(delta)).await?;
                self.applied(nonce, to, result, watcher).await?;
                true
            }
            Some(Message::Snapshot(chunk)) => match Assembly::add(&mut self.assembly, chunk)? {
                Some(Assembled { nonce, snapshot }) => {
                    let revision = snapshot.revision;
                    let result = watcher.apply(move |applier| applier.snapshot(snapshot)).await?;
                    self.applied(nonce, revision, result, watcher).await?;
                    true
                }
                None => false,
            },
            // Of a newer control plane; what it means for configuration it says in the others.
            None => false,
        };
        watcher.metrics.configuration.connected.set(1);
        if is_valid {
            backoff.reset();
        }
        Ok(())
    }

    /// Whether it shows that the two fit together.
    async fn heartbeat(&mut self, heartbeat: &proto::Heartbeat, watcher: &mut Watcher) -> Result<bool, End> {
        let proto::Heartbeat { epoch, head_revision, live_proxies } = heartbeat;
        let registry = watcher.snapshots.registry();
        registry.set_live_proxies(*live_proxies);
        watcher.metrics.limits.live_proxies.set_unsigned(registry.live_proxies().into());
        if watcher.applier.has_retired() {
            watcher.apply(Applier::drop_retired).await?;
        }
        let (held_epoch, held_revision) = watcher.applier.held();
        // Nothing is held yet, or a snapshot is on its way.
        if held_epoch.is_empty() || self.assembly.is_some() {
            return Ok(false);
        }
        if epoch != held_epoch {
            watcher.applier.ask_anew();
            return Err(End::OtherEpoch);
        }
        // A lower head is that of a replica which has not read the newest revision yet.
        let behind = *head_revision > held_revision;
        self.heartbeats_behind = if behind { self.heartbeats_behind + 1 } else { 0 };
        if self.heartbeats_behind >= MAX_HEARTBEATS_BEHIND {
            return Err(End::Behind);
        }
        if *head_revision == held_revision {
            watcher.metrics.configuration.current_at.set(watcher.clock.now());
        }
        Ok(*head_revision >= held_revision)
    }

    /// Something was put in force, or refused as a whole.
    async fn applied(
        &mut self,
        nonce: u64,
        revision: u64,
        result: Result<(), Refusal>,
        watcher: &mut Watcher,
    ) -> Result<(), End> {
        self.heartbeats_behind = 0;
        if let Err(refusal) = result {
            if refusal == Refusal::Gap {
                watcher.applier.ask_anew();
            }
            self.refuse(nonce, &refusal, watcher).await;
            return Err(refusal.into());
        }
        let problems = watcher.applier.problems().to_vec();
        watcher.note_applied(revision, &problems);
        self.unanswered.push_back(Answer { nonce, revision, problems });
        watcher.store_in_force().await?;
        Ok(())
    }

    fn answer_when_settled(&mut self, watcher: &Watcher) -> Result<(), End> {
        if !watcher.persister.is_settled() {
            return Ok(());
        }
        while let Some(Answer { nonce, revision, problems }) = self.unanswered.pop_front() {
            let answer = if problems.is_empty() {
                watch_request::Message::Ack(proto::Ack { nonce, revision })
            } else {
                let errors = problems.iter().take(MAX_ERRORS).map(Into::into).collect();
                watch_request::Message::Nack(proto::Nack { nonce, applied: revision, errors })
            };
            self.send(answer)?;
        }
        Ok(())
    }

    /// Says why nothing of it was taken, and waits a moment for that to arrive.
    async fn refuse(&mut self, nonce: u64, refusal: &Refusal, watcher: &Watcher) {
        let error = proto::ResourceError { resource: None, field: String::new(), message: refusal.to_string() };
        let applied = watcher.snapshots.load().revision;
        if self.send(watch_request::Message::Nack(proto::Nack { nonce, applied, errors: vec![error] })).is_err() {
            return;
        }
        let (closed, _) = mpsc::channel(1);
        self.requests = closed;
        let ended = async { while let Ok(Some(_)) = self.responses.message().await {} };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }

    fn send(&self, answer: watch_request::Message) -> Result<(), End> {
        self.requests.try_send(message(answer)).map_err(|_| End::Deaf)
    }
}

impl Watcher {
    /// Runs on a thread that may be busy. When it panics, what was held is lost, the snapshot in force is not, and the
    /// next stream asks for everything.
    pub(super) async fn apply<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Applier) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let mut lent = std::mem::replace(&mut self.applier, Applier::new(self.snapshots.clone()));
        let (returned, result) = tokio::task::spawn_blocking(move || {
            let result = work(&mut lent);
            (lent, result)
        })
        .await?;
        self.applier = returned;
        Ok(result)
    }

    fn note_applied(&self, revision: u64, problems: &[Problem]) {
        let metrics = &self.metrics.configuration;
        metrics.updates.add(1);
        metrics.revision.set_unsigned(revision);
        metrics.rejected_resources.set_unsigned(problems.len() as u64);
        metrics.current_at.set(self.clock.now());
        tracing::info!(revision, problems = problems.len(), "configuration in force");
        for Problem { kind, id, error } in problems.iter().take(MAX_ERRORS) {
            tracing::warn!(resource.kind = %kind, resource.id = id, %error, "not in force as it was sent");
        }
    }
}

impl From<&Problem> for proto::ResourceError {
    fn from(problem: &Problem) -> Self {
        let Problem { kind, id, error } = problem;
        let kind = match kind {
            Kind::Unknown => proto::ResourceKind::Unspecified,
            Kind::Settings => proto::ResourceKind::Settings,
            Kind::Provider => proto::ResourceKind::Provider,
            Kind::KeyPool => proto::ResourceKind::KeyPool,
            Kind::UpstreamKey => proto::ResourceKind::UpstreamKey,
            Kind::Service => proto::ResourceKind::Service,
            Kind::AccessKey => proto::ResourceKind::AccessKey,
            Kind::User => proto::ResourceKind::User,
            Kind::Price => proto::ResourceKind::Price,
        };
        let resource = proto::ResourceRef { kind: kind.into(), id: id.clone() };
        Self { resource: Some(resource), field: error.field.clone(), message: error.message.clone() }
    }
}

const fn message(message: watch_request::Message) -> proto::WatchRequest {
    proto::WatchRequest { message: Some(message) }
}

fn end_of(status: &tonic::Status) -> End {
    match status.code() {
        tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => End::Unauthenticated,
        code => End::Status(format!("{code:?}: {}", status.message())),
    }
}
