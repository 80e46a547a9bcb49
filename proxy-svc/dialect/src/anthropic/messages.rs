//! Anthropic Messages, to and from the canonical form.

use crate::Protocol;
use crate::canonical::{Answer, Request};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::policy::Foreign;
use crate::translate::{Caller, Codec, Notes, Rejected, StreamReader, StreamWriter, Target, Terms, write_only};
use crate::usage::Usage;

mod arrange;
mod blocks;
mod calls;
mod finish;
mod foreign;
mod media;
mod models;
mod read_answer;
mod read_blocks;
mod read_request;
mod read_stream;
mod read_tools;
mod schema;
mod thinking;
mod thoughts;
mod usage;
mod write_answer;
mod write_request;
mod write_stream;
mod write_tools;

pub(crate) struct Messages;

impl Codec for Messages {
    fn name(&self) -> &'static str {
        "Anthropic Messages"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Anthropic
    }

    fn operation(&self, _stream: bool) -> Operation {
        Operation::Messages
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
        "/messages".to_owned()
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

    fn count_path(&self, _model: &str) -> Option<String> {
        Some("/messages/count_tokens".to_owned())
    }

    fn write_count_body(&self, conversation: Value<'_>, _model: &str, out: &mut Vec<u8>) {
        write_only(
            &mut Object::begin(out),
            conversation,
            &["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"],
        );
    }

    fn read_count(&self, body: Value<'_>) -> Option<u64> {
        body.get("input_tokens")?.count()
    }

    fn foreign(&self) -> &'static [Foreign] {
        foreign::TABLE
    }
}

#[cfg(test)]
mod tests;
