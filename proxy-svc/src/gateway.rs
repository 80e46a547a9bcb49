//! A request's way, stage by stage: a table of contents that decides nothing itself.
//!
//! `authenticate → admit → (body) → route → translate → forward → respond`, each stage taking the proof of the one
//! before. What happens is written down in a [`Recording`] as it happens, and reported however the request ends.

mod body;
mod inquiry;
mod patience;
mod recording;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pingora::{prelude::timeout, protocols::http::ServerSession};
use tokio_util::task::TaskTracker;
use tollgate_dialect::{Protocol, endpoint};
use tollgate_shared::{address::AddressPolicy, clock::Clock};

use self::{body::BodyError, inquiry::Head};
pub(crate) use self::{inquiry::Inquiry, recording::Recording};
use crate::{
    admit::{self, InFlight},
    authenticate,
    forward::{self, Forwarder},
    models,
    report::{Outcome, Reporter},
    respond::{self, Refusal},
    route,
    snapshot::Snapshots,
    stored::Tags,
    telemetry::Metrics,
    translate::Translator,
};

/// What of the configuration concerns a request.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_body_bytes: usize,
    pub max_in_flight: usize,
    pub client_body_idle: Duration,
    pub client_write: Duration,
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
    pub total: Duration,
}

/// Serves requests; one for the process.
pub struct Gateway {
    snapshots: Arc<Snapshots>,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    forwarder: Forwarder,
    in_flight: InFlight,
    draining: AtomicBool,
    clock: Clock,
    settings: Settings,
}

impl Gateway {
    /// `tasks` owns what runs beside the requests.
    pub fn new(
        snapshots: Arc<Snapshots>,
        reporter: Reporter,
        metrics: Arc<Metrics>,
        settings: Settings,
        upstream_addresses: AddressPolicy,
        tasks: TaskTracker,
    ) -> Self {
        let health = Arc::clone(snapshots.health());
        Self {
            snapshots,
            reporter,
            metrics,
            forwarder: Forwarder::new(&settings, upstream_addresses, health, tasks),
            in_flight: InFlight::new(settings.max_in_flight),
            draining: AtomicBool::new(false),
            clock: Clock::system(),
            settings,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// From now on every answer says that its connection closes.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Closes upstream connections that nobody needs, and forgets keys that are gone; to be called now and then.
    pub fn close_stale_upstreams(&self) {
        self.forwarder.close_stale();
        let health = self.snapshots.health();
        health.sweep(health.now());
    }

    pub(crate) fn client_write_timeout(&self) -> Duration {
        self.settings.client_write
    }

    /// Serves one request whose header was read. On an error the connection is of no further use.
    pub(crate) async fn serve(&self, session: &mut ServerSession, client: Option<IpAddr>) -> pingora::Result<()> {
        let mut recording = Recording::begin(&self.reporter, &self.metrics, &self.clock);
        let mut protocol = Protocol::OpenAi;
        // Held to the end of a refusal too: a stop waits for what is in flight.
        let (_permit, result) = match self.in_flight.enter() {
            Ok(permit) => (Some(permit), self.stages(session, client, &mut recording, &mut protocol).await),
            Err(refusal) => (None, Err(Stop::Refused(refusal))),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Refused(refusal)) => {
                let written = respond::refuse(session, protocol, &refusal, recording.request_id()).await;
                recording.refused(&refusal, written.as_ref().ok().copied());
                written.map(|_| ())
            }
            Err(Stop::ClientLeft(error)) => {
                recording.end(Outcome::ClientClosed);
                Err(error)
            }
        }
    }

    async fn stages(
        &self,
        session: &mut ServerSession,
        client: Option<IpAddr>,
        recording: &mut Recording<'_>,
        protocol: &mut Protocol,
    ) -> Result<(), Stop> {
        let header = session.req_header();
        let path = header.uri.path().to_owned();
        let endpoint = endpoint::recognise(header.method.as_str(), &path, |name| header.headers.contains_key(name))
            .map_err(|unrecognised| {
                *protocol = unrecognised.protocol();
                Refusal::unrecognised(&unrecognised)
            })?;
        *protocol = endpoint.protocol;
        let principal = {
            let (snapshot, now) = (self.snapshots.load(), recording.started_at());
            authenticate::authenticate(&snapshot, &header.headers, header.uri.query(), now)?
        };
        recording.caller(&principal, endpoint.protocol, &path);
        admit::by_address(&principal, client)?;
        let mut tags = Tags::new(&self.snapshots, principal.key.service.id);
        let head = Head::new(header, &path, endpoint, &mut tags)?;
        let patience = patience::of(&header.headers)?;

        let reading = body::read(session, self.settings.max_body_bytes, self.settings.client_body_idle);
        let body = timeout(self.settings.total, reading).await.unwrap_or(Err(BodyError::TimedOut));
        let body = body.map_err(|error| self.body_failed(&error))?;
        let body = head.untagged_body(body, &mut tags)?;
        let inquiry = Inquiry::new(head, &body, tags.into_pin())?;
        recording.asked(&inquiry);
        if let Some(answer) = models::answer(&principal, &inquiry) {
            return respond::answer(session, answer?.into(), recording).await.map_err(Stop::ClientLeft);
        }
        let affinity = principal.key.service.affinity.as_ref();
        let member_of = affinity.and_then(|affinity| inquiry.session(affinity, &session.req_header().headers));
        let mut plan = route::plan(&principal, &inquiry)?.of_session(member_of);
        recording.intend().map_err(|_| Refusal::journal_full())?;
        let translator = Translator::new(&inquiry, &self.snapshots, principal.key.service.id);
        forward::forward(&self.forwarder, session, &translator, &mut plan, patience, recording).await
    }

    fn body_failed(&self, error: &BodyError) -> Stop {
        match error {
            BodyError::TooLarge => Refusal::body_too_large(self.settings.max_body_bytes).into(),
            BodyError::TimedOut => Refusal::body_too_slow().into(),
            BodyError::Malformed => Refusal::malformed_framing().into(),
            BodyError::Closed => Stop::client_left(),
        }
    }
}

/// Why a request ended before its answer did.
pub(crate) enum Stop {
    /// Nothing was sent yet; the caller is to be told.
    Refused(Refusal),
    /// The connection is of no further use.
    ClientLeft(Box<pingora::Error>),
}

impl Stop {
    pub(crate) fn client_left() -> Self {
        Self::ClientLeft(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
