//! Permit + model → [`Plan`]: the ordered candidates of a request. Pure: no clock, no network, no lock.
//!
//! A route's targets and their keys are laid out once, when the snapshot is built ([`Rosters`]); a request then takes
//! a number and walks from there.

pub mod pattern;
pub mod scheduler;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tollgate_dialect::{Protocol, endpoint::Operation};

use crate::{
    authenticate::Principal,
    gateway::Inquiry,
    respond::Refusal,
    snapshot::{Pool, Route, Service, Target, UpstreamKey},
    stored::Pin,
};

/// The candidates of a route: those that speak each protocol, and all together.
#[derive(Default)]
pub struct Rosters {
    speaking: [Roster; 3],
    any: Roster,
}

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

/// The keys behind a route's targets, the tiers that are tried first in front.
#[derive(Debug, Default)]
struct Roster {
    tiers: Vec<Tier>,
}

/// Candidates of equal priority: target first, then key.
#[derive(Debug)]
struct Tier {
    priority: (u32, u32),
    members: Vec<Member>,
    /// Running sums of the members' weights (target's weight × key's weight).
    cumulative: Vec<u64>,
    turn: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    target: usize,
    key: usize,
}

/// They follow from the targets beside them, so they tell no two routes apart.
impl PartialEq for Rosters {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rosters {}

impl fmt::Debug for Rosters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rosters")
    }
}

impl Rosters {
    pub fn new(targets: &[Target]) -> Self {
        let speaking = |protocol| Roster::new(targets, Reach::Speaking(protocol));
        Self {
            speaking: [speaking(Protocol::OpenAi), speaking(Protocol::Anthropic), speaking(Protocol::Gemini)],
            any: Roster::new(targets, Reach::Any),
        }
    }

    fn of(&self, reach: Reach) -> &Roster {
        match reach {
            Reach::Speaking(Protocol::OpenAi) => &self.speaking[0],
            Reach::Speaking(Protocol::Anthropic) => &self.speaking[1],
            Reach::Speaking(Protocol::Gemini) => &self.speaking[2],
            Reach::Any => &self.any,
        }
    }
}

impl Roster {
    fn new(targets: &[Target], reach: Reach) -> Self {
        let mut tiers: Vec<Tier> = Vec::new();
        for (target_index, target) in targets.iter().enumerate() {
            if let Reach::Speaking(protocol) = reach
                && target.pool.provider.kind.protocol() != protocol
            {
                continue;
            }
            for (key_index, key) in target.pool.keys.iter().enumerate() {
                let priority = (target.priority, key.priority);
                let weight = u64::from(target.weight) * u64::from(key.weight);
                if weight == 0 {
                    continue;
                }
                let place = tiers.iter().position(|tier| tier.priority == priority).unwrap_or_else(|| {
                    tiers.push(Tier::new(priority));
                    tiers.len() - 1
                });
                tiers[place].add(Member { target: target_index, key: key_index }, weight);
            }
        }
        tiers.sort_by_key(|tier| tier.priority);
        Self { tiers }
    }
}

impl Tier {
    fn new(priority: (u32, u32)) -> Self {
        // A random start, so that many proxies, or many new snapshots, do not all begin with the same key.
        let turn = AtomicU64::new(u64::from(fastrand::u32(..)));
        Self { priority, members: Vec::new(), cumulative: Vec::new(), turn }
    }

    fn add(&mut self, member: Member, weight: u64) {
        let sum = self.cumulative.last().copied().unwrap_or(0);
        self.members.push(member);
        self.cumulative.push(sum + weight);
    }

    fn weight(&self, index: usize) -> u64 {
        let before = if index == 0 { 0 } else { self.cumulative[index - 1] };
        self.cumulative[index] - before
    }
}

/// What may serve a request, best first. Proof that the caller may use this model.
pub(crate) struct Plan {
    service: Arc<Service>,
    route: usize,
    reach: Reach,
    tried: Vec<Member>,
    /// Targets whose other keys would come to the same.
    dismissed: Vec<usize>,
    /// Requests about stored things (files, batches) must meet the account that stored them: one key, no other.
    only_first: bool,
    pinned: Option<Pinned>,
}

