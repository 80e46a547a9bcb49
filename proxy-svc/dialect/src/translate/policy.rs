//! What becomes of what a target cannot say: the one table of the translation, from which its documentation is made.
//!
//! Three ways: carried by other means, so that the answer is what it would have been; approximated or left out, and
//! then named to the caller in `x-tollgate-adapted`; or refused with a 400 where the answer would mean something else.

use super::{Format, How};

/// What becomes of a feature at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Says how.
    Carried(&'static str),
    /// Says how it comes close, or why it does no harm to leave it out.
    Adapted(How, &'static str),
    /// Says why, after "… cannot do this: ".
    Refused(&'static str),
}

/// A member of one format's requests that has no place in the canonical request, and what becomes of it at every
/// target of another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// The way to it, as in `generationConfig.mediaResolution`.
    pub field: &'static str,
    pub verdict: Verdict,
}

/// Members that belong to one format alone.
pub fn foreign(format: Format) -> &'static [Foreign] {
    format.codec().foreign()
}

macro_rules! features {
    ($($(#[$doc:meta])* $feature:ident $name:literal [$chat:expr, $responses:expr, $messages:expr, $generate:expr];)*) => {
        /// What a canonical request can say and not every target can.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Feature {
            $($(#[$doc])* $feature,)*
        }

        impl Feature {
            pub const ALL: &[Self] = &[$(Self::$feature,)*];

            /// The name in `x-tollgate-adapted` and in errors.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$feature => $name,)*
                }
            }

            /// What becomes of it at a target.
            pub fn at(self, target: Format) -> Verdict {
                let [chat, responses, messages, generate] = match self {
                    $(Self::$feature => [$chat, $responses, $messages, $generate],)*
                };
                let columns = [
                    (Format::Chat, chat),
                    (Format::Responses, responses),
                    (Format::Messages, messages),
                    (Format::Generate, generate),
                ];
                let column = columns.into_iter().find(|(format, _)| *format == target);
                column.map_or_else(|| target.codec().verdict(self), |(_, verdict)| verdict)
            }
        }
    };
}

use Verdict::{Adapted, Carried, Refused};

const SAME: Verdict = Carried("the same");
const NO_CONTROL: &str = "there is no such control; the model's own way is kept";

features! {
    Stop "stop" [SAME, Refused("stop sequences do not exist there"), Carried("`stop_sequences`"), Carried("`stopSequences`")];
    TopK "top_k" [Adapted(How::Dropped, NO_CONTROL), Adapted(How::Dropped, NO_CONTROL), SAME, Carried("`topK`")];
    Seed "seed" [SAME, Adapted(How::Dropped, "best effort everywhere"), Adapted(How::Dropped, "best effort everywhere"), SAME];
    FrequencyPenalty "frequency_penalty" [SAME, Adapted(How::Dropped, NO_CONTROL), Adapted(How::Dropped, NO_CONTROL), Carried("`frequencyPenalty`")];
    PresencePenalty "presence_penalty" [SAME, Adapted(How::Dropped, NO_CONTROL), Adapted(How::Dropped, NO_CONTROL), Carried("`presencePenalty`")];
    /// More than one answer.
    Choices "n" [SAME, Refused("it gives one answer"), Refused("it gives one answer"), Carried("`candidateCount`")];
    LogProbabilities "logprobs" [SAME, Carried("`include` and `top_logprobs`"), Refused("it tells no log probabilities"), Carried("`responseLogprobs` and `logprobs`")];
    /// A wish for one call at a time.
    ParallelOff "parallel_tool_calls" [SAME, SAME, Carried("`disable_parallel_tool_use`"), Adapted(How::Dropped, "the model may call several tools at once")];
    CustomTools "tools.custom" [SAME, SAME, Refused("tools of free text do not exist there"), Refused("tools of free text do not exist there")];
    ToolStrict "tools.strict" [SAME, SAME, SAME, Adapted(How::Dropped, "arguments follow the schema as far as the model does")];
    AllowedTools "tool_choice.allowed_tools" [SAME, SAME, Carried("only those tools are sent"), Carried("`allowedFunctionNames`, or only those tools are sent")];
    JsonObject "response_format.json_object" [SAME, SAME, Adapted(How::Approximated, "asked for in the system prompt"), Carried("`responseMimeType`")];
    JsonSchema "response_format.json_schema" [SAME, Carried("`text.format`"), Carried("`output_config.format`; named as approximated where parts of the schema, or all of it, can only be told to the model"), Carried("`responseJsonSchema`; beside tools, models before Gemini 3 are asked in the system instruction")];
    /// Instructions behind the first turn.
    LateSystem "messages.system" [SAME, SAME, Adapted(How::Approximated, "joined to the system prompt"), Adapted(How::Approximated, "joined to the system instruction")];
    CacheControl "cache_control" [Adapted(How::Dropped, "the provider caches by itself"), Adapted(How::Dropped, "the provider caches by itself"), SAME, Adapted(How::Dropped, "the provider caches by itself")];
    ImageUrl "image_url" [SAME, SAME, SAME, Carried("`fileData`; the provider must be able to fetch it")];
    ImageDetail "image.detail" [SAME, SAME, Adapted(How::Dropped, "the provider chooses the resolution"), Adapted(How::Dropped, "the provider chooses the resolution")];
    AudioInput "input_audio" [SAME, Refused("sound is not translated there"), Refused("it takes no sound"), Carried("`inlineData`")];
    DocumentInline "document" [Carried("`file` with `file_data`"), Carried("`input_file` with `file_data`"), SAME, Carried("`inlineData`")];
    DocumentUrl "document.url" [Refused("documents must be sent with the request"), Carried("`file_url`"), SAME, Carried("`fileData`; the provider must be able to fetch it")];
    /// Images or documents that a tool gave.
    ToolResultMedia "tool_result.content" [Adapted(How::Approximated, "shown by the user, behind the results"), SAME, SAME, Adapted(How::Approximated, "shown by the user, behind the results")];
    ToolResultError "tool_result.is_error" [Adapted(How::Approximated, "said in the result's text"), Adapted(How::Approximated, "said in the result's text"), SAME, Carried("`response.error`")];
    /// The conversation ends with what the model is to go on from.
    Prefill "messages.prefill" [Adapted(How::Approximated, "an earlier turn; the model begins anew"), Adapted(How::Approximated, "an earlier turn; the model begins anew"), Carried("the same; named as approximated for models that take none, to which it is an earlier turn"), Adapted(How::Approximated, "an earlier turn; the model begins anew")];
    ReasoningBudget "reasoning.budget" [Adapted(How::Approximated, "the effort that comes close"), Adapted(How::Approximated, "the effort that comes close"), Carried("`thinking.budget_tokens`"), Adapted(How::Approximated, "`thinkingBudget`; on models with levels the one that comes close")];
    ReasoningEffort "reasoning.effort" [SAME, SAME, Carried("`output_config.effort` on models that have it, else, named as approximated, the budget that comes close"), Adapted(How::Approximated, "`thinkingLevel` on models that have it, else the budget that comes close")];
    ReasoningVisible "reasoning.summary" [Adapted(How::Dropped, "thoughts are shown by compatible providers only, and unasked"), SAME, Carried("`thinking`"), Carried("`includeThoughts`")];
    /// A signature of another provider in the history.
    OthersSignature "reasoning.signature" [Adapted(How::Dropped, "it is another provider's"), Adapted(How::Dropped, "it is another provider's"), Adapted(How::Dropped, "it is another provider's"), Adapted(How::Dropped, "it is another provider's")];
    /// Thoughts in the history.
    ReasoningHistory "messages.reasoning" [Adapted(How::Dropped, "the model thinks anew; compatible models that want the thoughts before a call get them back"), Carried("where the provider made them, with their signature"), Carried("where the provider made them, with their signature"), Carried("where the provider made them, with their signature")];
    RefusalHistory "messages.refusal" [SAME, SAME, Carried("as text"), Carried("as text")];
    User "user" [SAME, SAME, Carried("`metadata.user_id`"), Adapted(How::Dropped, "the provider is told of no user")];
    CacheKey "prompt_cache_key" [SAME, SAME, Adapted(How::Dropped, "the provider caches by prefix"), Adapted(How::Dropped, "the provider caches by prefix")];
    Verbosity "verbosity" [SAME, Carried("`text.verbosity`"), Adapted(How::Dropped, NO_CONTROL), Adapted(How::Dropped, NO_CONTROL)];
}
