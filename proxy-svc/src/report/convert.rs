//! Events as protocol buffers: the only part of reporting that knows their fields.
//!
//! A batch is encoded straight from the journal's records. Going by the generated types would be shorter, and cost a
//! dozen small allocations an event, more than all the rest of delivery; so the tests hold this against them instead.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use prost::Message;
use tollgate_proto as proto;
use tollgate_shared::{
    ids::{AccessKeyId, BootId, ProviderId, ProxyId, ServiceId, UpstreamKeyId, UserId},
    money::Cost,
};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{
    event::{AttemptOutcome, CacheUse, Outcome, Protocol, Reserved, Tokens, UsageSource},
    record::{Final, FinalAttempt, FinalTokens, Malformed},
};

#[cfg(test)]
mod tests;
mod wire;

use wire::Wire;

/// The call, as the generated client would make it.
pub(super) const REPORT_PATH: &str = "/tollgate.v1.UsageIngest/Report";

/// An encoded `ReportRequest`.
#[derive(Debug)]
pub(super) struct Encoded(Bytes);

pub(super) fn hello(proxy_id: ProxyId, boot_id: BootId) -> Encoded {
    let hello = proto::ReportHello { proxy_id: proxy_id.to_string(), boot_id: boot_id.to_string() };
    let request = proto::ReportRequest { message: Some(proto::report_request::Message::Hello(hello)) };
    Encoded(request.encode_to_vec().into())
}

/// A `UsageBatch` that grows.
#[derive(Debug, Default)]
pub(super) struct Batch {
    events: Vec<u8>,
    count: usize,
}

impl Batch {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds an event, or nothing of it.
    pub(super) fn add(&mut self, event: Final<'_>) -> Result<(), Malformed> {
        let before = self.events.len();
        let added = Wire(&mut self.events).message(2, |wire| put_event(wire, event));
        match added {
            Ok(()) => self.count += 1,
            Err(Malformed) => self.events.truncate(before),
        }
        added
    }

    /// The request with this batch, which is its field 2.
    pub(super) fn finish(self, sequence: u64) -> Encoded {
        let mut head = Vec::with_capacity(32);
        Wire(&mut head).number(1, sequence);
        let length = head.len() + self.events.len();
        let mut request = Vec::with_capacity(length + 16);
        Wire(&mut request).start(2, length);
        request.extend_from_slice(&head);
        request.extend_from_slice(&self.events);
        Encoded(request.into())
    }
}

