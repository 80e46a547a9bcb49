//! Any order of asks, lost answers, requests, events and changes, against what may be spent.

use proptest::{prelude::*, sample::Index};

use super::*;

/// A request that is over: when it began, what it cost, and whether it had a reservation.
#[derive(Clone, Copy, Debug)]
struct Over {
    day: i64,
    cost: i64,
    reserved: bool,
}

/// A proxy's start: what it knows, what the control plane's row says of it, what is in flight, and events that have not
/// arrived.
#[derive(Clone, Debug, Default)]
struct Proxy {
    lease: Lease,
    knows_totals: bool,
    granted: i64,
    returned: i64,
    balance: i64,
    /// With the days on which they began.
    in_flight: Vec<(i64, i64)>,
    undelivered: Vec<Over>,
    lapsed: bool,
    dead: bool,
}

impl Proxy {
    fn give_back(&mut self) {
        let surplus = self.balance.max(0);
        self.balance -= surplus;
        self.returned += surplus;
    }

    /// What requests may still cost that it has money for, answers that were lost included.
    fn exposure(&self) -> i64 {
        let reserved: i64 = self.in_flight.iter().map(|(_, reservation)| *reservation).sum();
        let unheard = if self.knows_totals { self.lease.granted - self.granted } else { 0 };
        if self.dead { reserved } else { reserved + self.balance.max(0) + unheard }
    }
}

#[derive(Debug)]
struct World {
    budget: Budget,
    is_set: bool,
    day: i64,
    /// By day, of events that have arrived.
    spent: BTreeMap<i64, i64>,
    /// By day, of all requests that are over.
    cost: BTreeMap<i64, i64>,
    proxies: Vec<Proxy>,
    /// What may be exceeded, by the rules: leases that lapsed, what requests cost beyond their reservations, and what was
    /// there already when another definition came into force.
    slack: i64,
}

