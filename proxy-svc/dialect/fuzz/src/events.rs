//! The order of events that each protocol's clients count on.

use serde_json::Value;
use tollgate_dialect::translate::Format;

use super::json;

/// Checks what was written of a stream, and its end where it came to one.
pub fn check(format: Format, out: &[u8], is_whole: bool) {
    let text = std::str::from_utf8(out).unwrap_or_else(|_| panic!("a stream that is no UTF-8"));
    assert!(text.is_empty() || text.ends_with("\n\n"), "the last event has no end: {text:?}");
    let events: Vec<Event> = text.split_terminator("\n\n").map(Event::read).collect();
    match format {
        Format::Chat => chat(&events, is_whole),
        Format::Responses => responses(&events, is_whole),
        Format::Messages => messages(&events, is_whole),
        Format::Generate => generate(&events, is_whole),
    }
}

struct Event<'a> {
    name: Option<&'a str>,
    data: &'a str,
}

impl<'a> Event<'a> {
    fn read(text: &'a str) -> Self {
        assert!(!text.contains('\r'), "a raw line break: {text:?}");
        let mut lines = text.split('\n').rev();
        let data = lines.next().and_then(|line| line.strip_prefix("data: "));
        let data = data.unwrap_or_else(|| panic!("no data: {text:?}"));
        let name = lines
            .next()
            .map(|line| line.strip_prefix("event: ").unwrap_or_else(|| panic!("neither a name nor data: {text:?}")));
        assert!(lines.next().is_none(), "more lines than an event has: {text:?}");
        Self { name, data }
    }

    fn value(&self) -> Value {
        json::parse(self.data.as_bytes(), "an event")
    }

    /// Of the protocols that name their events, in the line before and in the data.
    fn named(&self) -> (&'a str, Value) {
        let value = self.value();
        let name = self.name.unwrap_or_else(|| panic!("an event without a name: {}", self.data));
        assert_eq!(value["type"], name);
        (name, value)
    }
}

fn chat(events: &[Event<'_>], is_whole: bool) {
    let mut choices: Vec<ChatChoice> = Vec::new();
    let mut has_usage = false;
    let chunks = match events.split_last() {
        Some((last, chunks)) if last.data == "[DONE]" => {
            assert!(is_whole, "an end of what has none");
            chunks
        }
        _ => {
            assert!(!is_whole, "no end");
            events
        }
    };
    let mut id = None;
    for event in chunks {
        assert!(event.name.is_none(), "a name");
        let chunk = event.value();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["model"].is_string() && chunk["created"].is_u64(), "{chunk}");
        assert_eq!(*id.get_or_insert_with(|| chunk["id"].clone()), chunk["id"]);
        assert!(!has_usage, "something behind the usage");
        if chunk["usage"].is_object() {
            assert_eq!(chunk["choices"], Value::Array(Vec::new()));
            has_usage = true;
            continue;
        }
        let [choice] = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("{chunk}") };
        let index = usize::try_from(choice["index"].as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        assert!(index <= choices.len(), "choice {index} before those in front of it");
        if index == choices.len() {
            choices.push(ChatChoice::default());
        }
        choices[index].take(choice);
    }
    if is_whole {
        assert!(!choices.is_empty() && choices.iter().all(|choice| choice.is_finished), "a choice without an end");
    }
}

#[derive(Default)]
struct ChatChoice {
    has_role: bool,
    is_finished: bool,
    calls: u64,
}

impl ChatChoice {
    fn take(&mut self, choice: &Value) {
        let delta = choice["delta"].as_object().unwrap_or_else(|| panic!("{choice}"));
        assert!(!self.is_finished, "something behind the end: {choice}");
        assert_eq!(delta.contains_key("role"), !std::mem::replace(&mut self.has_role, true), "{choice}");
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let index = call["index"].as_u64().unwrap_or(u64::MAX);
            let inner = if call.get("custom").is_some() { &call["custom"] } else { &call["function"] };
            if index == self.calls {
                self.calls += 1;
                assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()), "{call}");
                assert!(call["type"].is_string() && inner["name"].is_string(), "{call}");
            } else {
                assert_eq!(index + 1, self.calls, "{call}");
                assert!(inner.get("name").is_none(), "{call}");
            }
        }
        self.is_finished = choice["finish_reason"].is_string();
        assert!(!self.is_finished || delta.is_empty(), "{choice}");
    }
}

