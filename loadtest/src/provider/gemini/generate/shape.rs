//! The response object, whole or as one of a stream, and the parts of its candidates.

use super::super::super::answer::{Answer, Finish};
use super::super::super::json::{Json, array, object};
use super::super::super::logprobs;
use super::super::super::prompt::Prompt;
use super::super::super::template::ID;
use super::super::super::usage::{Generated, Usage};
use super::super::thought;

/// An answer about to be written.
pub(super) struct Shape<'a> {
    pub(super) model: &'a str,
    pub(super) answer: &'a Answer,
    pub(super) prompt: &'a Prompt,
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        // Calls end in STOP too.
        Finish::Stop | Finish::StopSequence(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal | Finish::Filtered => "SAFETY",
    }
}

/// The prompt without what the provider's own tools brought in.
pub(super) fn modalities(answer: &Answer) -> Json {
    let usage = &answer.usage;
    let text = usage.prompt() - usage.image_input - usage.audio_input - answer.tool_input;
    let counts = [("TEXT", text), ("IMAGE", usage.image_input), ("AUDIO", usage.audio_input)];
    let told = counts.iter().filter(|(name, count)| *count > 0 || *name == "TEXT");
    told.map(|(name, count)| object! { "modality": *name, "tokenCount": *count }).collect::<Vec<_>>().into()
}

fn safety_ratings(blocked: bool) -> Json {
    let rating = |category: &str, blocked: bool| {
        object! { "category": category, "probability": if blocked { "HIGH" } else { "NEGLIGIBLE" } }.with_if(
            blocked,
            "blocked",
            || true.into(),
        )
    };
    array![
        rating("HARM_CATEGORY_DANGEROUS_CONTENT", blocked),
        rating("HARM_CATEGORY_HARASSMENT", false),
        rating("HARM_CATEGORY_HATE_SPEECH", false),
        rating("HARM_CATEGORY_SEXUALLY_EXPLICIT", false),
    ]
}

impl Shape<'_> {
    pub(super) fn shows_thoughts(&self) -> bool {
        self.prompt.profile.reasoning_content && !self.answer.reasoning.is_empty()
    }

    /// Models that think sign the part that their thoughts led to.
    pub(super) fn signed(&self, part: Json) -> Json {
        part.with_if(!self.answer.reasoning.is_empty(), "thoughtSignature", || {
            thought::of_text(&self.answer.reasoning).into()
        })
    }

    pub(super) fn calls(&self) -> Vec<Json> {
        let thinks = !self.answer.reasoning.is_empty();
        let calls = self.answer.calls.iter().enumerate();
        calls
            .map(|(index, call)| {
                let function = object! { "name": &call.name, "args": call.arguments.clone() };
                // Of parallel calls the first alone is signed.
                object! { "functionCall": function }.with_if(thinks && index == 0, "thoughtSignature", || {
                    thought::of_call(&call.name, &self.answer.reasoning).into()
                })
            })
            .collect()
    }

    /// Every response of a stream, and what exists after it.
    pub(super) fn stream(&self) -> Vec<(Json, Generated)> {
        let answer = self.answer;
        let all = answer.usage.generated();
        let mut responses = Vec::new();
        let mut push = |parts: &[Json], said: &str, last: bool, generated: Generated| {
            responses.push((self.response(parts, said, last, generated), self.of_all(generated)));
        };
        if self.shows_thoughts() {
            for piece in answer.reasoning_pieces(2) {
                push(&[object! { "text": &piece.text, "thought": true }], "", false, piece.generated);
            }
        }
        if answer.calls.is_empty() {
            for piece in answer.text_pieces(self.prompt.profile.chunks) {
                push(&[object! { "text": &piece.text }], &piece.text, false, piece.generated);
            }
        } else {
            // A call is whole in its chunk.
            push(&self.calls(), "", false, all);
        }
        let last = match answer.finish {
            Finish::Refusal => Vec::new(),
            _ if answer.calls.is_empty() => vec![self.signed(object! { "text": "" })],
            _ => vec![object! { "text": "" }],
        };
        push(&last, "", true, all);
        responses
    }

    /// The candidates are generated side by side.
    fn of_all(&self, one: Generated) -> Generated {
        let choices = self.prompt.choices;
        Generated { output: one.output * choices, reasoning: one.reasoning * choices }
    }

    /// `said` is the text of these parts, for their log probabilities; `so_far` is what one candidate has generated.
    pub(super) fn response(&self, parts: &[Json], said: &str, last: bool, so_far: Generated) -> Json {
        let candidates: Vec<Json> =
            (0..self.prompt.choices).map(|index| self.candidate(index, parts, said, last)).collect();
        self.envelope(object! { "candidates": candidates }, self.of_all(so_far))
    }

    fn candidate(&self, index: u64, parts: &[Json], said: &str, last: bool) -> Json {
        let finish = &self.answer.finish;
        let stopped = matches!(finish, Finish::Refusal | Finish::Filtered);
        let mut candidate = object! {};
        // A candidate that was stopped before its first word has no content at all.
        if !parts.is_empty() {
            candidate = candidate.with("content", object! { "parts": parts.to_vec(), "role": "model" });
        }
        candidate = candidate
            .with_if(last, "finishReason", || finish_reason(finish).into())
            .with("index", index)
            .with_if(last && *finish == Finish::Calls, "finishMessage", || "Model generated function call(s).".into())
            .with_if(last && stopped, "safetyRatings", || safety_ratings(true));
        match self.prompt.log_probabilities {
            Some(alternatives) if !said.is_empty() => {
                let (result, mean) = logprobs::gemini(said, alternatives);
                candidate.with("avgLogprobs", mean).with("logprobsResult", result)
            }
            _ => candidate,
        }
    }

    /// The answer to a prompt that was stopped: no candidates.
    pub(super) fn blocked(&self) -> Json {
        let feedback = object! { "blockReason": "PROHIBITED_CONTENT", "safetyRatings": safety_ratings(true) };
        self.envelope(object! { "promptFeedback": feedback }, Generated::default())
    }

    pub(super) fn prompt_alone(&self) -> Usage {
        self.answer.usage.with_output(Generated::default())
    }

    fn envelope(&self, body: Json, so_far: Generated) -> Json {
        let body = body.with_if(!self.prompt.profile.no_usage, "usageMetadata", || self.usage(so_far));
        body.with("modelVersion", self.model).with("responseId", ID)
    }

    /// The candidates' count leaves the thoughts out; the total is the sum of all.
    fn usage(&self, so_far: Generated) -> Json {
        let (usage, tools) = (&self.answer.usage, self.answer.tool_input);
        let text = |count: u64| array![object! { "modality": "TEXT", "tokenCount": count }];
        object! { "promptTokenCount": usage.prompt() - tools }
            .with_if(so_far.output > so_far.reasoning, "candidatesTokenCount", || {
                (so_far.output - so_far.reasoning).into()
            })
            .with("totalTokenCount", usage.prompt() + so_far.output)
            .with_if(usage.cache_read > 0, "cachedContentTokenCount", || usage.cache_read.into())
            .with("promptTokensDetails", modalities(self.answer))
            .with_if(usage.cache_read > 0, "cacheTokensDetails", || text(usage.cache_read))
            .with_if(tools > 0, "toolUsePromptTokenCount", || tools.into())
            .with_if(tools > 0, "toolUsePromptTokensDetails", || text(tools))
            .with_if(so_far.reasoning > 0, "thoughtsTokenCount", || so_far.reasoning.into())
    }
}
