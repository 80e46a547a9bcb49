//! OpenAI Responses, to and from the canonical form.
//!
//! What a conversation consists of is a list of items here, and a call or a thought is an item beside the messages.
//! Nothing is kept by the gateway: `store` is always off towards a provider, and requests that lean on what a provider
//! keeps are refused.

use crate::Protocol;
use crate::canonical::{Answer, Request};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::policy::Foreign;
use crate::translate::{Caller, Codec, Notes, Rejected, StreamReader, StreamWriter, Target, Terms, write_only};
use crate::usage::Usage;

mod echo;
mod foreign;
mod ids;
mod media;
mod models;
mod read_answer;
mod read_content;
mod read_input;
mod read_request;
mod read_stream;
mod read_tools;
mod response;
mod signature;
mod wrapper;
mod write_answer;
mod write_input;
mod write_request;
mod write_stream;
mod write_tools;

pub(crate) struct Responses;

impl Codec for Responses {
    fn name(&self) -> &'static str {
        "OpenAI Responses"
    }

    fn protocol(&self) -> Protocol {
        Protocol::OpenAi
    }

    fn operation(&self, _stream: bool) -> Operation {
        Operation::Responses
    }

    fn read_request<'a>(&self, body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
        read_request::read(body, caller)
    }

    fn write_request(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejected> {
        write_request::write(request, target, notes, out)
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/responses".to_owned()
    }

    fn read_answer<'a>(&self, body: Value<'a>) -> Option<Answer<'a>> {
        read_answer::read(body)
    }

    fn write_answer(&self, answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        write_answer::write(answer, usage, terms, out);
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::<read_stream::Reader>::default()
    }

    fn stream_writer(&self, terms: &Terms<'_>) -> Box<dyn StreamWriter> {
        Box::new(write_stream::Writer::new(terms))
    }

    fn echo(&self, body: Value<'_>) -> Vec<u8> {
        echo::of(body)
    }

    fn count_path(&self, _model: &str) -> Option<String> {
        Some("/responses/input_tokens".to_owned())
    }

    fn write_count_body(&self, conversation: Value<'_>, _model: &str, out: &mut Vec<u8>) {
        write_only(
            &mut Object::begin(out),
            conversation,
            &["model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"],
        );
    }

    fn read_count(&self, body: Value<'_>) -> Option<u64> {
        body.get("input_tokens")?.count()
    }

    fn write_count(&self, tokens: u64, out: &mut Vec<u8>) {
        Object::begin(out).string("object", "response.input_tokens").count("input_tokens", tokens);
    }

    fn foreign(&self) -> &'static [Foreign] {
        foreign::TABLE
    }
}

#[cfg(test)]
mod tests;
