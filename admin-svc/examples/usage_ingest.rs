//! How many usage events a second the database takes, roll-ups included: `usage_ingest <database url> [events] [keys]`.
//!
//! Events are spread over `keys` access keys (20 when absent) and committed as the ingest writer does, 8,000 at a time.
//! Meaningful in a release build only.

use std::time::Instant;

use admin_svc::{
    app::{App, AppOptions},
    crypto::envelope::MasterKey,
    domain::usage::{Attempt, AttemptOutcome, EventDetail, Outcome, Protocol, Tokens, UsageEvent, UsageSource},
};
use anyhow::Context;
use tollgate_shared::{
    address::AddressPolicy,
    clock::Clock,
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
    secret::Secret,
};

const EVENTS_PER_COMMIT: usize = 8_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let database_url = arguments.next().context("usage: usage_ingest <database url> [events] [keys]")?;
    let count: usize = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let keys: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let app = App::open(AppOptions {
        database_url,
        master_key: MasterKey::from_bytes([7; 32]),
        setup_token: Secret::new("not used".to_owned()),
        address_policy: AddressPolicy::default(),
        clock: Clock::system(),
        registration_open: false,
        secure_cookies: false,
        currency: tollgate_shared::money::Currency::USD,
    })
    .await?;
    let callers: Vec<Caller> = (0..keys.max(1)).map(|_| Caller::generate()).collect();
    let mut written = 0;
    let mut writing = std::time::Duration::ZERO;
    while written < count {
        let events: Vec<UsageEvent> = (0..EVENTS_PER_COMMIT.min(count - written))
            .map(|index| callers[(written + index) % callers.len()].event(app.clock().now()))
            .collect();
        let started = Instant::now();
        app.record_usage(&events, &[]).await?;
        writing += started.elapsed();
        written += events.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = written as f64 / writing.as_secs_f64();
    eprintln!("{written} events in {:.2} s: {rate:.0} a second", writing.as_secs_f64());
    Ok(())
}

struct Caller {
    service: ServiceId,
    key: AccessKeyId,
    user: UserId,
    provider: ProviderId,
    upstream_key: UpstreamKeyId,
}

impl Caller {
    fn generate() -> Self {
        Self {
            service: ServiceId::generate(),
            key: AccessKeyId::generate(),
            user: UserId::generate(),
            provider: ProviderId::generate(),
            upstream_key: UpstreamKeyId::generate(),
        }
    }

    fn event(&self, now: i64) -> UsageEvent {
        let (provider_id, upstream_key_id) = (Some(self.provider), Some(self.upstream_key));
        UsageEvent {
            request_id: RequestId::generate(),
            started_at: now,
            duration_us: 1_234_567,
            ttft_us: Some(234_567),
            status: 200,
            outcome: Outcome::Ok,
            protocol: Protocol::OpenAi,
            stream: true,
            service_id: Some(self.service),
            access_key_id: Some(self.key),
            user_id: Some(self.user),
            model_requested: "gpt-4o".to_owned(),
            model_served: "gpt-4o-2024-11-20".to_owned(),
            provider_id,
            upstream_key_id,
            tokens: Tokens { input_uncached: 1_200, cache_read: 800, output: 350, ..Tokens::default() },
            source: Some(UsageSource::Provider),
            error_code: String::new(),
            cost: None,
            reported_by: None,
            reserved: None,
            detail: EventDetail {
                path: "/v1/chat/completions".to_owned(),
                attempts: vec![Attempt {
                    provider_id,
                    upstream_key_id,
                    model: "gpt-4o-2024-11-20".to_owned(),
                    started_at: now,
                    duration_us: 1_230_000,
                    status: 200,
                    outcome: AttemptOutcome::Ok,
                    reason: "first".to_owned(),
                    detail: String::new(),
                }],
                raw: "{\"prompt_tokens\":2000,\"completion_tokens\":350,\"total_tokens\":2350}".to_owned(),
                ..EventDetail::default()
            },
        }
    }
}
