//! Usage on its way in. What cannot be counted is set aside with a reason; it never stops what comes with it.

use std::str::FromStr;

use prost::Message;
use tollgate_proto as proto;
use tollgate_shared::{
    bounds::{MOST_COST, MOST_TOKENS},
    clock::UnixMicros,
    ids::ProxyId,
    money::{Cost, Money},
};

use super::text;
use crate::domain::usage::{
    Attempt, AttemptOutcome, CacheUse, EventDetail, Outcome, Protocol, QuarantinedEvent, Reserved, Tokens, UsageEvent,
    UsageSource,
};

const DAY_US: i64 = 86_400 * 1_000_000;
/// Events are kept and told apart for at least this long; a proxy spools for at most 7 days.
const OLDEST_US: i64 = 30 * DAY_US;
/// How far ahead a proxy's clock may be.
const NEWEST_US: i64 = DAY_US;
/// Far above what a request can last; above it a counter was broken, and would break the sums.
const LONGEST_DURATION_US: u64 = 10 * DAY_US.unsigned_abs();
const LONGEST_NAME: usize = 256;
const LONGEST_TEXT: usize = 2_000;
const LONGEST_RAW: usize = 16 * 1024;
const MOST_ATTEMPTS: usize = 100;

/// A checked event, or the one that came with the reason why it does not count.
pub(in crate::grpc) fn usage_event(
    event: &proto::UsageEvent,
    proxy_id: ProxyId,
    now: UnixMicros,
) -> Result<UsageEvent, QuarantinedEvent> {
    checked(event, proxy_id, now).map_err(|reason| QuarantinedEvent {
        proxy_id: Some(proxy_id),
        reason,
        message: event.encode_to_vec(),
    })
}

/// The reason names the field.
type Reason = String;

fn checked(event: &proto::UsageEvent, proxy_id: ProxyId, now: UnixMicros) -> Result<UsageEvent, Reason> {
    let proto::UsageEvent {
        request_id,
        started_at_unix_us,
        duration_us,
        ttft_us,
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
        attempts,
        usage,
        path,
        error_code,
        cost,
        cache,
        reserved,
    } = event;
    let usage = usage.clone().unwrap_or_default();
    let (tokens, source) = tokens(&usage)?;
    let proto::Usage { raw, input_audio, output_audio, input_image, .. } = usage;
    Ok(UsageEvent {
        request_id: request_id.parse().map_err(|_| "request_id is not a UUID".to_owned())?,
        started_at: started_at(*started_at_unix_us, now)?,
        duration_us: duration("duration_us", *duration_us)?,
        ttft_us: ttft_us.map(|ttft_us| duration("ttft_us", ttft_us)).transpose()?,
        status: http_status("status", *status)?,
        outcome: self::outcome(*outcome)?,
        protocol: self::protocol(*protocol)?,
        stream: *stream,
        service_id: id("service_id", service_id)?,
        access_key_id: id("access_key_id", access_key_id)?,
        user_id: id("user_id", user_id)?,
        model_requested: text(model_requested, LONGEST_NAME),
        model_served: text(model_served, LONGEST_NAME),
        provider_id: id("provider_id", provider_id)?,
        upstream_key_id: id("upstream_key_id", upstream_key_id)?,
        tokens,
        source,
        cost: cost.as_ref().map(self::cost).transpose()?,
        error_code: text(error_code, LONGEST_NAME),
        detail: EventDetail {
            path: text(path, LONGEST_TEXT),
            attempts: attempts.iter().take(MOST_ATTEMPTS).map(attempt).collect::<Result<_, _>>()?,
            raw: text(&raw, LONGEST_RAW),
            input_audio: token_count("usage.input_audio", input_audio)?,
            output_audio: token_count("usage.output_audio", output_audio)?,
            input_image: token_count("usage.input_image", input_image)?,
            cache: cache_use(*cache)?,
        },
        reported_by: Some(proxy_id),
        reserved: reserved.map(|proto::Reserved { service, user, access_key }| Reserved { service, user, access_key }),
    })
}

fn cost(cost: &proto::Cost) -> Result<Cost, Reason> {
    let proto::Cost { amount_micros, currency } = cost;
    if !(0..=MOST_COST.micros()).contains(amount_micros) {
        return Err("cost.amount_micros is out of range".to_owned());
    }
    let currency = currency.parse().map_err(|error| format!("cost.currency {error}"))?;
    Ok(Cost { amount: Money::from_micros(*amount_micros), currency })
}

fn attempt(attempt: &proto::Attempt) -> Result<Attempt, Reason> {
    let proto::Attempt {
        provider_id,
        upstream_key_id,
        model,
        started_at_unix_us,
        duration_us,
        status,
        outcome,
        reason,
        detail,
    } = attempt;
    Ok(Attempt {
        provider_id: id("attempts.provider_id", provider_id)?,
        upstream_key_id: id("attempts.upstream_key_id", upstream_key_id)?,
        model: text(model, LONGEST_NAME),
        started_at: *started_at_unix_us,
        duration_us: duration("attempts.duration_us", *duration_us)?,
        status: http_status("attempts.status", *status)?,
        outcome: attempt_outcome(*outcome)?,
        reason: text(reason, LONGEST_TEXT),
        detail: text(detail, LONGEST_TEXT),
    })
}

