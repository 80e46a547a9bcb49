use tollgate_shared::{
    limits::Period,
    money::{Currency, Money},
};

use super::{
    account::{Answer, Grant, Totals},
    *,
};
use crate::snapshot::fixture::snapshot_with_budgets;

mod model;

const NOW: i64 = 1_800_000_000_000_000;

fn terms(hard: bool, lease: LeaseMode) -> Budget {
    Budget { amount: Money::from_micros(1_000), currency: Currency::USD, period: Period::Day, hard, lease }
}

struct Bench {
    budgets: Arc<Budgets>,
    bells: mpsc::Receiver<Arc<Account>>,
    account: Arc<Account>,
    budget: Budget,
    clock: Clock,
}

impl Bench {
    fn new(hard: bool, lease: LeaseMode) -> Self {
        let clock = Clock::held_at(NOW);
        let (budgets, bells) = Budgets::new(Arc::default(), Arc::default(), clock.clone());
        let budget = terms(hard, lease);
        let key = BudgetKey::from(AccessKeyId::generate());
        let account = Arc::new(Account::new(key, budget));
        budgets.accounts.store(Arc::new(HashMap::from([(key, Arc::clone(&account))])));
        budgets.connected.store(true, Relaxed);
        Self { budgets, bells, account, budget, clock }
    }

    fn grant(&self, answer: Answer, total: i64, need: i64) {
        let period = Period::Day.around(self.clock.now());
        self.answer(answer, &Grant { period, total, ..Grant::default() }, need);
    }

    fn answer(&self, answer: Answer, grant: &Grant, need: i64) {
        let now = self.clock.now();
        let asked = Totals { need, ..self.account.totals(now, false) };
        self.account.granted(answer, grant, &asked, now);
    }

    async fn take(&self, amount: i64) -> Result<Taken, Short> {
        self.budgets.take(&self.charge(amount), self.clock.now(), Instant::now() + PATIENCE).await
    }

