//! Permit + model → [`Plan`]: the ordered candidates of a request. No clock of its own, no network, no lock.
//!
//! A route's targets and their keys are laid out once, when the snapshot is built ([`Rosters`]); a request then takes
//! a number and walks from there, past those whose health keeps them out.

mod affinity;
mod choice;
pub mod pattern;
mod roster;
pub mod scheduler;

use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_dialect::{Protocol, endpoint::Operation};

pub(crate) use self::affinity::Session;
pub use self::roster::Rosters;
use self::{
    choice::{Chosen, Why},
    roster::{Seat, Tier},
};
use crate::{
    authenticate::Principal,
    gateway::Inquiry,
    health::{Moment, Ticket, Watch},
    respond::Refusal,
    snapshot::{Pool, Provider, Route, Service, Target, UpstreamKey},
    stored::Pin,
};

/// Which targets can serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Only those that speak the caller's protocol: nothing else can be made of the request.
    Speaking(Protocol),
    /// All: the request is translated where that is needed.
    Any,
}

/// Who may take over after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Successor {
    Anyone,
    /// Another key of the same target.
    SameTarget,
    /// Another target: any key of the same would come to the same, now and later.
    OtherTarget,
}

/// What may serve a request, best first. Proof that the caller may use this model.
pub(crate) struct Plan {
    service: Arc<Service>,
    route: usize,
    reach: Reach,
    tried: SmallVec<[Seat; 2]>,
    /// Targets whose other keys would come to the same.
    dismissed: SmallVec<[usize; 2]>,
    /// Requests about stored things (files, batches) must meet the account that stored them: one key, no other.
    only_first: bool,
    pinned: Option<Pinned>,
    /// Whose requests go to the same key, where the service wants that.
    session: Option<Session>,
    /// One that should have been left out was used for want of a better one.
    is_last_resort: bool,
}

/// The one candidate of a request that names a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pinned {
    /// The route of `seat`; the model may have led to another.
    route: usize,
    seat: Seat,
    /// The route and the target that say what the model is called there.
    named_by: Option<(usize, usize)>,
}

/// What a choice goes by, besides the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) now: Moment,
    /// As the caller names it.
    pub(crate) model: &'a str,
    pub(crate) successor: Successor,
    /// Should this attempt fail, another one may be made.
    pub(crate) may_fail: bool,
}

/// One key at one target.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) key: &'a Arc<UpstreamKey>,
    /// The upstream's name of the model where it differs from the one that the caller asked for.
    pub(crate) model: Option<&'a str>,
    /// For a protocol that demands a limit on output tokens.
    pub(crate) default_max_tokens: Option<u32>,
    /// Why it is this one's turn.
    pub(crate) reason: &'static str,
}

/// A provider that a request may go to.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) provider: &'a Provider,
    /// Its name of the model where it differs from the one that the caller asked for.
    pub(crate) model: Option<&'a str>,
    pub(crate) default_max_tokens: Option<u32>,
}

/// The plan for a request, if the caller may use every model that it names.
pub(crate) fn plan(principal: &Principal, inquiry: &Inquiry<'_>) -> Result<Plan, Refusal> {
    for model in inquiry.inner_models() {
        allowed(principal, &model)?;
    }
    let reach = if inquiry.task().is_some() { Reach::Any } else { Reach::Speaking(inquiry.protocol()) };
    let plan = match inquiry.model() {
        Some(model) => by_model(principal, reach, model),
        // What a file of requests names is at the provider already and cannot be looked into.
        None if inquiry.operation() == Operation::CreateBatch && principal.is_limited_to_models() => {
            Err(Refusal::batch_not_allowed())
        }
        None => without_model(principal, reach),
    }?;
    match inquiry.pin() {
        Some(pin) => plan.pinned_to(pin, inquiry.model(), inquiry.protocol()),
        None => Ok(plan),
    }
}

fn allowed(principal: &Principal, model: &str) -> Result<(), Refusal> {
    if principal.permits_model(model) { Ok(()) } else { Err(Refusal::model_not_found(model)) }
}

