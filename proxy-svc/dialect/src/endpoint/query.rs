//! A request's query, without its `?`.

use std::borrow::Cow;

/// The value of the `key` parameter, in which Gemini's callers may present their access key; it is still
/// percent-encoded. `None` when there is none or it is empty.
pub fn access_key(query: &str) -> Option<&str> {
    parameters(query).find_map(|(name, value)| (name == "key" && !value.is_empty()).then_some(value))
}

/// The query without every `key` parameter: what goes upstream and into logs. Escapes cannot hide one, because the
/// name is compared as upstreams decode it.
pub fn without_access_key(query: &str) -> Cow<'_, str> {
    if parameters(query).all(|(name, _)| !is_key(name)) {
        return Cow::Borrowed(query);
    }
    let kept = query.split('&').filter(|pair| !is_key(pair.split_once('=').map_or(*pair, |(name, _)| name)));
    Cow::Owned(kept.collect::<Vec<_>>().join("&"))
}

/// Whether a Gemini caller asks for server-sent events; without it a stream is a JSON array.
pub fn asks_for_events(query: &str) -> bool {
    parameters(query).any(|(name, value)| (name == "alt" || name == "$alt") && value == "sse")
}

/// The first value of a parameter, decoded.
pub fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let (_, value) = parameters(query).find(|(found, _)| *found == name)?;
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let decoded: Vec<u8> = decode(value).collect();
    Some(Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_key(name: &str) -> bool {
    if !name.contains('%') {
        return name == "key";
    }
    decode(name).eq(*b"key")
}

fn decode(text: &str) -> impl Iterator<Item = u8> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let decoded = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        at += if decoded.is_some() { 3 } else { 1 };
        decoded.or(Some(byte))
    })
}
