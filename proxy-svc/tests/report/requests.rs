//! Requests as the gateway would report them.

use std::time::Duration;

use proxy_svc::report::{Attempt, AttemptOutcome, Event, Intent, Outcome, Protocol, Tokens, UsageSource};
use tollgate_shared::ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId};

/// Everything about one request that does not change on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) service: ServiceId,
    pub(crate) access_key: AccessKeyId,
    pub(crate) user: UserId,
    pub(crate) provider: ProviderId,
    pub(crate) upstream_key: UpstreamKeyId,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self {
            service: ServiceId::generate(),
            access_key: AccessKeyId::generate(),
            user: UserId::generate(),
            provider: ProviderId::generate(),
            upstream_key: UpstreamKeyId::generate(),
        }
    }

    pub(crate) fn intent(&self, request_id: RequestId) -> Intent<'static> {
        Intent {
            request_id,
            started_at: 1_700_000_000_000_000,
            service_id: self.service,
            access_key_id: self.access_key,
            user_id: self.user,
            protocol: Protocol::OpenAi,
            stream: true,
            model_requested: "gpt-5-mini",
            path: "/v1/chat/completions",
            estimated_input: 7,
            estimated_cost: None,
            reserved: None,
        }
    }

    pub(crate) fn event(&self, request_id: RequestId, output: u64) -> Event {
        let attempt = Attempt {
            provider_id: self.provider,
            upstream_key_id: self.upstream_key,
            model: "gpt-5-mini-2025-08-07".into(),
            started_at: 1_700_000_000_000_100,
            duration: Duration::from_millis(431),
            status: Some(200),
            outcome: AttemptOutcome::Ok,
            reason: "first".into(),
            detail: "".into(),
        };
        Event {
            request_id,
            started_at: 1_700_000_000_000_000,
            duration: Duration::from_micros(432_100),
            ttft: Some(Duration::from_millis(120)),
            status: Some(200),
            outcome: Outcome::Ok,
            protocol: Protocol::OpenAi,
            stream: true,
            service_id: Some(self.service),
            access_key_id: Some(self.access_key),
            user_id: Some(self.user),
            model_requested: Some("gpt-5-mini".into()),
            model_served: Some("gpt-5-mini-2025-08-07".into()),
            provider_id: Some(self.provider),
            upstream_key_id: Some(self.upstream_key),
            attempts: vec![attempt],
            cost: None,
            usage: Some(Tokens {
                input_uncached: 321,
                output,
                source: UsageSource::Provider,
                raw: Some(format!("{{\"prompt_tokens\":321,\"completion_tokens\":{output}}}").into()),
                ..Tokens::default()
            }),
            path: "/v1/chat/completions".into(),
            error_code: None,
            cache: None,
            reserved: None,
        }
    }
}
