//! Requests and events of every shape, for tests.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};
use tollgate_shared::{
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
    money::{Cost, Currency, Money},
};
use uuid::Uuid;

use super::{
    event::{Attempt, AttemptOutcome, CacheUse, Event, Intent, Outcome, Protocol, Reserved, Tokens, UsageSource},
    record::{Final, Malformed},
};

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn micros() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_micros)
}

/// Short enough never to be cut.
fn text() -> impl Strategy<Value = Box<str>> {
    ".{0,40}".prop_map(Into::into)
}

pub(super) fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::OpenAi), Just(Protocol::Anthropic), Just(Protocol::Gemini)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::ClientError),
        Just(Outcome::Refused),
        Just(Outcome::UpstreamError),
        Just(Outcome::ClientClosed),
        Just(Outcome::Interrupted),
    ]
}

fn attempt_outcome() -> impl Strategy<Value = AttemptOutcome> {
    prop_oneof![
        Just(AttemptOutcome::Ok),
        Just(AttemptOutcome::RateLimited),
        Just(AttemptOutcome::Overloaded),
        Just(AttemptOutcome::ServerError),
        Just(AttemptOutcome::CredentialsRefused),
        Just(AttemptOutcome::ClientError),
        Just(AttemptOutcome::ConnectFailed),
        Just(AttemptOutcome::TimedOut),
        Just(AttemptOutcome::ConnectionLost),
        Just(AttemptOutcome::ClientClosed),
    ]
}

fn cache_use() -> impl Strategy<Value = CacheUse> {
    prop_oneof![Just(CacheUse::Miss), Just(CacheUse::Hit), Just(CacheUse::Bypass)]
}

pub(super) fn reserved() -> impl Strategy<Value = Option<Reserved>> {
    option::of(any::<[bool; 3]>().prop_map(|[service, user, access_key]| Reserved { service, user, access_key }))
}

pub(crate) fn tokens() -> impl Strategy<Value = Tokens> {
    let source = prop_oneof![Just(UsageSource::Provider), Just(UsageSource::Partial), Just(UsageSource::Estimated)];
    let rare = prop_oneof![Just([0; 3]), any::<[u64; 3]>()];
    (any::<[u64; 6]>(), rare, source, option::of(text())).prop_map(|(figures, rare, source, raw)| {
        let [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = figures;
        let [input_audio, output_audio, input_image] = rare;
        Tokens {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            input_image,
            source,
            raw,
        }
    })
}

pub(super) fn cost() -> impl Strategy<Value = Cost> {
    (any::<i64>(), "[A-Z]{3}")
        .prop_map(|(micros, currency)| Cost { amount: Money::from_micros(micros), currency: currency.parse().unwrap() })
}

pub(super) fn attempt() -> impl Strategy<Value = Attempt> {
    (uuid(), uuid(), text(), any::<i64>(), micros(), option::of(any::<u16>()), attempt_outcome(), (text(), text()))
        .prop_map(|(provider, key, model, started_at, duration, status, outcome, (reason, detail))| Attempt {
            provider_id: ProviderId::from_uuid(provider),
            upstream_key_id: UpstreamKeyId::from_uuid(key),
            model,
            started_at,
            duration,
            status,
            outcome,
            reason: reason.into_string().into(),
            detail: detail.into_string().into(),
        })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let request =
        (uuid(), any::<i64>(), micros(), option::of(micros()), option::of(any::<u16>()), outcome(), protocol());
    let caller = (any::<bool>(), option::of(uuid()), option::of(uuid()), option::of(uuid()), option::of(text()));
    let served = (option::of(text()), option::of(uuid()), option::of(uuid()), vec(attempt(), 0..4));
    let money = (option::of(tokens()), option::of(cost()), reserved());
    let rest = (money, text(), option::of(text()), option::of(cache_use()));
    (request, caller, served, rest).prop_map(|(request, caller, served, rest)| {
        let (id, started_at, duration, ttft, status, outcome, protocol) = request;
        let (stream, service, access_key, user, model_requested) = caller;
        let (model_served, provider, upstream_key, attempts) = served;
        let ((usage, cost, reserved), path, code, cache) = rest;
        Event {
            request_id: RequestId::from_uuid(id),
            started_at,
            duration,
            ttft,
            status,
            outcome,
            protocol,
            stream,
            service_id: service.map(ServiceId::from_uuid),
            access_key_id: access_key.map(AccessKeyId::from_uuid),
            user_id: user.map(UserId::from_uuid),
            model_requested,
            model_served,
            provider_id: provider.map(ProviderId::from_uuid),
            upstream_key_id: upstream_key.map(UpstreamKeyId::from_uuid),
            attempts,
            usage,
            cost,
            path,
            error_code: code.map(|code| code.into_string().into()),
            cache,
            reserved,
        }
    })
}

/// The longest event that a caller and a provider could bring about.
pub(super) fn enormous_event() -> Event {
    let long = || "é".repeat(40_000).into_boxed_str();
    let attempt = Attempt {
        provider_id: ProviderId::generate(),
        upstream_key_id: UpstreamKeyId::generate(),
        model: long(),
        started_at: i64::MAX,
        duration: Duration::from_micros(u64::MAX),
        status: Some(u16::MAX),
        outcome: AttemptOutcome::ClientClosed,
        reason: long().into_string().into(),
        detail: long().into_string().into(),
    };
    let most = Tokens {
        input_uncached: u64::MAX,
        cache_read: u64::MAX,
        cache_write_5m: u64::MAX,
        cache_write_1h: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        input_audio: u64::MAX,
        output_audio: u64::MAX,
        input_image: u64::MAX,
        source: UsageSource::Estimated,
        raw: Some("9".repeat(8 << 10).into()),
    };
    Event {
        started_at: i64::MIN,
        duration: Duration::MAX,
        ttft: Some(Duration::MAX),
        status: Some(u16::MAX),
        model_requested: Some(long()),
        model_served: Some(long()),
        provider_id: Some(ProviderId::generate()),
        upstream_key_id: Some(UpstreamKeyId::generate()),
        attempts: vec![attempt; 100],
        usage: Some(most),
        cost: Some(Cost { amount: Money::from_micros(i64::MIN), currency: Currency::USD }),
        path: long(),
        error_code: Some(long().into_string().into()),
        cache: Some(CacheUse::Bypass),
        reserved: Some(Reserved { service: true, user: true, access_key: true }),
        ..final_of(RequestId::generate(), 0)
    }
}

pub(super) fn intent_of(request_id: RequestId) -> Intent<'static> {
    Intent {
        request_id,
        started_at: 1_700_000_000_000_000,
        service_id: ServiceId::from_uuid(Uuid::from_u128(1)),
        access_key_id: AccessKeyId::from_uuid(Uuid::from_u128(2)),
        user_id: UserId::from_uuid(Uuid::from_u128(3)),
        protocol: Protocol::Anthropic,
        stream: true,
        model_requested: "claude-sonnet-4-5",
        path: "/v1/messages",
        estimated_input: 77,
        estimated_cost: None,
        reserved: Some(Reserved::default()),
    }
}

