use tollgate_shared::{
    ids::RequestId,
    money::{Cost, Currency},
};

use super::*;
use crate::domain::usage::{EventDetail, Outcome, Protocol, Tokens};

mod model;

fn budget(amount: i64, lease: LeaseMode) -> Budget {
    let (amount, currency) = (Money::from_micros(amount), "USD".to_owned());
    Budget { amount, currency, period: Period::Total, hard: true, lease }
}

fn key() -> BudgetKey {
    BudgetKey { scope: BudgetScope::AccessKey, id: Uuid::from_u128(7) }
}

fn asked(budget: &Budget, standing: Standing, need: i64, live: i64) -> (i64, GrantState) {
    let ask = Ask { budget: key(), at: 0, period: 0..1, granted: 0, returned: 0, need, least: 0, ahead: true };
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
    let of = |least| {
        let ask = Ask { budget: key(), at: 0, period: 0..1, granted: 0, returned: 0, need: 250, least, ahead: true };
        grant(&budget(1_000, LeaseMode::Ahead), &standing, &Lease::default(), &ask, 1)
    };
    assert_eq!(of(60), (60, GrantState::Granted), "one of them");
    assert_eq!(of(1), (50, GrantState::Granted), "many small ones beside a large one");
    assert_eq!(of(200), (200, GrantState::Granted));
    assert_eq!(of(201), (0, GrantState::Spent), "enough for none");
}

#[test]
fn one_at_a_time_lends_to_nobody_else() {
    let single = budget(1_000, LeaseMode::Single);
    let busy = Standing { lent: 1, lent_to_others: 1, ..Standing::default() };
    assert_eq!(asked(&single, busy, 10, 1), (0, GrantState::Busy));
    assert_eq!(asked(&single, Standing { spent: 990, ..busy }, 10, 1), (0, GrantState::Busy));
    assert_eq!(asked(&single, Standing { spent: 991, ..busy }, 10, 1), (0, GrantState::Spent), "it will never fit");
    assert_eq!(asked(&single, Standing::default(), 10, 1), (10, GrantState::Granted));
    assert_eq!(asked(&single, Standing::default(), 0, 1), (0, GrantState::Granted));
    assert_eq!(asked(&single, Standing { spent: 995, ..Standing::default() }, 10, 1), (0, GrantState::Spent));
}

#[test]
fn an_overdrawn_lease_is_filled_up_before_more_is_lent_ahead() {
    let ask = Ask { budget: key(), at: 0, period: 0..1, granted: 300, returned: 0, need: 0, least: 0, ahead: true };
    let lease = Lease { granted: 300, returned: 0, used: 500 };
    let of =
        |spent| grant(&budget(1_000, LeaseMode::Ahead), &Standing { spent, ..Standing::default() }, &lease, &ask, 1);
    assert_eq!(of(0), (200 + 250, GrantState::Granted), "in a new period");
    assert_eq!(of(990), (200 + 2, GrantState::Granted));
    assert_eq!(of(1_000), (0, GrantState::Spent));
}

#[test]
fn who_begins_without_totals_gets_nothing_of_what_was_lent_before() {
    let ask = |period| Ask { budget: key(), at: 0, period, granted: 0, returned: 0, need: 0, least: 0, ahead: false };
    for (period, used, settled, open) in [(0..0, 40, 100, 0), (0..0, 170, 170, -70), (5..6, 40, 100, 60)] {
        let mut lease = Lease { granted: 100, returned: 0, used };
        let mut ask = ask(period);
        assert_eq!((lease.begin(&mut ask), lease.open()), (settled, open));
        assert_eq!((ask.granted, ask.returned), (lease.granted, lease.returned));
    }
}

fn event(proxy: ProxyId, micros: i64) -> UsageEvent {
    UsageEvent {
        request_id: RequestId::generate(),
        started_at: 1,
        duration_us: 1,
        ttft_us: None,
        status: 200,
        outcome: Outcome::Ok,
        protocol: Protocol::OpenAi,
        stream: false,
        service_id: Some(ServiceId::generate()),
        access_key_id: Some(AccessKeyId::generate()),
        user_id: Some(UserId::generate()),
        model_requested: String::new(),
        model_served: String::new(),
        provider_id: None,
        upstream_key_id: None,
        tokens: Tokens::default(),
        source: None,
        cost: Some(Cost { amount: Money::from_micros(micros), currency: Currency::USD }),
        error_code: String::new(),
        detail: EventDetail::default(),
        reported_by: Some(proxy),
        reserved: None,
    }
}

#[test]
fn an_event_is_used_of_what_lent_for_it_and_spent_of_everything() {
    let (proxy, boot) = (ProxyId::generate(), BootId::generate());
    let boots = BTreeMap::from([(proxy, vec![(0, boot)])]);
    let event = event(proxy, 30);
    let scopes: [BudgetKey; 3] =
        [event.service_id.unwrap().into(), event.user_id.unwrap().into(), event.access_key_id.unwrap().into()];
    for reserved in [Reserved::default(), Reserved { user: true, ..Reserved::default() }] {
        let spending = Spending::of([&UsageEvent { reserved: Some(reserved), ..event.clone() }].into_iter(), &boots);
        assert_eq!(spending.by_day.len(), 3);
        let used: Vec<_> = spending.of_leases.into_iter().collect();
        assert_eq!(used, if reserved.user { vec![((scopes[1], boot), 30)] } else { Vec::new() });
        assert_eq!(spending.of_older_leases, BTreeMap::new());
    }
    let spending = Spending::of([&event].into_iter(), &boots);
    assert_eq!(spending.of_older_leases.into_keys().collect::<Vec<_>>(), scopes.map(|budget| (budget, boot, 0)));
    assert_eq!(spending.of_leases, BTreeMap::new());
}
