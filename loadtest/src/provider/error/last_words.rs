//! How a stream that fails in the middle ends, in each protocol and framing.

use serde_json::Value;

use super::{ApiError, anthropic_type};
use crate::provider::json::{Json, object};
use crate::provider::plan::{Body, Plan, Protocol};
use crate::provider::template::Template;

/// How the events of a stream stand in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// `OpenAI`'s chat and old completions.
    Data,
    /// The Responses API: numbered events with names.
    Numbered,
    Anthropic,
    GeminiEvents,
    /// Gemini without `alt=sse`.
    GeminiArray,
}

impl Framing {
    fn of(plan: &Plan, responses_api: bool) -> Self {
        let events = plan.headers.iter().any(|(_, value)| value.starts_with("text/event-stream"));
        match plan.protocol {
            Protocol::OpenAi if responses_api => Self::Numbered,
            Protocol::OpenAi => Self::Data,
            Protocol::Anthropic => Self::Anthropic,
            Protocol::Gemini if events => Self::GeminiEvents,
            Protocol::Gemini => Self::GeminiArray,
        }
    }
}

/// What follows `after_chunks` events of this stream.
pub(crate) fn last_words(error: &ApiError, plan: &Plan, responses_api: bool, after_chunks: usize) -> Template {
    let mut out = Vec::new();
    let mut write = |before: &[u8], body: &Json, after: &[u8]| {
        out.extend_from_slice(before);
        out.extend(body.to_bytes());
        out.extend_from_slice(after);
    };
    match Framing::of(plan, responses_api) {
        Framing::Numbered => {
            let number = after_chunks.min(chunks(plan));
            let said = object! { "type": "error", "sequence_number": number, "error": error.openai() };
            write(b"event: error\ndata: ", &said, b"\n\n");
            if let Some(response) = failed(error, plan).filter(|_| after_chunks > 0) {
                let said = object! { "type": "response.failed", "sequence_number": number + 1, "response": response };
                write(b"event: response.failed\ndata: ", &said, b"\n\n");
            }
        }
        Framing::Data => write(b"data: ", &error.body(Protocol::OpenAi), b"\n\n"),
        Framing::Anthropic => {
            let inner = object! { "type": anthropic_type(error.status), "message": &error.message };
            write(b"event: error\ndata: ", &object! { "type": "error", "error": inner }, b"\n\n");
        }
        // Bare JSON, without the `data:` of the events before it.
        Framing::GeminiEvents => write(b"", &error.body(Protocol::Gemini), b"\r\n\r\n"),
        Framing::GeminiArray => {
            let before: &[u8] = if after_chunks == 0 { b"[" } else { b",\r\n" };
            write(before, &error.body(Protocol::Gemini), b"\n]");
        }
    }
    Template::new(out)
}

fn chunks(plan: &Plan) -> usize {
    match &plan.body {
        Body::Stream(chunks) => chunks.len(),
        Body::Whole(_) => 0,
    }
}

/// The response of a stream's first event, as one that failed.
fn failed(error: &ApiError, plan: &Plan) -> Option<Value> {
    let Body::Stream(chunks) = &plan.body else { return None };
    let event = chunks.first()?.payload.text();
    let (_, data) = event.split_once("data: ")?;
    let mut response = serde_json::from_str::<Value>(data).ok()?.get("response").cloned()?;
    response["status"] = "failed".into();
    response["error"] = serde_json::json!({ "code": "server_error", "message": error.message });
    Some(response)
}
