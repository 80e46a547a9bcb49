//! A request's way, stage by stage: a table of contents that decides nothing itself.
//!
//! `guard → authenticate → admit → (body) → route → cache → reserve → translate → forward → respond`, each stage taking
//! the proof of the one before. What happens is written down in a [`Recording`] as it happens, and reported however the
//! request ends.

mod body;
mod inquiry;
mod patience;
mod recording;
mod syntax;

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
use tollgate_dialect::{
    Protocol,
    endpoint::{self, Unrecognised},
};
use tollgate_shared::{address::AddressPolicy, clock::Clock};

use self::{body::BodyError, inquiry::Head};
pub(crate) use self::{inquiry::Inquiry, recording::Recording};
use crate::{
    admit::{self, InFlight, signature},
    budget::Budgets,
    cache::{Cache, CacheSettings, Cached, SharedStore},
    forward::{self, Forwarder},
    guard::Guard,
    limits::Limiter,
    meter::bound::CostBound,
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
    pub cache: CacheSettings,
}

/// Serves requests; one for the process.
pub struct Gateway {
    snapshots: Arc<Snapshots>,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    forwarder: Forwarder,
    limiter: Arc<Limiter>,
    budgets: Arc<Budgets>,
    in_flight: InFlight,
    guard: Guard,
    cache: Cache,
    cost_bound: CostBound,
    draining: AtomicBool,
    clock: Clock,
    settings: Settings,
}

/// What a gateway is put together from.
pub(crate) struct GatewayParts {
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) reporter: Reporter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
    pub(crate) guard: Guard,
    pub(crate) limiter: Limiter,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) upstream_addresses: AddressPolicy,
    /// Owns what runs beside the requests.
    pub(crate) tasks: TaskTracker,
}

impl Gateway {
    pub(crate) fn new(parts: GatewayParts) -> Self {
        let GatewayParts { snapshots, reporter, metrics, settings, guard, limiter, budgets, upstream_addresses, tasks } =
            parts;
        let health = Arc::clone(snapshots.health());
        let limiter = Arc::new(limiter);
        Self {
            snapshots,
            reporter,
            metrics,
            budgets,
            forwarder: Forwarder::new(&settings, upstream_addresses, health, tasks),
            limiter,
            in_flight: InFlight::new(settings.max_in_flight),
            guard,
            cache: Cache::new(settings.cache, settings.client_write, Clock::system()),
            cost_bound: CostBound::default(),
            draining: AtomicBool::new(false),
            clock: Clock::system(),
            settings,
        }
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// With a store in which proxies share the answers that they keep; `tasks` owns what is on its way there.
    #[must_use]
    pub fn with_shared_answers(self, store: Arc<dyn SharedStore>, tasks: TaskTracker) -> Self {
        Self { cache: self.cache.with_shared(store, tasks), ..self }
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

    /// Throws away kept answers that are too old to be given again; to be called now and then.
    pub fn drop_expired_answers(&self) {
        self.cache.drop_expired();
    }

    /// How many answers are kept, and the bytes that they take.
    pub fn kept_answers(&self) -> (usize, u64) {
        self.cache.size()
    }

    pub(crate) fn client_write_timeout(&self) -> Duration {
        self.settings.client_write
    }

    /// Serves one request whose header was read; `peer`: whose connection it is. On an error the connection is of no further use.
    pub(crate) async fn serve(&self, session: &mut ServerSession, peer: Option<IpAddr>) -> pingora::Result<()> {
        let mut recording = Recording::begin(
            &self.reporter,
            &self.metrics,
            &self.limiter,
            &self.snapshots,
            &self.cost_bound,
            &self.clock,
        );
        let mut protocol = Protocol::OpenAi;
        // Held to the end of a refusal too: a stop waits for what is in flight.
        let (_permit, result) = match self.in_flight.enter() {
            Ok(permit) => (Some(permit), self.stages(session, peer, &mut recording, &mut protocol).await),
            Err(refusal) => (None, Err(Stop::Refused(refusal))),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Refused(refusal)) => {
                if refusal.closes_connection() {
                    session.set_keepalive(None);
                }
                let written = {
                    let (id, ledger) = (recording.request_id(), Some(recording.ledger_ref()));
                    respond::refuse(session, protocol, &refusal, id, ledger).await
                };
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
        peer: Option<IpAddr>,
        recording: &mut Recording<'_>,
        protocol: &mut Protocol,
    ) -> Result<(), Stop> {
        let has_body = !session.is_body_empty();
        let header = session.req_header();
        let path = header.uri.path().to_owned();
        let has = |name: &str| header.headers.keys().any(|known| known.as_str() == name);
        let recognised = endpoint::recognise(header.method.as_str(), &path, has);
        *protocol = recognised.as_ref().map_or_else(Unrecognised::protocol, |endpoint| endpoint.protocol);
        syntax::check(header)?;
        let endpoint = recognised.map_err(|unrecognised| Refusal::unrecognised(&unrecognised))?;
        let now = recording.started_at();
        let client = self.guard.enter(peer, &header.headers, self.in_flight(), now)?;
        let caller = self.guard.authenticate(client, &self.snapshots.load(), header, now)?;
        recording.caller(&caller.principal, endpoint.protocol, &path);
        admit::by_address(&caller.principal, client.address)?;
        let signed = signature::of_head(&caller, header, has_body, now)?;
        let principal = caller.principal;
        // Held to the end of the answer.
        let mut permit = admit::enter(&self.limiter, &principal, recording).await?;
        let mut tags = Tags::new(&self.snapshots, principal.key.service.id);
        let head = Head::new(header, &path, endpoint, &mut tags)?;
        let digests = match signed {
            Some(signed) => Some(signed.first_use(self.guard.nonces(), now, &mut recording.ledger().patience).await?),
            None => None,
        };
        let reading = body::read(session, self.settings.max_body_bytes, self.settings.client_body_idle);
        let total = head.patience().map_or(self.settings.total, |patience| patience.min(self.settings.total));
        let body = timeout(total, reading).await.unwrap_or(Err(BodyError::TimedOut));
        let body = body.map_err(|error| self.body_failed(&error))?;
        if let Some(digests) = &digests {
            digests.check(&body)?;
        }
        let body = head.untagged_body(body, &mut tags)?;
        let inquiry = Inquiry::new(head, &body, tags.into_pin())?;
        recording.asked(&inquiry);
        if let Some(answer) = models::answer(&principal, &inquiry) {
            return respond::answer(session, *protocol, answer?.into(), recording).await.map_err(Stop::ClientLeft);
        }
        let affinity = principal.key.service.affinity.as_ref();
        let member_of = affinity.and_then(|affinity| inquiry.session(affinity, &session.req_header().headers));
        let mut plan = route::plan(&principal, &inquiry)?.of_session(member_of);
        let collector =
            match self.cache.answer(session, &principal, &inquiry, &plan, &self.snapshots, recording).await? {
                Cached::Ask(collector) => collector,
                Cached::Answered => return Ok(()),
            };
        admit::reserve_tokens(&mut permit, &inquiry, recording).await?;
        recording.reserved(self.budgets.reserve(&principal, &inquiry, &plan).await?);
        recording.intend(&plan).map_err(|_| Refusal::journal_full())?;
        let translator = Translator::new(&inquiry, &self.snapshots, principal.key.service.id);
        // In a box: its state is most of a request's, and would be copied anew into each future around it.
        Box::pin(forward::forward(&self.forwarder, session, &translator, &mut plan, collector, recording)).await
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
