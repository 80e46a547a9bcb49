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
    assert_eq!(circuit.state(at(0)), KeyState::Ejected);
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
    assert_eq!(circuit.state(at(7)), KeyState::Ejected);
    // And one whose answers come to their end is as good as new.
    assert!(circuit.claim(at(40)));
    circuit.committed(trial(40), at(41));
    circuit.completed(began(41), at(42));
    circuit.failed(began(42), CAUSE, at(43), 0.0);
    assert_eq!(circuit.state(at(43)), KeyState::Healthy);
}

#[test]
fn trials_keep_coming_and_ejections_grow() {
    let circuit = ejected();
    let (mut now, mut ends) = (0, Vec::new());
    while now < 3000 {
        now += 1;
        if circuit.claim(at(now)) {
            circuit.failed(trial(now), CAUSE, at(now), 0.0);
            let told = circuit.tell(at(now)).unwrap();
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
    assert_eq!(circuit.state(at(7)), KeyState::Healthy);
    let circuit = ejected();
    circuit.completed(Attempt { began: Moment(0), is_trial: false }, at(1));
    assert_eq!(circuit.state(at(1)), KeyState::Ejected);
}

fn overload(circuit: &Circuit, attempt: Attempt, asked: u64, second: u64, chance: f64) {
    circuit.overloaded(attempt, Some(Duration::from_secs(asked)), at(second), chance);
}

#[test]
fn after_an_overload_a_key_rests_as_long_as_it_is_asked_to() {
    for (asked, rests) in [(20, 20), (0, 1), (3600, 300)] {
        let circuit = Circuit::default();
        overload(&circuit, began(0), asked, 0, 0.0);
        let rest = Standing::Out { state: KeyState::Cooling, until: at(rests) };
        assert_eq!((circuit.standing(at(0)), circuit.is_resting(at(0))), (rest, true));
        assert_eq!(circuit.reason().cause(), Some(Cause::Overloaded));
        let told = circuit.tell(at(0)).unwrap();
        assert_eq!((told.state, told.until, told.is_news), (KeyState::Cooling, Some(at(rests)), true));
        // It ends by itself, without a trial.
        assert_eq!((circuit.standing(at(rests)), circuit.tell(at(rests))), (Standing::Ready, None));
    }
    // Nothing is asked: a failure like any other.
    let circuit = Circuit::default();
    circuit.overloaded(began(0), None, at(0), 0.0);
    assert_eq!((circuit.standing(at(0)), circuit.tell(at(0))), (Standing::Ready, None));
}

#[test]
fn an_answer_ends_a_rest_and_only_its_end_makes_the_overload_forgotten() {
    let circuit = Circuit::default();
    for second in [0, 10] {
        overload(&circuit, began(second), 9, second, 0.0);
    }
    assert!(circuit.committed(began(11), at(12)));
    assert_eq!(circuit.standing(at(12)), Standing::Ready);
    circuit.failed(began(12), CAUSE, at(13), 0.0);
    assert_eq!(circuit.state(at(13)), KeyState::Ejected);
    let circuit = Circuit::default();
    overload(&circuit, began(0), 9, 0, 0.0);
    circuit.committed(began(1), at(2));
    circuit.completed(began(2), at(2));
    for _ in 1..THRESHOLD {
        circuit.failed(began(3), CAUSE, at(3), 0.0);
    }
    assert_eq!(circuit.state(at(3)), KeyState::Healthy);
}

#[test]
fn the_third_overload_in_a_row_ejects_and_its_trial_waits_as_asked() {
    let circuit = Circuit::default();
    for second in [0, 60, 120] {
        assert_eq!(circuit.standing(at(second)), Standing::Ready);
        overload(&circuit, began(second), 60, second, 1.0);
    }
    assert_eq!(circuit.tell(at(120)).unwrap().until, Some(at(180)));
    assert!(matches!(circuit.standing(at(179)), Standing::Out { state: KeyState::Ejected, .. }));
    assert!(circuit.claim(at(180)));
    overload(&circuit, trial(180), 200, 181, 1.0);
    assert!(matches!(circuit.standing(at(380)), Standing::Out { state: KeyState::Ejected, .. }));
    assert_eq!(circuit.standing(at(381)), Standing::TrialDue);
}

#[test]
fn another_failure_does_not_cut_a_rest_short() {
    let circuit = Circuit::default();
    overload(&circuit, began(0), 60, 0, 0.0);
    circuit.failed(began(1), CAUSE, at(1), 0.0);
    assert_eq!(circuit.standing(at(1)), Standing::Out { state: KeyState::Cooling, until: at(60) });
    circuit.failed(began(2), CAUSE, at(2), 0.0);
    assert_eq!(circuit.state(at(2)), KeyState::Ejected);
    assert!(matches!(circuit.standing(at(59)), Standing::Out { .. }));
    assert_eq!(circuit.standing(at(60)), Standing::TrialDue);
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
    assert_eq!(circuit.state(at(608)), KeyState::Refused);
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
    assert_eq!(circuit.tell(at(400)).unwrap().until, Some(at(430)));
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
