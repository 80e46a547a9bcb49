//! Gemini `generateContent` and `streamGenerateContent`, to and from the canonical form.

use crate::Protocol;
use crate::canonical::{Answer, Request};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::json::write::Object;
use crate::rewrite::resource_name;
use crate::translate::policy::Foreign;
use crate::translate::{Caller, Codec, Notes, Rejected, StreamReader, StreamWriter, Target, Terms, write_only};
use crate::usage::Usage;

mod call_ids;
mod candidate;
mod finish;
mod foreign;
mod log_probabilities;
mod media;
mod members;
mod models;
mod partial;
mod read_answer;
mod read_config;
mod read_contents;
mod read_request;
mod read_result;
mod read_stream;
mod read_tools;
mod subset;
mod thinking;
mod usage_metadata;
mod write_answer;
mod write_contents;
mod write_parts;
mod write_request;
mod write_result;
mod write_stream;
mod write_tools;

pub(crate) struct Generate;

impl Codec for Generate {
    fn name(&self) -> &'static str {
        "Gemini generateContent"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Gemini
    }

    fn operation(&self, stream: bool) -> Operation {
        if stream { Operation::StreamGenerateContent } else { Operation::GenerateContent }
    }

    fn version_prefix(&self) -> &'static str {
        "/v1beta"
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

    fn check_model(&self, model: &str) -> Result<(), Rejected> {
        super::check_model(model)
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/{}:{method}", resource_name(model))
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

    fn count_path(&self, model: &str) -> Option<String> {
        Some(format!("/{}:countTokens", resource_name(model)))
    }

    /// Either the contents alone, or a whole request for an answer.
    fn counted<'a>(&self, body: Value<'a>) -> Value<'a> {
        body.get("generateContentRequest").or_else(|| body.get("generate_content_request")).unwrap_or(body)
    }

    fn write_count_body(&self, conversation: Value<'_>, model: &str, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut request = body.object("generateContentRequest");
        request.string("model", &resource_name(model));
        write_only(&mut request, conversation, &["contents", "systemInstruction", "tools", "toolConfig"]);
    }

    fn read_count(&self, body: Value<'_>) -> Option<u64> {
        body.get("totalTokens")?.count()
    }

    fn write_count(&self, tokens: u64, out: &mut Vec<u8>) {
        Object::begin(out).count("totalTokens", tokens);
    }

    fn foreign(&self) -> &'static [Foreign] {
        foreign::FOREIGN
    }
}

#[cfg(test)]
mod tests;