fn by_model(principal: &Principal, reach: Reach, model: &str) -> Result<Plan, Refusal> {
    allowed(principal, model)?;
    let service = &principal.key.service;
    let matches = |route: &Route| route.models.iter().any(|pattern| pattern.matches(model));
    let serves = |route: &Route| !route.rosters.of(reach).tiers.is_empty();
    let first = |wanted: &dyn Fn(&Route) -> bool| service.routes.iter().position(wanted);
    match first(&|route| matches(route) && serves(route)).or_else(|| first(&matches)) {
        Some(route) => from_route(service, route, reach, false),
        None => Err(Refusal::model_not_found(model)),
    }
}

/// A request that names no model goes to the first route that has a target for it.
fn without_model(principal: &Principal, reach: Reach) -> Result<Plan, Refusal> {
    let service = &principal.key.service;
    let serves = |route: &Route| !route.rosters.of(reach).tiers.is_empty();
    let route = service.routes.iter().position(serves).unwrap_or(0);
    from_route(service, route, reach, true)
}

fn from_route(service: &Arc<Service>, route: usize, reach: Reach, only_first: bool) -> Result<Plan, Refusal> {
    let Some(found) = service.routes.get(route) else { return Err(Refusal::no_route()) };
    if found.rosters.of(reach).tiers.is_empty() {
        return Err(match reach {
            Reach::Speaking(protocol) if !found.rosters.of(Reach::Any).tiers.is_empty() => {
                Refusal::other_protocol(protocol)
            }
            Reach::Speaking(_) | Reach::Any => Refusal::no_upstream_key(),
        });
    }
    Ok(Plan::new(Arc::clone(service), route, reach, only_first))
}

impl Plan {
    fn new(service: Arc<Service>, route: usize, reach: Reach, only_first: bool) -> Self {
        let (tried, dismissed) = (SmallVec::new(), SmallVec::new());
        let (pinned, session, is_last_resort) = (None, None, false);
        Self { service, route, reach, tried, dismissed, only_first, pinned, session, is_last_resort }
    }

    /// The plan of a request that belongs to a session.
    pub(crate) fn of_session(self, session: Option<Session>) -> Self {
        Self { session, ..self }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The route that the model led to.
    pub(crate) fn route(&self) -> &Route {
        &self.service.routes[self.route]
    }

    /// The plan for a request that names a stored object: the key that made it, and no other. Any target of the service
    /// may lead there, because a file is uploaded before it is known for which model. A target of the model's own
    /// routes comes first; else one at the same provider must say what the model is called there.
    fn pinned_to(self, pin: &Pin, model: Option<&str>, protocol: Protocol) -> Result<Self, Refusal> {
        let routes = &self.service.routes;
        let serves = |route: &usize| {
            model.is_none_or(|model| routes[*route].models.iter().any(|pattern| pattern.matches(model)))
        };
        let (own, others): (Vec<usize>, Vec<usize>) = (0..routes.len()).partition(serves);
        let leads = |route: usize| {
            let targets = routes[route].targets.iter().enumerate();
            targets.filter_map(move |(target, found)| {
                let key = found.pool.keys.iter().position(|key| key.id == pin.key)?;
                Some(Pinned { route, seat: Seat { target, key }, named_by: Some((route, target)) })
            })
        };
        let Some(pinned) = own.iter().chain(&others).copied().find_map(|route| leads(route).next()) else {
            return Err(Refusal::upstream_key_gone(&pin.field));
        };
        let provider = &routes[pinned.route].targets[pinned.seat.target].pool.provider;
        if provider.kind.protocol() != protocol {
            return Err(Refusal::stored_elsewhere(&pin.field));
        }
        let named_by = if model.is_none() {
            None
        } else if serves(&pinned.route) {
            pinned.named_by
        } else {
            let same = |target: &Target| target.pool.provider.id == provider.id;
            let target = |route: usize| Some((route, routes[route].targets.iter().position(same)?));
            Some(own.into_iter().find_map(target).ok_or_else(|| Refusal::stored_elsewhere(&pin.field))?)
        };
        let pinned = Some(Pinned { named_by, ..pinned });
        Ok(Self { pinned, ..self })
    }

    /// Where the request may go: providers, and what they call the model where they have a name of their own.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = Destination<'_>> {
        let pinned = self.pinned.map(|pinned| self.pinned_candidate(pinned));
        let targets = if pinned.is_some() { &[] } else { self.route().targets.as_slice() };
        let of_pin = pinned.map(|Candidate { pool, model, default_max_tokens, .. }| Destination {
            provider: &pool.provider,
            model,
            default_max_tokens,
        });
        let of_target = targets.iter().map(|target| Destination {
            provider: &target.pool.provider,
            model: target.model.as_deref(),
            default_max_tokens: target.default_max_tokens,
        });
        of_pin.into_iter().chain(of_target)
    }

