//! A request that is over.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
    money::Cost,
};

use super::{
    super::event::{CacheUse, Event, Outcome, Protocol, Reserved},
    ACCOUNTING_BYTES, Detail, MAX_ATTEMPTS, Malformed,
    bytes::{Reader, put_cost, put_duration, put_id, put_if, put_micros, put_number, put_text},
    codes::{cache_code, cache_use, code, outcome, outcome_code, protocol, reserved, reserved_code},
    parts::{FinalAttempts, FinalTokens, attempts, put_attempts, put_tokens, tokens},
};

/// More would not fit.
const MAX_ACCOUNTING_ATTEMPTS: usize = 16;

/// What an event has, as bits.
mod has {
    pub(super) const STREAM: u64 = 1;
    pub(super) const TTFT: u64 = 1 << 1;
    pub(super) const STATUS: u64 = 1 << 2;
    pub(super) const SERVICE: u64 = 1 << 3;
    pub(super) const ACCESS_KEY: u64 = 1 << 4;
    pub(super) const USER: u64 = 1 << 5;
    pub(super) const MODEL_REQUESTED: u64 = 1 << 6;
    pub(super) const MODEL_SERVED: u64 = 1 << 7;
    pub(super) const PROVIDER: u64 = 1 << 8;
    pub(super) const UPSTREAM_KEY: u64 = 1 << 9;
    pub(super) const USAGE: u64 = 1 << 10;
    pub(super) const ERROR_CODE: u64 = 1 << 11;
    /// At the record's end, where a program that does not know it reads no more.
    pub(super) const COST: u64 = 1 << 12;
    /// Not a bit but where the code begins, four bits long, 0 = absent: a program that does not know it reads the same
    /// layout.
    pub(super) const RESERVED_SHIFT: u32 = 16;
    pub(super) const RESERVED_MASK: u64 = 0b1111;
    /// As that, three bits long.
    pub(super) const CACHE_SHIFT: u32 = 20;
    pub(super) const CACHE_MASK: u64 = 0b111;
}

/// The record of a request that is over.
pub(in super::super) fn encode_final(event: &Event, detail: Detail, out: &mut Vec<u8>) {
    let start = out.len();
    let most = if detail == Detail::Everything { MAX_ATTEMPTS } else { MAX_ACCOUNTING_ATTEMPTS };
    let mut kept = event.attempts.len().min(most);
    loop {
        encode_event(event, kept, detail, out);
        if kept == 0 || detail == Detail::Everything || out.len() - start <= ACCOUNTING_BYTES {
            return;
        }
        kept -= 1;
        out.truncate(start);
    }
}

fn flags(event: &Event) -> u64 {
    let cache = event.cache.map_or(0, |cache| u64::from(cache_code(cache)) << has::CACHE_SHIFT);
    let reserved = u64::from(reserved_code(event.reserved)) << has::RESERVED_SHIFT;
    [
        (event.stream, has::STREAM),
        (event.ttft.is_some(), has::TTFT),
        (event.status.is_some(), has::STATUS),
        (event.service_id.is_some(), has::SERVICE),
        (event.access_key_id.is_some(), has::ACCESS_KEY),
        (event.user_id.is_some(), has::USER),
        (event.model_requested.is_some(), has::MODEL_REQUESTED),
        (event.model_served.is_some(), has::MODEL_SERVED),
        (event.provider_id.is_some(), has::PROVIDER),
        (event.upstream_key_id.is_some(), has::UPSTREAM_KEY),
        (event.usage.is_some(), has::USAGE),
        (event.error_code.is_some(), has::ERROR_CODE),
        (event.cost.is_some(), has::COST),
    ]
    .into_iter()
    .fold(cache | reserved, |flags, (present, bit)| if present { flags | bit } else { flags })
}

