//! A request as it was received, byte for byte, whatever the transport.

use std::ops::Range;

use bytes::Bytes;

/// A part of the head's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Method, target and headers refer to `head`: nothing is copied for a request that nobody logs.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) head: Bytes,
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) fields: Vec<(Span, Span)>,
    pub(crate) body: Bytes,
    pub(crate) connection_id: u64,
}

impl Incoming {
    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(&self.head[span.range()]).unwrap_or_default()
    }

    pub(crate) fn method(&self) -> &str {
        self.text(self.method)
    }

    /// Path and query as received.
    pub(crate) fn target(&self) -> &str {
        self.text(self.target)
    }

    pub(crate) fn path(&self) -> &str {
        self.target().split_once('?').map_or(self.target(), |(path, _)| path)
    }

    pub(crate) fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The first value of a query parameter, undecoded (none of those we read needs decoding).
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query().split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v))
    }

    /// The first header of that name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| self.head[field.range()].eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| self.text(*value))
    }

    /// Headers in order and in the case received (lower case over h2).
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let text = |span: Span| String::from_utf8_lossy(&self.head[span.range()]);
        self.fields.iter().map(|(name, value)| (text(*name).into_owned(), text(*value).into_owned())).collect()
    }

    /// The credential, and where it was.
    pub(crate) fn credential(&self) -> Option<Credential<'_>> {
        if let Some(value) = self.header("authorization") {
            let bearer = value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
            return Some(Credential { place: "authorization", value: if bearer { value[7..].trim() } else { value } });
        }
        for place in ["x-api-key", "x-goog-api-key"] {
            if let Some(value) = self.header(place) {
                return Some(Credential { place, value });
            }
        }
        self.parameter("key").map(|value| Credential { place: "query", value })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) place: &'static str,
    pub(crate) value: &'a str,
}

/// Puts a head together for a transport that has none in text (h2).
#[derive(Debug, Default)]
pub(crate) struct HeadBuilder {
    head: Vec<u8>,
    fields: Vec<(Span, Span)>,
}

impl HeadBuilder {
    fn push(&mut self, text: &[u8]) -> Span {
        let start = u32::try_from(self.head.len()).unwrap_or(u32::MAX);
        self.head.extend_from_slice(text);
        Span { start, end: u32::try_from(self.head.len()).unwrap_or(u32::MAX) }
    }

    pub(crate) fn field(&mut self, name: &str, value: &[u8]) {
        let pair = (self.push(name.as_bytes()), self.push(value));
        self.fields.push(pair);
    }

    pub(crate) fn build(mut self, method: &str, target: &str, body: Bytes, connection_id: u64) -> Incoming {
        let (method, target) = (self.push(method.as_bytes()), self.push(target.as_bytes()));
        Incoming { head: self.head.into(), method, target, fields: self.fields, body, connection_id }
    }
}