    /// The next candidate, never one twice, and its account with its key's health; none when all were tried that may take
    /// over from the last, or when the last one was used for want of a better one.
    pub(crate) fn next(&mut self, ask: &Ask<'_>) -> Option<(Candidate<'_>, Ticket)> {
        if let Some(pinned) = self.pinned {
            return self.next_pinned(pinned, ask);
        }
        let last = self.tried.last().copied();
        if let (Some(last), Successor::OtherTarget) = (last, ask.successor) {
            self.dismissed.push(last.target);
        }
        let Chosen { seat, ticket, why } = if self.only_first { self.first(ask) } else { self.choose(ask) }?;
        self.tried.push(seat);
        self.is_last_resort |= why == Why::LeastBad;
        let reason = match (why, last) {
            (Why::Trial, _) => "half_open",
            (Why::LeastBad, _) => "least_bad",
            (Why::Session, None) => "affinity",
            (Why::Turn, None) => "first",
            (Why::Turn | Why::Session, Some(last)) if last.target == seat.target => "next_key",
            (Why::Turn | Why::Session, Some(_)) => "next_target",
        };
        Some((self.candidate(seat, reason), ticket))
    }

    fn next_pinned(&mut self, pinned: Pinned, ask: &Ask<'_>) -> Option<(Candidate<'_>, Ticket)> {
        if !self.tried.is_empty() {
            return None;
        }
        self.tried.push(pinned.seat);
        let route = &self.service.routes[pinned.route];
        let key = route.rosters.key(pinned.seat)?;
        let candidate = self.pinned_candidate(pinned);
        let watch = Watch::new(Arc::clone(key), None, candidate.pool.provider.kind);
        let ticket = watch.ticket(candidate.model.unwrap_or(ask.model), ask.now);
        Some((candidate, ticket))
    }

    fn tiers(&self) -> &[Tier] {
        &self.route().rosters.of(self.reach).tiers
    }

    /// Whatever its health.
    fn first(&self, ask: &Ask<'_>) -> Option<Chosen> {
        let member = self.tiers().first()?.members.first()?;
        let ticket = member.watch.ticket(ask.model, ask.now);
        self.tried.is_empty().then_some(Chosen { seat: member.seat, ticket, why: Why::Turn })
    }

    fn pinned_candidate(&self, pinned: Pinned) -> Candidate<'_> {
        let target = |(route, target): (usize, usize)| &self.service.routes[route].targets[target];
        let (lead, named_by) = (target((pinned.route, pinned.seat.target)), pinned.named_by.map(target));
        Candidate {
            pool: &lead.pool,
            key: &lead.pool.keys[pinned.seat.key],
            model: named_by.and_then(|target| target.model.as_deref()),
            default_max_tokens: named_by.and_then(|target| target.default_max_tokens),
            reason: "pinned",
        }
    }

    fn candidate(&self, seat: Seat, reason: &'static str) -> Candidate<'_> {
        let target = &self.route().targets[seat.target];
        Candidate {
            pool: &target.pool,
            key: &target.pool.keys[seat.key],
            model: target.model.as_deref(),
            default_max_tokens: target.default_max_tokens,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
