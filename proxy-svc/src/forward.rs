//! Plan → answer: tries the candidates in order until one answers, and passes its answer on.
//!
//! Nothing of an answer goes to the client before an attempt counts as good (the commit point), so until then another
//! candidate can take over, with the whole body again. Afterwards there is no other attempt.

mod answer_header;
mod attempt;
mod conceal;
mod failure;
mod judge;
mod prelude;
mod request_header;
mod resolve;
mod retry_budget;
mod stream;
mod upstream;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::protocols::http::ServerSession;
use tokio_util::task::TaskTracker;
use tollgate_shared::{address::AddressPolicy, clock::Clock, limits::Timeouts};

pub(crate) use self::attempt::client_left;
use self::{
    attempt::Sent,
    failure::{Conclusion, Failures},
    resolve::Resolver,
    retry_budget::RetryBudget,
    upstream::Upstreams,
};
use crate::{
    admit,
    cache::Collector,
    gateway::{Recording, Settings, Stop},
    health::Health,
    limits::Dimension,
    report::Outcome,
    respond,
    route::{Ask, Plan, Successor},
    translate::{Step, Translator},
};

/// A limit may be raised before it is over.
const LONGEST_CAP: Duration = Duration::from_mins(1);

/// What forwarding needs of the process.
pub(crate) struct Forwarder {
    upstreams: Upstreams,
    resolver: Resolver,
    defaults: Limits,
    clock: Clock,
    health: Arc<Health>,
    retries: RetryBudget,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
    total: Duration,
    client_write: Duration,
}

impl Forwarder {
    pub(crate) fn new(settings: &Settings, addresses: AddressPolicy, health: Arc<Health>, tasks: TaskTracker) -> Self {
        Self {
            upstreams: Upstreams::new(),
            resolver: Resolver::new(addresses, tasks),
            defaults: Limits {
                connect: settings.connect,
                first_byte: settings.first_byte,
                idle: settings.idle,
                total: settings.total,
                client_write: settings.client_write,
            },
            clock: Clock::system(),
            health,
            retries: RetryBudget::default(),
        }
    }

    pub(crate) fn close_stale(&self) {
        self.upstreams.close_stale();
    }
}

impl Limits {
    /// The narrower scope counts.
    fn narrowed(self, timeouts: &Timeouts) -> Self {
        let millis = |value: Option<u32>, wider| value.map_or(wider, |value| Duration::from_millis(value.into()));
        Self {
            connect: millis(timeouts.connect_ms, self.connect),
            first_byte: millis(timeouts.first_byte_ms, self.first_byte),
            idle: millis(timeouts.idle_ms, self.idle),
            total: millis(timeouts.total_ms, self.total),
            client_write: self.client_write,
        }
    }
}

/// Serves the request from the plan's candidates. The intent is on record already. The answer is copied to the
/// collector, if there is one.
pub(crate) async fn forward<'t>(
    forwarder: &Forwarder,
    session: &mut ServerSession,
    translator: &'t Translator<'t>,
    plan: &mut Plan,
    collector: Option<Box<Collector<'_>>>,
    recording: &mut Recording<'_>,
) -> Result<(), Stop> {
    let service = Arc::clone(plan.service());
    let fallback_on = plan.route().fallback_on;
    let for_service = forwarder.defaults.narrowed(&service.timeouts);
    let total = translator.inquiry().patience().map_or(for_service.total, |patience| patience.min(for_service.total));
    let deadline = recording.begun() + total;
    let _active = forwarder.retries.enter();
    let mut retry = None;
    let mut failures = Failures::default();
    let mut successor = Successor::Anyone;
    while failures.attempts() < service.max_attempts {
        if failures.attempts() > 0 && retry.is_none() {
            retry = forwarder.retries.retry();
            if retry.is_none() {
                forwarder.health.retry_refused();
                break;
            }
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            break;
        }
        let may_fail = failures.attempts() + 1 < service.max_attempts;
        let Some((candidate, mut ticket)) = plan.next(&ask(forwarder, translator, successor, may_fail)) else {
            failures.nobody_is_left();
            break;
        };
        let limits = forwarder.defaults.narrowed(&candidate.pool.provider.timeouts).narrowed(&service.timeouts);
        let outgoing = match translator.step(&candidate) {
            Ok(Step::Send(outgoing)) => outgoing,
            Ok(Step::Answer(body)) => {
                return respond::answer(session, translator.inquiry().protocol(), body, recording)
                    .await
                    .map_err(Stop::ClientLeft);
            }
            Err(rejected) => {
                failures.reject(rejected);
                successor = Successor::OtherTarget;
                continue;
            }
        };
        let (key, inquiry) = (candidate.key, translator.inquiry());
        if let Err(used_up) = admit::rate::at_upstream_key(key, inquiry, recording.ledger()).await {
            recording.limited(used_up.scope, used_up.dimension);
            // A request that is too large for what is left of the tokens says nothing of others.
            if used_up.dimension != Dimension::Tokens {
                ticket.capped(used_up.wait.min(LONGEST_CAP), forwarder.health.now());
            }
            successor = failures.pass_over(used_up.wait, successor, fallback_on);
            continue;
        }
        let context = attempt::Context { forwarder, translator, candidate, limits, deadline, fallback_on };
        match attempt::send(&context, outgoing, session, &mut ticket, recording).await {
            Sent::Answer(answer) => {
                drop(retry);
                return stream::pass_on(&context, session, &service, answer, &mut ticket, collector, recording).await;
            }
            Sent::Failed(failure, told) => {
                tracing::debug!(
                    request.id = recording.request_id(), upstream_key.id = %candidate.key.id, ?failure,
                    "attempt failed"
                );
                successor = failure.successor(fallback_on);
                failures.add(failure, told);
            }
            Sent::ClientLeft(observed) => {
                recording.observed(observed);
                recording.end(Outcome::ClientClosed);
                return Err(Stop::client_left());
            }
        }
    }
    let soonest = plan.soonest(&ask(forwarder, translator, successor, false), failures.are_of_rate_limits());
    match failures.conclude(soonest) {
        Conclusion::Refuse(refusal) => Err(refusal.into()),
        Conclusion::Tell(told) => {
            stream::tell(session, translator.inquiry().protocol(), &service, told, recording).await
        }
    }
}

/// What the next choice goes by.
fn ask<'t>(forwarder: &Forwarder, translator: &Translator<'t>, successor: Successor, may_fail: bool) -> Ask<'t> {
    let model = translator.inquiry().model().unwrap_or_default();
    Ask { now: forwarder.health.now(), model, successor, may_fail }
}
