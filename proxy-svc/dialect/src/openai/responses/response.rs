//! The response object: what it holds besides its output, as an answer and inside the events of a stream.

use crate::canonical::{Finish, Text};
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::Terms;
use crate::usage::Usage;

use super::echo;

/// What is the same in every form of one response.
pub(super) struct Head {
    /// The letters and digits of the request's id, from which all ids are made.
    digits: String,
    id: String,
    created: u64,
    model: Text<'static>,
    echo: Vec<u8>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// With the reason.
    Incomplete(&'static str),
}

impl Status {
    pub(super) const fn of(finish: Finish) -> Self {
        match finish {
            Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => Self::Completed,
            Finish::Length | Finish::ContextWindow => Self::Incomplete("max_output_tokens"),
            Finish::ContentFilter => Self::Incomplete("content_filter"),
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
        }
    }
}

impl Head {
    pub(super) fn new(terms: &Terms<'_>, model: Option<&Text<'_>>) -> Self {
        let digits: String = terms.id.chars().filter(char::is_ascii_alphanumeric).collect();
        let model = model.filter(|model| !model.is_empty()).map_or(Text::plain(terms.model), Clone::clone);
        let echo = if terms.echo.is_empty() { echo::of(Value::EMPTY_OBJECT) } else { terms.echo.to_vec() };
        Self { id: format!("resp_{digits}"), digits, created: terms.created, model: model.into_owned(), echo }
    }

    pub(super) fn set_model(&mut self, model: &Text<'_>) {
        if !model.is_empty() {
            self.model = model.clone().into_owned();
        }
    }

    /// The id of an item, by its place in the output.
    pub(super) fn item_id(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{}_{index}", self.digits)
    }

    /// `output` is the items' JSON with commas between them.
    pub(super) fn write(
        &self,
        response: &mut Object<'_>,
        status: Status,
        output: impl FnOnce(&mut Object<'_>),
        usage: Option<&Usage>,
    ) {
        response
            .string("id", &self.id)
            .string("object", "response")
            .count("created_at", self.created)
            .string("status", status.as_str())
            .boolean("background", false)
            // There is no clock here, and no SDK needs it.
            .null("completed_at")
            .null("error");
        match status {
            Status::Incomplete(reason) => {
                response.object("incomplete_details").string("reason", reason);
            }
            _ => {
                response.null("incomplete_details");
            }
        }
        response.text("model", &self.model);
        output(response);
        response.members(&self.echo);
        match usage {
            Some(usage) => write_usage(&mut response.object("usage"), usage),
            None => {
                response.null("usage");
            }
        }
    }
}

fn write_usage(object: &mut Object<'_>, usage: &Usage) {
    let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    object.count("input_tokens", usage.prompt());
    object.object("input_tokens_details").count("cached_tokens", usage.cache_read).count("cache_write_tokens", written);
    object.count("output_tokens", usage.output);
    object.object("output_tokens_details").count("reasoning_tokens", usage.reasoning);
    object.count("total_tokens", usage.prompt().saturating_add(usage.output));
}
