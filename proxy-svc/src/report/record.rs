//! What a record holds, as bytes: an open request (its intent, and what is known of it since), or an event.
//!
//! Compact rather than self-describing: ids are 16 raw bytes, numbers are LEB128, what is absent is a bit in the
//! flags. The layout belongs to the version in a segment's name; changing it means a new version there.
//!
//! Texts that callers or providers choose are cut to a bound, so that a record has one too.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
};
use uuid::Uuid;

use super::event::{Attempt, AttemptOutcome, Event, Intent, Outcome, Protocol, Tokens, UsageSource};

mod bytes;
#[cfg(test)]
mod tests;

use bytes::{Reader, put_id, put_micros, put_number, put_text};

/// Why a record whose checksum is right cannot be read: it was written by a program that knows more, or wrongly.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of this version")]
pub(super) struct Malformed;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request that began. A later one of the same request replaces it.
    Open = 1,
    /// A request that is over.
    Final = 2,
}

/// How much of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Everything,
    /// Without the provider's raw usage and the attempts' reasons, with shorter texts and, if need be, fewer attempts.
    Accounting,
}

/// A [`Detail::Accounting`] event is never longer.
pub(super) const ACCOUNTING_BYTES: usize = 1000;

/// Attempts that are kept of a request: the last ones.
const MAX_ATTEMPTS: usize = 32;
/// More would not fit.
const MAX_ACCOUNTING_ATTEMPTS: usize = 16;
const MAX_RAW: usize = 8 << 10;

/// The longest texts, in bytes.
struct Bounds {
    model: usize,
    path: usize,
    reason: usize,
    code: usize,
}

impl Detail {
    const fn bounds(self) -> Bounds {
        match self {
            Self::Everything => Bounds { model: 512, path: 1024, reason: 512, code: 128 },
            Self::Accounting => Bounds { model: 128, path: 128, reason: 0, code: 64 },
        }
    }
}

/// A request that began: its intent, and what is known of it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) request_id: RequestId,
    started_at: UnixMicros,
    service_id: ServiceId,
    access_key_id: AccessKeyId,
    user_id: UserId,
    protocol: Protocol,
    stream: bool,
    model_requested: Box<str>,
    path: Box<str>,
    estimated_input: u64,
    /// From the start to this record.
    pub(super) elapsed: Duration,
    pub(super) usage: Option<Tokens>,
    pub(super) attempts: Vec<Attempt>,
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
        }
    }

    /// From the start to `now`; time does not go back.
    pub(super) fn elapsed_at(&self, now: UnixMicros) -> Duration {
        u64::try_from(now.saturating_sub(self.started_at)).map_or(self.elapsed, Duration::from_micros).max(self.elapsed)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_open(&self.intent(), self.elapsed, self.usage.as_ref(), &self.attempts, out);
    }

    /// The event of a request whose end nobody saw. Figures that a checkpoint brought are partial, others estimated.
    pub(super) fn interrupted(self) -> Event {
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
            path: self.path,
            error_code: None,
        }
    }
}

/// The record of a request that begins.
pub(super) fn encode_intent(intent: &Intent<'_>, out: &mut Vec<u8>) {
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
    } = intent;
    let bounds = Detail::Everything.bounds();
    put_id(out, request_id.as_uuid());
    put_micros(out, *started_at);
    put_id(out, service_id.as_uuid());
    put_id(out, access_key_id.as_uuid());
    put_id(out, user_id.as_uuid());
    out.push(code(*protocol));
    out.push(u8::from(*stream) | u8::from(usage.is_some()) << 1);
    put_text(out, model_requested, bounds.model);
    put_text(out, path, bounds.path);
    put_number(out, *estimated_input);
    put_duration(out, elapsed);
    if let Some(usage) = usage {
        put_tokens(out, usage, Detail::Everything);
    }
    put_attempts(out, &attempts[attempts.len().saturating_sub(MAX_ATTEMPTS)..], Detail::Everything);
}

