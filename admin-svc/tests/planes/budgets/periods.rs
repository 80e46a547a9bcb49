//! What ends with a period, and what outlasts it, the budget that has it, or its definition.

use super::*;

on_both!(
    crate::budgets::start;
    periods_begin_at_midnight_in_utc,
    what_is_in_hand_outlasts_its_period,
    a_budget_that_changes_its_period_knows_what_is_under_way,
    a_budget_that_is_removed_and_set_again_knows_what_is_under_way,
    a_dead_start_is_no_risk_once_its_proxy_began_anew_before_the_period,
    what_an_older_proxy_borrowed_counts_where_its_period_does,
);

async fn periods_begin_at_midnight_in_utc(world: World) {
    for (period, hours_until_the_next) in [(Period::Day, 14), (Period::Week, 14 + 6 * 24)] {
        let clock = Clock::held_at(MONDAY);
        let world = World { app: open(&world.database, &clock).await, clock, database: Database::sqlite() };
        let key = world.key(budget(1_000, period)).await;
        let proxy = borrower(MONDAY);
        let grant = world.need(&key, &proxy, None, 1_000).await;
        world.spend(&key, &proxy, 1_000).await;
        assert_eq!(world.need(&key, &proxy, Some(&grant), 1).await.state, GrantState::Spent);
        world.clock.advance((HOUR * hours_until_the_next).saturating_sub(Duration::from_micros(1)));
        assert_eq!(world.need(&key, &proxy, Some(&grant), 1).await.state, GrantState::Spent, "{period:?}");
        world.clock.advance(Duration::from_micros(1));
        let next = world.need(&key, &proxy, Some(&grant), 1_000).await;
        assert_eq!((next.state, next.granted), (GrantState::Granted, 2_000), "{period:?}");
        assert_eq!(next.period.start, world.clock.now());
    }
    let key = world.key(budget(1_000, Period::Total)).await;
    let proxy = borrower(MONDAY);
    let grant = world.need(&key, &proxy, None, 1_000).await;
    world.spend(&key, &proxy, 1_000).await;
    world.clock.advance(HOUR * 24 * 400);
    assert_eq!(world.need(&key, &proxy, Some(&grant), 1).await.state, GrantState::Spent, "a total never ends");
}

async fn what_is_in_hand_outlasts_its_period(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let (proxy, other) = (borrower(MONDAY), borrower(MONDAY));
    let held = world.need(&key, &proxy, None, 600).await;
    let late = world.event(&key, &proxy, 150);
    world.clock.advance(HOUR * 14);
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (0, 600));
    let grant = world.need(&key, &other, None, 1_000).await;
    assert_eq!((grant.state, grant.granted), (GrantState::Spent, 400));
    // The event is spent of its own day, and what it cost is not lent any more.
    world.app.record_usage(&[late], &[]).await.unwrap();
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (0, 850));
    let more = world.need(&key, &proxy, Some(&held), 1_000).await;
    assert_eq!((more.state, more.granted, more.settled), (GrantState::Spent, 750, 0));
}

async fn a_budget_that_changes_its_period_knows_what_is_under_way(world: World) {
    let mut key = world.key(budget(1_000, Period::Day)).await;
    let (proxy, other) = (borrower(MONDAY), borrower(MONDAY));
    let grant = world.need(&key, &proxy, None, 500).await;
    world.spend(&key, &proxy, 300).await;
    for period in [Period::Week, Period::Total, Period::Month] {
        world.define(&mut key, Some(budget(1_000, period))).await;
        let standing = world.standing(&key).await;
        assert_eq!((standing.spent, standing.lent), (300, 200), "{period:?}");
    }
    let week = world.need(&key, &proxy, Some(&grant), 100).await;
    assert_eq!((week.state, week.granted, week.settled), (GrantState::Granted, 600, 0));
    let rest = world.need(&key, &other, None, 1_000).await;
    assert_eq!((rest.state, rest.granted), (GrantState::Spent, 400));
}

async fn a_budget_that_is_removed_and_set_again_knows_what_is_under_way(world: World) {
    let mut key = world.key(budget(1_000, Period::Day)).await;
    let (proxy, other) = (borrower(MONDAY), borrower(MONDAY));
    let held = world.need(&key, &proxy, None, 600).await;
    world.define(&mut key, None).await;
    let held = world.ask(&key, Some(&held), 0);
    let ask = |returned| Ask { returned, ..held.clone() };
    let gone = world.lend(&proxy, ask(100)).await;
    assert_eq!((gone.state, gone.granted), (GrantState::NoBudget, 600), "the totals are taken all the same");
    let stranger = world.lend(&other, ask(100)).await;
    assert_eq!((stranger.state, stranger.granted), (GrantState::NoBudget, 0), "and make no lease");
    world.spend(&key, &proxy, 200).await;
    world.define(&mut key, Some(budget(1_000, Period::Day))).await;
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (200, 300));
    let grant = world.need(&key, &other, None, 1_000).await;
    assert_eq!((grant.state, grant.granted), (GrantState::Spent, 500));
    // It goes on with its totals.
    let all_back = world.lend(&proxy, ask(400)).await;
    assert_eq!((all_back.state, all_back.granted, all_back.settled), (GrantState::Granted, 600, 0));
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (200, 500));
}

async fn a_dead_start_is_no_risk_once_its_proxy_began_anew_before_the_period(world: World) {
    let key = world.key(budget(1_000, Period::Day)).await;
    let dead = borrower(MONDAY);
    world.need(&key, &dead, None, 700).await;
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.app.lapse_leases().await.unwrap(), 1);
    world.clock.advance(HOUR * 24);
    assert_eq!(world.standing(&key).await.lapsed, 700, "it may only be cut off");
    let successor = Borrower { boot_id: BootId::generate(), booted_at: world.clock.now(), ..dead };
    world.app.renew_leases(&successor).await.unwrap();
    assert_eq!(world.standing(&key).await, Standing::default());
}

async fn what_an_older_proxy_borrowed_counts_where_its_period_does(world: World) {
    let mut key = world.key(budget(1_000, Period::Day)).await;
    let older = Borrower { leases_outlast_periods: false, ..borrower(MONDAY) };
    let yesterday = world.need(&key, &older, None, 600).await;
    world.spend(&key, &older, 100).await;
    world.clock.advance(HOUR * 24);
    assert_eq!(world.standing(&key).await, Standing::default(), "it spends nothing of yesterday's today");
    let today = world.need(&key, &older, Some(&yesterday), 300).await;
    assert_eq!((today.state, today.granted, today.settled), (GrantState::Granted, 300, 0));
    // A period that both days are of.
    world.define(&mut key, Some(budget(1_000, Period::Week))).await;
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (100, 500 + 300));
    let back = Ask { returned: 250, ..world.ask(&key, Some(&today), 1_000) };
    let week = world.lend(&older, back).await;
    assert_eq!((week.state, week.granted, week.settled), (GrantState::Spent, 1_000 - 100 - 500 - 50, 0));
    // The day again: all that was lent before is settled, and what of it is in flight stays lent.
    world.define(&mut key, Some(budget(1_000, Period::Day))).await;
    let again = world.need(&key, &older, Some(&week), 1_000).await;
    assert_eq!((again.state, again.granted - again.settled), (GrantState::Spent, 1_000 - 50 - 350));
    let standing = world.standing(&key).await;
    assert_eq!((standing.spent, standing.lent), (0, 1_000));
}
