//! Streams of the example's talk.

use super::{finish, used, why};
use crate::canonical::{BlockStart, Delta, Event, Finish};
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::{Frame, Seal, StreamReader, StreamWriter};
use crate::usage::{ProviderError, Usage};

#[derive(Default)]
pub(super) struct Reader {
    has_started: bool,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(value) = frame.value() else {
            return sink(Event::Error(ProviderError::malformed("an event of the stream is not JSON")));
        };
        if let Some(error) = value.get("error") {
            return sink(Event::Error(ProviderError::read(error.raw().as_bytes())));
        }
        if !std::mem::replace(&mut self.has_started, true) {
            sink(Event::Start { id: None, model: value.get("model").and_then(Value::text) });
            sink(Event::BlockStart { choice: 0, block: BlockStart::Text });
        }
        if let Some(words) = value.get("words").and_then(Value::text) {
            sink(Event::Delta { choice: 0, delta: Delta::Text(words) });
        }
        if let Some(why) = value.get("why").and_then(Value::string) {
            sink(Event::BlockEnd { choice: 0 });
            sink(Event::Finish { choice: 0, finish: finish(&why), stop_sequence: None });
        }
    }
}

#[derive(Default)]
pub(super) struct Writer {
    finish: Finish,
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, _usage: Option<&Usage>, _seal: &dyn Seal, out: &mut Vec<u8>) {
        match event {
            Event::Delta { choice: 0, delta: Delta::Text(words) | Delta::Refusal(words) } if !words.is_empty() => {
                out.extend_from_slice(b"data: ");
                Object::begin(out).text("words", words);
                out.extend_from_slice(b"\n\n");
            }
            Event::Finish { choice: 0, finish, .. } => self.finish = *finish,
            Event::Blocked(_) => self.finish = Finish::ContentFilter,
            _ => {}
        }
    }

    fn finish(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        used(Object::begin(out).string("why", why(self.finish)), usage);
        out.extend_from_slice(b"\n\n");
    }
}