pub(super) fn decode_open(bytes: &[u8]) -> Result<Open, Malformed> {
    let mut reader = Reader::new(bytes);
    let request_id = RequestId::from_uuid(reader.id()?);
    let started_at = reader.micros()?;
    let service_id = ServiceId::from_uuid(reader.id()?);
    let access_key_id = AccessKeyId::from_uuid(reader.id()?);
    let user_id = UserId::from_uuid(reader.id()?);
    let protocol = protocol(reader.byte()?)?;
    let flags = reader.byte()?;
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
        elapsed: reader.duration()?,
        usage: (flags & 2 != 0).then(|| tokens(&mut reader)).transpose()?.map(Into::into),
        attempts: attempts(reader)?.map(|attempt| attempt.map(Into::into)).collect::<Result<_, _>>()?,
    })
}

/// The id alone, of a record of either kind.
pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Malformed> {
    Reader::new(bytes).id().map(RequestId::from_uuid)
}

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
}

/// The record of a request that is over.
pub(super) fn encode_final(event: &Event, detail: Detail, out: &mut Vec<u8>) {
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
    ]
    .into_iter()
    .fold(0, |flags, (present, bit)| if present { flags | bit } else { flags })
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
        path,
        error_code,
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
}

/// What is absent takes no bytes: the flags tell.
fn put_if<T: ?Sized>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    if let Some(value) = value {
        put(out, value);
    }
}

/// An event as its record has it: the texts are the record's own.
#[derive(Debug)]
pub(super) struct Final<'a> {
    pub(super) request_id: RequestId,
    pub(super) started_at: UnixMicros,
    pub(super) duration: Duration,
    pub(super) ttft: Option<Duration>,
    pub(super) status: Option<u16>,
    pub(super) outcome: Outcome,
    pub(super) protocol: Protocol,
    pub(super) stream: bool,
    pub(super) service_id: Option<ServiceId>,
    pub(super) access_key_id: Option<AccessKeyId>,
    pub(super) user_id: Option<UserId>,
    pub(super) model_requested: Option<&'a str>,
    pub(super) model_served: Option<&'a str>,
    pub(super) provider_id: Option<ProviderId>,
    pub(super) upstream_key_id: Option<UpstreamKeyId>,
    pub(super) usage: Option<FinalTokens<'a>>,
    pub(super) path: &'a str,
    pub(super) error_code: Option<&'a str>,
    pub(super) attempts: FinalAttempts<'a>,
}

/// The figures, and apart from them the provider's own usage object.
#[derive(Debug)]
pub(super) struct FinalTokens<'a> {
    pub(super) figures: Tokens,
    pub(super) raw: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct FinalAttempt<'a> {
    pub(super) provider_id: ProviderId,
    pub(super) upstream_key_id: UpstreamKeyId,
    pub(super) model: &'a str,
    pub(super) started_at: UnixMicros,
    pub(super) duration: Duration,
    pub(super) status: Option<u16>,
    pub(super) outcome: AttemptOutcome,
    pub(super) reason: &'a str,
}

/// Read one by one, because that needs no memory.
#[derive(Debug)]
pub(super) struct FinalAttempts<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> Iterator for FinalAttempts<'a> {
    type Item = Result<FinalAttempt<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(attempt(&mut self.reader))
    }
}

pub(super) fn decode_final(bytes: &[u8]) -> Result<Final<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let request_id = RequestId::from_uuid(reader.id()?);
    let started_at = reader.micros()?;
    let flags = reader.number()?;
    let has = |bit: u64| flags & bit != 0;
    Ok(Final {
        request_id,
        started_at,
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
        attempts: attempts(reader)?,
    })
}

fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_number(out, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

fn put_tokens(out: &mut Vec<u8>, tokens: &Tokens, detail: Detail) {
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
        raw,
    } = tokens;
    // A JSON text that is cut is none: kept whole or not at all.
    let raw = raw.as_deref().filter(|raw| detail == Detail::Everything && raw.len() <= MAX_RAW);
    let rare = [input_audio, output_audio, input_image];
    let has_rare = rare.iter().any(|figure| **figure != 0);
    out.push(source_code(*source) | u8::from(has_rare) << 2 | u8::from(raw.is_some()) << 3);
    for figure in [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning] {
        put_number(out, *figure);
    }
    if has_rare {
        for figure in rare {
            put_number(out, *figure);
        }
    }
    put_if(out, raw, |out, raw| put_text(out, raw, MAX_RAW));
}

