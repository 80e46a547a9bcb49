//! A provider's stream.
//!
//! Events belong to items, and an item's are not always together: what comes for an item while an earlier one is open
//! waits until that is done, because callers are told one block after the other. OpenAI itself sends one item after
//! the other, so that nothing waits. What was not streamed is taken from where it stands whole: from the event that
//! ends the part, the item, or the response.

use std::collections::VecDeque;

use crate::canonical::{Event, Finish};
use crate::json::{Kind, Value};
use crate::translate::{Frame, StreamReader};
use crate::usage::ProviderError;

use super::read_answer::finish_of;

mod call;
mod item;
mod tell;

use item::Item;
use tell::Sink;

#[derive(Debug, Default)]
pub(super) struct Reader {
    has_started: bool,
    has_ended: bool,
    has_calls: bool,
    /// In the order in which they began. The events of the first go out as they come.
    items: VecDeque<Item>,
    done: Vec<Done>,
}

/// An item that nothing more is told of.
#[derive(Debug)]
struct Done {
    place: u64,
    id: String,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if self.has_ended || frame.data.trim_ascii() == b"[DONE]" {
            return;
        }
        let Some(data) = frame.value().filter(|data| data.kind() == Kind::Object) else {
            return self.read_broken(frame, sink);
        };
        let kind = data.get("type").and_then(Value::string);
        let kind = kind.as_deref().or_else(|| std::str::from_utf8(frame.name).ok()).unwrap_or_default();
        match (kind, data.get("error")) {
            ("error" | "", Some(error)) => self.fail(error, sink),
            ("error", None) => self.fail(data, sink),
            ("", None) => self.malformed("an event of the stream has no type", sink),
            _ => self.read_event(kind, data, sink),
        }
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if !self.has_ended {
            self.end_items(None, sink);
        }
    }
}

impl Reader {
    fn read_event(&mut self, kind: &str, data: Value<'_>, sink: Sink<'_>) {
        let response = data.get("response");
        if !self.has_started && kind.starts_with("response.") {
            self.has_started = true;
            let member = |name| response.and_then(|response| response.get(name)).and_then(Value::text);
            sink(Event::Start { id: member("id"), model: member("model") });
        }
        match kind {
            "response.completed" | "response.incomplete" => self.complete(kind, response, sink),
            "response.failed" | "response.cancelled" => {
                let error = response.and_then(|response| response.get("error"));
                self.fail(error.unwrap_or(Value::EMPTY_OBJECT), sink);
            }
            "response.output_item.added" => _ = self.item(data, data.get("item"), kind, sink),
            "response.output_item.done" => {
                if let (Some(whole), Some(at)) = (data.get("item"), self.item(data, data.get("item"), kind, sink)) {
                    self.end_item(at, Some(whole), sink);
                    self.go_on(sink);
                }
            }
            // Those of the response itself, and of tools that the provider runs, find no item.
            _ => _ = self.item(data, None, kind, sink),
        }
    }

    /// Gives an event to its item, and returns which of them that is. An item begins with its announcement, or else
    /// with its first event.
    fn item(&mut self, data: Value<'_>, whole: Option<Value<'_>>, kind: &str, sink: Sink<'_>) -> Option<usize> {
        let is_it = |item: &Item| match data.get("output_index").and_then(Value::count) {
            Some(place) => item.place == place,
            None => whole.is_none_or(|whole| item.is(whole)),
        };
        let at = match self.items.iter().rposition(is_it) {
            Some(at) => at,
            None => self.begin_item(data, whole, kind)?,
        };
        let item = self.items.get_mut(at)?;
        item.read(kind, data, at == 0, sink);
        self.has_calls |= item.is_call;
        Some(at)
    }

    /// `None` when callers are not told of it, or not again.
    fn begin_item(&mut self, data: Value<'_>, whole: Option<Value<'_>>, kind: &str) -> Option<usize> {
        let given = data.get("output_index").and_then(Value::count);
        let places = self.items.iter().map(|item| item.place).chain(self.done.iter().map(|done| done.place));
        let place = given.unwrap_or_else(|| places.max().map_or(0, |last| last.saturating_add(1)));
        let begun = match whole {
            Some(whole) => Item::announced(place, whole),
            None => Item::unannounced(place, kind),
        }?;
        let is_same = |done: &Done| done.id == begun.id || begun.id.is_empty();
        if self.done.iter().any(|done| done.place == place && is_same(done)) {
            return None;
        }
        self.items.push_back(begun);
        self.items.len().checked_sub(1)
    }

    fn end_item(&mut self, at: usize, whole: Option<Value<'_>>, sink: Sink<'_>) {
        if let Some(item) = self.items.get_mut(at) {
            item.end(whole, at == 0, sink);
            self.has_calls |= item.is_call;
        }
    }

    /// Takes the first items out that are done, and lets the one behind them say what it held.
    fn go_on(&mut self, sink: Sink<'_>) {
        while self.items.front().is_some_and(|item| item.is_done) {
            if let Some(Item { place, id, .. }) = self.items.pop_front() {
                self.done.push(Done { place, id });
            }
            if let Some(next) = self.items.front_mut() {
                next.release(sink);
            }
        }
    }

    /// Ends what did not end. `output` is the whole output, where it was told.
    fn end_items(&mut self, output: Option<Value<'_>>, sink: Sink<'_>) {
        for at in 0..self.items.len() {
            let whole = self.items.get(at).and_then(|item| output?.elements().find(|whole| item.is(*whole)));
            self.end_item(at, whole, sink);
        }
        self.go_on(sink);
    }

    fn complete(&mut self, kind: &str, response: Option<Value<'_>>, sink: Sink<'_>) {
        let response = response.unwrap_or(Value::EMPTY_OBJECT);
        let output = response.get("output");
        // A provider that streamed nothing says it all here.
        if self.items.is_empty() && self.done.is_empty() {
            let announced = |(place, whole)| Some((Item::announced(place, whole)?, whole));
            let wholes = output.into_iter().flat_map(Value::elements);
            for (mut item, whole) in (0..).zip(wholes).filter_map(announced) {
                item.end(Some(whole), true, sink);
                self.has_calls |= item.is_call;
            }
        }
        self.end_items(output, sink);
        self.has_ended = true;
        let finish = match finish_of(response, self.has_calls) {
            Finish::Stop | Finish::ToolCalls if kind == "response.incomplete" => Finish::Length,
            finish => finish,
        };
        sink(Event::Finish { choice: 0, finish, stop_sequence: None });
    }

    /// An event that came whole and is no JSON. Some providers break those that say how the response is set up, which
    /// is in the way of nothing: what the model made is in other events.
    fn read_broken(&mut self, frame: &Frame<'_>, sink: Sink<'_>) {
        let is_whole = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| frame.raw.ends_with(end));
        let data = frame.data.trim_ascii();
        let in_data = data.strip_prefix(br#"{"type":""#).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        match if frame.name.is_empty() { in_data.unwrap_or_default() } else { frame.name } {
            b"response.created" | b"response.in_progress" | b"response.queued" if is_whole => {}
            b"response.completed" if is_whole => self.read_event("response.completed", Value::EMPTY_OBJECT, sink),
            _ => self.malformed("an event of the stream is no JSON object", sink),
        }
    }

    fn fail(&mut self, error: Value<'_>, sink: Sink<'_>) {
        self.has_ended = true;
        sink(Event::Error(ProviderError::read(error.raw().as_bytes())));
    }

    fn malformed(&mut self, message: &str, sink: Sink<'_>) {
        self.has_ended = true;
        sink(Event::Error(ProviderError::malformed(message)));
    }
}
