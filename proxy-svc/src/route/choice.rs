//! Who of a plan's candidates is next, by their health.
//!
//! Tier by tier, and in each: a member whose trial is due, else one of those that can serve, as the scheduler or the
//! session says. The next tier comes only when no member of this one can serve. When nobody can, the one that is out for
//! the shortest time is used all the same, once: perhaps what is known of it is out of date, and if not, its answer says
//! what is the matter. One whose quota of the day is gone is not, for a while: that does not change by the minute.

use std::time::Duration;

use smallvec::SmallVec;

use super::{
    Ask, Plan, Successor,
    roster::{Member, Seat, Tier},
    scheduler::{Contender, scheduler},
};
use crate::{
    health::{Cause, KeyState, Moment, Reading, Standing, Ticket},
    snapshot::FallbackCondition,
};

/// A candidate, before it is looked up.
pub(super) struct Chosen {
    pub(super) seat: Seat,
    pub(super) ticket: Ticket,
    pub(super) why: Why,
}

/// Why it is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Turn,
    /// Its session's.
    Session,
    /// It finds out whether the key works again.
    Trial,
    /// All are out.
    LeastBad,
}

/// What a walk over the tiers has found so far, besides those that can serve.
#[derive(Default)]
struct Found<'a> {
    /// Out for the shortest time.
    least_bad: Option<(Moment, &'a Member)>,
    /// A trial that is due, but that this request should not be as long as there is anyone else.
    last_trial: Option<&'a Member>,
    /// Targets that are out for something that does not let another target take over.
    bound: SmallVec<[usize; 2]>,
}

/// Members of a tier by what can be done with them; positions in it.
#[derive(Default)]
struct Sorted<'a> {
    ready: SmallVec<[usize; 16]>,
    contenders: SmallVec<[Contender<'a>; 16]>,
    due: SmallVec<[usize; 4]>,
}

impl Plan {
    pub(super) fn choose(&self, ask: &Ask<'_>) -> Option<Chosen> {
        let mut found = Found::default();
        for tier in self.tiers() {
            let sorted = self.sort(tier, ask, &mut found);
            if let Some(chosen) = self.trial(tier, &sorted, ask, &mut found) {
                return Some(chosen);
            }
            if sorted.ready.is_empty() {
                continue;
            }
            let (position, why) = if let Some(position) = self.session_home(tier, sorted.ready.iter()) {
                (position, Why::Session)
            } else {
                let picked = scheduler(self.service.strategy).pick(&sorted.contenders, tier.take_turn());
                (sorted.ready[picked], Why::Turn)
            };
            return Some(chosen(&tier.members[position], ask, why));
        }
        if self.is_last_resort {
            return None;
        }
        if let Some(member) = found.last_trial
            && let Some(chosen) = claimed(member, ask)
        {
            return Some(chosen);
        }
        let (_, member) = found.least_bad?;
        Some(chosen(member, ask, Why::LeastBad))
    }

    /// How long until one that is out for its rate limit can serve. `tried`: also those that this request has tried.
    pub(crate) fn soonest(&self, ask: &Ask<'_>, tried: bool) -> Option<Duration> {
        if self.only_first || self.pinned.is_some() {
            return None;
        }
        let members = self.tiers().iter().flat_map(|tier| &tier.members);
        let members = members.filter(|member| tried || !self.tried.contains(&member.seat));
        let waits = members.filter(|member| self.is_open_to(member, ask)).filter_map(|member| {
            let (watch, model, now) = (&member.watch, ask.model, ask.now);
            match watch.look(model, now).0 {
                Standing::Out { state: KeyState::Cooling, until } if !watch.rests_after_overload(model, now) => {
                    Some(until.since(now))
                }
                Standing::Out { until, .. } if watch.is_known_spent(model, now) => Some(until.since(now)),
                Standing::Ready | Standing::TrialDue | Standing::Out { .. } => None,
            }
        });
        waits.min()
    }

    fn may_serve(&self, member: &Member, ask: &Ask<'_>, bound: &[usize]) -> bool {
        self.is_open_to(member, ask)
            && (bound.is_empty() || bound.contains(&member.seat.target))
            && !self.tried.contains(&member.seat)
    }

    /// Whether its target is one that this request may still go to.
    fn is_open_to(&self, member: &Member, ask: &Ask<'_>) -> bool {
        let target = member.seat.target;
        let follows = match (ask.successor, self.tried.last()) {
            (Successor::SameTarget, Some(last)) => target == last.target,
            _ => true,
        };
        follows && !self.dismissed.contains(&target)
    }

