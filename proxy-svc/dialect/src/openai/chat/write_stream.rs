//! A stream for a caller, chunk by chunk: the role once in each choice's first chunk, calls by their own index with id
//! and name first, one chunk that says why the model stopped, then usage where it was asked for, then `[DONE]`.

use super::reasoning;
use super::write_answer::BLOCKED;
use super::{echo, figures, finish};
use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Text};
use crate::json::write::Object;
use crate::translate::calls::id_for_caller;
use crate::translate::{Seal, StreamWriter, Terms};
use crate::usage::Usage;

/// A choice beyond these is nothing that was asked for, and is left out.
const MOST_CHOICES: usize = 128;

pub(super) struct Writer {
    request_id: String,
    created: u64,
    include_usage: bool,
    is_legacy: bool,
    /// What every chunk begins with, up to the choices.
    prefix: Vec<u8>,
    /// By their index: the SDKs want to see each for the first time in this order.
    choices: Vec<Choice>,
}

#[derive(Default)]
struct Choice {
    has_role: bool,
    is_finished: bool,
    calls: usize,
    open: Open,
    /// The list of `reasoning_details`, but for its end. It is written in one chunk before the last: one
    /// of the SDKs adds such lists up by their index, another keeps only the last one.
    entries: Vec<u8>,
    entry_count: u64,
}

/// The block that is open.
#[derive(Default)]
enum Open {
    #[default]
    Nothing,
    /// The text so far, as the inside of a JSON string; and the signature as it is shown.
    Reasoning { text: String, signature: Option<String> },
    Call {
        is_custom: bool,
        /// One too many for a caller that knows one call.
        is_hidden: bool,
        has_arguments: bool,
    },
}

impl Writer {
    pub(super) fn new(terms: &Terms<'_>) -> Self {
        let mut writer = Self {
            request_id: terms.id.to_owned(),
            created: terms.created,
            include_usage: terms.include_usage,
            is_legacy: echo::is_legacy(terms.echo),
            prefix: Vec::new(),
            choices: Vec::new(),
        };
        writer.prepare(&Text::plain(terms.model));
        writer
    }

    fn prepare(&mut self, model: &Text<'_>) {
        let mut prefix = b"data: ".to_vec();
        Object::begin(&mut prefix)
            .texts("id", &[&Text::Escaped("chatcmpl-"), &Text::plain(self.request_id.as_str())])
            .string("object", "chat.completion.chunk")
            .count("created", self.created)
            .text("model", model);
        // The object goes on.
        prefix.pop();
        self.prefix = prefix;
    }