/// The one candidate of a request that names a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pinned {
    /// The route of `member`; the model may have led to another.
    route: usize,
    member: Member,
    /// The route and the target that say what the model is called there.
    named_by: Option<(usize, usize)>,
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
    let (tried, dismissed) = (Vec::new(), Vec::new());
    Ok(Plan { service: Arc::clone(service), route, reach, tried, dismissed, only_first, pinned: None })
}

impl Plan {
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
                Some(Pinned { route, member: Member { target, key }, named_by: Some((route, target)) })
            })
        };
        let Some(pinned) = own.iter().chain(&others).copied().find_map(|route| leads(route).next()) else {
            return Err(Refusal::upstream_key_gone(&pin.field));
        };
        let provider = &routes[pinned.route].targets[pinned.member.target].pool.provider;
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

    /// The next candidate, never one twice; none when all were tried that may take over from the last.
    pub(crate) fn next(&mut self, successor: Successor) -> Option<Candidate<'_>> {
        if let Some(pinned) = self.pinned {
            let is_first = self.tried.is_empty();
            self.tried.push(pinned.member);
            return is_first.then(|| self.pinned_candidate(pinned));
        }
        let last = self.tried.last().copied();
        if let (Some(last), Successor::OtherTarget) = (last, successor) {
            self.dismissed.push(last.target);
        }
        let member = match last {
            None => self.first(),
            Some(last) => self.another(&|member| {
                let follows = successor != Successor::SameTarget || member.target == last.target;
                follows && !self.dismissed.contains(&member.target)
            }),
        }?;
        self.tried.push(member);
        let reason = match last {
            None => "first",
            Some(last) if last.target == member.target => "next_key",
            Some(_) => "next_target",
        };
        Some(self.candidate(member, reason))
    }

    fn tiers(&self) -> &[Tier] {
        &self.route().rosters.of(self.reach).tiers
    }

    fn first(&self) -> Option<Member> {
        let tier = self.tiers().first()?;
        if self.only_first {
            return tier.members.first().copied();
        }
        let turn = tier.turn.fetch_add(1, Ordering::Relaxed);
        let picked = scheduler::scheduler(self.service.strategy).pick(&tier.cumulative, turn);
        tier.members.get(picked).copied()
    }

    fn another(&self, may_follow: &dyn Fn(&Member) -> bool) -> Option<Member> {
        if self.only_first {
            return None;
        }
        self.tiers().iter().find_map(|tier| {
            let mut sum = 0;
            let (members, cumulative): (Vec<Member>, Vec<u64>) = (tier.members.iter().enumerate())
                .filter(|(_, member)| may_follow(member) && !self.tried.contains(member))
                .map(|(index, member)| {
                    sum += tier.weight(index);
                    (*member, sum)
                })
                .unzip();
            if members.is_empty() {
                return None;
            }
            let turn = tier.turn.fetch_add(1, Ordering::Relaxed);
            let picked = scheduler::scheduler(self.service.strategy).pick(&cumulative, turn);
            members.get(picked).copied()
        })
    }

    fn pinned_candidate(&self, pinned: Pinned) -> Candidate<'_> {
        let target = |(route, target): (usize, usize)| &self.service.routes[route].targets[target];
        let (lead, named_by) = (target((pinned.route, pinned.member.target)), pinned.named_by.map(target));
        Candidate {
            pool: &lead.pool,
            key: &lead.pool.keys[pinned.member.key],
            model: named_by.and_then(|target| target.model.as_deref()),
            default_max_tokens: named_by.and_then(|target| target.default_max_tokens),
            reason: "pinned",
        }
    }

    fn candidate(&self, member: Member, reason: &'static str) -> Candidate<'_> {
        let target = &self.route().targets[member.target];
        Candidate {
            pool: &target.pool,
            key: &target.pool.keys[member.key],
            model: target.model.as_deref(),
            default_max_tokens: target.default_max_tokens,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