    fn sort<'a>(&self, tier: &'a Tier, ask: &Ask<'_>, found: &mut Found<'a>) -> Sorted<'a> {
        let reads_health = scheduler(self.service.strategy).reads_health();
        let mut sorted = Sorted::default();
        let mut bound: SmallVec<[usize; 2]> = SmallVec::new();
        for (position, member) in tier.members.iter().enumerate() {
            if !self.may_serve(member, ask, &found.bound) {
                continue;
            }
            let (standing, reading) = member.watch.look(ask.model, ask.now);
            match standing {
                Standing::Ready => {
                    let reading = if reads_health { reading } else { Reading::default() };
                    sorted.ready.push(position);
                    sorted.contenders.push(Contender { weight: member.weight, place: &member.place, reading });
                }
                Standing::TrialDue => sorted.due.push(position),
                Standing::Out { state, until } => {
                    if !self.lets_others(member, state, ask) && !bound.contains(&member.seat.target) {
                        bound.push(member.seat.target);
                    }
                    let is_sooner = found.least_bad.is_none_or(|(soonest, _)| until < soonest);
                    if is_sooner && !member.watch.is_known_spent(ask.model, ask.now) {
                        found.least_bad = Some((until, member));
                    }
                }
            }
        }
        // What is out here binds the tiers behind, not this one: to share a tier is no fallback. After an attempt it is the
        // attempt's failure that decides.
        if self.tried.is_empty() {
            found.bound.extend(bound);
        }
        sorted
    }

    /// Whether the route lets another target take over from one that is out like this.
    fn lets_others(&self, member: &Member, state: KeyState, ask: &Ask<'_>) -> bool {
        let on = self.route().fallback_on;
        let condition = match state {
            KeyState::Cooling if member.watch.rests_after_overload(ask.model, ask.now) => FallbackCondition::Overloaded,
            KeyState::Cooling | KeyState::Spent => FallbackCondition::RateLimited,
            KeyState::Refused => FallbackCondition::CredentialsRefused,
            KeyState::Ejected | KeyState::HalfOpen | KeyState::Healthy => match member.watch.cause(ask.model) {
                Some(Cause::Overloaded) => FallbackCondition::Overloaded,
                Some(Cause::Timeout) => FallbackCondition::Timeout,
                Some(Cause::Server | Cause::Connect | Cause::Lost) | None => FallbackCondition::ServerError,
            },
        };
        on.contains(condition)
    }

    /// A trial that is due in this tier, when this request can be it.
    fn trial<'a>(&self, tier: &'a Tier, sorted: &Sorted<'a>, ask: &Ask<'_>, found: &mut Found<'a>) -> Option<Chosen> {
        let home = self.session_home(tier, sorted.ready.iter().chain(&sorted.due));
        for &position in &sorted.due {
            let member = &tier.members[position];
            // A session's request is a trial of its own key only.
            let is_at_home = home.is_none_or(|home| home == position);
            let may_fail = ask.may_fail || member.watch.is_overdue(ask.model, ask.now);
            if is_at_home && may_fail {
                if let Some(chosen) = claimed(member, ask) {
                    return Some(chosen);
                }
                found.least_bad = found.least_bad.or(Some((ask.now, member)));
            } else {
                found.last_trial = found.last_trial.or(Some(member));
            }
        }
        None
    }

    /// The position of the session's own member.
    fn session_home<'p>(&self, tier: &Tier, positions: impl Iterator<Item = &'p usize>) -> Option<usize> {
        let session = self.session?;
        let lot = |position: &usize| {
            let member = &tier.members[*position];
            session.lot(member.key, member.seat.target, member.weight)
        };
        positions.copied().max_by(|one, other| lot(one).total_cmp(&lot(other)))
    }
}

fn chosen(member: &Member, ask: &Ask<'_>, why: Why) -> Chosen {
    Chosen { seat: member.seat, ticket: member.watch.ticket(ask.model, ask.now), why }
}

/// With the permit for a trial, unless another request was faster.
fn claimed(member: &Member, ask: &Ask<'_>) -> Option<Chosen> {
    let mut chosen = chosen(member, ask, Why::Trial);
    chosen.ticket.claim(ask.now).then_some(chosen)
}

#[cfg(test)]
mod tests;
