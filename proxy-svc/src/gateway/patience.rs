//! How long the caller waits at most: `x-request-timeout`.
//!
//! What the SDKs tell of their own time-outs (`x-stainless-timeout`, `x-stainless-read-timeout`) is not read: it is a
//! limit for the beginning of an answer, or between two parts of it, and would cut long streams off as one for the whole.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::respond::Refusal;

static NAME: HeaderName = HeaderName::from_static("x-request-timeout");
/// Longer than any request may take.
const LONGEST_SECONDS: f64 = 86_400.0;

/// Seconds as a decimal (`30`, `2.5`, `2.5s`), or milliseconds (`500ms`); more than nothing.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let mut values = headers.get_all(&NAME).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let parsed = first.to_str().ok().filter(|_| values.next().is_none()).and_then(parse);
    parsed.map(Some).ok_or_else(|| Refusal::invalid_request_timeout(NAME.as_str()))
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| is_decimal)? * scale;
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST_SECONDS))).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_read() {
        let millis = Duration::from_millis;
        for (text, expected) in [
            ("30", millis(30_000)),
            ("2.5", millis(2500)),
            (" 2.5s ", millis(2500)),
            ("500ms", millis(500)),
            ("0.25", millis(250)),
            ("99999999999", Duration::from_hours(24)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for odd in ["", "0", "0.0", "-1", "1e3", "inf", "NaN", "1m", "ms", "s", "1 s", "1,5", "+1", "0.0000000001"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn two_of_them_are_none() {
        let mut headers = HeaderMap::new();
        assert!(matches!(of(&headers), Ok(None)));
        headers.append(&NAME, "1".parse().unwrap());
        assert!(matches!(of(&headers), Ok(Some(_))));
        headers.append(&NAME, "1".parse().unwrap());
        assert!(of(&headers).is_err());
    }
}
