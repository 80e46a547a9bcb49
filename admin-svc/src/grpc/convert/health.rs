//! Reports of keys' health on their way in, hints on their way out.

use tollgate_proto as proto;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{BootId, ProxyId},
};
use tonic::Status;

use super::{LONGEST_TEXT, text};
use crate::domain::key_health::{Hint, KeyModelReport, KeyState, OutcomeCounts, Verdict};

const LONGEST_MODEL: usize = 256;
/// Far above what happens between two reports; above it a counter was broken.
const MOST_OUTCOMES: u64 = 1_000_000_000;

pub(in crate::grpc) fn health_hello(hello: &proto::HealthHello) -> Result<(ProxyId, BootId), Status> {
    let proto::HealthHello { proxy_id, boot_id } = hello;
    let proxy = proxy_id.parse().map_err(|_| Status::invalid_argument("hello.proxy_id is not a UUID"))?;
    let boot = boot_id.parse().map_err(|_| Status::invalid_argument("hello.boot_id is not a UUID"))?;
    Ok((proxy, boot))
}

/// Nothing when it cannot be understood, as of a proxy that is newer: nothing depends on a report.
pub(in crate::grpc) fn key_model_report(report: proto::KeyModelState) -> Option<KeyModelReport> {
    let proto::KeyModelState { upstream_key_id, model, state, reason, until_unix_us, outcomes, ttft_us, in_flight } =
        report;
    let state = match proto::KeyState::try_from(state).ok()? {
        proto::KeyState::Unspecified => return None,
        proto::KeyState::Healthy => KeyState::Healthy,
        proto::KeyState::Cooling => KeyState::Cooling,
        proto::KeyState::Ejected => KeyState::Ejected,
        proto::KeyState::HalfOpen => KeyState::HalfOpen,
        proto::KeyState::Refused => KeyState::Refused,
        proto::KeyState::Spent => KeyState::Spent,
    };
    if model.as_ref().is_some_and(|model| model.is_empty() || model.len() > LONGEST_MODEL) {
        return None;
    }
    Some(KeyModelReport {
        upstream_key_id: upstream_key_id.parse().ok()?,
        model: model.map(|model| text(&model, LONGEST_MODEL)),
        state,
        reason: text(&reason, LONGEST_TEXT),
        until: until_unix_us.filter(|until| *until >= 0),
        outcomes: outcomes.map(outcome_counts).unwrap_or_default(),
        ttft_us: ttft_us.filter(|ttft| i64::try_from(*ttft).is_ok()),
        in_flight,
    })
}

fn outcome_counts(counts: proto::OutcomeCounts) -> OutcomeCounts {
    let proto::OutcomeCounts {
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
    OutcomeCounts {
        ok: ok.min(MOST_OUTCOMES),
        rate_limited: rate_limited.min(MOST_OUTCOMES),
        overloaded: overloaded.min(MOST_OUTCOMES),
        server_error: server_error.min(MOST_OUTCOMES),
        refused: refused.min(MOST_OUTCOMES),
        timed_out: timed_out.min(MOST_OUTCOMES),
        connect_failed: connect_failed.min(MOST_OUTCOMES),
        connection_lost: connection_lost.min(MOST_OUTCOMES),
        spent: spent.min(MOST_OUTCOMES),
    }
}

/// Nothing when it does not count any more.
pub(in crate::grpc) fn health_hint(hint: &Hint, now: UnixMicros) -> Option<proto::HealthHint> {
    let Hint { upstream_key_id, model, verdict, until, reason, origin: _, made_at: _, expires_at } = hint;
    let left_ms = expires_at.saturating_sub(now) / 1_000;
    let verdict = match verdict {
        Verdict::Recovered => proto::HealthVerdict::Recovered,
        Verdict::Refused => proto::HealthVerdict::Refused,
        Verdict::Unreachable => proto::HealthVerdict::Unreachable,
        Verdict::CoolingUntil => proto::HealthVerdict::CoolingUntil,
    };
    (left_ms > 0).then(|| proto::HealthHint {
        upstream_key_id: upstream_key_id.to_string(),
        model: model.clone(),
        verdict: verdict.into(),
        until_unix_us: *until,
        ttl_ms: u32::try_from(left_ms).unwrap_or(u32::MAX),
        reason: reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use tollgate_shared::ids::UpstreamKeyId;

    use super::*;

    fn state() -> proto::KeyModelState {
        proto::KeyModelState {
            upstream_key_id: UpstreamKeyId::generate().to_string(),
            model: Some("gpt-4o".to_owned()),
            state: proto::KeyState::Cooling.into(),
            reason: "rate\0limited".to_owned(),
            until_unix_us: Some(7),
            outcomes: Some(proto::OutcomeCounts { rate_limited: u64::MAX, ..Default::default() }),
            ttft_us: Some(u64::MAX),
            in_flight: 3,
        }
    }

    #[test]
    fn a_report_is_bounded_and_stripped_of_what_the_database_refuses() {
        let report = key_model_report(state()).unwrap();
        assert_eq!((report.state, report.until, report.in_flight), (KeyState::Cooling, Some(7), 3));
        assert_eq!((report.outcomes.rate_limited, report.ttft_us), (MOST_OUTCOMES, None));
        assert_eq!(report.reason, "rate\u{fffd}limited");
    }

    #[test]
    fn what_cannot_be_understood_is_left_out() {
        for change in [
            (|it: &mut proto::KeyModelState| it.state = 99) as fn(&mut proto::KeyModelState),
            |it| it.state = 0,
            |it| it.upstream_key_id = "x".to_owned(),
            |it| it.model = Some(String::new()),
            |it| it.model = Some("m".repeat(LONGEST_MODEL + 1)),
        ] {
            let mut report = state();
            change(&mut report);
            assert_eq!(key_model_report(report), None);
        }
    }

    #[test]
    fn a_hint_says_how_long_it_still_counts() {
        let hint = Hint {
            upstream_key_id: UpstreamKeyId::generate(),
            model: None,
            verdict: Verdict::Recovered,
            until: None,
            reason: String::new(),
            origin: None,
            made_at: 0,
            expires_at: 9_000_000,
        };
        assert_eq!(health_hint(&hint, 4_000_000).unwrap().ttl_ms, 5_000);
        assert_eq!(health_hint(&hint, 9_000_000), None);
    }
}
