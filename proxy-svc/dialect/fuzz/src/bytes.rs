//! What takes bytes as they come: the framing of events, the tap, and the filter of the usage chunk.

use tollgate_dialect::stream::UsageChunkFilter;
use tollgate_dialect::translate::Format;
use tollgate_dialect::usage::{Observed, Tap};

use super::{digest, streams};

pub fn check(data: &[u8]) {
    let cut = digest(data) % (data.len() + 1);
    let (first, second) = data.split_at(cut);
    let ones = || data.chunks(1);
    for format in Format::ALL {
        let whole = streams::translate(format, Format::Chat, [data], b"");
        assert!(whole == streams::translate(format, Format::Chat, ones(), b""), "byte by byte it is another stream");
        for content_type in ["text/event-stream", "application/json"] {
            let whole = tapped(format, content_type, [data]);
            assert_eq!(whole, tapped(format, content_type, [first, second]), "{content_type} cut at {cut}");
            assert_eq!(whole, tapped(format, content_type, ones()), "{content_type} byte by byte");
        }
    }
    let whole = filtered([data]);
    assert!(whole == filtered([first, second]), "the filter sees a cut at {cut}");
    assert!(whole == filtered(ones()), "the filter sees single bytes");
}

fn tapped<'p>(format: Format, content_type: &str, pieces: impl IntoIterator<Item = &'p [u8]>) -> Observed {
    let mut tap = Tap::for_answer(format.protocol(), format.operation(true), Some(content_type));
    pieces.into_iter().for_each(|piece| tap.feed(piece));
    tap.finish()
}

fn filtered<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut filter = UsageChunkFilter::new();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(filter.filter(piece).bytes(piece));
    }
    out.extend(filter.finish());
    out
}