fn tokens<'a>(reader: &mut Reader<'a>) -> Result<FinalTokens<'a>, Malformed> {
    let flags = reader.byte()?;
    let mut figures = Tokens {
        input_uncached: reader.number()?,
        cache_read: reader.number()?,
        cache_write_5m: reader.number()?,
        cache_write_1h: reader.number()?,
        output: reader.number()?,
        reasoning: reader.number()?,
        source: source(flags & 3)?,
        ..Tokens::default()
    };
    if flags & 4 != 0 {
        figures.input_audio = reader.number()?;
        figures.output_audio = reader.number()?;
        figures.input_image = reader.number()?;
    }
    let raw = (flags & 8 != 0).then(|| reader.text()).transpose()?;
    Ok(FinalTokens { figures, raw })
}

fn put_attempts(out: &mut Vec<u8>, attempts: &[Attempt], detail: Detail) {
    let bounds = detail.bounds();
    put_number(out, attempts.len() as u64);
    for attempt in attempts {
        let Attempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason } = attempt;
        put_id(out, provider_id.as_uuid());
        put_id(out, upstream_key_id.as_uuid());
        put_text(out, model, bounds.model);
        put_micros(out, *started_at);
        put_duration(out, *duration);
        put_number(out, status.map_or(0, |status| u64::from(status) + 1));
        out.push(attempt_code(*outcome));
        put_text(out, reason, bounds.reason);
    }
}

fn attempts(mut reader: Reader<'_>) -> Result<FinalAttempts<'_>, Malformed> {
    let left = reader.number()?;
    if left > MAX_ATTEMPTS as u64 {
        return Err(Malformed);
    }
    Ok(FinalAttempts { reader, left })
}

fn attempt<'a>(reader: &mut Reader<'a>) -> Result<FinalAttempt<'a>, Malformed> {
    Ok(FinalAttempt {
        provider_id: ProviderId::from_uuid(reader.id()?),
        upstream_key_id: UpstreamKeyId::from_uuid(reader.id()?),
        model: reader.text()?,
        started_at: reader.micros()?,
        duration: reader.duration()?,
        status: match reader.number()? {
            0 => None,
            status => Some(u16::try_from(status - 1).map_err(|_| Malformed)?),
        },
        outcome: attempt_outcome(reader.byte()?)?,
        reason: reader.text()?,
    })
}

impl From<FinalTokens<'_>> for Tokens {
    fn from(tokens: FinalTokens<'_>) -> Self {
        Self { raw: tokens.raw.map(Into::into), ..tokens.figures }
    }
}

impl From<FinalAttempt<'_>> for Attempt {
    fn from(attempt: FinalAttempt<'_>) -> Self {
        let FinalAttempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason } =
            attempt;
        let (model, reason) = (model.into(), reason.to_owned().into());
        Self { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason }
    }
}

/// The codes of an enumeration, both ways; one that is missing does not compile.
macro_rules! codes {
    ($($encode:ident / $decode:ident: $type:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        const fn $encode(value: $type) -> u8 {
            match value { $($type::$variant => $code),* }
        }

        const fn $decode(code: u8) -> Result<$type, Malformed> {
            match code { $($code => Ok($type::$variant),)* _ => Err(Malformed) }
        }
    )*};
}

codes! {
    code / protocol: Protocol { OpenAi = 1, Anthropic = 2, Gemini = 3 }
    outcome_code / outcome: Outcome {
        Ok = 1, ClientError = 2, Refused = 3, UpstreamError = 4, ClientClosed = 5, Interrupted = 6,
    }
    source_code / source: UsageSource { Provider = 1, Partial = 2, Estimated = 3 }
    attempt_code / attempt_outcome: AttemptOutcome {
        Ok = 1, RateLimited = 2, Overloaded = 3, ServerError = 4, CredentialsRefused = 5, ClientError = 6,
        ConnectFailed = 7, TimedOut = 8, ConnectionLost = 9, ClientClosed = 10,
    }
}

impl Reader<'_> {
    fn duration(&mut self) -> Result<Duration, Malformed> {
        self.number().map(Duration::from_micros)
    }

    fn status(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.number()?).map_err(|_| Malformed)
    }

    fn id(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    fn micros(&mut self) -> Result<UnixMicros, Malformed> {
        self.array().map(UnixMicros::from_le_bytes)
    }
}
