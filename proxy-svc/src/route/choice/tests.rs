use std::sync::Arc;

use tollgate_dialect::classify::Quota;

use super::*;
use crate::{
    health::{Health, Verdict},
    route::{
        Session,
        tests::{pool, provider, route, service, target},
    },
    snapshot::{FallbackOn, Pool, ProviderKind, Route, Strategy, Target, UpstreamKey},
};

const NOW: Moment = Moment(1_000_000);

/// A route to targets, whose keys' health a test may change.
struct Ground {
    health: Health,
    routes: Vec<Route>,
    pools: Vec<Arc<Pool>>,
}

impl Ground {
    /// A target for each list of keys; the weights of a target's keys. `priorities`: of the targets.
    fn new(weights: &[&[u32]], priorities: &[u32]) -> Self {
        let provider = provider(ProviderKind::Openai);
        let pools: Vec<Arc<Pool>> = weights.iter().map(|weights| pool(&provider, weights)).collect();
        let health = Health::default();
        let targets =
            pools.iter().zip(priorities).map(|(pool, priority)| Target { priority: *priority, ..target(pool, None) });
        let routes = vec![route("*", targets.collect(), &health, None)];
        Self { health, routes, pools }
    }

    fn key(&self, target: usize, key: usize) -> &UpstreamKey {
        &self.pools[target].keys[key]
    }

    fn plan(&self, strategy: Strategy) -> Plan {
        Plan::new(service(&self.routes, strategy), 0, crate::route::Reach::Any, false)
    }

    fn fail(&self, target: usize, key: usize, verdict: Verdict, times: u32) {
        let base = &self.pools[target].provider.base;
        let watch = crate::health::Watch::new(self.health.of(self.key(target, key), base), None, ProviderKind::Openai);
        for _ in 0..times {
            watch.ticket("m", NOW).failed(verdict, NOW, 0);
        }
    }

    fn cool(&self, target: usize, key: usize, seconds: u64) {
        let wait = Some(Duration::from_secs(seconds));
        self.fail(target, key, Verdict::RateLimited { wait, quota: Quota::Window }, 1);
    }

    fn eject(&self, target: usize, key: usize) {
        self.fail(target, key, Verdict::Failed(Cause::Server), 3);
    }

    /// Which key of which target, and why.
    fn next(&self, plan: &mut Plan, ask: &Ask<'_>) -> Option<((usize, usize), &'static str)> {
        let (candidate, _) = plan.next(ask)?;
        let seat =
            self.pools.iter().enumerate().find_map(|(target, pool)| {
                Some((target, pool.keys.iter().position(|key| key.id == candidate.key.id)?))
            });
        Some((seat.unwrap(), candidate.reason))
    }
}

fn at(seconds: u64) -> Ask<'static> {
    let now = NOW.after(Duration::from_secs(seconds));
    Ask { now, model: "m", successor: Successor::Anyone, may_fail: true }
}

#[test]
fn a_key_that_cools_is_left_out_until_it_does_not() {
    let ground = Ground::new(&[&[1, 1]], &[0]);
    ground.cool(0, 0, 10);
    for _ in 0..20 {
        assert_eq!(ground.next(&mut ground.plan(Strategy::RoundRobin), &at(9)), Some(((0, 1), "first")));
    }
    let mut plan = ground.plan(Strategy::RoundRobin);
    assert_eq!(ground.next(&mut plan, &at(10)), Some(((0, 0), "first")));
    // Of another model nothing is known.
    let other = Ask { model: "other", ..at(0) };
    let served: Vec<_> =
        (0..2).map(|_| ground.next(&mut ground.plan(Strategy::RoundRobin), &other).unwrap().0).collect();
    assert!(served.contains(&(0, 0)) && served.contains(&(0, 1)), "{served:?}");
}

