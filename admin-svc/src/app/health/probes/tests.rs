use tollgate_shared::ids::ProxyId;

use super::*;
use crate::domain::key_health::{ModelHealth, OutcomeCounts, ProxyView, ReplicaView};

const SECOND: i64 = 1_000_000;
const NOW: UnixMicros = 10_000 * SECOND;

fn due(last: Option<(ProbeOutcome, UnixMicros)>) -> DueProbe {
    DueProbe {
        upstream_key_id: UpstreamKeyId::generate(),
        provider_id: ProviderId::generate(),
        due_at: Some(NOW),
        last,
        changed: false,
        in_trouble: false,
    }
}

fn view(state: KeyState, outcome_at: Option<UnixMicros>) -> KeyView {
    let model = ModelHealth {
        model: Some("gpt-4o".to_owned()),
        state,
        reason: String::new(),
        until: None,
        outcomes: OutcomeCounts::default(),
        ttft_us: None,
        in_flight: 0,
        outcome_at,
        ok_at: outcome_at,
    };
    let proxy = ProxyView { proxy_id: ProxyId::generate(), state, reported_at: NOW };
    [ReplicaView { models: vec![model], proxies: vec![proxy] }].into_iter().collect()
}

fn decided(due: &DueProbe, view: &KeyView) -> Next {
    next(due, view, &ProbePace::default(), NOW, 0.5)
}

#[test]
fn a_key_in_use_is_put_off_and_an_idle_one_is_probed() {
    let in_use = view(KeyState::Healthy, Some(NOW - SECOND));
    assert_eq!(decided(&due(None), &in_use), Next::PutOff(NOW + 180 * SECOND));
    assert_eq!(decided(&due(None), &view(KeyState::Healthy, Some(NOW - 68 * SECOND))), Next::Probe);
    assert_eq!(decided(&due(None), &view(KeyState::Unknown, None)), Next::Probe);
    assert_eq!(decided(&due(None), &KeyView::default()), Next::Probe);
}

#[test]
fn a_key_in_trouble_is_probed_although_it_is_in_use() {
    for state in [KeyState::Ejected, KeyState::HalfOpen] {
        assert_eq!(decided(&due(None), &view(state, Some(NOW))), Next::Probe, "{state}");
    }
}

#[test]
fn a_refused_key_is_probed_every_ten_minutes_or_when_it_was_changed() {
    let refused = view(KeyState::Refused, Some(NOW));
    let lately = due(Some((ProbeOutcome::Refused, NOW - 60 * SECOND)));
    assert_eq!(decided(&lately, &refused), Next::PutOff(NOW - 60 * SECOND + 570 * SECOND));
    assert_eq!(decided(&due(Some((ProbeOutcome::Refused, NOW - 541 * SECOND))), &refused), Next::Probe);
    assert_eq!(decided(&DueProbe { changed: true, ..lately }, &refused), Next::Probe);
}

#[test]
fn the_next_probe_comes_soon_in_trouble_late_after_a_refusal() {
    let after = |outcome, state| wait(outcome, state, &ProbePace::default(), 1.0).as_secs();
    assert_eq!(after(ProbeOutcome::Unreachable, KeyState::Unknown), 15);
    assert_eq!(after(ProbeOutcome::Ok, KeyState::Ejected), 15);
    assert_eq!(after(ProbeOutcome::Refused, KeyState::Refused), 600);
    assert_eq!(after(ProbeOutcome::Ok, KeyState::Healthy), 300);
    assert_eq!(after(ProbeOutcome::Ok, KeyState::Cooling), 300);
}

#[test]
fn a_recovery_is_told_once() {
    let in_trouble = |last| DueProbe { in_trouble: true, ..due(last) };
    assert!(is_recovery(&in_trouble(Some((ProbeOutcome::Ok, 1)))), "the first probe since trouble began");
    assert!(!is_recovery(&due(Some((ProbeOutcome::Ok, 1)))), "answered probes all along");
    assert!(!is_recovery(&due(None)));
    for outcome in [ProbeOutcome::Refused, ProbeOutcome::Unreachable] {
        assert!(is_recovery(&due(Some((outcome, 1)))), "{outcome}");
    }
}

#[test]
fn an_answer_that_says_nothing_of_the_key_is_not_held_against_it() {
    let outcome = |kind, error| classify(kind, Err(&error)).outcome;
    let (openai, compatible) = (ProviderKind::Openai, ProviderKind::OpenaiCompatible);
    assert_eq!(outcome(openai, UpstreamError::KeyRefused(401)), ProbeOutcome::Refused);
    assert_eq!(outcome(ProviderKind::Gemini, UpstreamError::KeyRefused(400)), ProbeOutcome::Refused);
    assert_eq!(outcome(compatible, UpstreamError::KeyRefused(400)), ProbeOutcome::Inconclusive);
    assert_eq!(outcome(compatible, UpstreamError::Status(404)), ProbeOutcome::Inconclusive);
    assert_eq!(outcome(openai, UpstreamError::Status(429)), ProbeOutcome::Inconclusive);
    assert_eq!(outcome(openai, UpstreamError::Status(307)), ProbeOutcome::Inconclusive);
    assert_eq!(outcome(openai, UpstreamError::Status(503)), ProbeOutcome::Unreachable);
    assert_eq!(outcome(openai, UpstreamError::Timeout), ProbeOutcome::Unreachable);
    assert_eq!(outcome(openai, UpstreamError::AddressRefused), ProbeOutcome::Inconclusive);
    assert!(!classify(openai, Err(&UpstreamError::Timeout)).reached);
    assert!(classify(openai, Err(&UpstreamError::Status(503))).reached);
}
