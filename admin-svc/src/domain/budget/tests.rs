use proptest::{prelude::*, sample::Index};

use super::*;

fn budget(amount: i64, lease: LeaseMode) -> Budget {
    let (amount, currency) = (Money::from_micros(amount), "USD".to_owned());
    Budget { amount, currency, period: Period::Total, hard: true, lease }
}

fn key() -> BudgetKey {
    BudgetKey { scope: BudgetScope::AccessKey, id: Uuid::from_u128(7) }
}

/// A proxy's start: what it knows, what the control plane's rows say of it, and events that have not arrived.
#[derive(Clone, Debug, Default)]
struct Proxy {
    lease: Lease,
    granted: i64,
    returned: i64,
    cost: i64,
    reserved: i64,
    undelivered: Vec<i64>,
    lapsed: bool,
    dead: bool,
}

impl Proxy {
    fn balance(&self) -> i64 {
        self.granted - self.returned - self.cost - self.reserved
    }
}

#[derive(Debug)]
struct World {
    budget: Budget,
    spent: i64,
    proxies: Vec<Proxy>,
    /// What may be exceeded, by the rules: leases that lapsed, and what requests cost beyond their reservations.
    slack: i64,
}

#[derive(Clone, Debug)]
enum Step {
    /// Asks; the answer may be lost.
    Ask {
        proxy: Index,
        need: i64,
        ahead: bool,
        lost: bool,
    },
    /// Reserves and is over at once, at a part of the reservation, or beyond it.
    Request {
        proxy: Index,
        reservation: i64,
        cost_percent: i64,
    },
    /// One event arrives.
    Deliver {
        proxy: Index,
    },
    GiveBack {
        proxy: Index,
    },
    /// It dies and another start takes its place; its journal stays.
    Crash {
        proxy: Index,
    },
    Lapse {
        proxy: Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let proxy = any::<Index>;
    prop_oneof![
        4 => (proxy(), 0..400_i64, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(proxy, need, ahead, lost)| Step::Ask { proxy, need, ahead, lost }),
        6 => (proxy(), 1..300_i64, 0..130_i64)
            .prop_map(|(proxy, reservation, cost_percent)| Step::Request { proxy, reservation, cost_percent }),
        6 => proxy().prop_map(|proxy| Step::Deliver { proxy }),
        1 => proxy().prop_map(|proxy| Step::GiveBack { proxy }),
        1 => proxy().prop_map(|proxy| Step::Crash { proxy }),
        1 => proxy().prop_map(|proxy| Step::Lapse { proxy }),
    ]
}

impl World {
    fn standing(&self, asking: usize) -> Standing {
        let open = |proxy: &Proxy| proxy.lease.open().max(0);
        let in_force = || self.proxies.iter().enumerate().filter(|(_, proxy)| !proxy.lapsed);
        Standing {
            spent: self.spent,
            lent: in_force().map(|(_, proxy)| open(proxy)).sum(),
            lent_to_others: in_force().filter(|(index, _)| *index != asking).map(|(_, proxy)| open(proxy)).sum(),
            lapsed: self.proxies.iter().filter(|proxy| proxy.lapsed).map(open).sum(),
        }
    }

    fn ask(&mut self, index: usize, need: i64, ahead: bool, lost: bool) {
        let proxy = &mut self.proxies[index];
        if proxy.dead {
            return;
        }
        // One that comes back: what it holds counts as lent again.
        proxy.lapsed = false;
        let ask =
            Ask { budget: key(), at: 0, period: 0..1, granted: proxy.granted, returned: proxy.returned, need, ahead };
        proxy.lease.reconcile(&ask);
        let (lease, live) = (proxy.lease, i64::try_from(self.proxies.len()).unwrap());
        let (more, _) = grant(&self.budget, &self.standing(index), &lease, &ask, live);
        assert!(more >= 0);
        let proxy = &mut self.proxies[index];
        proxy.lease.granted += more;
        if !lost {
            proxy.granted = proxy.lease.granted;
        }
    }

