//! Members of chat completions that no other format has, and what becomes of them there.

use crate::translate::How;
use crate::translate::policy::Foreign;
use crate::translate::policy::Verdict::{self, Adapted, Carried, Refused};

const fn row(field: &'static str, verdict: Verdict) -> Foreign {
    Foreign { field, verdict }
}

/// Values without an effect (`store: false`, `modalities: ["text"]`, the default `service_tier`, an empty
/// `logit_bias`) are not looked up here.
pub(super) const TABLE: &[Foreign] = &[
    row("logit_bias", Refused("its token numbers are those of OpenAI's own tokenizers")),
    row("audio", Refused("spoken answers are not translated")),
    row("modalities", Refused("answers other than text are not translated")),
    row("web_search_options", Refused("searching the web is a service of OpenAI's")),
    row("moderation", Refused("moderation is a service of OpenAI's")),
    row("prediction", Adapted(How::Dropped, "it makes an answer faster, not another")),
    row("store", Adapted(How::Dropped, "the answer is not kept at the provider")),
    row("metadata", Adapted(How::Dropped, "it labels what is kept at OpenAI")),
    row("service_tier", Adapted(How::Dropped, "tiers are OpenAI's; the provider's usual one serves")),
    row("prompt_cache_options", Adapted(How::Dropped, "the provider caches by its own rules")),
    row("prompt_cache_retention", Adapted(How::Dropped, "the provider caches by its own rules")),
    row("stream_options.include_obfuscation", Carried("the gateway adds no padding to its streams")),
    row("tools.custom.format", Refused("grammars of custom tools are not translated")),
    row("messages.audio", Refused("it stands for a spoken answer that only OpenAI has")),
    row("messages.name", Adapted(How::Dropped, "participants have no names there")),
    row("messages.annotations", Carried("they describe an earlier answer and say nothing new")),
    row("messages.parsed", Carried("the SDK's own reading of the content")),
    row("messages.content.prompt_cache_breakpoint", Adapted(How::Approximated, "`cache_control` where that exists")),
    row("messages.content.file.file_id", Refused("the file is at OpenAI; send it with the request")),
    row("messages.tool_calls.index", Carried("the place in the list says it")),
    row("messages.tool_calls.function.parsed_arguments", Carried("the SDK's own reading of the arguments")),
];
