//! A request that began.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, RequestId, ServiceId, UserId},
    money::Cost,
};

use super::{
    super::event::{Attempt, Event, Intent, Outcome, Protocol, Reserved, Tokens},
    Detail, MAX_ATTEMPTS, Malformed,
    bytes::{Reader, put_cost, put_duration, put_id, put_if, put_micros, put_number, put_text},
    codes::{code, protocol, reserved, reserved_code},
    parts::{attempts, put_attempts, put_tokens, tokens},
};

/// Where in the flags begins what a request had reserved; a program that does not know it reads the same layout.
const RESERVED_SHIFT: u32 = 4;

/// A request that began: its intent, and what is known of it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Open {
    pub(in super::super) request_id: RequestId,
    started_at: UnixMicros,
    service_id: ServiceId,
    access_key_id: AccessKeyId,
    user_id: UserId,
    protocol: Protocol,
    stream: bool,
    model_requested: Box<str>,
    path: Box<str>,
    estimated_input: u64,
    reserved: Option<Reserved>,
    /// Of the usage, as far as that is known.
    pub(in super::super) cost: Option<Cost>,
    /// From the start to this record.
    pub(in super::super) elapsed: Duration,
    pub(in super::super) usage: Option<Tokens>,
    pub(in super::super) attempts: Vec<Attempt>,
}

impl Open {
    fn intent(&self) -> Intent<'_> {
        Intent {
            request_id: self.request_id,
            started_at: self.started_at,
            service_id: self.service_id,
            access_key_id: self.access_key_id,
            user_id: self.user_id,
            protocol: self.protocol,
            stream: self.stream,
            model_requested: &self.model_requested,
            path: &self.path,
            estimated_input: self.estimated_input,
            estimated_cost: self.cost,
            reserved: self.reserved,
        }
    }

    /// From the start to `now`; time does not go back.
    pub(in super::super) fn elapsed_at(&self, now: UnixMicros) -> Duration {
        u64::try_from(now.saturating_sub(self.started_at)).map_or(self.elapsed, Duration::from_micros).max(self.elapsed)
    }

    pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
        encode_open(&self.intent(), self.elapsed, self.usage.as_ref(), &self.attempts, out);
    }

    /// The event of a request whose end nobody saw. Figures that a checkpoint brought are partial, others estimated.
    pub(in super::super) fn interrupted(self) -> Event {
        let usage = self.usage.unwrap_or_else(|| Tokens { input_uncached: self.estimated_input, ..Tokens::default() });
        let last = self.attempts.last();
        Event {
            request_id: self.request_id,
            started_at: self.started_at,
            duration: self.elapsed,
            ttft: None,
            status: None,
            outcome: Outcome::Interrupted,
            protocol: self.protocol,
            stream: self.stream,
            service_id: Some(self.service_id),
            access_key_id: Some(self.access_key_id),
            user_id: Some(self.user_id),
            model_requested: Some(self.model_requested),
            model_served: last.map(|attempt| attempt.model.clone()),
            provider_id: last.map(|attempt| attempt.provider_id),
            upstream_key_id: last.map(|attempt| attempt.upstream_key_id),
            attempts: self.attempts,
            usage: Some(usage),
            cost: self.cost,
            path: self.path,
            error_code: None,
            // A request with an intent asked a provider; whether a cache was asked before is not known any more.
            cache: None,
            reserved: self.reserved,
        }
    }
}

/// The record of a request that begins.
pub(in super::super) fn encode_intent(intent: &Intent<'_>, out: &mut Vec<u8>) {
    encode_open(intent, Duration::ZERO, None, &[], out);
}

fn encode_open(
    intent: &Intent<'_>,
    elapsed: Duration,
    usage: Option<&Tokens>,
    attempts: &[Attempt],
    out: &mut Vec<u8>,
) {
    let Intent {
        request_id,
        started_at,
        service_id,
        access_key_id,
        user_id,
        protocol,
        stream,
        model_requested,
        path,
        estimated_input,
        estimated_cost,
        reserved,
    } = intent;
    let bounds = Detail::Everything.bounds();
    put_id(out, request_id.as_uuid());
    put_micros(out, *started_at);
    put_id(out, service_id.as_uuid());
    put_id(out, access_key_id.as_uuid());
    put_id(out, user_id.as_uuid());
    out.push(code(*protocol));
    let parts = u8::from(*stream) | u8::from(usage.is_some()) << 1 | u8::from(estimated_cost.is_some()) << 2;
    out.push(parts | reserved_code(*reserved) << RESERVED_SHIFT);
    put_text(out, model_requested, bounds.model);
    put_text(out, path, bounds.path);
    put_number(out, *estimated_input);
    put_duration(out, elapsed);
    if let Some(usage) = usage {
        put_tokens(out, usage, Detail::Everything);
    }
    put_attempts(out, &attempts[attempts.len().saturating_sub(MAX_ATTEMPTS)..], Detail::Everything);
    put_if(out, estimated_cost.as_ref(), put_cost);
}

pub(in super::super) fn decode_open(bytes: &[u8]) -> Result<Open, Malformed> {
    let mut reader = Reader::new(bytes);
    let request_id = RequestId::from_uuid(reader.id()?);
    let started_at = reader.micros()?;
    let service_id = ServiceId::from_uuid(reader.id()?);
    let access_key_id = AccessKeyId::from_uuid(reader.id()?);
    let user_id = UserId::from_uuid(reader.id()?);
    let protocol = protocol(reader.byte()?)?;
    let flags = reader.byte()?;
    let cost = (flags & 4 != 0).then(|| reader.cost_at_end()).transpose()?;
    Ok(Open {
        request_id,
        started_at,
        service_id,
        access_key_id,
        user_id,
        protocol,
        stream: flags & 1 != 0,
        model_requested: reader.text()?.into(),
        path: reader.text()?.into(),
        estimated_input: reader.number()?,
        reserved: reserved(flags >> RESERVED_SHIFT),
        cost,
        elapsed: reader.duration()?,
        usage: (flags & 2 != 0).then(|| tokens(&mut reader)).transpose()?.map(Into::into),
        attempts: attempts(reader)?.map(|attempt| attempt.map(Into::into)).collect::<Result<_, _>>()?,
    })
}