fn responses(events: &[Event<'_>], is_whole: bool) {
    let mut done: Vec<Value> = Vec::new();
    let mut open: Option<Value> = None;
    let mut has_ended = false;
    let mut text = String::new();
    for (index, event) in events.iter().enumerate() {
        let (name, value) = event.named();
        assert!(!has_ended, "something behind the end");
        assert_eq!(value["sequence_number"], index);
        let starts = ["response.created", "response.in_progress"];
        assert_eq!(starts.get(index).copied(), starts.contains(&name).then_some(name));
        let place = value["output_index"].as_u64();
        if let Some(place) = place {
            assert_eq!(place, done.len() as u64, "{value}");
        }
        if let Some(id) = value.get("item_id") {
            assert_eq!(open.as_ref().map(|open| &open["id"]), Some(id), "{value}");
        }
        match name {
            "response.created" | "response.in_progress" => assert_eq!(value["response"]["status"], "in_progress"),
            "response.output_item.added" => {
                assert!(open.replace(value["item"].clone()).is_none(), "two items are open");
            }
            "response.output_item.done" => {
                let begun = open.take().unwrap_or_else(|| panic!("an item ends that did not begin"));
                for member in ["id", "type", "call_id", "name", "role"] {
                    assert_eq!(begun.get(member), value["item"].get(member), "{member} {value}");
                }
                done.push(value["item"].clone());
            }
            "response.completed" | "response.incomplete" => {
                assert!(open.is_none(), "an item is open at the end");
                assert_eq!(value["response"]["output"], Value::Array(done.clone()));
                assert_eq!(value["response"]["status"], name.trim_start_matches("response."));
                has_ended = true;
            }
            _ => spoken(name, &value, &mut text),
        }
    }
    assert_eq!(has_ended, is_whole);
}

/// Each text comes in pieces, and then whole.
fn spoken(name: &str, value: &Value, text: &mut String) {
    let name = name.trim_start_matches("response.");
    match name {
        "content_part.added" | "reasoning_summary_part.added" => assert!(text.is_empty(), "{value}"),
        "content_part.done" | "reasoning_summary_part.done" => {}
        _ if value.get("delta").is_some() => {
            text.push_str(value["delta"].as_str().unwrap_or_else(|| panic!("{value}")));
        }
        _ => {
            let member = match name {
                "output_text.done" | "reasoning_summary_text.done" => "text",
                "refusal.done" => "refusal",
                "function_call_arguments.done" => "arguments",
                "custom_tool_call_input.done" => "input",
                _ => panic!("an event that nobody knows: {value}"),
            };
            let pieces = std::mem::take(text);
            assert_eq!(value[member], pieces, "{value}");
        }
    }
}

fn messages(events: &[Event<'_>], is_whole: bool) {
    let mut open: Option<String> = None;
    let mut blocks = 0_u64;
    let mut state = 0;
    for event in events {
        let (name, value) = event.named();
        match name {
            "message_start" => {
                assert_eq!(state, 0, "a second start");
                assert!(value["message"]["usage"]["input_tokens"].is_u64(), "{value}");
                state = 1;
            }
            "content_block_start" => {
                assert!(state == 1 && open.is_none() && value["index"] == blocks, "{value}");
                open = value["content_block"]["type"].as_str().map(str::to_owned);
            }
            "content_block_delta" => {
                assert_eq!(value["index"], blocks, "{value}");
                let fitting: &[&str] = match open.as_deref() {
                    Some("text") => &["text_delta"],
                    Some("thinking") => &["thinking_delta", "signature_delta"],
                    Some("tool_use") => &["input_json_delta"],
                    _ => &[],
                };
                assert!(fitting.iter().any(|kind| value["delta"]["type"] == **kind), "{open:?} {value}");
            }
            "content_block_stop" => {
                assert!(open.take().is_some() && value["index"] == blocks, "{value}");
                blocks += 1;
            }
            "message_delta" => {
                assert!(state == 1 && open.is_none(), "{value}");
                assert!(value["delta"]["stop_reason"].is_string() && value["usage"]["output_tokens"].is_u64());
                state = 2;
            }
            "message_stop" => {
                assert_eq!(state, 2);
                state = 3;
            }
            _ => panic!("an event that nobody knows: {value}"),
        }
    }
    assert_eq!(state == 3, is_whole);
}

fn generate(events: &[Event<'_>], is_whole: bool) {
    let mut has_ended = false;
    for event in events {
        assert!(event.name.is_none(), "a name");
        let chunk = event.value();
        assert!(!has_ended, "something behind the end: {chunk}");
        assert!(chunk["responseId"].is_string() && chunk["modelVersion"].is_string(), "{chunk}");
        let candidates = chunk["candidates"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(!candidates.is_empty() || chunk["promptFeedback"].is_object(), "nothing is in it: {chunk}");
        for candidate in candidates {
            assert!(candidate["content"]["parts"].is_array() && candidate["content"]["role"] == "model", "{chunk}");
            has_ended |= candidate["finishReason"].is_string();
        }
        has_ended |= chunk["promptFeedback"].is_object();
    }
    assert_eq!(has_ended, is_whole);
}
