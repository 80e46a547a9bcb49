//! What only the Responses API has, and what becomes of it at providers of other protocols.

use crate::translate::policy::Verdict::{Adapted, Carried, Refused};
use crate::translate::policy::{Foreign, Verdict};
use crate::translate::{How, Rejected};

const STORED: Verdict = Refused("it stands for what OpenAI has stored, and other providers cannot see that");
const FILE: Verdict = Refused("a file at OpenAI cannot be seen by other providers; send its bytes or its URL");
const HOSTED: Verdict = Refused("OpenAI itself runs this tool; other providers do not have it");
const LOCAL: Verdict = Refused("it is a tool that OpenAI's own models were trained for; use a function");
const HOSTED_ITEM: Verdict = Refused("it belongs to a tool that OpenAI itself runs");
const OF_HOSTED: Verdict = Carried("it concerns tools that OpenAI itself runs, and those are refused");
const NO_EFFECT: Verdict = Carried("it has no effect on the answer");
const CACHE: Verdict = Adapted(How::Dropped, "the provider caches in its own way");

macro_rules! table {
    ($($field:literal => $verdict:expr,)*) => {
        pub(super) const TABLE: &[Foreign] = &[$(Foreign { field: $field, verdict: $verdict },)*];
    };
}

table! {
    "access_programs" => Adapted(How::Dropped, "programs of OpenAI's own"),
    "background" => Refused("an answer that is fetched later would have to be stored"),
    "background_options" => Adapted(How::Dropped, "nothing runs in the background"),
    "context_management" => Adapted(How::Dropped, "the conversation is sent whole"),
    "conversation" => STORED,
    "image" => Adapted(How::Dropped, "the provider chooses how it sees images"),
    "include.code_interpreter_call.outputs" => OF_HOSTED,
    "include.computer_call_output.output.image_url" => OF_HOSTED,
    "include.file_search_call.results" => OF_HOSTED,
    "include.message.input_image.image_url" => Carried("answers do not repeat their input"),
    "include.web_search_call.action.sources" => OF_HOSTED,
    "include.web_search_call.results" => OF_HOSTED,
    "max_tool_calls" => OF_HOSTED,
    "metadata" => Carried("the answer repeats it"),
    "moderation" => Refused("OpenAI's moderation sees nothing of other providers' answers"),
    "previous_response_id" => STORED,
    "prompt" => STORED,
    "prompt_cache_options" => CACHE,
    "prompt_cache_retention" => CACHE,
    "reasoning.context" => Adapted(How::Dropped, "the thoughts that the request holds are sent"),
    "reasoning.mode" => Adapted(How::Dropped, "a mode of OpenAI's own models"),
    "service_tier" => Adapted(How::Dropped, "a tier of OpenAI's own; the provider's standard one is used"),
    "store" => Adapted(How::Dropped, "nothing is stored"),
    "stream_options.include_obfuscation" => Adapted(How::Dropped, "events are not padded"),
    "truncation" => Adapted(How::Dropped, "a conversation that is too long is refused, not cut"),

    // Of items of the input.
    "input.id" => NO_EFFECT,
    "input.status" => NO_EFFECT,
    "input.type" => NO_EFFECT,
    "input.role" => NO_EFFECT,
    "input.caller" => Carried("a program that calls tools is an item of its own, and refused"),
    "input.async" => NO_EFFECT,
    "input.phase" => Adapted(How::Dropped, "messages are not divided into comments and answers"),
    "input.namespace" => Refused("tools have no namespaces there"),
    "input.content.type" => NO_EFFECT,
    "input.content.annotations" => Adapted(How::Dropped, "citations are not repeated to the model"),
    "input.content.logprobs" => NO_EFFECT,
    "input.content.file_id" => FILE,
    "input.content.detail" => Adapted(How::Dropped, "the provider chooses how it reads documents"),

    // Of tools.
    "tools.type" => NO_EFFECT,
    "tools.allowed_callers" => Adapted(How::Dropped, "the model calls every tool itself"),
    "tools.async" => Adapted(How::Dropped, "the model waits for results"),
    "tools.defer_loading" => Adapted(How::Dropped, "every tool is shown to the model"),
    "tools.format" => Adapted(How::Dropped, "the free text of the tool follows no grammar"),
    "tools.output_schema" => Adapted(How::Dropped, "results are taken as they are"),

    // Tools and choices of them, by their type; dated names begin like these.
    "tools.apply_patch" => LOCAL,
    "tools.code_interpreter" => HOSTED,
    "tools.computer" => HOSTED,
    "tools.file_search" => HOSTED,
    "tools.image_generation" => HOSTED,
    "tools.local_shell" => LOCAL,
    "tools.mcp" => HOSTED,
    "tools.namespace" => Refused("tools have no namespaces there"),
    "tools.programmatic_tool_calling" => HOSTED,
    "tools.shell" => LOCAL,
    "tools.tool_search" => HOSTED,
    "tools.web_search" => HOSTED,

    // Items of the input, by their type.
    "input.additional_tools" => Refused("tools cannot come in the middle of a conversation there"),
    "input.apply_patch_call" => HOSTED_ITEM,
    "input.code_interpreter_call" => HOSTED_ITEM,
    "input.compaction" => STORED,
    "input.compaction_trigger" => Refused("conversations are not compacted there"),
    "input.computer_call" => HOSTED_ITEM,
    "input.configuration_update" => Refused("a conversation has one configuration there"),
    "input.file_search_call" => HOSTED_ITEM,
    "input.image_generation_call" => HOSTED_ITEM,
    "input.item_reference" => STORED,
    "input.local_shell_call" => HOSTED_ITEM,
    "input.mcp_" => HOSTED_ITEM,
    "input.program" => HOSTED_ITEM,
    "input.shell_call" => HOSTED_ITEM,
    "input.tool_search" => HOSTED_ITEM,
    "input.web_search_call" => HOSTED_ITEM,
}

/// The rejection of a tool or a choice of one.
pub(super) fn refuse_tool(kind: &str) -> Rejected {
    refuse_type("tools.", kind)
}

/// The rejection of an item of the input.
pub(super) fn refuse_item(kind: &str) -> Rejected {
    refuse_type("input.", kind)
}

/// The rejection of a part of a message.
pub(super) fn refuse_part(kind: &str) -> Rejected {
    refuse_type("input.content.", kind)
}

fn refuse_type(place: &str, kind: &str) -> Rejected {
    let is_it = |field: &str| field.strip_prefix(place).is_some_and(|name| kind.starts_with(name));
    let reasons = TABLE.iter().filter(|foreign| is_it(foreign.field)).filter_map(|foreign| match foreign.verdict {
        Refused(why) => Some((foreign.field.len(), why)),
        _ => None,
    });
    let longest = reasons.max_by_key(|(length, _)| *length);
    let why = longest.map_or("this type is not known", |(_, why)| why);
    let kind: String = kind.chars().take(64).collect();
    Rejected::new("type", format!("`type` is `{kind}`, which cannot be translated for this model's provider: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_named() {
        let rejected = refuse_tool("web_search_preview_2025_03_11").inside_element("tools", 1);
        assert_eq!(rejected.param, "tools[1].type");
        assert!(rejected.message.starts_with("`tools[1].type` is `web_search_preview_2025_03_11`"), "{rejected}");
        assert!(rejected.message.contains("OpenAI itself runs this tool"));
        assert!(refuse_item("mcp_list_tools").message.contains("OpenAI itself runs"));
        assert!(refuse_item("item_reference").message.contains("stored"));
        assert!(refuse_item("novelty").message.contains("not known"));
    }
}