    /// Writes a chunk with one choice.
    fn chunk(&self, choice: u32, finish: Option<&str>, out: &mut Vec<u8>, delta: impl FnOnce(&mut Object<'_>)) {
        self.choice(choice, None, finish, out, delta);
    }

    fn choice(
        &self,
        choice: u32,
        log_probabilities: Option<&str>,
        finish: Option<&str>,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut Object<'_>),
    ) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(b",\"choices\":[");
        {
            let mut object = Object::begin(out);
            object.count("index", u64::from(choice));
            delta(&mut object.object("delta"));
            match log_probabilities {
                Some(json) => object.raw("logprobs", json),
                None => object.null("logprobs"),
            };
            match finish {
                Some(word) => object.string("finish_reason", word),
                None => object.null("finish_reason"),
            };
        }
        out.extend_from_slice(if self.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }

    fn at(&mut self, choice: u32) -> Option<&mut Choice> {
        self.choices.get_mut(usize::try_from(choice).ok()?)
    }

    /// Writes the role of a choice and of those before it, where that was not done.
    fn role(&mut self, choice: u32, begins_with_text: bool, out: &mut Vec<u8>) {
        let count = usize::try_from(choice).unwrap_or_default() + 1;
        if count > MOST_CHOICES {
            return;
        }
        if self.choices.get(count - 1).is_some_and(|choice| choice.has_role) {
            return;
        }
        if self.choices.len() < count {
            self.choices.resize_with(count, Choice::default);
        }
        for index in 0..=choice {
            let has_role = self.at(index).is_none_or(|found| std::mem::replace(&mut found.has_role, true));
            if has_role {
                continue;
            }
            self.chunk(index, None, out, |delta| {
                delta.string("role", "assistant");
                if begins_with_text {
                    delta.string("content", "");
                } else {
                    delta.null("content");
                }
                delta.null("refusal");
            });
        }
    }

    fn start_block(&mut self, choice: u32, block: &BlockStart<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        self.role(choice, matches!(block, BlockStart::Text), out);
        let is_legacy = self.is_legacy;
        let Some(state) = self.at(choice) else { return };
        let BlockStart::ToolCall { id, name, is_custom, signature } = block else {
            state.open = match block {
                BlockStart::Reasoning => Open::Reasoning { text: String::new(), signature: None },
                _ => Open::Nothing,
            };
            return;
        };
        let index = state.calls;
        state.calls += 1;
        let is_hidden = is_legacy && index > 0;
        state.open = Open::Call { is_custom: *is_custom, is_hidden, has_arguments: false };
        if is_hidden {
            return;
        }
        let id = id_for_caller(Protocol::OpenAi, &self.request_id, seal, index, id.as_ref(), signature.as_ref());
        self.chunk(choice, None, out, |delta| {
            if is_legacy {
                delta.object("function_call").text("name", name).string("arguments", "");
                return;
            }
            let kind = if *is_custom { "custom" } else { "function" };
            let mut list = delta.array("tool_calls");
            let mut call = list.object();
            call.count("index", index as u64).text("id", &id).string("type", kind);
            call.object(kind).text("name", name).string(if *is_custom { "input" } else { "arguments" }, "");
        });
    }

    fn delta(&mut self, choice: u32, delta: &Delta<'_>, seal: &dyn Seal, out: &mut Vec<u8>) {
        let (name, text) = match delta {
            Delta::Text(text) => ("content", text),
            Delta::Refusal(text) => ("refusal", text),
            Delta::Reasoning(text) => {
                if let Some(Choice { open: Open::Reasoning { text: so_far, .. }, .. }) = self.at(choice) {
                    append(so_far, text);
                }
                ("reasoning_content", text)
            }
            Delta::Signature(found) => {
                if let Some(Choice { open: Open::Reasoning { signature, .. }, .. }) = self.at(choice) {
                    *signature = Some(reasoning::shown(seal, found).decode().into_owned());
                }
                return;
            }
            Delta::Arguments(text) if text.is_empty() => return,
            Delta::Arguments(text) => {
                self.arguments(choice, out, |object, name| {
                    object.text(name, text);
                });
                return;
            }
            Delta::WholeArguments(value) => {
                self.arguments(choice, out, |object, name| {
                    object.value_in_string(name, *value);
                });
                return;
            }
        };
        if !text.is_empty() {
            self.chunk(choice, None, out, |delta| {
                delta.text(name, text);
            });
        }
    }

    /// Writes a piece of the open call's arguments.
    fn arguments(&mut self, choice: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>, &str)) {
        let is_legacy = self.is_legacy;
        let Some(Choice { calls, open: Open::Call { is_custom, is_hidden, has_arguments }, .. }) = self.at(choice)
        else {
            return;
        };
        *has_arguments = true;
        if *is_hidden {
            return;
        }
        let (index, is_custom) = (calls.saturating_sub(1) as u64, *is_custom);
        self.chunk(choice, None, out, |delta| {
            if is_legacy {
                write(&mut delta.object("function_call"), "arguments");
                return;
            }
            let mut list = delta.array("tool_calls");
            let mut call = list.object();
            call.count("index", index);
            if is_custom {
                write(&mut call.object("custom"), "input");
            } else {
                write(&mut call.object("function"), "arguments");
            }
        });
    }

