//! The conversation format of the example, to and from the canonical form.

use crate::Protocol;
use crate::canonical::{Answer, Block, Choice, Finish, Message, Request, Role, Text};
use crate::endpoint::Operation;
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::policy::{Feature, Foreign, Verdict};
use crate::translate::read::{self, settle_foreign};
use crate::translate::{Caller, Codec, How, Notes, Rejected, StreamReader, StreamWriter, Target, Terms};
use crate::usage::Usage;

mod stream;
#[cfg(test)]
mod tests;

pub(crate) struct Talk;

const FOREIGN: &[Foreign] =
    &[Foreign { field: "mood", verdict: Verdict::Adapted(How::Dropped, "other models have none") }];

impl Codec for Talk {
    fn name(&self) -> &'static str {
        "the example's talk"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Example
    }

    fn operation(&self, _stream: bool) -> Operation {
        Operation::Talk
    }

    fn read_request<'a>(&self, body: Value<'a>, _caller: &Caller<'_>) -> Result<Request<'a>, Rejected> {
        let mut request = Request { include_usage: true, ..Request::default() };
        for (name, value) in body.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "model" => {}
                "lines" => {
                    let messages = read::list("lines", value, line)?;
                    request.messages = messages;
                }
                "most" => request.max_output_tokens = Some(read::count("most", value)?),
                "stream" => request.stream = read::boolean("stream", value)?,
                _ => settle_foreign(FOREIGN, "", &name, value, &mut request.notes)?,
            }
        }
        if request.messages.is_empty() {
            return Err(Rejected::missing("lines"));
        }
        Ok(request)
    }

    fn write_request(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejected> {
        settle(request, notes)?;
        let mut object = Object::begin(out);
        object.string("model", target.model);
        {
            let mut lines = object.array("lines");
            let instructions = request.system.iter().map(|block| ("rules", block));
            let said = request.messages.iter().flat_map(|message| {
                let by = match message.role {
                    Role::User => "user",
                    Role::Assistant => "model",
                    Role::System => "rules",
                };
                message.content.iter().map(move |block| (by, block))
            });
            for (by, block) in instructions.chain(said) {
                let Block::Text { text, .. } = block else {
                    return Err(Rejected::new("messages.content", "the model's provider takes words alone"));
                };
                lines.object().string("by", by).text("words", text);
            }
        }
        if let Some(most) = request.max_output_tokens {
            object.count("most", most);
        }
        if request.stream {
            object.boolean("stream", true);
        }
        Ok(())
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/talk".to_owned()
    }

    fn read_answer<'a>(&self, body: Value<'a>) -> Option<Answer<'a>> {
        let words = body.get("words")?.text()?;
        let why = body.get("why").and_then(Value::string).unwrap_or_default();
        let choice = Choice {
            index: 0,
            content: vec![Block::text(words)],
            finish: finish(&why),
            stop_sequence: None,
            log_probabilities: None,
        };
        let model = body.get("model").and_then(Value::text);
        Some(Answer { id: None, model, choices: vec![choice], blocked: None })
    }

    fn write_answer(&self, answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        let choice = answer.choices.first();
        let texts: Vec<&Text<'_>> =
            choice.into_iter().flat_map(|choice| choice.content.iter().filter_map(words)).collect();
        let mut object = Object::begin(out);
        match &answer.model {
            Some(model) => object.text("model", model),
            None => object.string("model", terms.model),
        };
        object.texts("words", &texts).string("why", why(choice.map_or(Finish::ContentFilter, |choice| choice.finish)));
        used(&mut object, usage);
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, _terms: &Terms<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::default())
    }

    fn verdict(&self, feature: Feature) -> Verdict {
        match feature {
            Feature::LateSystem => Verdict::Carried("the same"),
            Feature::TopK | Feature::Seed | Feature::CacheControl | Feature::User => {
                Verdict::Adapted(How::Dropped, "there is no such control")
            }
            _ => Verdict::Refused("it is for talking alone"),
        }
    }

    fn foreign(&self) -> &'static [Foreign] {
        FOREIGN
    }
}

fn line(value: Value<'_>) -> Result<Message<'_>, Rejected> {
    let member = |name: &str| value.get(name).ok_or_else(|| Rejected::missing(name));
    let role = match &*read::string("by", member("by")?)? {
        "model" => Role::Assistant,
        "rules" => Role::System,
        _ => Role::User,
    };
    Ok(Message { role, content: vec![Block::text(read::text("words", member("words")?)?)] })
}

/// Settles what a request says besides its lines.
fn settle(request: &Request<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    if !request.tools.is_empty() {
        return Err(Rejected::new("tools", "the model's provider has no tools"));
    }
    for (is_said, feature) in [
        (!request.stop.is_empty(), Feature::Stop),
        (request.sampling.top_k.is_some(), Feature::TopK),
        (request.sampling.seed.is_some(), Feature::Seed),
        (request.user.id.is_some(), Feature::User),
    ] {
        if is_said {
            notes.allows(feature)?;
        }
    }
    Ok(())
}

const fn words<'b, 'a>(block: &'b Block<'a>) -> Option<&'b Text<'a>> {
    match block {
        Block::Text { text, .. } | Block::Refusal(text) => Some(text),
        _ => None,
    }
}

fn finish(why: &str) -> Finish {
    match why {
        "cut" => Finish::Length,
        "refused" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

const fn why(finish: Finish) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextWindow => "cut",
        Finish::ContentFilter => "refused",
        _ => "done",
    }
}

fn used(object: &mut Object<'_>, usage: Option<&Usage>) {
    if let Some(usage) = usage {
        object.object("used").count("in", usage.prompt()).count("out", usage.output);
    }
}
