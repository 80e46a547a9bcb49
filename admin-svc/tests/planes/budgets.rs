//! Lending from budgets, with a clock that the test holds.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use admin_svc::{
    app::{App, AppOptions},
    crypto::envelope::MasterKey,
    domain::{
        access_key::{AccessKey, AccessKeySpec, AccessKeyStatus},
        budget::{Ask, Borrower, BudgetKey, Grant, GrantState, Standing},
        service::{LimitsMode, Retry, Route, Security, Service, ServiceSpec, Strategy},
        stamp::Stamp,
        status::Status,
        timestamp::Timestamp,
        usage::{EventDetail, Outcome, Protocol, Reserved, Tokens, UsageEvent, UsageSource},
        user::{Role, User, UserSpec},
    },
    store::{access_keys, budgets, services, users},
};
use futures::future::join_all;
use tollgate_shared::{
    address::AddressPolicy,
    clock::Clock,
    ids::{AccessKeyId, BootId, ProxyId, RequestId, ServiceId, UserId},
    limits::{Budget, LeaseMode, Limits, Period, Timeouts},
    money::{Cost, Currency, Money},
    secret::Secret,
};

use crate::database::{Database, on_both};

mod periods;

on_both!(
    crate::budgets::start;
    what_is_spent_and_lent_never_exceeds_the_budget,
    others_are_told_of_a_shortage_that_they_could_end,
    redelivered_events_spend_nothing_more,
    a_lapsed_lease_is_lent_anew_and_its_late_events_still_count,
    what_a_dead_start_held_is_free_once_its_events_are_here,
    what_had_no_reservation_is_spent_and_not_used,
    a_borrower_that_forgot_its_totals_gets_nothing_twice,
    one_at_a_time_waits_for_others_events_and_not_for_its_own,
    two_replicas_lend_the_same_money_once,
    what_any_key_of_a_user_spends_is_of_the_users_budget,
);

/// A Monday that is no first of a month, 10:00 UTC.
const MONDAY: i64 = 1_804_500_000_000_000;
/// A request that held reservations of whatever budgets it was under.
const EVERYWHERE: Reserved = Reserved { service: true, user: true, access_key: true };
const HOUR: Duration = Duration::from_hours(1);

async fn start(database: Database) -> World {
    let clock = Clock::held_at(MONDAY);
    let app = open(&database, &clock).await;
    World { app, clock, database }
}

async fn open(database: &Database, clock: &Clock) -> App {
    App::open(AppOptions {
        database_url: database.url(),
        master_key: MasterKey::from_bytes([7; 32]),
        setup_token: Secret::new("setup".to_owned()),
        address_policy: AddressPolicy::parse("").unwrap(),
        clock: clock.clone(),
        registration_open: false,
        secure_cookies: false,
        currency: Currency::USD,
    })
    .await
    .unwrap()
}

struct World {
    app: App,
    clock: Clock,
    database: Database,
}

fn borrower(booted_at: i64) -> Borrower {
    let (proxy_id, boot_id) = (ProxyId::generate(), BootId::generate());
    Borrower { proxy_id, boot_id, booted_at, leases_outlast_periods: true }
}

fn budget(amount: i64, period: Period) -> Budget {
    let (amount, currency) = (Money::from_micros(amount), "USD".to_owned());
    Budget { amount, currency, period, hard: true, lease: LeaseMode::Ahead }
}