    fn end_block(&mut self, choice: u32, out: &mut Vec<u8>) {
        let Some(state) = self.at(choice) else { return };
        match std::mem::take(&mut state.open) {
            Open::Reasoning { text, signature: Some(signature) } => {
                state.entries.push(if state.entry_count == 0 { b'[' } else { b',' });
                let mut entry = Object::begin(&mut state.entries);
                let (text, signature) = (Text::Escaped(&text), Text::from(signature));
                reasoning::write_entry(&mut entry, &text, &signature, state.entry_count);
                drop(entry);
                state.entry_count += 1;
            }
            Open::Reasoning { text, signature: None } if !text.is_empty() => {
                state.entries.push(if state.entry_count == 0 { b'[' } else { b',' });
                reasoning::write_unsigned(&mut Object::begin(&mut state.entries), state.entry_count);
                state.entry_count += 1;
            }
            // Arguments are parsed, and nothing at all is no JSON.
            open @ Open::Call { is_custom: false, has_arguments: false, .. } => {
                state.open = open;
                self.arguments(choice, out, |object, name| {
                    object.string(name, "{}");
                });
                if let Some(state) = self.at(choice) {
                    state.open = Open::Nothing;
                }
            }
            Open::Nothing | Open::Reasoning { .. } | Open::Call { .. } => {}
        }
    }

    fn end_choice(&mut self, choice: u32, finish: Finish, out: &mut Vec<u8>) {
        self.role(choice, true, out);
        let Some(state) = self.at(choice) else { return };
        if std::mem::replace(&mut state.is_finished, true) {
            return;
        }
        let (mut entries, has_calls) = (std::mem::take(&mut state.entries), state.calls > 0);
        if !entries.is_empty() {
            entries.push(b']');
            self.chunk(choice, None, out, |delta| {
                delta.raw("reasoning_details", &String::from_utf8_lossy(&entries));
            });
        }
        self.chunk(choice, Some(finish::word(finish, has_calls, self.is_legacy)), out, |_| {});
    }
}

/// Appends a text as the inside of a JSON string.
fn append(so_far: &mut String, text: &Text<'_>) {
    match text {
        Text::Escaped(inner) => so_far.push_str(inner),
        Text::Plain(_) => {
            let mut escaped = Vec::new();
            text.write_escaped(&mut escaped);
            so_far.push_str(&String::from_utf8_lossy(&escaped));
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, _usage: Option<&Usage>, seal: &dyn Seal, out: &mut Vec<u8>) {
        match event {
            Event::Start { model: Some(model), .. } => self.prepare(model),
            // An error is written by those who know its framing.
            Event::Start { model: None, .. } | Event::Error(_) => {}
            Event::BlockStart { choice, block } => self.start_block(*choice, block, seal, out),
            Event::Delta { choice, delta } => self.delta(*choice, delta, seal, out),
            Event::BlockEnd { choice } => self.end_block(*choice, out),
            Event::LogProbabilities { choice, json } => {
                self.role(*choice, true, out);
                self.choice(*choice, Some(json), None, out, |_| {});
            }
            Event::Finish { choice, finish, .. } => self.end_choice(*choice, *finish, out),
            Event::Blocked(why) => {
                self.role(0, false, out);
                self.chunk(0, None, out, |delta| {
                    delta.texts("refusal", &[&Text::Escaped(BLOCKED), why]);
                });
                self.end_choice(0, Finish::ContentFilter, out);
            }
        }
    }

    fn finish(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>) {
        let open = (0..).zip(&self.choices).filter(|(_, choice)| !choice.is_finished).map(|(index, _)| index);
        let mut open: Vec<u32> = open.collect();
        if self.choices.is_empty() {
            open.push(0);
        }
        for choice in open {
            self.end_choice(choice, Finish::Stop, out);
        }
        if let Some(usage) = usage.filter(|_| self.include_usage) {
            out.extend_from_slice(&self.prefix);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            figures::write(Object::begin(out), usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
