//! Plan + body → an answer that was given before to exactly the same question, or nobody's.
//!
//! Only for services that ask for it (`response_cache`). Owns what is kept, who waits for whom, and the marks of it in
//! answers and usage events. It decides nothing about permission: it is asked after the route is known, so that nobody
//! gets from it what a provider would not be asked for. What is kept is what a caller got, byte for byte; an answer is
//! kept only when all of it came and nothing was wrong with it.
//!
//! - `wish`: what the request and its `cache-control` want.
//! - `key`: what makes two requests the same; `entry`: an answer; `memory`: where answers are.
//! - `flight`: one request at a time goes upstream for an answer that many wait for.
//! - `shared`: a second level that several proxies share; `redis`: where that is.
//! - `collector`: an answer that is being copied beside its way to the caller; `replay`: one that is given again.

mod collector;
mod entry;
mod flight;
mod key;
mod memory;
mod redis;
mod replay;
mod shared;
mod wish;

use std::{future::Future, sync::Arc, time::Duration};

use pingora::protocols::http::ServerSession;
use tokio_util::task::TaskTracker;
use tollgate_shared::clock::Clock;

pub(crate) use self::{collector::Collector, key::CacheKey};
use self::{
    entry::Entry,
    flight::{Flights, Outcome, Seat, Turn},
    key::{EntryKey, Question},
    memory::Memory,
    shared::Shared,
    wish::Wish,
};
pub use self::{redis::RedisAnswers, shared::SharedStore};
use crate::{
    authenticate::Principal,
    forward::client_left,
    gateway::{Inquiry, Recording, Stop},
    report::CacheUse,
    route::Plan,
    snapshot::{CacheScope, ResponseCache, Snapshots},
};

/// What of the configuration concerns it.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// All answers together; 0 = none are kept.
    pub max_bytes: u64,
    /// How long a request waits for another's answer.
    pub wait: Duration,
}

/// The answers that this process keeps; one for the process.
pub(crate) struct Cache {
    memory: Memory,
    shared: Option<Shared>,
    flights: Flights,
    wait: Duration,
    client_write: Duration,
    clock: Clock,
}

/// What became of a request. The collector is apart, so that requests without one do not carry its size along.
pub(crate) enum Cached<'c> {
    /// The caller has its answer.
    Answered,
    /// A provider is to be asked; with a collector, the answer is copied to it.
    Ask(Option<Box<Collector<'c>>>),
}

/// A request of a service that keeps answers.
#[derive(Clone, Copy)]
struct Request<'a> {
    settings: &'a ResponseCache,
    principal: &'a Principal,
    inquiry: &'a Inquiry<'a>,
    plan: &'a Plan,
}

/// What was found for a key.
enum Found<'c> {
    Entry(Arc<Entry>),
    Nothing(Box<Collector<'c>>),
    ClientLeft,
}

/// Where an answer is kept.
#[derive(Clone, Debug)]
struct Place {
    key: EntryKey,
    /// What it is sealed with for others.
    secret: CacheKey,
}

