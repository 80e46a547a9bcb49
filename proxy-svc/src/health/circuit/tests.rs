use proptest::prelude::*;

use super::*;

const CAUSE: Cause = Cause::Server;

fn at(seconds: u64) -> Moment {
    Moment(1_000_000 + seconds * 1000)
}

fn began(seconds: u64) -> Attempt {
    Attempt { began: at(seconds), is_trial: false }
}

fn trial(seconds: u64) -> Attempt {
    Attempt { is_trial: true, ..began(seconds) }
}

/// Ejected at second 0.
fn ejected() -> Circuit {
    let circuit = Circuit::default();
    for _ in 0..THRESHOLD {
        circuit.failed(began(0), CAUSE, at(0), 0.0);
    }
    assert_eq!(circuit.state(), KeyState::Ejected);
    circuit
}

#[test]
fn a_blip_changes_nothing_and_a_success_makes_it_forgotten() {
    let circuit = Circuit::default();
    for second in 0..10 {
        circuit.failed(began(second), CAUSE, at(second), 0.0);
        circuit.failed(began(second), CAUSE, at(second), 0.0);
        assert_eq!(circuit.standing(at(second)), Standing::Ready);
        circuit.completed(began(second), at(second));
    }
}

#[test]
fn the_first_trial_comes_after_five_seconds_and_one_permit_is_given() {
    let circuit = ejected();
    assert!(matches!(circuit.standing(at(4)), Standing::Out { .. }));
    assert_eq!(circuit.standing(at(5)), Standing::TrialDue);
    assert!(circuit.claim(at(5)));
    assert!(!circuit.claim(at(5)));
    circuit.committed(trial(5), at(6));
    assert_eq!(circuit.standing(at(6)), Standing::Ready);
}

#[test]
fn a_key_that_breaks_off_after_its_first_word_is_out_again_at_once() {
    let circuit = ejected();
    assert!(circuit.claim(at(5)));
    circuit.committed(trial(5), at(6));
    circuit.failed(began(6), CAUSE, at(7), 0.0);
    assert_eq!(circuit.state(), KeyState::Ejected);
    // And one whose answers come to their end is as good as new.
    assert!(circuit.claim(at(40)));
    circuit.committed(trial(40), at(41));
    circuit.completed(began(41), at(42));
    circuit.failed(began(42), CAUSE, at(43), 0.0);
    assert_eq!(circuit.state(), KeyState::Healthy);
}

#[test]
fn trials_keep_coming_and_ejections_grow() {
    let circuit = ejected();
    let (mut now, mut ends) = (0, Vec::new());
    while now < 3000 {
        now += 1;
        if circuit.claim(at(now)) {
            circuit.failed(trial(now), CAUSE, at(now), 0.0);
            let told = circuit.tell().unwrap();
            if told.is_news {
                ends.push(told.until.unwrap().since(told.since).as_secs());
            }
            assert!(matches!(circuit.standing(at(now + 15)), Standing::TrialDue), "no trial within 15 s at {now}");
        }
    }
    assert_eq!(&ends[..11], [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300], "{ends:?}");
}

#[test]
fn what_began_before_the_change_is_ignored() {
    let circuit = ejected();
    assert!(circuit.claim(at(5)));
    circuit.committed(trial(5), at(6));
    // Three stragglers of the time before.
    for _ in 0..3 {
        circuit.failed(began(4), CAUSE, at(7), 0.0);
    }
    assert_eq!(circuit.state(), KeyState::Healthy);
    let circuit = ejected();
    circuit.completed(Attempt { began: Moment(0), is_trial: false }, at(1));
    assert_eq!(circuit.state(), KeyState::Ejected);
}

#[test]
fn a_trial_that_tells_nothing_gives_its_permit_back() {
    let circuit = ejected();
    assert!(circuit.claim(at(5)));
    circuit.released(at(6));
    assert_eq!(circuit.standing(at(6)), Standing::TrialDue);
    circuit.refused(began(6), 403, at(7));
    assert!(circuit.claim(at(607)));
    circuit.released(at(608));
    assert_eq!(circuit.state(), KeyState::Refused);
}

#[test]
fn others_see_what_it_is_not_used_for() {
    let circuit = ejected();
    circuit.seen_working(at(1));
    assert_eq!(circuit.standing(at(1)), Standing::TrialDue);
    assert!(circuit.is_overdue(at(1)));
    let circuit = Circuit::default();
    circuit.seen_failing(Reason::SeenFailing, at(30), at(0));
    assert!(matches!(circuit.standing(at(4)), Standing::Out { .. }));
    assert_eq!(circuit.standing(at(5)), Standing::TrialDue);
    assert!(!circuit.is_overdue(at(29)) && circuit.is_overdue(at(30)));
}

#[test]
fn long_after_an_ejection_the_next_is_a_first_one() {
    let circuit = ejected();
    assert!(circuit.claim(at(5)));
    circuit.committed(trial(5), at(5));
    circuit.completed(began(5), at(5));
    for _ in 0..THRESHOLD {
        circuit.failed(began(400), CAUSE, at(400), 0.0);
    }
    assert_eq!(circuit.tell().unwrap().until, Some(at(430)));
}

proptest! {
    /// Whatever happens, a provider that works again is found within 30 s, as long as there is a request a second.
    #[test]
    fn recovery_takes_less_than_30_seconds(
        outage in 1u64..2000, chances in prop::collection::vec(0.0f64..=1.0, 1..50),
    ) {
        let circuit = Circuit::default();
        let mut chances = chances.into_iter().cycle();
        let mut chance = || chances.next().unwrap();
        for second in 0..outage {
            let is_trial = match circuit.standing(at(second)) {
                Standing::Ready => false,
                Standing::TrialDue => circuit.claim(at(second)),
                Standing::Out { .. } => continue,
            };
            circuit.failed(Attempt { began: at(second), is_trial }, CAUSE, at(second), chance());
        }
        let found = (outage..outage + 30).find(|second| match circuit.standing(at(*second)) {
            Standing::Ready => true,
            Standing::TrialDue => {
                assert!(circuit.claim(at(*second)));
                circuit.committed(trial(*second), at(*second));
                true
            }
            Standing::Out { .. } => false,
        });
        prop_assert!(found.is_some_and(|second| second - outage <= 15), "{found:?} after {outage}");
        prop_assert_eq!(circuit.standing(at(outage + 30)), Standing::Ready);
    }
}
