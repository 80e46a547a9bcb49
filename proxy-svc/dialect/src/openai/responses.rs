//! OpenAI Responses, to and from the canonical form.

use crate::canonical::{Answer, Request};
use crate::json::Value;
use crate::translate::policy::Foreign;
use crate::translate::{Caller, Codec, Notes, Rejected, StreamReader, StreamWriter, Target, Terms};
use crate::usage::Usage;

pub(crate) struct Responses;

impl Codec for Responses {
    fn read_request<'a>(&self, body: Value<'a>, caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
        todo!()
    }

    fn write_request(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejected> {
        todo!()
    }

    fn path(&self, model: &str, stream: bool) -> String {
        todo!()
    }

    fn read_answer<'a>(&self, body: Value<'a>) -> Option<Answer<'a>> {
        todo!()
    }

    fn write_answer(&self, answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        todo!()
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        todo!()
    }

    fn stream_writer(&self, terms: &Terms<'_>) -> Box<dyn StreamWriter> {
        todo!()
    }

    fn foreign(&self) -> &'static [Foreign] {
        &[]
    }
}