#[test]
fn the_next_tier_comes_when_nobody_of_the_first_can_serve() {
    let ground = Ground::new(&[&[1, 1], &[1]], &[0, 1]);
    ground.cool(0, 0, 10);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(0)), Some(((0, 1), "first")));
    ground.cool(0, 1, 20);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(0)), Some(((1, 0), "first")));
    ground.cool(1, 0, 30);
    // All are out: the one that can serve soonest is used, once.
    let mut plan = ground.plan(Strategy::Weighted);
    assert_eq!(ground.next(&mut plan, &at(0)), Some(((0, 0), "least_bad")));
    assert_eq!(ground.next(&mut plan, &at(0)), None);
    assert_eq!(plan.soonest(&at(0), true), Some(Duration::from_secs(10)));
    assert_eq!(plan.soonest(&at(0), false), Some(Duration::from_secs(20)));
    // When one of them is back in the meantime, it serves.
    let mut plan = ground.plan(Strategy::Weighted);
    assert_eq!(ground.next(&mut plan, &at(0)), Some(((0, 0), "least_bad")));
    assert_eq!(ground.next(&mut plan, &at(30)), Some(((0, 1), "next_key")));
}

#[test]
fn a_key_whose_day_is_spent_is_tried_again_after_ten_minutes() {
    let ground = Ground::new(&[&[1]], &[0]);
    let day = Verdict::RateLimited { wait: Some(Duration::from_hours(5)), quota: Quota::Day };
    ground.fail(0, 0, day, 1);
    for seconds in [0, 60, 599] {
        let mut plan = ground.plan(Strategy::RoundRobin);
        assert_eq!(ground.next(&mut plan, &at(seconds)), None);
        assert_eq!(plan.soonest(&at(seconds), true), Some(Duration::from_secs(5 * 3600 - seconds)));
    }
    assert_eq!(ground.next(&mut ground.plan(Strategy::RoundRobin), &at(600)), Some(((0, 0), "least_bad")));
    // Also where it rests after an overload besides.
    ground.fail(0, 0, Verdict::Overloaded(Some(Duration::from_secs(200))), 1);
    assert_eq!(ground.next(&mut ground.plan(Strategy::RoundRobin), &at(1)), None);
    assert_eq!(ground.plan(Strategy::RoundRobin).soonest(&at(1), true), Some(Duration::from_secs(5 * 3600 - 1)));
    // Another that only rests is asked, however long.
    let ground = Ground::new(&[&[1, 1]], &[0]);
    ground.fail(0, 0, day, 1);
    ground.cool(0, 1, 300);
    assert_eq!(ground.next(&mut ground.plan(Strategy::RoundRobin), &at(0)), Some(((0, 1), "least_bad")));
}

#[test]
fn after_a_failure_a_key_that_cools_is_not_tried_while_another_can_serve() {
    let ground = Ground::new(&[&[1, 1, 1]], &[0]);
    ground.cool(0, 1, 10);
    let mut plan = ground.plan(Strategy::RoundRobin);
    let first = ground.next(&mut plan, &at(0)).unwrap().0;
    let second = ground.next(&mut plan, &at(0)).unwrap();
    assert_eq!(second.1, "next_key");
    assert!(first != (0, 1) && second.0 != (0, 1));
    assert_eq!(ground.next(&mut plan, &at(0)), Some(((0, 1), "least_bad")));
}

#[test]
fn a_trial_goes_first_and_needs_a_way_out() {
    let ground = Ground::new(&[&[1, 1], &[1]], &[0, 1]);
    ground.eject(0, 0);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(1)), Some(((0, 1), "first")));
    // The last attempt that a request has is no trial while there is anyone else.
    let only = Ask { may_fail: false, ..at(6) };
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &only), Some(((0, 1), "first")));
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(6)), Some(((0, 0), "half_open")));
    // It was dropped unanswered: its permit is free again. After the ejection's time anyone may be the trial.
    let only = Ask { may_fail: false, ..at(31) };
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &only), Some(((0, 0), "half_open")));
    let mut plan = ground.plan(Strategy::Weighted);
    let (_, ticket) = plan.next(&at(31)).unwrap();
    // One at a time.
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(31)), Some(((0, 1), "first")));
    drop(ticket);
}

#[test]
fn a_target_that_is_out_for_what_bars_others_is_not_replaced() {
    let mut ground = Ground::new(&[&[1], &[1]], &[0, 1]);
    ground.eject(0, 0);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(1)), Some(((1, 0), "first")));
    let only_limits = FallbackOn::from_iter([FallbackCondition::RateLimited]);
    ground.routes = ground.routes.into_iter().map(|route| route.with_fallback(only_limits)).collect();
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(1)), Some(((0, 0), "least_bad")));
    ground.cool(0, 0, 60);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(1)), Some(((1, 0), "first")));
}

