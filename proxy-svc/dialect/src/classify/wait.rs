//! How long a provider asks to wait, in all the ways that they say it. There is no clock in here: a date counts from
//! the answer's own `date`.

use super::Headers;

/// `retry-after-ms`, else `retry-after` as seconds or as a date.
pub fn header_ms(headers: Headers<'_, '_>) -> Option<u64> {
    if let Some(wait) = headers("retry-after-ms").and_then(|value| scaled(value, 1.0)) {
        return Some(wait);
    }
    let value = headers("retry-after")?;
    scaled(value, 1000.0).or_else(|| Some(http_date_ms(value)?.saturating_sub(http_date_ms(headers("date")?)?)))
}

/// When a rate limit is full again, in whichever form: a duration with units, a time of RFC 3339 (counted from the
/// answer's `date`), or seconds.
pub(super) fn reset_ms(value: &str, date: Option<&str>) -> Option<u64> {
    let moment = || Some(rfc3339_ms(value)?.saturating_sub(http_date_ms(date?)?));
    duration_ms(value).or_else(moment).or_else(|| scaled(value, 1000.0))
}

/// A duration with units as Go and Google's protocols write it: `120ms`, `6m0s`, `1h2m3.5s`, `34.4s`.
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|letter: char| letter.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(letters);
        let scale = match unit {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            "us" | "µs" => 0.001,
            "ns" => 0.000_001,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    whole(total)
}

/// Milliseconds since 1970 of a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date_ms(text: &str) -> Option<u64> {
    let mut parts = text.trim().split_once(", ")?.1.split(' ');
    let day = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .into_iter()
        .zip(1..)
        .find_map(|(known, number)| (known == name).then_some(number))?;
    let year = parts.next()?.parse().ok()?;
    let seconds = clock_seconds(parts.next()?)?;
    (parts.next()? == "GMT").then_some(())?;
    Some((days_since_1970(year, month, day)? * 86_400 + seconds) * 1000)
}

/// Milliseconds since 1970 of an RFC 3339 time in UTC: `2026-11-23T10:20:30Z`, with or without a fraction (ignored).
pub fn rfc3339_ms(text: &str) -> Option<u64> {
    let (date, time) = text.trim().split_once('T')?;
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00"))?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds = clock_seconds(time.split('.').next()?)?;
    Some((days_since_1970(year, month, day)? * 86_400 + seconds) * 1000)
}

fn clock_seconds(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, ':');
    let hours = parts.next()?.parse::<u64>().ok().filter(|hours| *hours < 24)?;
    let minutes = parts.next()?.parse::<u64>().ok().filter(|minutes| *minutes < 60)?;
    let seconds = parts.next()?.parse::<u64>().ok().filter(|seconds| *seconds <= 60)?;
    Some(hours * 3600 + minutes * 60 + seconds)
}

/// The Gregorian calendar, counted in years that start in March so that the leap day is a year's last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

fn scaled(text: &str, scale: f64) -> Option<u64> {
    whole(text.trim().parse::<f64>().ok()? * scale)
}

fn whole(milliseconds: f64) -> Option<u64> {
    if !milliseconds.is_finite() || milliseconds < 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above, and the cast saturates"
    )]
    Some(milliseconds.ceil() as u64)
}
