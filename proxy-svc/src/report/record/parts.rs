//! Tokens and attempts, which records of both kinds have.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProviderId, UpstreamKeyId},
};

use super::{
    super::event::{Attempt, AttemptOutcome, Tokens},
    Detail, MAX_ATTEMPTS, Malformed,
    bytes::{Reader, put_duration, put_id, put_if, put_micros, put_number, put_text},
    codes::{attempt_code, attempt_outcome, source, source_code},
};

const MAX_RAW: usize = 8 << 10;

/// The figures, and apart from them the provider's own usage object.
#[derive(Debug)]
pub(in super::super) struct FinalTokens<'a> {
    pub(in super::super) figures: Tokens,
    pub(in super::super) raw: Option<&'a str>,
}

#[derive(Debug)]
pub(in super::super) struct FinalAttempt<'a> {
    pub(in super::super) provider_id: ProviderId,
    pub(in super::super) upstream_key_id: UpstreamKeyId,
    pub(in super::super) model: &'a str,
    pub(in super::super) started_at: UnixMicros,
    pub(in super::super) duration: Duration,
    pub(in super::super) status: Option<u16>,
    pub(in super::super) outcome: AttemptOutcome,
    pub(in super::super) reason: &'a str,
    pub(in super::super) detail: &'a str,
}

/// Read one by one, because that needs no memory.
#[derive(Debug)]
pub(in super::super) struct FinalAttempts<'a> {
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

pub(super) fn put_tokens(out: &mut Vec<u8>, tokens: &Tokens, detail: Detail) {
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

pub(super) fn tokens<'a>(reader: &mut Reader<'a>) -> Result<FinalTokens<'a>, Malformed> {
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

pub(super) fn put_attempts(out: &mut Vec<u8>, attempts: &[Attempt], detail: Detail) {
    let bounds = detail.bounds();
    put_number(out, attempts.len() as u64);
    for attempt in attempts {
        let Attempt {
            provider_id,
            upstream_key_id,
            model,
            started_at,
            duration,
            status,
            outcome,
            reason,
            detail: what_happened,
        } = attempt;
        put_id(out, provider_id.as_uuid());
        put_id(out, upstream_key_id.as_uuid());
        put_text(out, model, bounds.model);
        put_micros(out, *started_at);
        put_duration(out, *duration);
        put_number(out, status.map_or(0, |status| u64::from(status) + 1));
        out.push(attempt_code(*outcome));
        put_words(out, reason, what_happened, bounds.reason);
    }
}

/// Reason and detail as one text, which is how a record has always had its place for them: a line each. Older records
/// have one line.
fn put_words(out: &mut Vec<u8>, reason: &str, detail: &str, bound: usize) {
    if detail.is_empty() || bound == 0 {
        return put_text(out, reason, bound);
    }
    put_text(out, &[reason, detail].join("\n"), bound);
}

pub(super) fn attempts(mut reader: Reader<'_>) -> Result<FinalAttempts<'_>, Malformed> {
    let left = reader.number()?;
    if left > MAX_ATTEMPTS as u64 {
        return Err(Malformed);
    }
    Ok(FinalAttempts { reader, left })
}

fn attempt<'a>(reader: &mut Reader<'a>) -> Result<FinalAttempt<'a>, Malformed> {
    let mut attempt = FinalAttempt {
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
        detail: "",
    };
    if let Some((reason, detail)) = attempt.reason.split_once('\n') {
        (attempt.reason, attempt.detail) = (reason, detail);
    }
    Ok(attempt)
}

impl From<FinalTokens<'_>> for Tokens {
    fn from(tokens: FinalTokens<'_>) -> Self {
        Self { raw: tokens.raw.map(Into::into), ..tokens.figures }
    }
}

impl From<FinalAttempt<'_>> for Attempt {
    fn from(attempt: FinalAttempt<'_>) -> Self {
        let FinalAttempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason, detail } =
            attempt;
        let (model, reason, detail) = (model.into(), reason.to_owned().into(), detail.to_owned().into());
        Self { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason, detail }
    }
}