fn encode_event(event: &Event, kept_attempts: usize, detail: Detail, out: &mut Vec<u8>) {
    let Event {
        request_id,
        started_at,
        duration,
        ttft,
        status,
        outcome,
        protocol,
        stream: _,
        service_id,
        access_key_id,
        user_id,
        model_requested,
        model_served,
        provider_id,
        upstream_key_id,
        attempts,
        usage,
        cost,
        path,
        error_code,
        cache: _,
        reserved: _,
    } = event;
    let bounds = detail.bounds();
    put_id(out, request_id.as_uuid());
    put_micros(out, *started_at);
    put_number(out, flags(event));
    out.push(code(*protocol));
    out.push(outcome_code(*outcome));
    put_duration(out, *duration);
    put_if(out, ttft.as_ref(), |out, ttft| put_duration(out, *ttft));
    put_if(out, status.as_ref(), |out, status| put_number(out, u64::from(*status)));
    put_if(out, service_id.as_ref(), |out, id| put_id(out, id.as_uuid()));
    put_if(out, access_key_id.as_ref(), |out, id| put_id(out, id.as_uuid()));
    put_if(out, user_id.as_ref(), |out, id| put_id(out, id.as_uuid()));
    put_if(out, model_requested.as_deref(), |out, model| put_text(out, model, bounds.model));
    put_if(out, model_served.as_deref(), |out, model| put_text(out, model, bounds.model));
    put_if(out, provider_id.as_ref(), |out, id| put_id(out, id.as_uuid()));
    put_if(out, upstream_key_id.as_ref(), |out, id| put_id(out, id.as_uuid()));
    put_if(out, usage.as_ref(), |out, usage| put_tokens(out, usage, detail));
    put_text(out, path, bounds.path);
    put_if(out, error_code.as_deref(), |out, code| put_text(out, code, bounds.code));
    put_attempts(out, &attempts[attempts.len() - kept_attempts..], detail);
    put_if(out, cost.as_ref(), put_cost);
}

/// An event as its record has it: the texts are the record's own.
#[derive(Debug)]
pub(in super::super) struct Final<'a> {
    pub(in super::super) request_id: RequestId,
    pub(in super::super) started_at: UnixMicros,
    pub(in super::super) duration: Duration,
    pub(in super::super) ttft: Option<Duration>,
    pub(in super::super) status: Option<u16>,
    pub(in super::super) outcome: Outcome,
    pub(in super::super) protocol: Protocol,
    pub(in super::super) stream: bool,
    pub(in super::super) service_id: Option<ServiceId>,
    pub(in super::super) access_key_id: Option<AccessKeyId>,
    pub(in super::super) user_id: Option<UserId>,
    pub(in super::super) model_requested: Option<&'a str>,
    pub(in super::super) model_served: Option<&'a str>,
    pub(in super::super) provider_id: Option<ProviderId>,
    pub(in super::super) upstream_key_id: Option<UpstreamKeyId>,
    pub(in super::super) usage: Option<FinalTokens<'a>>,
    pub(in super::super) cost: Option<Cost>,
    pub(in super::super) path: &'a str,
    pub(in super::super) error_code: Option<&'a str>,
    pub(in super::super) cache: Option<CacheUse>,
    pub(in super::super) reserved: Option<Reserved>,
    pub(in super::super) attempts: FinalAttempts<'a>,
}

pub(in super::super) fn decode_final(bytes: &[u8]) -> Result<Final<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let request_id = RequestId::from_uuid(reader.id()?);
    let started_at = reader.micros()?;
    let flags = reader.number()?;
    let has = |bit: u64| flags & bit != 0;
    let cost = has(has::COST).then(|| reader.cost_at_end()).transpose()?;
    Ok(Final {
        request_id,
        started_at,
        cost,
        stream: has(has::STREAM),
        protocol: protocol(reader.byte()?)?,
        outcome: outcome(reader.byte()?)?,
        duration: reader.duration()?,
        ttft: has(has::TTFT).then(|| reader.duration()).transpose()?,
        status: has(has::STATUS).then(|| reader.status()).transpose()?,
        service_id: has(has::SERVICE).then(|| reader.id().map(ServiceId::from_uuid)).transpose()?,
        access_key_id: has(has::ACCESS_KEY).then(|| reader.id().map(AccessKeyId::from_uuid)).transpose()?,
        user_id: has(has::USER).then(|| reader.id().map(UserId::from_uuid)).transpose()?,
        model_requested: has(has::MODEL_REQUESTED).then(|| reader.text()).transpose()?,
        model_served: has(has::MODEL_SERVED).then(|| reader.text()).transpose()?,
        provider_id: has(has::PROVIDER).then(|| reader.id().map(ProviderId::from_uuid)).transpose()?,
        upstream_key_id: has(has::UPSTREAM_KEY).then(|| reader.id().map(UpstreamKeyId::from_uuid)).transpose()?,
        usage: has(has::USAGE).then(|| tokens(&mut reader)).transpose()?,
        path: reader.text()?,
        error_code: has(has::ERROR_CODE).then(|| reader.text()).transpose()?,
        cache: match (flags >> has::CACHE_SHIFT) & has::CACHE_MASK {
            0 => None,
            #[expect(clippy::cast_possible_truncation, reason = "three bits")]
            code => Some(cache_use(code as u8)?),
        },
        reserved: reserved(((flags >> has::RESERVED_SHIFT) & has::RESERVED_MASK) as u8),
        attempts: attempts(reader)?,
    })
}
