//! Where a caller's limits stand, as the `x-ratelimit-*` headers say it.

use std::time::Duration;

use bytes::BytesMut;

use super::Dimension;

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until all of it is there again.
    pub(crate) reset: Duration,
}

/// The tightest limit of each kind that the caller has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standings {
    pub(crate) requests: Option<Standing>,
    pub(crate) tokens: Option<Standing>,
}

impl Standings {
    /// Keeps the one with less left; of equal ones the smaller limit.
    pub(crate) fn note(&mut self, dimension: Dimension, standing: Standing) {
        let place = match dimension {
            Dimension::Requests | Dimension::RequestsPerDay => &mut self.requests,
            Dimension::Tokens => &mut self.tokens,
            Dimension::Concurrency => return,
        };
        let tightness = |standing: &Standing| (standing.remaining, standing.limit);
        if place.as_ref().is_none_or(|kept| tightness(&standing) < tightness(kept)) {
            *place = Some(standing);
        }
    }
}

/// Appends it as OpenAI writes it (the form of Go's durations): `120ms`, `1.5s`, `6m0s`, `1h0m5s`. Rounded up to a
/// millisecond, from a minute on to a second.
pub(crate) fn put_duration(text: &mut BytesMut, duration: Duration) {
    let millis = duration.as_secs() * 1_000 + u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    if (1..1_000).contains(&millis) {
        put_number(text, millis);
        return text.extend_from_slice(b"ms");
    }
    if millis < 60_000 {
        put_number(text, millis / 1_000);
        put_thousandths(text, millis % 1_000);
        return text.extend_from_slice(b"s");
    }
    let seconds = millis.div_ceil(1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        put_number(text, hours);
        text.extend_from_slice(b"h");
    }
    put_number(text, minutes);
    text.extend_from_slice(b"m");
    put_number(text, seconds);
    text.extend_from_slice(b"s");
}

/// Without zeros at the end.
fn put_thousandths(text: &mut BytesMut, thousandths: u64) {
    if thousandths == 0 {
        return;
    }
    // Three digits behind a one that is left out.
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(1_000 + thousandths).trim_end_matches('0');
    text.extend_from_slice(b".");
    text.extend_from_slice(&digits.as_bytes()[1..]);
}

pub(crate) fn put_number(text: &mut BytesMut, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(duration: Duration) -> String {
        let mut text = BytesMut::new();
        put_duration(&mut text, duration);
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn durations_read_as_openai_writes_them() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (1_020, "1.02s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (60_001, "1m1s"),
            (3_605_000, "1h0m5s"),
            (86_400_000, "24h0m0s"),
        ] {
            assert_eq!(text_of(Duration::from_millis(millis)), text);
        }
        assert_eq!(text_of(Duration::from_nanos(1)), "1ms");
    }

    #[test]
    fn the_tightest_limit_is_shown() {
        let standing = |limit, remaining| Standing { limit, remaining, reset: Duration::ZERO };
        let mut standings = Standings::default();
        standings.note(Dimension::Requests, standing(10, 5));
        standings.note(Dimension::RequestsPerDay, standing(100, 4));
        standings.note(Dimension::Requests, standing(10, 6));
        standings.note(Dimension::Tokens, standing(7, 7));
        standings.note(Dimension::Concurrency, standing(1, 0));
        assert_eq!(standings.requests, Some(standing(100, 4)));
        assert_eq!(standings.tokens, Some(standing(7, 7)));
    }
}