#[derive(Clone, Debug)]
enum Step {
    /// Asks; the answer may be lost.
    Ask {
        proxy: Index,
        need: i64,
        /// The smallest request's part of it.
        least_percent: i64,
        ahead: bool,
        lost: bool,
    },
    /// Reserves, where there is a budget.
    Begin {
        proxy: Index,
        reservation: i64,
    },
    /// Is over, at a part of the reservation, or beyond it.
    End {
        proxy: Index,
        request: Index,
        cost_percent: i64,
    },
    /// One event arrives.
    Deliver {
        proxy: Index,
        event: Index,
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
    /// Its successor says that all of its events have arrived.
    Settle {
        proxy: Index,
    },
    Midnight,
    /// Every proxy hears of it at once, and gives back what it holds. The next ask tells so.
    Change {
        period: Period,
        amount: Option<i64>,
    },
    Remove,
    SetAgain,
    /// An hour after the budget was removed the proxy drops its totals.
    Forget {
        proxy: Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let proxy = any::<Index>;
    let period = prop_oneof![Just(Period::Day), Just(Period::Total)];
    prop_oneof![
        6 => (proxy(), 0..400_i64, 0..=100_i64, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(proxy, need, least_percent, ahead, lost)| Step::Ask { proxy, need, least_percent, ahead, lost }),
        8 => (proxy(), 1..300_i64).prop_map(|(proxy, reservation)| Step::Begin { proxy, reservation }),
        6 => (proxy(), proxy(), 0..130_i64)
            .prop_map(|(proxy, request, cost_percent)| Step::End { proxy, request, cost_percent }),
        6 => (proxy(), proxy()).prop_map(|(proxy, event)| Step::Deliver { proxy, event }),
        1 => proxy().prop_map(|proxy| Step::GiveBack { proxy }),
        1 => proxy().prop_map(|proxy| Step::Crash { proxy }),
        1 => proxy().prop_map(|proxy| Step::Lapse { proxy }),
        1 => proxy().prop_map(|proxy| Step::Settle { proxy }),
        1 => Just(Step::Midnight),
        1 => (period, prop::option::weighted(0.3, 1..3_000_i64)).prop_map(|(period, amount)| Step::Change { period, amount }),
        1 => Just(Step::Remove),
        2 => Just(Step::SetAgain),
        2 => proxy().prop_map(|proxy| Step::Forget { proxy }),
    ]
}

impl World {
    fn new(amount: i64, count: usize, lease: LeaseMode) -> Self {
        Self {
            budget: budget(amount, lease),
            is_set: true,
            day: 0,
            spent: BTreeMap::new(),
            cost: BTreeMap::new(),
            proxies: vec![Proxy::default(); count],
            slack: 0,
        }
    }

    /// Of the period around this day.
    fn sum(&self, by_day: &BTreeMap<i64, i64>) -> i64 {
        let days = if self.budget.period == Period::Total { 0 } else { self.day };
        by_day.range(days..).map(|(_, sum)| sum).sum()
    }

    fn standing(&self, asking: usize) -> Standing {
        let open = |proxy: &Proxy| proxy.lease.open().max(0);
        let in_force = || self.proxies.iter().enumerate().filter(|(_, proxy)| !proxy.lapsed);
        Standing {
            spent: self.sum(&self.spent),
            lent: in_force().map(|(_, proxy)| open(proxy)).sum(),
            lent_to_others: in_force().filter(|(index, _)| *index != asking).map(|(_, proxy)| open(proxy)).sum(),
            lapsed: self.proxies.iter().filter(|proxy| proxy.lapsed).map(open).sum(),
        }
    }

    fn ask(&mut self, index: usize, need: i64, least: i64, ahead: bool, lost: bool) {
        let proxy = &mut self.proxies[index];
        if proxy.dead {
            return;
        }
        // One that comes back: what it holds counts as lent again.
        proxy.lapsed = false;
        let (granted, returned, period) = (proxy.granted, proxy.returned, 0..i64::from(proxy.knows_totals));
        let mut ask = Ask { budget: key(), at: 0, period, granted, returned, need, least, ahead };
        let mut settled = 0;
        if proxy.knows_totals {
            proxy.lease.reconcile(&ask);
        } else if self.is_set {
            settled = proxy.lease.begin(&mut ask);
        }
        if self.is_set {
            let (lease, live) = (proxy.lease, i64::try_from(self.proxies.len()).unwrap());
            let (more, _) = grant(&self.budget, &self.standing(index), &lease, &ask, live);
            assert!(more >= 0);
            self.proxies[index].lease.granted += more;
        }
        let elsewhere = elsewhere(&self.budget, &self.standing(index), &self.proxies[index].lease);
        let proxy = &mut self.proxies[index];
        if lost || !self.is_set && !proxy.knows_totals {
            return;
        }
        if !proxy.knows_totals {
            (proxy.granted, proxy.returned) = (settled, proxy.lease.returned);
        }
        proxy.balance += proxy.lease.granted - proxy.granted;
        proxy.granted = proxy.lease.granted;
        proxy.knows_totals = true;
        if self.is_set {
            self.refuses_nothing_that_may_yet_fit(index, elsewhere);
        }
    }

    /// What the proxy takes for the most that it may have covers what nothing was spent on.
    fn refuses_nothing_that_may_yet_fit(&self, index: usize, elsewhere: i64) {
        let Proxy { balance, in_flight, undelivered, .. } = &self.proxies[index];
        let reserved: i64 = in_flight.iter().map(|(_, reservation)| *reservation).sum();
        // Until it arrives, what an event of another period cost is as good as spent in this one.
        let days = if self.budget.period == Period::Total { 0 } else { self.day };
        let before: i64 =
            undelivered.iter().filter(|over| over.reserved && over.day < days).map(|over| over.cost).sum();
        let unspent = self.budget.amount.micros() - self.sum(&self.cost) - before;
        assert!(elsewhere + balance + reserved >= unspent, "{elsewhere} + {balance} + {reserved} for {unspent}");
    }

    fn over(&mut self, index: usize, day: i64, reservation: i64, cost: i64, reserved: bool) {
        let proxy = &mut self.proxies[index];
        if reserved {
            self.slack += (cost - reservation).max(0);
            proxy.balance += reservation - cost;
        }
        *self.cost.entry(day).or_default() += cost;
        proxy.undelivered.push(Over { day, cost, reserved });
    }

    fn deliver(&mut self, index: usize, event: usize) {
        let proxy = &mut self.proxies[index];
        let Over { day, cost, reserved } = proxy.undelivered.swap_remove(event);
        proxy.lease.used += if reserved { cost } else { 0 };
        *self.spent.entry(day).or_default() += cost;
    }

    /// All requests end, all events arrive, and everything goes back; twice, because an answer may be heard only now.
    fn come_to_rest(&mut self, index: usize) {
        while let Some((day, reservation)) = self.proxies[index].in_flight.pop() {
            self.over(index, day, reservation, reservation, true);
        }
        while !self.proxies[index].undelivered.is_empty() {
            self.deliver(index, 0);
        }
        for _ in 0..2 {
            if !self.proxies[index].dead {
                self.proxies[index].give_back();
            }
            self.ask(index, 0, 0, false, false);
        }
    }

    /// What is there already when a definition comes into force, and what it does not know of, exceeds it.
    fn comes_into_force(&mut self) {
        let there: i64 = self.sum(&self.cost) + self.proxies.iter().map(Proxy::exposure).sum::<i64>();
        self.slack += (there - self.budget.amount.micros()).max(0);
    }

    fn request(&mut self, step: &Step) {
        let count = self.proxies.len();
        match step {
            Step::Begin { proxy, reservation } => {
                let index = proxy.index(count);
                let proxy = &mut self.proxies[index];
                if proxy.dead {
                } else if !self.is_set {
                    self.over(index, self.day, 0, *reservation, false);
                } else if proxy.balance >= *reservation {
                    proxy.balance -= reservation;
                    proxy.in_flight.push((self.day, *reservation));
                }
            }
            Step::End { proxy, request, cost_percent } => {
                let index = proxy.index(count);
                let proxy = &mut self.proxies[index];
                if !proxy.in_flight.is_empty() {
                    let (day, reservation) = proxy.in_flight.swap_remove(request.index(proxy.in_flight.len()));
                    self.over(index, day, reservation, reservation * cost_percent / 100, true);
                }
            }
            Step::Deliver { proxy, event } => {
                let index = proxy.index(count);
                let events = self.proxies[index].undelivered.len();
                if events > 0 {
                    self.deliver(index, event.index(events));
                }
            }
            _ => unreachable!("no step of a request"),
        }
    }

    fn define(&mut self, step: &Step) {
        match step {
            Step::Midnight => self.day += 1,
            Step::Change { period, amount } => {
                self.budget.period = *period;
                self.budget.amount = amount.map_or(self.budget.amount, Money::from_micros);
            }
            Step::Remove => self.is_set = false,
            Step::SetAgain if !self.is_set => {
                self.is_set = true;
                // What was in flight unreserved nobody knows of.
                let undelivered = self.proxies.iter().flat_map(|proxy| &proxy.undelivered);
                self.slack += undelivered.filter(|over| !over.reserved).map(|over| over.cost).sum::<i64>();
            }
            _ => {}
        }
        if !matches!(step, Step::Midnight) {
            self.proxies.iter_mut().filter(|proxy| !proxy.dead).for_each(Proxy::give_back);
        }
        self.comes_into_force();
    }

    fn step(&mut self, step: &Step) {
        let count = self.proxies.len();
        match step {
            Step::Ask { proxy, need, least_percent, ahead, lost } => {
                self.ask(proxy.index(count), *need, need * least_percent / 100, *ahead, *lost);
            }
            Step::Begin { .. } | Step::End { .. } | Step::Deliver { .. } => self.request(step),
            Step::Midnight | Step::Change { .. } | Step::Remove | Step::SetAgain => self.define(step),
            Step::GiveBack { proxy } => {
                let index = proxy.index(count);
                let proxy = &mut self.proxies[index];
                if !proxy.dead {
                    proxy.give_back();
                }
                self.ask(index, 0, 0, false, false);
            }
            Step::Crash { proxy } => {
                let index = proxy.index(count);
                let dead = std::mem::take(&mut self.proxies[index]);
                // It spends nothing any more, and its events still come, also those of what was in flight.
                self.proxies.push(Proxy { dead: true, ..dead });
            }
            Step::Lapse { proxy } => {
                let proxy = &mut self.proxies[proxy.index(count)];
                if !std::mem::replace(&mut proxy.lapsed, true) {
                    self.slack += proxy.lease.open().max(0);
                }
            }
            Step::Settle { proxy } => {
                let proxy = &mut self.proxies[proxy.index(count)];
                if proxy.dead && proxy.in_flight.is_empty() && proxy.undelivered.is_empty() {
                    proxy.lease.returned += proxy.lease.open().max(0);
                }
            }
            Step::Forget { proxy } => {
                let index = proxy.index(count);
                if !self.is_set && !self.proxies[index].dead {
                    self.come_to_rest(index);
                    let proxy = &mut self.proxies[index];
                    *proxy = Proxy { lease: proxy.lease, lapsed: proxy.lapsed, ..Proxy::default() };
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_spent_beyond_the_budget_and_what_the_rules_allow(
        amount in 1..3_000_i64,
        count in 1..5_usize,
        single in any::<bool>(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(amount, count, if single { LeaseMode::Single } else { LeaseMode::Ahead });
        for step in steps {
            world.step(&step);
            let (cost, amount) = (world.sum(&world.cost), world.budget.amount.micros());
            prop_assert!(!world.is_set || cost <= amount + world.slack, "{cost} of {amount} + {}", world.slack);
        }
        // Everything ends and every event arrives: then the control plane's figures are the truth.
        for index in 0..world.proxies.len() {
            world.come_to_rest(index);
        }
        prop_assert_eq!(&world.spent, &world.cost);
        for proxy in world.proxies.iter().filter(|proxy| !proxy.dead && proxy.knows_totals) {
            prop_assert_eq!(proxy.lease.open(), proxy.balance, "both sides know the same, and nothing stays lent");
        }
    }

    #[test]
    fn a_lost_answer_comes_again_and_costs_nothing(amount in 100..1_000_i64, need in 1..100_i64) {
        let mut world = World::new(amount, 1, LeaseMode::Ahead);
        // It begins with nothing, so that it knows that it began.
        world.ask(0, 0, 0, false, false);
        world.ask(0, need, need, false, true);
        prop_assert_eq!(world.proxies[0].granted, 0);
        world.ask(0, need, need, false, false);
        prop_assert_eq!((world.proxies[0].granted, world.proxies[0].lease.granted), (need, need));
    }
}
