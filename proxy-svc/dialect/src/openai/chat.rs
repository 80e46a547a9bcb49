//! OpenAI chat completions, to and from the canonical form: OpenAI's own, and what the many providers and clients
//! have made of it.

use crate::Protocol;
use crate::canonical::{Answer, Request};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::translate::policy::Foreign;
use crate::translate::{Caller, Codec, Notes, Rejected, StreamReader, StreamWriter, Target, Terms};
use crate::usage::Usage;

mod content;
mod echo;
mod figures;
mod finish;
mod foreign;
mod ids;
mod models;
mod read_answer;
mod read_calls;
mod read_choice;
mod read_messages;
mod read_parts;
mod read_request;
mod read_stream;
mod read_tools;
mod reasoning;
mod write_answer;
mod write_messages;
mod write_parts;
mod write_request;
mod write_stream;
mod write_tools;

pub(crate) struct Chat;

impl Codec for Chat {
    fn name(&self) -> &'static str {
        "OpenAI chat completions"
    }

    fn protocol(&self) -> Protocol {
        Protocol::OpenAi
    }

    fn operation(&self, _stream: bool) -> Operation {
        Operation::ChatCompletions
    }

    fn read_request<'a>(&self, body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
        read_request::read(body, caller.seal)
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
        "/chat/completions".to_owned()
    }

    fn read_answer<'a>(&self, body: Value<'a>) -> Option<Answer<'a>> {
        read_answer::read(body)
    }

    fn write_answer(&self, answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        write_answer::write(answer, usage, terms, out);
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(read_stream::Reader::default())
    }

    fn stream_writer(&self, terms: &Terms<'_>) -> Box<dyn StreamWriter> {
        Box::new(write_stream::Writer::new(terms))
    }

    fn echo(&self, body: Value<'_>) -> Vec<u8> {
        echo::of(body)
    }

    fn foreign(&self) -> &'static [Foreign] {
        foreign::TABLE
    }
}

#[cfg(test)]
mod tests;
