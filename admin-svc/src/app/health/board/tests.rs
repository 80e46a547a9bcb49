use std::time::Duration;

use super::*;
use crate::domain::key_health::{OutcomeCounts, Verdict};

const SECOND: i64 = 1_000_000;

struct Fixture {
    clock: Clock,
    board: Board,
    key: UpstreamKeyId,
}

fn fixture() -> Fixture {
    let clock = Clock::held_at(1_000_000 * SECOND);
    Fixture { board: Board::new(clock.clone()), clock, key: UpstreamKeyId::generate() }
}

impl Fixture {
    fn report(&self, state: KeyState, outcomes: OutcomeCounts) -> KeyModelReport {
        KeyModelReport {
            upstream_key_id: self.key,
            model: Some("gpt-4o".to_owned()),
            state,
            reason: state.as_str().to_owned(),
            until: (state == KeyState::Cooling).then(|| self.clock.now() + 30 * SECOND),
            outcomes,
            ttft_us: None,
            in_flight: 1,
        }
    }

    fn state(&self) -> Option<KeyState> {
        self.board.views().get(&self.key).map(|view| view.models[0].state)
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn join(board: &Board) -> (ProxyId, JoinedHealth) {
    let proxy = ProxyId::generate();
    (proxy, board.joined(proxy, BootId::generate()))
}

fn limited() -> OutcomeCounts {
    OutcomeCounts { rate_limited: 1, ..OutcomeCounts::default() }
}

fn told(joined: &mut JoinedHealth) -> Vec<Verdict> {
    std::iter::from_fn(|| joined.hints.try_recv().ok()).map(|hint| hint.verdict).collect()
}

#[test]
fn the_worst_proxy_counts_until_it_falls_silent() {
    let it = fixture();
    let ((one, _), (other, _)) = (join(&it.board), join(&it.board));
    it.board.reported(one, vec![it.report(KeyState::Ejected, OutcomeCounts::default())]);
    it.board.reported(other, vec![it.report(KeyState::Healthy, OutcomeCounts::default())]);
    assert_eq!(it.state(), Some(KeyState::Ejected));
    assert_eq!(it.board.views()[&it.key].proxies.len(), 2);
    it.advance(14);
    assert_eq!(it.state(), Some(KeyState::Ejected), "it may only be late");
    it.advance(1);
    assert_eq!(it.state(), Some(KeyState::Healthy), "the proxy is gone");
    it.advance(300);
    assert_eq!(it.state(), None, "nothing is known any more");
}

#[test]
fn a_proxy_that_started_anew_knows_nothing() {
    let it = fixture();
    let (proxy, _) = join(&it.board);
    it.board.reported(proxy, vec![it.report(KeyState::Ejected, OutcomeCounts::default())]);
    it.board.joined(proxy, BootId::generate());
    assert_eq!(it.state(), None);
}

#[test]
fn a_wait_is_passed_on_with_its_proof_and_is_not_sent_back() {
    let it = fixture();
    let ((one, _), (other, mut joined)) = (join(&it.board), join(&it.board));
    it.board.reported(one, vec![it.report(KeyState::Cooling, limited())]);
    assert_eq!(told(&mut joined), [Verdict::CoolingUntil]);
    // The other one waits because it was told to, and the first one goes on waiting.
    it.board.reported(other, vec![it.report(KeyState::Cooling, OutcomeCounts::default())]);
    it.board.reported(one, vec![it.report(KeyState::Cooling, OutcomeCounts::default())]);
    assert_eq!(told(&mut joined), []);
    it.board.reported(one, vec![it.report(KeyState::Cooling, limited())]);
    assert_eq!(told(&mut joined), [], "the same wait again");
    it.advance(10);
    it.board.reported(other, vec![it.report(KeyState::Cooling, limited())]);
    assert_eq!(told(&mut joined), [Verdict::CoolingUntil], "a longer one");
}

#[test]
fn a_rest_after_an_overload_is_nobody_elses() {
    let it = fixture();
    let ((one, _), (_, mut joined)) = (join(&it.board), join(&it.board));
    let overloaded = OutcomeCounts { overloaded: 1, ..OutcomeCounts::default() };
    it.board.reported(one, vec![it.report(KeyState::Cooling, overloaded)]);
    assert_eq!(told(&mut joined), []);
    assert_eq!(it.state(), Some(KeyState::Cooling));
}

#[test]
fn a_refusal_is_passed_on_once_and_again_after_a_recovery() {
    let it = fixture();
    let ((one, _), (_, mut joined)) = (join(&it.board), join(&it.board));
    let refused = || it.report(KeyState::Refused, OutcomeCounts { refused: 1, ..OutcomeCounts::default() });
    it.board.reported(one, vec![refused()]);
    it.board.reported(one, vec![refused()]);
    assert_eq!(told(&mut joined), [Verdict::Refused]);
    it.advance(1);
    it.board.tell(recovered(&it));
    it.advance(1);
    it.board.reported(one, vec![refused()]);
    assert_eq!(told(&mut joined), [Verdict::Recovered, Verdict::Refused]);
}

fn recovered(it: &Fixture) -> Hint {
    let now = it.clock.now();
    Hint {
        upstream_key_id: it.key,
        model: None,
        verdict: Verdict::Recovered,
        until: None,
        reason: String::new(),
        origin: None,
        made_at: now,
        expires_at: now + 60 * SECOND,
    }
}

#[test]
fn an_ejection_is_each_proxys_own_and_has_the_key_probed() {
    let it = fixture();
    let ((one, _), (_, mut joined)) = (join(&it.board), join(&it.board));
    let failed = OutcomeCounts { connect_failed: 5, ..OutcomeCounts::default() };
    it.board.reported(one, vec![it.report(KeyState::Ejected, failed)]);
    assert_eq!(told(&mut joined), []);
    assert_eq!(it.board.take_expected(), [(it.key, Expected::Recovery)]);
    it.board.reported(one, vec![it.report(KeyState::HalfOpen, OutcomeCounts::default())]);
    assert_eq!(it.board.take_expected(), [], "the same trouble");
    it.board.reported(one, vec![it.report(KeyState::Healthy, OutcomeCounts::default())]);
    it.board.reported(one, vec![it.report(KeyState::Refused, OutcomeCounts::default())]);
    assert_eq!(it.board.take_expected(), [(it.key, Expected::Acceptance)]);
}

#[test]
fn who_comes_later_is_told_what_still_counts() {
    let it = fixture();
    let (one, _) = join(&it.board);
    it.board.reported(one, vec![it.report(KeyState::Cooling, limited())]);
    assert_eq!(join(&it.board).1.live.len(), 1);
    it.advance(1);
    it.board.tell(recovered(&it));
    assert_eq!(join(&it.board).1.live.len(), 1, "a rate limit outlasts a recovery, which is of no use to a newcomer");
    it.advance(29);
    assert_eq!(join(&it.board).1.live.len(), 0);
}

#[test]
fn hints_of_other_replicas_are_passed_on_once_and_not_after_a_recovery() {
    let it = fixture();
    let (_, mut joined) = join(&it.board);
    let refused = Hint { verdict: Verdict::Refused, model: Some("gpt-4o".to_owned()), ..recovered(&it) };
    it.board.learn(vec![refused.clone()]);
    it.board.learn(vec![refused.clone()]);
    assert_eq!(told(&mut joined), [Verdict::Refused]);
    it.advance(1);
    it.board.tell(recovered(&it));
    it.board.learn(vec![refused]);
    assert_eq!(told(&mut joined), [Verdict::Recovered]);
    assert_eq!(it.board.hints_to_write().len(), 1, "what was learnt is written already");
}

#[test]
fn states_are_written_when_they_change_and_as_a_sign_of_life() {
    let it = fixture();
    let (proxy, _) = join(&it.board);
    let busy = || OutcomeCounts { ok: 1, ..OutcomeCounts::default() };
    it.board.reported(proxy, vec![it.report(KeyState::Healthy, busy())]);
    assert_eq!(it.board.to_write().len(), 1);
    it.advance(1);
    it.board.reported(proxy, vec![it.report(KeyState::Healthy, busy())]);
    assert_eq!(it.board.to_write().len(), 0, "only figures changed");
    it.board.reported(proxy, vec![it.report(KeyState::Ejected, busy())]);
    assert_eq!(it.board.to_write().len(), 1);
    it.advance(5);
    let written = it.board.to_write();
    assert_eq!(written[0].1.models[0].outcomes.ok, 3);
    it.advance(301);
    assert_eq!(it.board.to_write(), [(it.key, ReplicaView::default())], "it is over");
    assert_eq!(it.board.to_write(), []);
    it.board.not_written(Vec::new());
    assert_eq!(it.board.to_write(), []);
}

#[test]
fn outcomes_of_the_last_five_minutes_are_counted() {
    let it = fixture();
    let (proxy, _) = join(&it.board);
    let busy = || OutcomeCounts { ok: 2, ..OutcomeCounts::default() };
    for _ in 0..10 {
        it.board.reported(proxy, vec![it.report(KeyState::Healthy, busy())]);
        it.advance(60);
    }
    it.board.reported(proxy, vec![it.report(KeyState::Healthy, busy())]);
    assert_eq!(it.board.views()[&it.key].models[0].outcomes.ok, 10);
}