    fn step(&mut self, step: &Step) {
        let count = self.proxies.len();
        match step {
            Step::Ask { proxy, need, ahead, lost } => self.ask(proxy.index(count), *need, *ahead, *lost),
            Step::Request { proxy, reservation, cost_percent } => {
                let proxy = &mut self.proxies[proxy.index(count)];
                if proxy.dead || proxy.balance() < *reservation {
                    return;
                }
                let cost = reservation * cost_percent / 100;
                self.slack += (cost - reservation).max(0);
                proxy.cost += cost;
                proxy.undelivered.push(cost);
            }
            Step::Deliver { proxy } => {
                let proxy = &mut self.proxies[proxy.index(count)];
                if let Some(cost) = proxy.undelivered.pop() {
                    proxy.lease.used += cost;
                    self.spent += cost;
                }
            }
            Step::GiveBack { proxy } => {
                let index = proxy.index(count);
                let proxy = &mut self.proxies[index];
                if !proxy.dead {
                    proxy.returned += proxy.balance().max(0);
                }
                self.ask(index, 0, false, false);
            }
            Step::Crash { proxy } => {
                let index = proxy.index(count);
                let dead = std::mem::take(&mut self.proxies[index]);
                // It spends nothing any more, and its events still come.
                self.proxies.push(Proxy { dead: true, ..dead });
            }
            Step::Lapse { proxy } => {
                let proxy = &mut self.proxies[proxy.index(count)];
                if !std::mem::replace(&mut proxy.lapsed, true) {
                    self.slack += proxy.lease.open().max(0);
                }
            }
        }
    }

    fn total_cost(&self) -> i64 {
        self.proxies.iter().map(|proxy| proxy.cost).sum()
    }
}

proptest! {
    #[test]
    fn nothing_is_spent_beyond_the_budget_and_what_the_rules_allow(
        amount in 1..3_000_i64,
        count in 1..5_usize,
        single in any::<bool>(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let lease = if single { LeaseMode::Single } else { LeaseMode::Ahead };
        let proxies = vec![Proxy::default(); count];
        let mut world = World { budget: budget(amount, lease), spent: 0, proxies, slack: 0 };
        for step in steps {
            world.step(&step);
            prop_assert!(world.total_cost() <= amount + world.slack, "{} of {amount} + {}", world.total_cost(), world.slack);
        }
        // Every event arrives in the end: then the control plane's figures are the truth.
        while world.proxies.iter().any(|proxy| !proxy.undelivered.is_empty()) {
            for index in 0..world.proxies.len() {
                if let Some(cost) = world.proxies[index].undelivered.pop() {
                    world.proxies[index].lease.used += cost;
                    world.spent += cost;
                }
            }
        }
        prop_assert_eq!(world.spent, world.total_cost());
    }

    #[test]
    fn a_lost_answer_comes_again_and_costs_nothing(amount in 100..1_000_i64, need in 1..100_i64) {
        let proxies = vec![Proxy::default()];
        let mut world = World { budget: budget(amount, LeaseMode::Ahead), spent: 0, proxies, slack: 0 };
        world.ask(0, need, false, true);
        prop_assert_eq!(world.proxies[0].granted, 0);
        world.ask(0, need, false, false);
        prop_assert_eq!((world.proxies[0].granted, world.proxies[0].lease.granted), (need, need));
    }
}

fn asked(budget: &Budget, standing: Standing, need: i64, live: i64) -> (i64, GrantState) {
    let ask = Ask { budget: key(), at: 0, period: 0..1, granted: 0, returned: 0, need, ahead: true };
    grant(budget, &standing, &Lease::default(), &ask, live)
}

#[test]
fn what_is_lent_ahead_shrinks_towards_the_end() {
    let of = |spent, live| asked(&budget(1_000, LeaseMode::Ahead), Standing { spent, ..Standing::default() }, 0, live);
    assert_eq!(of(0, 1), (250, GrantState::Granted));
    assert_eq!(of(0, 5), (50, GrantState::Granted));
    assert_eq!(of(960, 1), (10, GrantState::Granted));
    assert_eq!(of(1_000, 1), (0, GrantState::Spent));
    assert_eq!(of(1_500, 1), (0, GrantState::Spent));
}

#[test]
fn a_need_is_met_as_far_as_there_is_something_left() {
    let standing = Standing { spent: 700, lent: 100, lent_to_others: 100, lapsed: 50 };
    assert_eq!(asked(&budget(1_000, LeaseMode::Ahead), standing, 150, 1), (150, GrantState::Granted));
    assert_eq!(asked(&budget(1_000, LeaseMode::Ahead), standing, 250, 1), (200, GrantState::Spent));
}

#[test]
fn one_at_a_time_lends_to_nobody_else() {
    let single = budget(1_000, LeaseMode::Single);
    let busy = Standing { lent: 1, lent_to_others: 1, ..Standing::default() };
    assert_eq!(asked(&single, busy, 10, 1), (0, GrantState::Busy));
    assert_eq!(asked(&single, Standing::default(), 10, 1), (10, GrantState::Granted));
    assert_eq!(asked(&single, Standing::default(), 0, 1), (0, GrantState::Granted));
    assert_eq!(asked(&single, Standing { spent: 995, ..Standing::default() }, 10, 1), (0, GrantState::Spent));
}
