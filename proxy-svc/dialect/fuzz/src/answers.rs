//! An upstream's whole answer, written for every caller.

use tollgate_dialect::translate::{Exchange, Format, Names};
use tollgate_dialect::usage::{Tap, Usage};

use super::{Turned, json, terms};

pub fn check(format: Format, data: &[u8]) {
    let usage = usage(format, data);
    let terms = terms(&Turned, b"");
    for to in Format::ALL {
        let exchange = Exchange::Conversation { from: format, to };
        let Ok(body) = exchange.write_answer(data, usage.as_ref(), &terms, &Names::default()) else { continue };
        assert!(json::parse(&body, "the answer").is_object(), "the answer is no object");
        figures(to, usage.as_ref(), &body);
        // What is written for a caller is an answer of the caller's format.
        for other in Format::ALL {
            let exchange = Exchange::Conversation { from: to, to: other };
            let again = exchange.write_answer(&body, None, &terms, &Names::default());
            assert!(again.is_ok(), "what was written for {} is not read there", to.as_str());
        }
    }
}

pub fn usage(format: Format, data: &[u8]) -> Option<Usage> {
    let mut tap = Tap::for_answer(format.protocol(), format.operation(false), Some("application/json"));
    tap.feed(data);
    tap.finish().usage
}

/// What the caller is shown is what is billed.
fn figures(to: Format, usage: Option<&Usage>, body: &[u8]) {
    let Some(billed) = usage else { return };
    // Sums are cut off at the largest number, and do not add up any more there.
    if billed.prompt() > u64::from(u32::MAX) || billed.output > u64::from(u32::MAX) {
        return;
    }
    let Some(shown) = self::usage(to, body) else {
        panic!("no usage is shown to a caller of {}: {billed:?}\n{}", to.as_str(), String::from_utf8_lossy(body));
    };
    assert_eq!((shown.prompt(), shown.output), (billed.prompt(), billed.output), "usage of {}", to.as_str());
    assert_eq!(shown.cache_read, billed.cache_read, "cache of {}", to.as_str());
}
