use proptest::{collection, prelude::*};

use super::*;

const SECOND: Nanos = 1_000_000_000;
const START: Nanos = 3_600 * SECOND;

#[test]
fn a_full_bucket_gives_a_minutes_quota_and_then_what_comes_back() {
    let (bucket, one) = (Bucket::default(), cost(1, 6, 1));
    for _ in 0..6 {
        assert_eq!(bucket.take(START, one), Ok(()));
    }
    assert_eq!(bucket.take(START, one), Err(Duration::from_secs(10)));
    assert_eq!(remaining(bucket.used(START), 6, 1), 0);
    assert_eq!(bucket.take(START + 9 * SECOND, one), Err(Duration::from_secs(1)));
    assert_eq!(bucket.take(START + 10 * SECOND, one), Ok(()));
    assert_eq!(bucket.take(START + 10 * SECOND, one), Err(Duration::from_secs(10)));
    assert_eq!(remaining(bucket.used(START + 70 * SECOND), 6, 1), 6);
}

#[test]
fn what_is_more_than_the_bucket_passes_when_it_is_full_and_leaves_a_debt() {
    let (bucket, large) = (Bucket::default(), cost(250, 100, 1));
    assert_eq!(bucket.take(START, large), Ok(()));
    assert_eq!(bucket.take(START, cost(1, 100, 1)), Err(Duration::from_millis(90_600)));
    assert_eq!(bucket.take(START + 149 * SECOND, large), Err(Duration::from_secs(1)));
    assert_eq!(bucket.take(START + 150 * SECOND, large), Ok(()));
}

#[test]
fn shares_of_a_small_limit_let_one_through_now_and_then() {
    let (bucket, one) = (Bucket::default(), cost(1, 2, 3));
    assert_eq!(bucket.take(START, one), Ok(()));
    assert_eq!(bucket.take(START + 89 * SECOND, one), Err(Duration::from_secs(1)));
    assert_eq!(bucket.take(START + 90 * SECOND, one), Ok(()));
}

#[test]
fn a_debt_is_bounded_and_extreme_figures_do_no_harm() {
    let bucket = Bucket::default();
    for _ in 0..10 {
        bucket.charge(START, cost(1_000_000, 1_000, 1));
    }
    assert_eq!(bucket.used(START), cost(1_000_000, 1_000, 1).max(LONGEST_DEBT));
    bucket.give_back(u64::MAX);
    assert_eq!(bucket.used(START), 0);
    assert_eq!(cost(u64::MAX, 1, u64::MAX), LARGEST_COST);
    assert_eq!(bucket.take(START, LARGEST_COST), Ok(()));
    assert!(bucket.take(START, LARGEST_COST).is_err());
    assert_eq!(cost(1, 0, 1), WINDOW);
    assert_eq!(remaining(0, u64::MAX, 1), u64::MAX);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// Takes so many; what becomes of them is decided later.
    Take(u64),
    /// The oldest one under way used so many per cent of what it took.
    Settle(u64),
    /// The oldest one under way died.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_000_u64).prop_map(Step::Wait),
        (1..400_u64).prop_map(Step::Take),
        (0..150_u64).prop_map(Step::Settle),
        Just(Step::Die),
    ]
}

proptest! {
    /// In every span of time: a bucket, and what comes back.
    #[test]
    fn no_span_gets_more_than_its_share(
        limit in 1..5_000_u64,
        steps in collection::vec((0..3_000_u64, 1..50_u64), 1..200),
    ) {
        let (bucket, mut now, mut granted) = (Bucket::default(), START, Vec::new());
        for (wait, amount) in steps {
            now += wait * 1_000_000;
            if bucket.take(now, cost(amount, limit, 1)).is_ok() {
                granted.push((now, amount));
            }
        }
        for begin in 0..granted.len() {
            let (mut sum, mut largest) = (0, 0);
            for (at, amount) in &granted[begin..] {
                sum += amount;
                largest = largest.max(*amount);
                let span = u128::from(at - granted[begin].0);
                let most = u128::from(limit) * (u128::from(WINDOW) + span) / u128::from(WINDOW);
                // Only what is more than the whole bucket may exceed it, and then alone.
                prop_assert!(u128::from(sum) <= most.max(u128::from(largest)) + u128::from(largest.saturating_sub(limit)));
            }
        }
    }

    /// Whatever dies, overshoots or comes late: from the first one on, no more is used than a bucket and what came back,
    /// but for what is under way or was used beyond its reservation; and when all is over and a minute has passed, the
    /// bucket is as full as ever.
    #[test]
    fn settlements_leave_no_drift(limit in 100..10_000_u64, steps in collection::vec(step(), 1..200)) {
        let (bucket, mut now) = (Bucket::default(), START);
        let (mut under_way, mut used, mut beyond) = (std::collections::VecDeque::new(), 0_u64, 0_u64);
        let cost_of = |amount| cost(amount, limit, 1);
        for step in steps {
            match step {
                Step::Wait(millis) => now += millis * 1_000_000,
                Step::Take(amount) if bucket.take(now, cost_of(amount)).is_ok() => under_way.push_back(amount),
                Step::Take(_) => {}
                Step::Settle(percent) => {
                    let Some(reserved) = under_way.pop_front() else { continue };
                    let actual = reserved * percent / 100;
                    used += actual;
                    beyond += actual.saturating_sub(reserved);
                    match cost_of(actual).checked_sub(cost_of(reserved)) {
                        Some(more) => bucket.charge(now, more),
                        None => bucket.give_back(cost_of(reserved) - cost_of(actual)),
                    }
                }
                Step::Die => {
                    if let Some(reserved) = under_way.pop_front() {
                        bucket.give_back(cost_of(reserved));
                    }
                }
            }
            let came_back = u128::from(limit) * u128::from(now - START) / u128::from(WINDOW);
            let largest = 400_u64.saturating_sub(limit);
            prop_assert!(u128::from(used) <= u128::from(limit + beyond + largest) + came_back);
        }
        for reserved in under_way {
            bucket.give_back(cost_of(reserved));
        }
        let over = now + bucket.used(now);
        for _ in 0..limit {
            prop_assert_eq!(bucket.take(over, cost_of(1)), Ok(()));
        }
        prop_assert!(bucket.take(over, cost_of(1)).is_err());
    }
}

#[test]
fn threads_together_get_exactly_the_quota() {
    let (bucket, one) = (Bucket::default(), cost(1, 1_000, 1));
    let granted: usize = std::thread::scope(|scope| {
        let takers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..1_000).filter(|_| bucket.take(START, one).is_ok()).count())).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert_eq!(granted, 1_000);
}