/// Which answers will do.
#[derive(Clone, Copy, Debug)]
struct Terms {
    max_age_seconds: u64,
    ttl_seconds: u32,
    max_bytes: usize,
    wait: Duration,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings, client_write: Duration, clock: Clock) -> Self {
        let CacheSettings { max_bytes, wait } = settings;
        Self { memory: Memory::new(max_bytes), shared: None, flights: Flights::new(), wait, client_write, clock }
    }

    /// With a second level; `tasks` owns what is on its way there.
    #[must_use]
    pub(crate) fn with_shared(self, store: Arc<dyn SharedStore>, tasks: TaskTracker) -> Self {
        Self { shared: Some(Shared::new(store, tasks)), ..self }
    }

    /// How many answers are kept, and the bytes that they take.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.memory.entries(), self.memory.bytes())
    }

    /// Throws away what nobody would be given any more; to be called now and then.
    pub(crate) fn drop_expired(&self) {
        self.memory.drop_expired(self.clock.now());
    }

    /// Answers a request with what is kept, if its service keeps answers and there is one.
    pub(crate) async fn answer(
        &self,
        session: &mut ServerSession,
        principal: &Principal,
        inquiry: &Inquiry<'_>,
        plan: &Plan,
        snapshots: &Snapshots,
        recording: &mut Recording<'_>,
    ) -> Result<Cached<'_>, Stop> {
        let service = plan.service();
        let Some(settings) = &service.response_cache else { return Ok(Cached::Ask(None)) };
        // Apart from the request's own future, which services without a cache would carry along.
        let request = Request { settings, principal, inquiry, plan };
        Box::pin(self.look_up(session, request, snapshots, recording)).await
    }

    async fn look_up(
        &self,
        session: &mut ServerSession,
        request: Request<'_>,
        snapshots: &Snapshots,
        recording: &mut Recording<'_>,
    ) -> Result<Cached<'_>, Stop> {
        let service = request.plan.service();
        let wish = Wish::of(request.inquiry, &session.req_header().headers);
        // Without the control plane's secret there is no key; then no access key is known either.
        let Some(secret) = snapshots.load().cache_key() else { return Ok(Cached::Ask(None)) };
        let max_age_seconds = match wish {
            Wish::None => return Ok(Cached::Ask(None)),
            Wish::Bypass => {
                recording.cache(CacheUse::Bypass);
                return Ok(Cached::Ask(None));
            }
            Wish::Renew => 0,
            Wish::Ask { max_age_seconds } => max_age_seconds,
        };
        let key = secret.of(&request.question(session));
        let place = Place { key, secret };
        let terms = self.terms(request, max_age_seconds);
        if wish == Wish::Renew {
            recording.cache(CacheUse::Bypass);
            return Ok(Cached::Ask(Some(self.collector(place, terms))));
        }
        match self.find(place, terms, client_left(session)).await {
            Found::Entry(entry) => {
                recording.cache(CacheUse::Hit);
                let protocol = request.inquiry.protocol();
                replay::replay(session, service, protocol, &entry, self.client_write, recording).await?;
                Ok(Cached::Answered)
            }
            Found::Nothing(collector) => {
                recording.cache(CacheUse::Miss);
                Ok(Cached::Ask(Some(collector)))
            }
            Found::ClientLeft => Err(Stop::client_left()),
        }
    }

    fn terms(&self, request: Request<'_>, max_age_seconds: u64) -> Terms {
        let ResponseCache { ttl_seconds, max_entry_bytes, scope: _ } = *request.settings;
        let of_service = request.plan.service().timeouts.total_ms.map(|total| Duration::from_millis(total.into()));
        // At least half of a short time-out is left for asking a provider after all.
        let bounds = [of_service, request.inquiry.patience()].into_iter().flatten().map(|total| total / 2);
        let wait = bounds.fold(self.wait, Duration::min);
        Terms { max_age_seconds, ttl_seconds, max_bytes: max_entry_bytes, wait }
    }

    fn collector(&self, place: Place, terms: Terms) -> Box<Collector<'_>> {
        Box::new(Collector::new(self, place, terms.ttl_seconds, terms.max_bytes))
    }

    /// What is kept, or what another request that is under way brings; else the turn to ask a provider.
    async fn find(&self, place: Place, terms: Terms, left: impl Future<Output = ()>) -> Found<'_> {
        if let Some(entry) = self.held(&place.key, terms) {
            return Found::Entry(entry);
        }
        let seat = self.flights.join(place.key);
        let turn = if let Some(turn) = seat.free_turn() {
            Ok(Some(turn))
        } else {
            tokio::select! {
                biased;
                turn = seat.turn() => turn.map(Some),
                () = left => return Found::ClientLeft,
                () = tokio::time::sleep(terms.wait) => Ok(None),
            }
        };
        match turn {
            Ok(turn) => self.on_turn(place, terms, seat, turn).await,
            Err(Outcome::Kept(entry)) if self.will_do(&entry, terms) => Found::Entry(entry),
            Err(Outcome::Kept(_) | Outcome::NotKept) => Found::Nothing(self.collector(place, terms)),
        }
    }

    async fn on_turn<'c>(&'c self, place: Place, terms: Terms, seat: Seat<'c>, turn: Option<Turn>) -> Found<'c> {
        // Somebody may have been ready between the look and the turn.
        let mut entry = self.held(&place.key, terms);
        if entry.is_none() {
            entry = self.shared_entry(&place, terms).await;
        }
        let Some(entry) = entry else {
            let mut collector = self.collector(place, terms);
            collector.sit(seat, turn);
            return Found::Nothing(collector);
        };
        seat.settle(Outcome::Kept(Arc::clone(&entry)));
        Found::Entry(entry)
    }

    /// From the second level, and from then on in memory.
    async fn shared_entry(&self, place: &Place, terms: Terms) -> Option<Arc<Entry>> {
        let entry = self.shared.as_ref()?.get(&place.secret, &place.key).await?;
        if !self.will_do(&entry, terms) {
            return None;
        }
        Some(self.hold(place.key, entry, terms.ttl_seconds))
    }

    fn held(&self, key: &EntryKey, terms: Terms) -> Option<Arc<Entry>> {
        self.memory.get(key).filter(|entry| self.will_do(entry, terms))
    }

    /// By the service's setting as it is now, and by the caller's.
    fn will_do(&self, entry: &Entry, terms: Terms) -> bool {
        let age = entry.age_seconds(self.clock.now());
        age < u64::from(terms.ttl_seconds) && age <= terms.max_age_seconds
    }

    fn store(&self, place: &Place, entry: Entry, ttl_seconds: u32) -> Arc<Entry> {
        if let Some(shared) = &self.shared {
            shared.put(&place.secret, place.key, &entry, Duration::from_secs(ttl_seconds.into()));
        }
        self.hold(place.key, entry, ttl_seconds)
    }

    fn hold(&self, key: EntryKey, entry: Entry, ttl_seconds: u32) -> Arc<Entry> {
        let until = entry.stored_at.saturating_add(i64::from(ttl_seconds) * 1_000_000);
        let entry = Arc::new(entry);
        self.memory.insert(key, Arc::clone(&entry), until);
        entry
    }
}

impl Request<'_> {
    fn question<'q>(&'q self, session: &'q ServerSession) -> Question<'q> {
        let Self { settings, principal, inquiry, plan } = self;
        Question {
            service: principal.key.service.id,
            access_key: match settings.scope {
                CacheScope::AccessKey => Some(principal.key.id),
                CacheScope::Service => None,
            },
            route: &plan.route().fingerprint,
            protocol: inquiry.protocol(),
            operation: inquiry.operation(),
            path: inquiry.path(),
            query: inquiry.query(),
            stream: inquiry.stream(),
            headers: &session.req_header().headers,
            body: inquiry.body(),
        }
    }
}

#[cfg(test)]
mod tests;
