use proptest::{collection::vec, prop_assert, proptest, test_runner::Config};

use super::*;

const ALL: [Strategy; 3] = [Strategy::RoundRobin, Strategy::Weighted, Strategy::HealthBest];

/// Runs turns over members of which only those in `present(turn)` can serve; how often each served, and how often it
/// should have by weight among those present.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn run(
    strategy: Strategy,
    weights: &[u64],
    turns: u64,
    mut present: impl FnMut(u64, usize) -> bool,
) -> (Vec<f64>, Vec<f64>) {
    let places: Vec<Place> = (0..weights.len() as u64).map(Place::at).collect();
    let (mut served, mut due) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    for turn in 1000..1000 + turns {
        let members: Vec<usize> = (0..weights.len()).filter(|member| present(turn, *member)).collect();
        if members.is_empty() {
            continue;
        }
        let contender = |member: &usize| Contender {
            weight: weights[*member],
            place: &places[*member],
            reading: Reading::default(),
        };
        let contenders: Vec<_> = members.iter().map(contender).collect();
        served[members[scheduler(strategy).pick(&contenders, turn)]] += 1.0;
        let weight = |member: usize| if strategy == Strategy::RoundRobin { 1.0 } else { weights[member] as f64 };
        let total: f64 = members.iter().map(|member| weight(*member)).sum();
        for member in members {
            due[member] += weight(member) / total;
        }
    }
    (served, due)
}

fn is_fair(served: &[f64], due: &[f64]) -> bool {
    served.iter().zip(due).all(|(served, due)| (served - due).abs() <= 200.0)
}

#[test]
fn round_robin_takes_strict_turns() {
    let places = [Place::at(0), Place::at(1), Place::at(2)];
    let contenders: Vec<_> = places
        .iter()
        .zip([1, 50, 2])
        .map(|(place, weight)| Contender { weight, place, reading: Reading::default() })
        .collect();
    let order: Vec<usize> = (10..19).map(|turn| RoundRobin.pick(&contenders, turn)).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    // One that was out for long has one turn, not all that it missed.
    let order: Vec<usize> = (20..26).map(|turn| RoundRobin.pick(&contenders[..2], turn)).collect();
    assert_eq!(order, [0, 1, 0, 1, 0, 1]);
    let order: Vec<usize> = (30..36).map(|turn| RoundRobin.pick(&contenders, turn)).collect();
    assert_eq!(order, [2, 0, 1, 2, 0, 1]);
}

#[test]
fn round_robin_is_fair_among_threads() {
    let places: Vec<Place> = (0..4).map(Place::at).collect();
    let (turns, served) = (AtomicU64::new(100), [const { AtomicU64::new(0) }; 4]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let contenders: Vec<_> =
                    places.iter().map(|place| Contender { weight: 1, place, reading: Reading::default() }).collect();
                for _ in 0..2500 {
                    let picked = RoundRobin.pick(&contenders, turns.fetch_add(1, Relaxed));
                    served[picked].fetch_add(1, Relaxed);
                }
            });
        }
    });
    let served = served.map(|count| count.load(Relaxed));
    assert!(served.iter().all(|count| count.abs_diff(2500) <= 50), "{served:?}");
}

proptest! {
    #![proptest_config(Config::with_cases(64))]

    /// Within 2 % of the turns, over 10,000 of them.
    #[test]
    fn shares_are_kept(weights in vec(1u64..100, 1..12)) {
        for strategy in ALL {
            let (served, due) = run(strategy, &weights, 10_000, |_, _| true);
            prop_assert!(is_fair(&served, &due), "{strategy:?} {weights:?}: {served:?}, not {due:?}");
        }
    }

    /// Also while members come and go, some of them hundreds of times.
    #[test]
    fn shares_are_kept_while_members_come_and_go(
        members in vec((1u64..100, 100u64..3000, 0u64..3000), 2..12),
    ) {
        let weights: Vec<u64> = members.iter().map(|(weight, ..)| *weight).collect();
        for strategy in ALL {
            let present = |turn: u64, member: usize| {
                let (_, period, phase) = members[member];
                ((turn + phase) / period).is_multiple_of(2)
            };
            let (served, due) = run(strategy, &weights, 10_000, present);
            prop_assert!(is_fair(&served, &due), "{strategy:?} {members:?}: {served:?}, not {due:?}");
        }
    }
}
