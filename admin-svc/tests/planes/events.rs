//! Usage events as a proxy reports them.

use std::time::{SystemTime, UNIX_EPOCH};

use tollgate_proto::{Attempt, AttemptOutcome, Outcome, Protocol, Usage, UsageEvent, UsageSource};
use uuid::Uuid;

pub(crate) fn now_us() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// A request that went well, with 30 tokens in and 12 out.
pub(crate) fn event(service_id: &str) -> UsageEvent {
    let (provider_id, upstream_key_id) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string());
    UsageEvent {
        request_id: Uuid::now_v7().to_string(),
        started_at_unix_us: now_us(),
        duration_us: 1_250_500,
        ttft_us: Some(180_250),
        status: 200,
        outcome: Outcome::Ok.into(),
        protocol: Protocol::Openai.into(),
        stream: true,
        service_id: service_id.to_owned(),
        access_key_id: Uuid::from_u128(3).to_string(),
        user_id: Uuid::from_u128(4).to_string(),
        model_requested: "gpt-4o".to_owned(),
        model_served: "gpt-4o-2024-11-20".to_owned(),
        provider_id: provider_id.clone(),
        upstream_key_id: upstream_key_id.clone(),
        attempts: vec![Attempt {
            provider_id,
            upstream_key_id,
            model: "gpt-4o-2024-11-20".to_owned(),
            started_at_unix_us: now_us(),
            duration_us: 1_200_000,
            status: 200,
            outcome: AttemptOutcome::Ok.into(),
            reason: "first".to_owned(),
            detail: "rate limited".to_owned(),
        }],
        usage: Some(Usage {
            input_uncached: 20,
            cache_read: 10,
            output: 12,
            reasoning: 5,
            source: UsageSource::Provider.into(),
            raw: "{\"prompt_tokens\":30}".to_owned(),
            ..Usage::default()
        }),
        path: "/v1/chat/completions".to_owned(),
        error_code: String::new(),
        cost: None,
        cache: 0,
        reserved: None,
    }
}