fn tokens(usage: &proto::Usage) -> Result<(Tokens, Option<UsageSource>), Reason> {
    let tokens = Tokens {
        input_uncached: token_count("usage.input_uncached", usage.input_uncached)?,
        cache_read: token_count("usage.cache_read", usage.cache_read)?,
        cache_write_5m: token_count("usage.cache_write_5m", usage.cache_write_5m)?,
        cache_write_1h: token_count("usage.cache_write_1h", usage.cache_write_1h)?,
        output: token_count("usage.output", usage.output)?,
        reasoning: token_count("usage.reasoning", usage.reasoning)?,
    };
    let source = match proto::UsageSource::try_from(usage.source) {
        Ok(proto::UsageSource::Unspecified) => None,
        Ok(proto::UsageSource::Provider) => Some(UsageSource::Provider),
        Ok(proto::UsageSource::Partial) => Some(UsageSource::Partial),
        Ok(proto::UsageSource::Estimated) => Some(UsageSource::Estimated),
        Err(_) => return Err("usage.source is unknown".to_owned()),
    };
    Ok((tokens, source))
}

fn token_count(field: &str, count: u64) -> Result<i64, Reason> {
    bounded(field, count, MOST_TOKENS)
}

fn duration(field: &str, duration_us: u64) -> Result<i64, Reason> {
    bounded(field, duration_us, LONGEST_DURATION_US)
}

fn bounded(field: &str, value: u64, most: u64) -> Result<i64, Reason> {
    i64::try_from(value).ok().filter(|_| value <= most).ok_or_else(|| [field, " is out of range"].concat())
}

fn http_status(field: &str, status: u32) -> Result<u16, Reason> {
    u16::try_from(status).ok().filter(|status| *status < 1_000).ok_or_else(|| [field, " is out of range"].concat())
}

fn started_at(at: UnixMicros, now: UnixMicros) -> Result<UnixMicros, Reason> {
    if at < now.saturating_sub(OLDEST_US) {
        return Err("started_at_unix_us is too long ago".to_owned());
    }
    if at > now.saturating_add(NEWEST_US) {
        return Err("started_at_unix_us lies in the future".to_owned());
    }
    Ok(at)
}

/// Absent where the request did not get that far.
fn id<T: FromStr>(field: &str, text: &str) -> Result<Option<T>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| [field, " is not a UUID"].concat())
}

fn outcome(outcome: i32) -> Result<Outcome, Reason> {
    match proto::Outcome::try_from(outcome) {
        Ok(proto::Outcome::Ok) => Ok(Outcome::Ok),
        Ok(proto::Outcome::ClientError) => Ok(Outcome::ClientError),
        Ok(proto::Outcome::Refused) => Ok(Outcome::Refused),
        Ok(proto::Outcome::UpstreamError) => Ok(Outcome::UpstreamError),
        Ok(proto::Outcome::ClientClosed) => Ok(Outcome::ClientClosed),
        Ok(proto::Outcome::Interrupted) => Ok(Outcome::Interrupted),
        Ok(proto::Outcome::Unspecified) | Err(_) => Err("outcome is unknown".to_owned()),
    }
}

fn attempt_outcome(outcome: i32) -> Result<AttemptOutcome, Reason> {
    use proto::AttemptOutcome as Message;
    match Message::try_from(outcome) {
        Ok(Message::Ok) => Ok(AttemptOutcome::Ok),
        Ok(Message::RateLimited) => Ok(AttemptOutcome::RateLimited),
        Ok(Message::Overloaded) => Ok(AttemptOutcome::Overloaded),
        Ok(Message::ServerError) => Ok(AttemptOutcome::ServerError),
        Ok(Message::CredentialsRefused) => Ok(AttemptOutcome::CredentialsRefused),
        Ok(Message::ClientError) => Ok(AttemptOutcome::ClientError),
        Ok(Message::ConnectFailed) => Ok(AttemptOutcome::ConnectFailed),
        Ok(Message::TimedOut) => Ok(AttemptOutcome::TimedOut),
        Ok(Message::ConnectionLost) => Ok(AttemptOutcome::ConnectionLost),
        Ok(Message::ClientClosed) => Ok(AttemptOutcome::ClientClosed),
        Ok(Message::Unspecified) | Err(_) => Err("attempts.outcome is unknown".to_owned()),
    }
}

fn cache_use(cache: i32) -> Result<Option<CacheUse>, Reason> {
    match proto::CacheUse::try_from(cache) {
        Ok(proto::CacheUse::None) => Ok(None),
        Ok(proto::CacheUse::Miss) => Ok(Some(CacheUse::Miss)),
        Ok(proto::CacheUse::Hit) => Ok(Some(CacheUse::Hit)),
        Ok(proto::CacheUse::Bypass) => Ok(Some(CacheUse::Bypass)),
        Err(_) => Err("cache is unknown".to_owned()),
    }
}

fn protocol(protocol: i32) -> Result<Protocol, Reason> {
    match proto::Protocol::try_from(protocol) {
        Ok(proto::Protocol::Openai) => Ok(Protocol::OpenAi),
        Ok(proto::Protocol::Anthropic) => Ok(Protocol::Anthropic),
        Ok(proto::Protocol::Gemini) => Ok(Protocol::Gemini),
        Ok(proto::Protocol::Unspecified) | Err(_) => Err("protocol is unknown".to_owned()),
    }
}
