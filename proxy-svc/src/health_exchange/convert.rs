//! Reports on their way out, hints on their way in; the only file of the exchange that looks into protocol buffers.

use std::time::Duration;

use tollgate_proto as proto;
use tollgate_shared::ids::{BootId, ProxyId};

use super::{KeyHint, KeyModelReport, KeyState, OutcomeCounts, Verdict};

/// The most states of a message, by the protocol.
const STATES_PER_MESSAGE: usize = 4_096;

pub(super) fn hello(proxy_id: ProxyId, boot_id: BootId) -> proto::HealthReport {
    let hello = proto::HealthHello { proxy_id: proxy_id.to_string(), boot_id: boot_id.to_string() };
    proto::HealthReport { message: Some(proto::health_report::Message::Hello(hello)) }
}

/// As many messages as it takes; none when there is nothing to say.
pub(super) fn reports(mut reports: Vec<KeyModelReport>) -> Vec<proto::HealthReport> {
    let mut messages = Vec::new();
    while !reports.is_empty() {
        let rest = reports.split_off(reports.len().min(STATES_PER_MESSAGE));
        let states = proto::KeyStates { states: reports.into_iter().map(state).collect() };
        messages.push(proto::HealthReport { message: Some(proto::health_report::Message::States(states)) });
        reports = rest;
    }
    messages
}

fn state(report: KeyModelReport) -> proto::KeyModelState {
    let KeyModelReport { upstream_key_id, model, state, reason, until, outcomes, ttft, in_flight } = report;
    let state = match state {
        KeyState::Healthy => proto::KeyState::Healthy,
        KeyState::Cooling => proto::KeyState::Cooling,
        KeyState::Ejected => proto::KeyState::Ejected,
        KeyState::HalfOpen => proto::KeyState::HalfOpen,
        KeyState::Refused => proto::KeyState::Refused,
        KeyState::Spent => proto::KeyState::Spent,
    };
    proto::KeyModelState {
        upstream_key_id: upstream_key_id.to_string(),
        model: model.map(Into::into),
        state: state.into(),
        reason: reason.into(),
        until_unix_us: until,
        outcomes: (outcomes != OutcomeCounts::default()).then(|| outcome_counts(outcomes)),
        ttft_us: ttft.map(|ttft| u64::try_from(ttft.as_micros()).unwrap_or(u64::MAX)),
        in_flight,
    }
}

fn outcome_counts(counts: OutcomeCounts) -> proto::OutcomeCounts {
    let OutcomeCounts {
        ok,
        rate_limited,
        overloaded,
        server_error,
        refused,
        timed_out,
        connect_failed,
        connection_lost,
        spent,
    } = counts;
    proto::OutcomeCounts {
        ok,
        rate_limited,
        overloaded,
        server_error,
        refused,
        timed_out,
        connect_failed,
        connection_lost,
        spent,
    }
}

/// Nothing when it cannot be understood, as of a control plane that is newer: nothing depends on a hint.
pub(super) fn hint(hint: proto::HealthHint) -> Option<KeyHint> {
    let proto::HealthHint { upstream_key_id, model, verdict, until_unix_us, ttl_ms, reason } = hint;
    let verdict = match proto::HealthVerdict::try_from(verdict).ok()? {
        proto::HealthVerdict::Unspecified => return None,
        proto::HealthVerdict::Recovered => Verdict::Recovered,
        proto::HealthVerdict::Refused => Verdict::Refused,
        proto::HealthVerdict::Unreachable => Verdict::Unreachable,
        proto::HealthVerdict::CoolingUntil => Verdict::CoolingUntil(until_unix_us?),
    };
    Some(KeyHint {
        upstream_key_id: upstream_key_id.parse().ok()?,
        model: model.map(Into::into),
        verdict,
        until: until_unix_us,
        ttl: Duration::from_millis(ttl_ms.into()),
        reason: reason.into(),
    })
}

#[cfg(test)]
mod tests {
    use tollgate_shared::ids::UpstreamKeyId;

    use super::*;

    fn report() -> KeyModelReport {
        KeyModelReport {
            upstream_key_id: UpstreamKeyId::generate(),
            model: Some("gpt-4o".into()),
            state: KeyState::Cooling,
            reason: "rate limited".into(),
            until: Some(7),
            outcomes: OutcomeCounts::default(),
            ttft: Some(Duration::from_millis(3)),
            in_flight: 2,
        }
    }

    fn states(message: &proto::HealthReport) -> &[proto::KeyModelState] {
        match message.message.as_ref().unwrap() {
            proto::health_report::Message::States(states) => &states.states,
            other @ proto::health_report::Message::Hello(_) => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_to_say_is_not_said_and_much_is_said_in_pieces() {
        assert!(reports(Vec::new()).is_empty());
        let sizes: Vec<usize> = reports(vec![report(); 5_000]).iter().map(|message| states(message).len()).collect();
        assert_eq!(sizes, [4_096, 904]);
    }

    #[test]
    fn a_report_says_everything_that_is_known() {
        let messages = reports(vec![report()]);
        let said = &states(&messages[0])[0];
        assert_eq!((said.model.as_deref(), said.reason.as_str()), (Some("gpt-4o"), "rate limited"));
        assert_eq!(said.state, i32::from(proto::KeyState::Cooling));
        assert_eq!(
            (said.until_unix_us, said.ttft_us, said.in_flight, &said.outcomes),
            (Some(7), Some(3_000), 2, &None)
        );
    }

    #[test]
    fn a_hint_that_cannot_be_understood_is_left_out() {
        let good = proto::HealthHint {
            upstream_key_id: UpstreamKeyId::generate().to_string(),
            model: None,
            verdict: proto::HealthVerdict::CoolingUntil.into(),
            until_unix_us: Some(9),
            ttl_ms: 1_500,
            reason: String::new(),
        };
        let understood = hint(good.clone()).unwrap();
        assert_eq!((understood.verdict, understood.ttl), (Verdict::CoolingUntil(9), Duration::from_millis(1_500)));
        for bad in [
            proto::HealthHint { until_unix_us: None, ..good.clone() },
            proto::HealthHint { verdict: 99, ..good.clone() },
            proto::HealthHint { verdict: 0, ..good.clone() },
            proto::HealthHint { upstream_key_id: "x".to_owned(), ..good },
        ] {
            assert_eq!(hint(bad), None);
        }
    }
}