impl World {
    /// An access key with this budget.
    async fn key(&self, budget: Budget) -> AccessKey {
        let stamp = Stamp::first(self.clock.now());
        let mut tx = self.app.store().begin_write().await.unwrap();
        let user_id = UserId::generate();
        let spec = UserSpec {
            email: format!("{user_id}@example.com"),
            name: "user".to_owned(),
            role: Role::Admin,
            status: Status::Active,
            limits: Limits::default(),
            budget: None,
        };
        let user = User { id: user_id, spec, stamp, last_login_at: None, password_hash: String::new() };
        users::insert(&mut tx, &user).await.unwrap();
        let service_id = ServiceId::generate();
        let spec = ServiceSpec {
            name: "service".to_owned(),
            slug: service_id.to_string(),
            status: Status::Active,
            strategy: Strategy::RoundRobin,
            routes: Vec::<Route>::new(),
            retry: Retry::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            limits_mode: LimitsMode::Enforce,
            budget: None,
            security: Security::default(),
            hidden_headers: Vec::new(),
            affinity: None,
            response_cache: None,
        };
        services::insert(&mut tx, &Service { id: service_id, spec, stamp }).await.unwrap();
        let id = AccessKeyId::generate();
        let mut mac = [0; 32];
        mac[..16].copy_from_slice(id.as_uuid().as_bytes());
        let spec = AccessKeySpec {
            name: "key".to_owned(),
            expires_at: None::<Timestamp>,
            limits: Limits::default(),
            budget: Some(budget),
            models: Vec::new(),
            ip_allow: Vec::new(),
        };
        let status = AccessKeyStatus::Active;
        let key =
            AccessKey { id, service_id, user_id, spec, prefix: "tg".to_owned(), status, stamp, mac, previous: None };
        access_keys::insert(&mut tx, &key).await.unwrap();
        tx.commit().await.unwrap();
        key
    }

    fn event(&self, key: &AccessKey, borrower: &Borrower, micros: i64) -> UsageEvent {
        UsageEvent {
            request_id: RequestId::generate(),
            started_at: self.clock.now(),
            duration_us: 1,
            ttft_us: None,
            status: 200,
            outcome: Outcome::Ok,
            protocol: Protocol::OpenAi,
            stream: false,
            service_id: Some(key.service_id),
            access_key_id: Some(key.id),
            user_id: Some(key.user_id),
            model_requested: "m".to_owned(),
            model_served: "m".to_owned(),
            provider_id: None,
            upstream_key_id: None,
            tokens: Tokens::default(),
            source: Some(UsageSource::Provider),
            cost: Some(Cost { amount: Money::from_micros(micros), currency: Currency::USD }),
            error_code: String::new(),
            detail: EventDetail::default(),
            reported_by: Some(borrower.proxy_id),
            reserved: borrower.leases_outlast_periods.then_some(EVERYWHERE),
        }
    }

    async fn spend(&self, key: &AccessKey, borrower: &Borrower, micros: i64) {
        self.app.record_usage(&[self.event(key, borrower, micros)], &[]).await.unwrap();
    }

    async fn standing(&self, key: &AccessKey) -> Standing {
        let period = key.spec.budget.as_ref().unwrap().period.around(self.clock.now());
        let mut reader = self.app.store().reader().await.unwrap();
        budgets::standing(&mut reader, &key.id.into(), &period, None).await.unwrap()
    }

    async fn lend(&self, borrower: &Borrower, ask: Ask) -> Grant {
        self.app.lend(borrower, &[ask]).await.unwrap().remove(0)
    }

    /// With the totals of the last grant, and nothing returned since.
    fn ask(&self, key: &AccessKey, held: Option<&Grant>, need: i64) -> Ask {
        let (period, granted) = held.map(|held| (held.period.clone(), held.granted)).unwrap_or_default();
        let returned = held.map_or(0, |held| held.returned);
        Ask { budget: key.id.into(), at: self.clock.now(), period, granted, returned, need, least: 0, ahead: false }
    }

    async fn need(&self, key: &AccessKey, borrower: &Borrower, held: Option<&Grant>, need: i64) -> Grant {
        self.lend(borrower, self.ask(key, held, need)).await
    }

