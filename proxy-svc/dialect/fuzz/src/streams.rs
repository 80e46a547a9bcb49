//! An upstream's stream, written for every caller: whole, and cut in two.

use tollgate_dialect::error::{ErrorBody, ErrorKind, Framing, stream_event};
use tollgate_dialect::translate::{Format, Names, StreamTranslator, Terms};
use tollgate_dialect::usage::Observed;

use super::{Turned, digest, events, terms};

/// What came of a stream.
#[derive(Debug, PartialEq)]
pub struct Streamed {
    pub out: Vec<u8>,
    /// As the translator counts them.
    pub events: u64,
    /// It came to its proper end.
    pub is_whole: bool,
    pub observed: Observed,
}

pub fn check(format: Format, data: &[u8]) {
    let (first, second) = data.split_at(digest(data) % (data.len() + 1));
    for to in Format::ALL {
        let whole = translate(format, to, [data], b"");
        let cut = translate(format, to, [first, second], b"");
        assert!(whole == cut, "a cut at {} changes what comes out\n{}\n{}", first.len(), show(&whole), show(&cut));
        events::check(to, &whole.out, whole.is_whole);
        let numbered =
            if to == Format::Responses { String::from_utf8_lossy(&whole.out).matches("\n\n").count() } else { 0 };
        assert_eq!(whole.events, numbered as u64, "{}", show(&whole));
        let mut out = whole.out;
        if whole.is_whole {
            let again = translate(to, to, [&*out], b"");
            assert!(again.is_whole, "the stream for {} is not read there\n{}", to.as_str(), show(&again));
        } else {
            let error = ErrorBody {
                kind: ErrorKind::UpstreamUnavailable,
                message: "m",
                param: None,
                request_id: "r",
                retry_after_ms: None,
            };
            let framing = Framing::of(to.protocol(), to.operation(true), true);
            out.extend(stream_event(framing, &error, true, whole.events));
            let again = translate(to, to, [&*out], b"");
            assert!(!again.is_whole && again.observed.error.is_some(), "the error is not seen by {}", to.as_str());
        }
    }
    array(format, data);
}

/// Gemini's other way of streaming says the same.
fn array(format: Format, data: &[u8]) {
    let to = Format::Generate;
    let terms = Terms { events: false, ..terms(&Turned, b"") };
    let mut translator = StreamTranslator::new(format, to, &terms, Names::default());
    let mut out = Vec::new();
    translator.feed(data, &Turned, &mut out);
    if translator.finish(&Turned, &mut out) {
        let whole = translate(format, to, [data], b"");
        let text = String::from_utf8_lossy(&whole.out);
        let events = text.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: "));
        let events: Vec<_> = events.map(|event| super::json::parse(event.as_bytes(), "an event")).collect();
        assert_eq!(super::json::parse(&out, "the array"), serde_json::Value::Array(events));
    }
}

/// Feeds pieces to a translator.
pub fn translate<'p>(from: Format, to: Format, pieces: impl IntoIterator<Item = &'p [u8]>, echo: &[u8]) -> Streamed {
    let mut translator = StreamTranslator::new(from, to, &terms(&Turned, echo), Names::default());
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece, &Turned, &mut out);
    }
    let is_whole = translator.finish(&Turned, &mut out);
    Streamed { out, events: translator.events(), is_whole, observed: translator.into_observed() }
}

fn show(streamed: &Streamed) -> String {
    format!("{}\n{} {:?}", String::from_utf8_lossy(&streamed.out), streamed.is_whole, streamed.observed)
}