    fn charge(&self, estimate: i64) -> Charge {
        Charge { key: self.account.key, budget: self.budget, estimate }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_settled_with_what_it_cost() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    let taken = bench.take(60).await.unwrap();
    assert_eq!(bench.account.balance(), 40);
    taken.settle(25);
    assert_eq!(bench.account.balance(), 75);
    drop(bench.take(70).await.unwrap());
    assert_eq!(bench.account.balance(), 75, "what is dropped was not spent");
    bench.take(10).await.unwrap().settle(30);
    assert_eq!(bench.account.balance(), 45, "what costs more is spent all the same");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_keeps_nothing_for_itself() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    assert!(bench.take(i64::MAX).await.is_err() && bench.take(600).await.is_err());
    assert_eq!(bench.account.totals(NOW, false).need, 0, "nobody waits any more");
    bench.take(30).await.unwrap().settle(30);
    // Idle: all but one request's worth goes back.
    let later = NOW + 60_000_000;
    assert_eq!(bench.account.totals(later, false).returned, 40);
    assert_eq!(bench.account.balance(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_an_answer_and_no_longer() {
    let mut bench = Bench::new(true, LeaseMode::Ahead);
    assert_eq!(bench.take(10).await.unwrap_err(), Short::Unknown, "nobody answered");
    bench.bells.try_recv().expect("it has said that it wants something");
    bench.account.was_heard();
    let (budgets, account) = (&bench.budgets, &bench.account);
    let charge = bench.charge(10);
    let taking = budgets.take(&charge, bench.clock.now(), Instant::now() + Duration::from_secs(10));
    let answering = async {
        bench.bells.recv().await.expect("it says so again");
        let asked = account.totals(NOW, false);
        assert_eq!(asked.need, 10);
        let grant = Grant { period: Period::Day.around(NOW), total: 10, ..Grant::default() };
        account.granted(Answer::Granted, &grant, &asked, NOW);
    };
    let (taken, ()) = tokio::join!(taking, answering);
    assert!(taken.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_refuses_at_once_and_asks_again_after_a_second() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Spent, 5, 10);
    let begun = Instant::now();
    assert_eq!(bench.take(10).await.unwrap_err(), Short::Spent);
    assert!(begun.elapsed().is_zero());
    assert!(bench.take(5).await.is_ok(), "what is left is there for those whom it is enough for");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.take(10).await.unwrap_err(), Short::Unknown, "it waited for an answer");
}

#[tokio::test(start_paused = true)]
async fn what_others_hold_is_waited_for_and_refuses_for_a_moment() {
    let mut bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Spent, 50, 10);
    let first = bench.take(30).await.unwrap();
    assert_eq!(bench.take(51).await.unwrap_err(), Short::Spent, "also when the first costs nothing");
    assert_eq!(bench.take(50).await.unwrap_err(), Short::Busy);
    assert!(bench.bells.try_recv().is_err(), "the answer is new");
    let settling = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        first.settle(10);
    };
    let (second, ()) = tokio::join!(bench.take(40), settling);
    assert_eq!(bench.take(1).await.unwrap_err(), Short::Busy, "the second may cost nothing");
    second.unwrap().settle(40);
    assert_eq!(bench.take(1).await.unwrap_err(), Short::Spent);
    // The same for what other proxies hold.
    let now = bench.clock.now();
    let grant = Grant { period: Period::Day.around(now), total: 50, elsewhere: 20, ..Grant::default() };
    bench.answer(Answer::Spent, &grant, 21);
    assert_eq!(bench.take(21).await.unwrap_err(), Short::Spent);
    assert_eq!(bench.take(20).await.unwrap_err(), Short::Busy);
    assert!(bench.bells.try_recv().is_err());
    bench.clock.advance(Duration::from_millis(100));
    assert_eq!(bench.take(20).await.unwrap_err(), Short::Busy);
    assert!(bench.bells.try_recv().is_ok(), "they may have given something back");
}

#[tokio::test(start_paused = true)]
async fn a_small_request_asks_where_a_large_one_was_refused() {
    let mut bench = Bench::new(true, LeaseMode::Ahead);
    let now = bench.clock.now();
    let waiting = bench.account.wait_for(80);
    let grant = Grant { period: Period::Day.around(now), elsewhere: 100, ..Grant::default() };
    bench.answer(Answer::Spent, &grant, 80);
    drop(waiting);
    assert_eq!(bench.take(80).await.unwrap_err(), Short::Busy);
    assert!(bench.bells.try_recv().is_err(), "the answer is new");
    let _waiting = [bench.account.wait_for(80), bench.account.wait_for(5)];
    let totals = bench.account.totals(now, false);
    assert_eq!((totals.need, totals.least), (5, 5), "the large one keeps it from nothing");
    assert_eq!(bench.account.totals(now + 100_000, false).need, 85);
    assert_eq!(bench.take(79).await.unwrap_err(), Short::Busy);
    assert!(bench.bells.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_little_for_anybody_goes_back() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    let account = &bench.account;
    account.runs_short();
    assert!(!account.is_due(NOW), "who holds nothing has nothing to give back, and asks for nothing");
    bench.grant(Answer::Granted, 50, 0);
    let first = bench.take(20).await.unwrap();
    assert!(!account.is_due(NOW), "it is good for the next request");
    account.runs_short();
    assert!(account.is_due(NOW));
    let totals = account.totals(NOW, false);
    assert_eq!((totals.granted, totals.returned, totals.need, totals.ahead), (50, 30, 0, false));
    bench.grant(Answer::Granted, 50, 0);
    // Those who wait are asked for in full.
    let waiting = [account.wait_for(40), account.wait_for(15)];
    first.settle(10);
    let totals = account.totals(NOW, false);
    assert_eq!((totals.returned, totals.need, totals.least), (30, 45, 5), "10 came back");
    bench.grant(Answer::Spent, 50, 45);
    let totals = account.totals(NOW + 100_000, false);
    assert_eq!((totals.returned, totals.need, totals.least), (40, 55, 15));
    drop(waiting);
    let totals = account.totals(NOW, false);
    assert_eq!((totals.need, totals.least), (0, 0));
    let _later = account.wait_for(60);
    assert_eq!(account.totals(NOW + 100_000, false).least, 60, "those before are forgotten");
}

#[tokio::test(start_paused = true)]
async fn without_a_control_plane_what_is_held_is_used_up_and_then_nobody_waits() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 20, 0);
    bench.budgets.connected.store(false, Relaxed);
    for _ in 0..2 {
        bench.take(10).await.unwrap().settle(10);
    }
    let begun = Instant::now();
    assert_eq!(bench.take(10).await.unwrap_err(), Short::Unknown);
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_soft_budget_never_refuses() {
    let bench = Bench::new(false, LeaseMode::Ahead);
    assert_eq!(bench.take(10).await.unwrap_err(), Short::Unknown, "served, and counted by its event alone");
    bench.grant(Answer::Spent, 5, 10);
    bench.take(10).await.unwrap().settle(10);
    assert_eq!(bench.account.balance(), -5);
    assert_eq!(bench.budgets.metrics.budgets.overdrawn.of(Scope::AccessKey).get(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_lets_the_next_in_when_the_last_is_over() {
    let bench = Bench::new(true, LeaseMode::Single);
    bench.grant(Answer::Granted, 50, 50);
    let first = bench.take(20).await.unwrap();
    assert_eq!(bench.take(20).await.unwrap_err(), Short::Busy);
    assert_eq!(bench.take(1_001).await.unwrap_err(), Short::Spent, "the whole budget is too little for it");
    assert_eq!(
        bench.take(51).await.unwrap_err(),
        Short::Spent,
        "what is left of it is, also if the first costs nothing"
    );
    first.settle(20);
    bench.take(20).await.unwrap().settle(20);
    let totals = bench.account.totals(NOW, false);
    assert_eq!((totals.returned, totals.ahead), (10, false), "what nobody waits for goes back at once");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_good_in_the_next_period() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    let taken = bench.take(10).await.unwrap();
    bench.clock.advance(Duration::from_hours(24));
    bench.take(20).await.unwrap().settle(20);
    assert!(bench.account.tell());
    bench.grant(Answer::Granted, 130, 0);
    assert!(bench.account.tell(), "in a new period it is told anew that a budget is spent");
    taken.settle(100);
    assert_eq!(bench.account.balance(), 10, "all requests are of one account");
}

#[tokio::test(start_paused = true)]
async fn what_a_late_ask_made_the_control_plane_take_back_is_not_spent_twice() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    let grant = |total, returned| Grant { period: Period::Day.around(NOW), total, returned, ..Grant::default() };
    bench.answer(Answer::Granted, &grant(200, 100), 0);
    assert_eq!(bench.account.balance(), 100);
    assert_eq!(bench.account.totals(NOW, false).returned, 100);
    bench.answer(Answer::None, &grant(200, 0), 0);
    assert_eq!(bench.account.balance(), 100, "who knows of no budget says nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_overdrawn_is_asked_for_and_filled_up() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    bench.take(100).await.unwrap().settle(250);
    bench.clock.advance(Duration::from_hours(24));
    let _waiting = bench.account.wait_for(40);
    let asked = bench.account.totals(bench.clock.now(), false);
    assert_eq!(asked.need, 190);
    bench.grant(Answer::Granted, 300, 190);
    assert_eq!(bench.account.balance(), 50);
    assert!(!bench.account.is_low(), "what filled it up is no measure");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_removed_and_set_again_goes_on_with_its_totals() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    let [first, second] = [bench.take(30).await.unwrap(), bench.take(30).await.unwrap()];
    assert!(bench.account.close(NOW) && !bench.account.close(NOW));
    assert!(bench.account.is_due(NOW));
    let asked = bench.account.totals(NOW, false);
    assert_eq!((asked.granted, asked.returned, asked.need, asked.ahead), (100, 40, 0, false), "60 are in flight");
    let no_budget = Grant { period: 0..0, total: 100, ..Grant::default() };
    bench.account.granted(Answer::None, &no_budget, &asked, NOW);
    assert!(!bench.account.is_due(NOW));
    first.settle(10);
    assert!(bench.account.is_due(NOW), "what came back goes on to the control plane");
    // Of an answer that was lost it hears now, and gives that back as well.
    bench.answer(Answer::None, &Grant { total: 150, ..no_budget }, 0);
    assert_eq!(bench.account.totals(NOW, false).returned, 110);
    assert!(bench.account.change(bench.budget), "it is set again");
    let asked = bench.account.totals(NOW, false);
    assert_eq!((asked.period.start, asked.granted, asked.ahead), (Period::Day.around(NOW).start, 150, true));
    bench.grant(Answer::Granted, 200, 0);
    second.settle(30);
    assert_eq!(bench.account.balance(), 50);
}

#[tokio::test(start_paused = true)]
async fn totals_are_forgotten_only_of_a_budget_that_is_long_gone_and_when_they_were_told() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    let Bench { budgets, account, clock, .. } = &bench;
    bench.grant(Answer::Granted, 100, 0);
    let taken = bench.take(30).await.unwrap();
    account.close(NOW);
    clock.advance(Duration::from_mins(61));
    let now = clock.now();
    assert!(!account.is_forgettable(now), "nobody was told that it was given back");
    bench.answer(Answer::None, &Grant { period: 0..0, total: 100, ..Grant::default() }, 0);
    assert!(account.is_forgettable(now) && !account.is_forgettable(NOW + 3_600_000_000));
    budgets.forget(now);
    assert_eq!(budgets.accounts.load().len(), 1, "a request is under it");
    taken.settle(30);
    let Bench { budgets, account, .. } = bench;
    drop(account);
    budgets.forget(now);
    assert_eq!(budgets.accounts.load().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_begins_anew_goes_on_from_what_the_control_plane_says() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    assert_eq!(bench.account.totals(NOW, false).period, 0..0);
    let period = Period::Day.around(NOW);
    bench.answer(
        Answer::Granted,
        &Grant { period: period.clone(), total: 500, settled: 430, returned: 300, elsewhere: 0 },
        0,
    );
    assert_eq!(bench.account.balance(), 70);
    let totals = bench.account.totals(NOW, true);
    assert_eq!((totals.period, totals.granted, totals.returned), (period, 500, 370));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_late_to_a_budget_of_one_at_a_time_is_not_kept_from_others() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 100, 0);
    let taken = bench.take(100).await.unwrap();
    bench.account.change(terms(true, LeaseMode::Single));
    bench.answer(Answer::Granted, &Grant { period: Period::Day.around(NOW), total: 100, ..Grant::default() }, 0);
    assert!(!bench.account.is_due(NOW));
    taken.settle(60);
    assert!(bench.account.is_due(NOW), "though it is less than the largest request of late");
    assert_eq!(bench.account.totals(NOW, false).returned, 40);
}

#[tokio::test(start_paused = true)]
async fn an_idle_lease_goes_back_but_for_one_request() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Granted, 1_000, 0);
    bench.take(70).await.unwrap().settle(0);
    assert!(!bench.account.is_due(bench.clock.now()));
    bench.clock.advance(Duration::from_secs(16));
    assert!(bench.account.is_due(bench.clock.now()));
    let totals = bench.account.totals(bench.clock.now(), false);
    assert_eq!((totals.returned, totals.ahead, bench.account.balance()), (930, false, 70));
    assert!(bench.account.is_due(bench.clock.now()), "until the control plane has heard of it");
    bench.grant(Answer::Granted, 1_000, 0);
    assert!(!bench.account.is_due(bench.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_budget_gives_everything_back_and_asks_anew() {
    let bench = Bench::new(true, LeaseMode::Ahead);
    bench.grant(Answer::Spent, 100, 200);
    assert!(!bench.account.change(bench.budget));
    assert!(bench.account.change(Budget { amount: Money::from_micros(9_000), ..bench.budget }));
    assert_eq!(bench.account.balance(), 0);
    assert!(!bench.account.was_short(NOW, 0), "that was another amount");
    let totals = bench.account.totals(NOW, false);
    assert_eq!((totals.granted, totals.returned, totals.ahead), (100, 100, true));
}

#[tokio::test(start_paused = true)]
async fn every_scope_has_an_account_of_its_own_for_as_long_as_it_has_a_budget() {
    let (budgets, _bells) = Budgets::new(Arc::default(), Arc::default(), Clock::held_at(NOW));
    let scopes = |accounts: Vec<Arc<Account>>| {
        let mut scopes: Vec<Scope> = accounts.iter().map(|account| account.key.scope).collect();
        scopes.sort();
        scopes
    };
    let follow = |amounts| scopes(budgets.follow(&snapshot_with_budgets(amounts)));
    assert_eq!(follow([Some(3), Some(2), Some(1)]), Scope::ALL, "two keys have one user");
    assert_eq!(follow([Some(3), Some(2), Some(1)]), []);
    assert_eq!(follow([Some(3), Some(9), Some(1)]), [Scope::User]);
    assert_eq!(follow([Some(3), None, Some(1)]), [Scope::User], "it gives back what it has");
    assert_eq!(follow([Some(3), None, Some(1)]), []);
    let before = budgets.accounts.load_full();
    assert_eq!(follow([Some(3), Some(9), Some(1)]), [Scope::User], "it goes on");
    assert!(budgets.accounts.load().iter().all(|(key, account)| Arc::ptr_eq(account, &before[key])));
}