    async fn define(&self, key: &mut AccessKey, budget: Option<Budget>) {
        key.spec.budget = budget;
        let mut tx = self.app.store().begin_write().await.unwrap();
        access_keys::update(&mut tx, key).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn what_is_spent_and_lent_never_exceeds_the_budget(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let (first, second) = (borrower(MONDAY), borrower(MONDAY));
    let held = world.need(&key, &first, None, 600).await;
    assert_eq!((held.state, held.granted), (GrantState::Granted, 600));
    let other = world.need(&key, &second, None, 600).await;
    assert_eq!((other.state, other.granted), (GrantState::Spent, 400), "as much as there is");
    world.spend(&key, &first, 250).await;
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (250, 750), "an event moves money from lent to spent");
    // What the first gives back is there for the second.
    let (period, at) = (held.period.clone(), world.clock.now());
    let ask = Ask { budget: key.id.into(), at, period, granted: 600, returned: 350, need: 0, least: 0, ahead: false };
    world.lend(&first, ask).await;
    let more = world.need(&key, &second, Some(&other), 600).await;
    assert_eq!((more.state, more.granted), (GrantState::Spent, 750));
    // A request that cost more than it had reserved leaves that much less.
    world.spend(&key, &second, 800).await;
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (1_050, 0));
    assert_eq!(world.need(&key, &first, None, 1).await.state, GrantState::Spent);
}

async fn what_any_key_of_a_user_spends_is_of_the_users_budget(world: World) {
    let first = world.key(budget(9_000, Period::Day)).await;
    let second = AccessKey { user_id: first.user_id, ..world.key(budget(9_000, Period::Day)).await };
    let stranger = world.key(budget(9_000, Period::Day)).await;
    let mut tx = world.app.store().begin_write().await.unwrap();
    let mut user = users::by_id(&mut tx, first.user_id).await.unwrap().unwrap();
    user.spec.budget = Some(budget(1_000, Period::Day));
    users::update(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
    let of_user = BudgetKey::from(user.id);
    let standing = async || {
        let mut reader = world.app.store().reader().await.unwrap();
        budgets::standing(&mut reader, &of_user, &Period::Day.around(world.clock.now()), None).await.unwrap()
    };
    let (dead, alive) = (borrower(MONDAY), borrower(MONDAY));
    let ask = |need| {
        let (at, period) = (world.clock.now(), Range::default());
        Ask { budget: of_user, at, period, granted: 0, returned: 0, need, least: 0, ahead: false }
    };
    let held = world.lend(&dead, ask(600)).await;
    assert_eq!((held.state, held.granted), (GrantState::Granted, 600));
    for (key, cost) in [(&first, 250), (&second, 150), (&stranger, 500)] {
        world.spend(key, &dead, cost).await;
    }
    let now = standing().await;
    assert_eq!((now.spent, now.lent), (400, 200), "of both keys, and of nobody else's");
    // What a proxy that died reports later still counts, and its lease is lent anew.
    let late = world.event(&second, &dead, 100);
    world.clock.advance(Duration::from_secs(61));
    world.app.renew_leases(&alive).await.unwrap();
    assert_eq!(world.app.lapse_leases().await.unwrap(), 1);
    let all = world.lend(&alive, ask(700)).await;
    assert_eq!((all.state, all.granted), (GrantState::Spent, 600));
    world.app.record_usage(&[late], &[]).await.unwrap();
    let now = standing().await;
    assert_eq!((now.spent, now.lent, now.lapsed), (500, 600, 100));
}

async fn others_are_told_of_a_shortage_that_they_could_end(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let (first, second) = (borrower(MONDAY), borrower(MONDAY));
    let older = Borrower { leases_outlast_periods: false, ..borrower(MONDAY) };
    let held = world.need(&key, &first, None, 600).await;
    let none = world.need(&key, &second, None, 0).await;
    assert_eq!((held.elsewhere, none.elsewhere), (400, 1_000));
    let of = |need, least| Ask { least, ..world.ask(&key, Some(&none), need) };
    let short = world.lend(&second, of(1_001, 1_001)).await;
    assert_eq!((short.state, short.granted), (GrantState::Spent, 0));
    assert!(!short.recall && world.app.renew_leases(&first).await.unwrap().is_empty(), "nobody could help");
    let short = world.lend(&second, of(700, 700)).await;
    assert_eq!(
        (short.state, short.granted, short.elsewhere),
        (GrantState::Spent, 0, 1_000),
        "a part would help nobody"
    );
    assert!(short.recall && !world.lend(&second, of(700, 700)).await.recall, "ten times a second is enough");
    assert_eq!(world.app.renew_leases(&first).await.unwrap(), [BudgetKey::from(key.id)]);
    assert_eq!(world.app.renew_leases(&older).await.unwrap(), [], "it would not understand");
    let returned = held.granted;
    world.lend(&first, Ask { returned, ..world.ask(&key, Some(&held), 0) }).await;
    let granted = world.lend(&second, of(700, 700)).await;
    assert_eq!((granted.state, granted.granted, granted.elsewhere), (GrantState::Granted, 700, 300));
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.app.renew_leases(&first).await.unwrap(), [], "that is long ago");
}

