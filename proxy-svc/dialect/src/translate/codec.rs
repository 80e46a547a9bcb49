//! What a format has to be able to do; the rest of the translation is the same for all of them.

use crate::Protocol;
use crate::canonical::{Answer, Event, Request};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::json::write::Object;
use crate::usage::Usage;

use super::policy::{Feature, Foreign, Verdict};
use super::{Caller, Frame, Notes, Rejected, Seal, Target, Terms};

/// One format. Implementations hold no state. Readers are tolerant: what providers and callers get wrong in harmless
/// ways is read all the same. Writers are strict: what they write, the official SDKs and the provider accept.
pub(crate) trait Codec: Sync {
    /// In words, for people.
    fn name(&self) -> &'static str;

    /// Whose it is.
    fn protocol(&self) -> Protocol;

    /// The operation that speaks it.
    fn operation(&self, stream: bool) -> Operation;

    /// The version prefix of its path at a provider.
    fn version_prefix(&self) -> &'static str {
        "/v1"
    }

    /// Reads a caller's request. Every member is either read, listed in [`Codec::foreign`], or noted as unknown
    /// ([`super::Note::unknown`]); a value that has the wrong type is rejected with the way to it.
    fn read_request<'a>(&self, body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected>;

    /// Writes the body for an upstream. What this format cannot express is settled through `notes`.
    fn write_request(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejected>;

    /// Whether a model's name can go upstream: the caller may have chosen it, and where it stands in the path it must not
    /// lead elsewhere.
    fn check_model(&self, model: &str) -> Result<(), Rejected> {
        let _ = model;
        Ok(())
    }

    /// The path at an upstream below its version prefix, with its query.
    fn path(&self, model: &str, stream: bool) -> String;

    /// Reads an upstream's whole answer. `None` when it is nothing of the kind.
    fn read_answer<'a>(&self, body: Value<'a>) -> Option<Answer<'a>>;

    /// Writes a whole answer for a caller.
    fn write_answer(&self, answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>);

    /// For one stream of an upstream.
    fn stream_reader(&self) -> Box<dyn StreamReader>;

    /// For one stream to a caller.
    fn stream_writer(&self, terms: &Terms<'_>) -> Box<dyn StreamWriter>;

    /// What a caller's answers repeat of its request (the Responses API does), as members of an object without the
    /// braces.
    fn echo(&self, body: Value<'_>) -> Vec<u8> {
        let _ = body;
        Vec::new()
    }

    /// The path at an upstream where it counts tokens, below its version prefix; `None` when it does not.
    fn count_path(&self, model: &str) -> Option<String> {
        let _ = model;
        None
    }

    /// What of a caller's question for a count is the conversation.
    fn counted<'a>(&self, body: Value<'a>) -> Value<'a> {
        body
    }

    /// Writes the question from a conversation that [`Codec::write_request`] wrote.
    fn write_count_body(&self, conversation: Value<'_>, model: &str, out: &mut Vec<u8>) {
        let _ = model;
        out.extend_from_slice(conversation.raw().as_bytes());
    }

    fn read_count(&self, body: Value<'_>) -> Option<u64> {
        let _ = body;
        None
    }

    /// Writes a count for a caller.
    fn write_count(&self, tokens: u64, out: &mut Vec<u8>) {
        Object::begin(out).count("input_tokens", tokens);
    }

    /// What becomes of a feature that has no column of this format in [`super::policy`]'s table.
    fn verdict(&self, feature: Feature) -> Verdict {
        let _ = feature;
        Verdict::Refused("nobody has said how")
    }

    /// Members of a request that belong to this format alone, and what becomes of them elsewhere.
    fn foreign(&self) -> &'static [Foreign];
}

/// Reads a stream event by event, in one pass; how the stream was cut into pieces is not seen here.
pub(crate) trait StreamReader: Send {
    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Event<'_>));

    /// The stream is over: ends what is still open. Not called after an error.
    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let _ = sink;
    }
}

/// Writes a stream event by event. What is written is whole server-sent events (or whole elements of Gemini's array).
pub(crate) trait StreamWriter: Send {
    /// Appends what this event comes to; it may be nothing. `usage` is what the provider told up to this event.
    fn write(&mut self, event: &Event<'_>, usage: Option<&Usage>, seal: &dyn Seal, out: &mut Vec<u8>);

    /// Appends the proper end of the stream. Called once, after a stream that came to its end without an error.
    fn finish(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>);

    /// How many events were written, for a protocol that numbers them.
    fn events(&self) -> u64 {
        0
    }
}