fn put_event(wire: &mut Wire<'_>, event: Final<'_>) -> Result<(), Malformed> {
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
    } = event;
    wire.id(1, request_id.as_uuid());
    wire.integer(2, started_at);
    wire.number(3, micros(duration));
    wire.optional_number(4, ttft.map(micros));
    wire.number(5, status.map_or(0, u64::from));
    wire.enumeration(6, proto::Outcome::from(outcome).into());
    wire.enumeration(7, proto::Protocol::from(protocol).into());
    wire.number(8, stream.into());
    wire.optional_id(9, service_id.as_ref().map(ServiceId::as_uuid));
    wire.optional_id(10, access_key_id.as_ref().map(AccessKeyId::as_uuid));
    wire.optional_id(11, user_id.as_ref().map(UserId::as_uuid));
    wire.text(12, model_requested.unwrap_or_default());
    wire.text(13, model_served.unwrap_or_default());
    wire.optional_id(14, provider_id.as_ref().map(ProviderId::as_uuid));
    wire.optional_id(15, upstream_key_id.as_ref().map(UpstreamKeyId::as_uuid));
    for attempt in attempts {
        let attempt = attempt?;
        wire.message(16, |wire| put_attempt(wire, &attempt))?;
    }
    if let Some(usage) = usage {
        wire.message(17, |wire| put_usage(wire, &usage))?;
    }
    wire.text(18, path);
    wire.text(19, error_code.unwrap_or_default());
    if let Some(cost) = cost {
        wire.message(20, |wire| put_cost(wire, &cost))?;
    }
    wire.enumeration(21, cache.map_or(proto::CacheUse::None, Into::into).into());
    if let Some(reserved) = reserved {
        wire.message(22, |wire| put_reserved(wire, reserved))?;
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as its sisters, for Wire::message")]
fn put_reserved(wire: &mut Wire<'_>, reserved: Reserved) -> Result<(), Malformed> {
    let Reserved { service, user, access_key } = reserved;
    for (tag, held) in (1..).zip([service, user, access_key]) {
        wire.number(tag, held.into());
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as its sisters, for Wire::message")]
fn put_cost(wire: &mut Wire<'_>, cost: &Cost) -> Result<(), Malformed> {
    let Cost { amount, currency } = cost;
    wire.integer(1, amount.micros());
    wire.text(2, currency.as_str());
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as its sisters, for Wire::message")]
fn put_attempt(wire: &mut Wire<'_>, attempt: &FinalAttempt<'_>) -> Result<(), Malformed> {
    let FinalAttempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason, detail } =
        attempt;
    wire.id(1, provider_id.as_uuid());
    wire.id(2, upstream_key_id.as_uuid());
    wire.text(3, model);
    wire.integer(4, *started_at);
    wire.number(5, micros(*duration));
    wire.number(6, status.map_or(0, u64::from));
    wire.enumeration(7, proto::AttemptOutcome::from(*outcome).into());
    wire.text(8, reason);
    wire.text(9, detail);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as its sisters, for Wire::message")]
fn put_usage(wire: &mut Wire<'_>, usage: &FinalTokens<'_>) -> Result<(), Malformed> {
    let FinalTokens { figures, raw } = usage;
    let Tokens {
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
        raw: _,
    } = figures;
    let figures = [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning];
    for (tag, figure) in (1..).zip(figures) {
        wire.number(tag, *figure);
    }
    wire.enumeration(7, proto::UsageSource::from(*source).into());
    wire.text(8, raw.unwrap_or_default());
    for (tag, figure) in (9..).zip([input_audio, output_audio, input_image]) {
        wire.number(tag, *figure);
    }
    Ok(())
}

/// Sends requests as they are encoded already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReportCodec;

impl Codec for ReportCodec {
    type Encode = Encoded;
    type Decode = proto::ReportResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for ReportCodec {
    type Item = Encoded;
    type Error = Status;

    fn encode(&mut self, item: Encoded, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.0);
        Ok(())
    }
}

impl Decoder for ReportCodec {
    type Item = proto::ReportResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let response = proto::ReportResponse::decode(buffer);
        response.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

impl From<Protocol> for proto::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::OpenAi => Self::Openai,
            Protocol::Anthropic => Self::Anthropic,
            Protocol::Gemini => Self::Gemini,
        }
    }
}

impl From<Outcome> for proto::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::ClientError => Self::ClientError,
            Outcome::Refused => Self::Refused,
            Outcome::UpstreamError => Self::UpstreamError,
            Outcome::ClientClosed => Self::ClientClosed,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<CacheUse> for proto::CacheUse {
    fn from(cache: CacheUse) -> Self {
        match cache {
            CacheUse::Miss => Self::Miss,
            CacheUse::Hit => Self::Hit,
            CacheUse::Bypass => Self::Bypass,
        }
    }
}

impl From<AttemptOutcome> for proto::AttemptOutcome {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Ok => Self::Ok,
            AttemptOutcome::RateLimited => Self::RateLimited,
            AttemptOutcome::Overloaded => Self::Overloaded,
            AttemptOutcome::ServerError => Self::ServerError,
            AttemptOutcome::CredentialsRefused => Self::CredentialsRefused,
            AttemptOutcome::ClientError => Self::ClientError,
            AttemptOutcome::ConnectFailed => Self::ConnectFailed,
            AttemptOutcome::TimedOut => Self::TimedOut,
            AttemptOutcome::ConnectionLost => Self::ConnectionLost,
            AttemptOutcome::ClientClosed => Self::ClientClosed,
        }
    }
}

impl From<UsageSource> for proto::UsageSource {
    fn from(source: UsageSource) -> Self {
        match source {
            UsageSource::Provider => Self::Provider,
            UsageSource::Partial => Self::Partial,
            UsageSource::Estimated => Self::Estimated,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