async fn redelivered_events_spend_nothing_more(world: World) {
    let key = world.key(budget(1_000, Period::Month)).await;
    let proxy = borrower(MONDAY);
    world.need(&key, &proxy, None, 500).await;
    let events: Vec<UsageEvent> = (0..3).map(|_| world.event(&key, &proxy, 100)).collect();
    for _ in 0..3 {
        world.app.record_usage(&events, &[]).await.unwrap();
    }
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (300, 200));
}

async fn a_lapsed_lease_is_lent_anew_and_its_late_events_still_count(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let (dead, alive) = (borrower(MONDAY), borrower(MONDAY));
    world.need(&key, &dead, None, 700).await;
    let event = world.event(&key, &dead, 100);
    world.clock.advance(Duration::from_secs(61));
    world.app.renew_leases(&alive).await.unwrap();
    assert_eq!(world.app.lapse_leases().await.unwrap(), 1);
    assert_eq!(world.standing(&key).await, Standing { spent: 0, lent: 0, lent_to_others: 0, lapsed: 700 });
    let grant = world.need(&key, &alive, None, 1_000).await;
    assert_eq!((grant.state, grant.granted), (GrantState::Granted, 1_000));
    // Its successor reports what was in the journal: that is of the start that died.
    let successor = Borrower { boot_id: BootId::generate(), booted_at: world.clock.now(), ..dead };
    world.app.renew_leases(&successor).await.unwrap();
    world.app.record_usage(&[event], &[]).await.unwrap();
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent, standing.lapsed), (100, 1_000, 600));
    assert_eq!(world.need(&key, &alive, Some(&grant), 1).await.state, GrantState::Spent);
}

async fn what_a_dead_start_held_is_free_once_its_events_are_here(world: World) {
    let key = world.key(Budget { lease: LeaseMode::Single, ..budget(1_000, Period::Day) }).await;
    let (dead, other) = (borrower(MONDAY), borrower(MONDAY));
    world.need(&key, &dead, None, 400).await;
    world.clock.advance(Duration::from_secs(5));
    let successor = Borrower { boot_id: BootId::generate(), booted_at: world.clock.now(), ..dead };
    let held = world.need(&key, &successor, None, 300).await;
    assert_eq!(held.state, GrantState::Busy);
    // Another proxy's word is nothing to go by.
    world.app.settle_earlier_starts(&other).await.unwrap();
    assert_eq!(world.standing(&key).await.lent, 400);
    let event = UsageEvent { started_at: MONDAY, ..world.event(&key, &dead, 150) };
    world.app.record_usage(&[event], &[]).await.unwrap();
    world.app.settle_earlier_starts(&successor).await.unwrap();
    assert_eq!(world.standing(&key).await, Standing { spent: 150, ..Standing::default() });
    let held = world.need(&key, &successor, Some(&held), 850).await;
    assert_eq!((held.state, held.granted), (GrantState::Granted, 850));
    world.app.settle_earlier_starts(&successor).await.unwrap();
    assert_eq!(world.standing(&key).await.lent, 850, "its own is no earlier one");
}

