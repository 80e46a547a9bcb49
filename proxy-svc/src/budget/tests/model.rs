//! Any order of requests, asks, lost answers and definitions, against the sums that an account has to agree with.

use proptest::{prelude::*, sample::Index};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Take(i64),
    /// The oldest or another request is over, at a part of its reservation, or beyond it.
    Settle(Index, i64),
    /// The control plane grants so much more; the answer may be lost.
    Ask {
        more: i64,
        lost: bool,
        short: bool,
    },
    Advance(Duration),
    Change(i64, Period),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let period = prop_oneof![Just(Period::Day), Just(Period::Total)];
    prop_oneof![
        6 => (1..200_i64).prop_map(Step::Take),
        5 => (any::<Index>(), 0..130_i64).prop_map(|(request, percent)| Step::Settle(request, percent)),
        5 => (0..400_i64, prop::bool::weighted(0.2), prop::bool::weighted(0.3))
            .prop_map(|(more, lost, short)| Step::Ask { more, lost, short }),
        2 => (1..100_000_u64).prop_map(|seconds| Step::Advance(Duration::from_secs(seconds))),
        1 => (1..9_i64, period).prop_map(|(amount, period)| Step::Change(amount, period)),
        1 => Just(Step::Close),
    ]
}

struct Model {
    account: Arc<Account>,
    bells: mpsc::Sender<Arc<Account>>,
    now: UnixMicros,
    budget: Budget,
    is_closed: bool,
    /// At the control plane.
    granted: i64,
    returned: i64,
    heard: i64,
    /// What may be spent in all, as heard last.
    reach: i64,
    in_flight: Vec<(Taken, i64)>,
    cost: i64,
}

impl Model {
    fn ask(&mut self, more: i64, lost: bool, short: bool) {
        let asked = self.account.totals(self.now, false);
        assert!((self.returned..=self.heard).contains(&asked.returned) && asked.granted == self.heard);
        self.returned = asked.returned;
        let granted = if short { Answer::Spent } else { Answer::Granted };
        let answer = if self.is_closed { Answer::None } else { granted };
        // The first answer comes: one that knows no totals begins anew, which is no matter of this.
        self.granted += if self.is_closed { 0 } else { more };
        if lost && self.heard > 0 {
            return;
        }
        let period = if self.is_closed { 0..0 } else { self.budget.period.around(self.now) };
        let begun = self.heard > 0 || !self.is_closed;
        self.reach = more + self.granted - self.returned;
        let grant = Grant { period, total: self.granted, settled: 0, returned: self.returned, elsewhere: more };
        self.account.granted(answer, &grant, &asked, self.now);
        self.heard = if begun { self.granted } else { 0 };
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Take(amount) => {
                let (before, taken) = (self.account.balance(), self.account.take(self.now, amount));
                assert_eq!(taken, before >= amount);
                if taken {
                    self.in_flight.push((Taken::new(&self.account, amount, None, self.bells.clone()), amount));
                }
            }
            Step::Settle(request, percent) => {
                if !self.in_flight.is_empty() {
                    let (taken, amount) = self.in_flight.swap_remove(request.index(self.in_flight.len()));
                    self.cost += amount * percent / 100;
                    taken.settle(amount * percent / 100);
                }
            }
            Step::Ask { more, lost, short } => self.ask(more, lost, short),
            Step::Advance(time) => self.now += i64::try_from(time.as_micros()).unwrap(),
            Step::Change(amount, period) => {
                self.budget = Budget { amount: Money::from_micros(amount), period, ..self.budget };
                self.account.change(self.budget);
                self.is_closed = false;
            }
            Step::Close => {
                self.account.close(self.now);
                self.is_closed = true;
            }
        }
    }

    fn reserved(&self) -> i64 {
        self.in_flight.iter().map(|(_, amount)| *amount).sum()
    }
}

proptest! {
    #[test]
    fn an_account_agrees_with_its_control_plane_whatever_becomes_of_its_budget(
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let budget = terms(true, LeaseMode::Ahead);
        let account = Arc::new(Account::new(BudgetKey::from(AccessKeyId::generate()), budget));
        let (bells, _heard) = mpsc::channel(BELLS);
        let mut model = Model {
            account,
            bells,
            now: NOW,
            budget,
            is_closed: false,
            granted: 0,
            returned: 0,
            heard: 0,
            reach: 0,
            in_flight: Vec::new(),
            cost: 0,
        };
        for step in steps {
            model.step(&step);
            let told = model.account.totals(model.now, false);
            let held = model.account.balance();
            prop_assert_eq!(held, told.granted - told.returned - model.cost - model.reserved());
            let most = model.reach - model.cost;
            prop_assert!(model.account.may_have(most) && !model.account.may_have(most + 1));
        }
        // A budget that is removed keeps nothing, and when all have heard of it there is nothing to tell any more.
        model.step(&Step::Close);
        for (taken, _) in std::mem::take(&mut model.in_flight) {
            drop(taken);
        }
        for _ in 0..2 {
            model.ask(0, false, false);
        }
        prop_assert!(model.account.balance() <= 0 && !model.account.is_due(model.now));
        prop_assert_eq!(model.granted - model.returned - model.cost, model.account.balance());
    }
}