#[test]
fn a_session_stays_with_its_key_while_that_can_serve() {
    let ground = Ground::new(&[&[1, 1, 1]], &[0]);
    let plan = || ground.plan(Strategy::RoundRobin).of_session(Some(Session::named(b"session")));
    let (home, why) = ground.next(&mut plan(), &at(0)).unwrap();
    assert_eq!(why, "affinity");
    for _ in 0..10 {
        assert_eq!(ground.next(&mut plan(), &at(0)), Some((home, "affinity")));
    }
    ground.cool(0, home.1, 10);
    let (away, _) = ground.next(&mut plan(), &at(0)).unwrap();
    assert_ne!(away, home);
    for _ in 0..10 {
        assert_eq!(ground.next(&mut plan(), &at(0)), Some((away, "affinity")));
    }
    assert_eq!(ground.next(&mut plan(), &at(10)), Some((home, "affinity")));
    // The second attempt is somebody else's turn.
    let mut retried = plan();
    ground.next(&mut retried, &at(10));
    assert_eq!(ground.next(&mut retried, &at(10)), Some((away, "next_key")));
}

#[test]
fn a_rest_after_an_overload_is_no_rate_limit() {
    let ground = Ground::new(&[&[1], &[1]], &[0, 1]);
    ground.fail(0, 0, Verdict::Overloaded(Some(Duration::from_secs(30))), 1);
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(0)), Some(((1, 0), "first")));
    assert_eq!(ground.plan(Strategy::Weighted).soonest(&at(0), true), None);
    ground.cool(1, 0, 20);
    assert_eq!(ground.plan(Strategy::Weighted).soonest(&at(0), true), Some(Duration::from_secs(20)));
    assert_eq!(ground.next(&mut ground.plan(Strategy::Weighted), &at(30)), Some(((0, 0), "first")));
}

#[test]
fn turns_go_on_in_the_next_configuration() {
    let ground = Ground::new(&[&[1, 1, 1, 1]], &[0]);
    let serve = |routes: &[Route]| {
        let mut plan = Plan::new(service(routes, Strategy::RoundRobin), 0, crate::route::Reach::Any, false);
        plan.next(&at(0)).unwrap().0.key.id
    };
    let (mut routes, mut served) = (ground.routes.clone(), std::collections::HashMap::new());
    for _ in 0..1000 {
        *served.entry(serve(&routes)).or_insert(0) += 1;
        // A change of something else, or the whole configuration anew.
        let targets = routes[0].targets.clone();
        routes = vec![route("*", targets, &ground.health, Some(&routes[0]))];
    }
    assert_eq!(served.into_values().collect::<Vec<_>>(), [250; 4]);
}

#[test]
fn a_new_member_is_served_in_its_turn() {
    let ground = Ground::new(&[&[1], &[1]], &[0, 1]);
    let serve = |routes: &[Route]| {
        let mut plan = Plan::new(service(routes, Strategy::RoundRobin), 0, crate::route::Reach::Any, false);
        plan.next(&at(0)).unwrap().0.key.id
    };
    let equals = ground.routes[0].targets.iter().map(|target| Target { priority: 0, ..target.clone() });
    let routes = vec![route("*", equals.collect(), &ground.health, Some(&ground.routes[0]))];
    let order: Vec<_> = (0..4).map(|_| serve(&routes)).collect();
    let (old, new) = (ground.key(0, 0).id, ground.key(1, 0).id);
    assert_eq!(order, [old, new, old, new]);
}

#[test]
fn a_change_of_weights_is_in_force_at_once() {
    let ground = Ground::new(&[&[1, 3]], &[0]);
    let share = |routes: &[Route]| {
        let heavy = ground.key(0, 1).id;
        let of = |_: &u32| {
            let mut plan = Plan::new(service(routes, Strategy::Weighted), 0, crate::route::Reach::Any, false);
            plan.next(&at(0)).unwrap().0.key.id == heavy
        };
        (0..10_000).filter(of).count()
    };
    assert!(share(&ground.routes).abs_diff(7500) <= 200);
    let mut pool = Pool::clone(&ground.pools[0]);
    pool.keys[1] = Arc::new(UpstreamKey { weight: 1, ..UpstreamKey::clone(&pool.keys[1]) });
    let changed = vec![route("*", vec![target(&Arc::new(pool), None)], &ground.health, Some(&ground.routes[0]))];
    assert!(share(&changed).abs_diff(5000) <= 200);
}