/// An event that `output` tells from others of the same request.
pub(super) fn final_of(request_id: RequestId, output: u64) -> Event {
    let intent = intent_of(request_id);
    Event {
        request_id,
        started_at: intent.started_at,
        duration: Duration::from_micros(1234),
        ttft: None,
        status: Some(200),
        outcome: Outcome::Ok,
        protocol: intent.protocol,
        stream: intent.stream,
        service_id: Some(intent.service_id),
        access_key_id: Some(intent.access_key_id),
        user_id: Some(intent.user_id),
        model_requested: Some(intent.model_requested.into()),
        model_served: None,
        provider_id: None,
        upstream_key_id: None,
        attempts: Vec::new(),
        usage: Some(Tokens { output, source: UsageSource::Provider, ..Tokens::default() }),
        cost: None,
        path: intent.path.into(),
        error_code: None,
        cache: None,
        reserved: intent.reserved,
    }
}

impl Final<'_> {
    pub(super) fn into_event(self) -> Result<Event, Malformed> {
        let Final {
            request_id,
            started_at,
            duration,
            ttft,
            status,
            outcome,
            protocol,
            stream,
            service_id,
            access_key_id,
            user_id,
            model_requested,
            model_served,
            provider_id,
            upstream_key_id,
            usage,
            cost,
            path,
            error_code,
            cache,
            reserved,
            attempts,
        } = self;
        Ok(Event {
            request_id,
            started_at,
            duration,
            ttft,
            status,
            outcome,
            protocol,
            stream,
            service_id,
            access_key_id,
            user_id,
            model_requested: model_requested.map(Into::into),
            model_served: model_served.map(Into::into),
            provider_id,
            upstream_key_id,
            attempts: attempts.map(|attempt| attempt.map(Into::into)).collect::<Result<_, _>>()?,
            usage: usage.map(Into::into),
            cost,
            path: path.into(),
            error_code: error_code.map(|code| code.to_owned().into()),
            cache,
            reserved,
        })
    }
}