async fn what_had_no_reservation_is_spent_and_not_used(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let proxy = borrower(MONDAY);
    world.need(&key, &proxy, None, 500).await;
    let before = UsageEvent { reserved: Some(Reserved::default()), ..world.event(&key, &proxy, 200) };
    let of_another = Reserved { service: true, user: true, access_key: false };
    let of_another = UsageEvent { reserved: Some(of_another), ..world.event(&key, &proxy, 100) };
    world.app.record_usage(&[before, of_another], &[]).await.unwrap();
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (300, 500), "what is lent covers other requests");
}

async fn a_borrower_that_forgot_its_totals_gets_nothing_twice(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let proxy = borrower(MONDAY);
    // An overdraft that is reported before anything was asked for.
    world.app.renew_leases(&proxy).await.unwrap();
    world.spend(&key, &proxy, 50).await;
    let held = world.need(&key, &proxy, None, 400).await;
    assert_eq!((held.granted, held.settled), (400, 50));
    let ask = Ask { returned: 300, ..world.ask(&key, Some(&held), 0) };
    world.lend(&proxy, ask).await;
    world.spend(&key, &proxy, 120).await;
    let anew = world.need(&key, &proxy, None, 500).await;
    assert_eq!((anew.state, anew.granted, anew.settled, anew.returned), (GrantState::Granted, 900, 470, 300));
    // What it holds is what is lent.
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (170, anew.granted - anew.settled));
}

async fn one_at_a_time_waits_for_others_events_and_not_for_its_own(world: World) {
    let single = |period| Budget { lease: LeaseMode::Single, ..budget(1_000, period) };
    let mut key = world.key(single(Period::Day)).await;
    let (proxy, other) = (borrower(MONDAY), borrower(MONDAY));
    let held = world.need(&key, &proxy, None, 300).await;
    let event = world.event(&key, &proxy, 300);
    world.define(&mut key, Some(single(Period::Week))).await;
    assert_eq!(world.need(&key, &other, None, 10).await.state, GrantState::Busy, "an event is on its way");
    let own = world.need(&key, &proxy, Some(&held), 700).await;
    assert_eq!((own.state, own.granted), (GrantState::Granted, 1_000));
    let back = Ask { returned: 700, ..world.ask(&key, Some(&own), 0) };
    world.lend(&proxy, back).await;
    assert_eq!(world.need(&key, &other, None, 10).await.state, GrantState::Busy);
    world.app.record_usage(&[event], &[]).await.unwrap();
    let grant = world.need(&key, &other, None, 10).await;
    assert_eq!((grant.state, grant.granted), (GrantState::Granted, 10));
}

async fn two_replicas_lend_the_same_money_once(world: World) {
    let replica = open(&world.database, &world.clock).await;
    let key = world.key(budget(10_000, Period::Day)).await;
    let apps = [&world.app, &replica];
    let asking = (0..40).map(|index| {
        let (app, proxy, key, at) = (apps[index % 2], borrower(MONDAY), &key, world.clock.now());
        async move {
            let mut held = 0;
            let mut period = 0..0;
            for _ in 0..5 {
                let ask = Ask {
                    budget: key.id.into(),
                    at,
                    period: period.clone(),
                    granted: held,
                    returned: 0,
                    need: 70,
                    least: 0,
                    ahead: index % 3 == 0,
                };
                let grant = app.lend(&proxy, &[ask]).await.unwrap().remove(0);
                (held, period) = (grant.granted, grant.period);
            }
            (proxy.boot_id, held)
        }
    });
    let held: BTreeMap<BootId, i64> = join_all(asking).await.into_iter().collect();
    assert_eq!(held.values().sum::<i64>(), 10_000, "all of it was lent, and nothing twice");
    assert_eq!(world.standing(&key).await.lent, 10_000);
}
