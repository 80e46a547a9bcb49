//! Members of a request that Anthropic's protocol has alone, and what becomes of them elsewhere.

use crate::translate::How::Dropped;
use crate::translate::policy::Foreign;
use crate::translate::policy::Verdict::{self, Adapted, Carried, Refused};

const fn member(field: &'static str, verdict: Verdict) -> Foreign {
    Foreign { field, verdict }
}

const SERVER_TOOLS: &str = "Anthropic's servers run it";

pub(super) const TABLE: &[Foreign] = &[
    member("cache_control", Adapted(Dropped, "the provider caches by itself")),
    member("billing_policy", Adapted(Dropped, "the gateway's key is billed")),
    member("compaction", Refused("the answer would be a summary that only Anthropic makes")),
    member("container", Refused(SERVER_TOOLS)),
    member("context_management", Adapted(Dropped, "the conversation is sent whole")),
    member("diagnostics", Adapted(Dropped, "it is about Anthropic's cache")),
    member("fallback_credit_token", Adapted(Dropped, "it is of Anthropic's billing")),
    member("fallbacks", Adapted(Dropped, "the gateway's route says who else is tried")),
    member("inference_geo", Refused("where the model runs cannot be promised")),
    member("mcp_servers", Refused(SERVER_TOOLS)),
    member("service_tier", Adapted(Dropped, "tiers are each provider's own")),
    member("speed", Adapted(Dropped, "there is no such control")),
    member("thread", Refused("the conversation is kept by Anthropic")),
    member("output_config.task_budget", Adapted(Dropped, "there is no such control")),
    member("thinking.block_binding", Carried("it is about thoughts that only Anthropic checks")),
    member("messages.clear_at", Adapted(Dropped, "the instruction stays in front of the model")),
    member("messages.output_config", Adapted(Dropped, "there is one effort for the whole request")),
    member(
        "messages.content.caller",
        Carried("the model itself called; other callers have no results without a server tool"),
    ),
    member("messages.content.citations", Adapted(Dropped, "answers cite no sources there")),
    member("messages.content.encrypted_content", Carried("the summary's text is sent")),
    member("messages.content.signature", Carried("the summary's text is sent")),
    member("messages.content.tool_changes", Adapted(Dropped, "the request's tools are those that there are")),
    member("messages.content.toolset_name", Refused("toolsets are Anthropic's")),
    member("messages.content.transformations", Adapted(Dropped, "the provider chooses the resolution")),
    member("tools.allowed_callers", Adapted(Dropped, "only the model calls tools there")),
    member("tools.defer_loading", Adapted(Dropped, "the model knows the tool from the beginning")),
    member("tools.eager_input_streaming", Carried("arguments are streamed as the provider does")),
    member("tools.input_examples", Adapted(Dropped, "tools are described by their schema there")),
];
