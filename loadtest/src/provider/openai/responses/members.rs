//! Every member of a Responses request that the official SDKs know.

use super::super::super::members::Shape::{Any, Either, Flag, List, Map, Number, Tagged, Text, Whole, Word};
use super::super::super::members::{Shape, members};

pub(super) static REQUEST: &Shape = &BODY;

static EFFORT: Shape = Word(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]);
static LEVEL: Shape = Word(&["low", "medium", "high"]);
static STATUS: Shape = Text;
static CALLER: Shape = Map;

members! {
    BODY {
        model: Text, input: INPUT, instructions: Text, stream: Flag, stream_options: STREAM_OPTIONS,
        temperature: Number, top_p: Number, top_logprobs: Whole, max_output_tokens: Whole, max_tool_calls: Whole,
        tools: List(&TOOL), tool_choice: TOOL_CHOICE, parallel_tool_calls: Flag, text: TEXT_CONFIG,
        reasoning: REASONING_CONFIG, include: List(&INCLUDE), store: Flag, metadata: Map, user: Text,
        previous_response_id: Text, conversation: Any, prompt: Map, prompt_cache_key: Text,
        prompt_cache_retention: Text, prompt_cache_options: Map, safety_identifier: Text, service_tier: Text,
        truncation: Word(&["auto", "disabled"]), background: Flag, background_options: Map, context_management: Any,
        access_programs: Map, image: Map, moderation: Map, personality: Text,
    }
    STREAM_OPTIONS { include_obfuscation: Flag }
    TEXT_CONFIG { format: FORMAT, verbosity: LEVEL }
    PLAIN_FORMAT { type: Text }
    SCHEMA_FORMAT { type: Text, name: Text, description: Text, schema: Map, strict: Flag }
    REASONING_CONFIG {
        effort: EFFORT, summary: SUMMARY_KIND, generate_summary: SUMMARY_KIND, context: Text, mode: Text,
    }

    MESSAGE { type: Text, id: Text, role: Text, content: CONTENT, status: STATUS, phase: Text }
    FUNCTION_CALL {
        type: Text, id: Text, call_id: Text, name: Text, arguments: Text, status: STATUS, caller: CALLER,
        namespace: Text, async: Flag,
    }
    FUNCTION_OUTPUT {
        type: Text, id: Text, call_id: Text, output: OUTPUT, status: STATUS, caller: CALLER, name: Text,
        namespace: Text,
    }
    CUSTOM_CALL {
        type: Text, id: Text, call_id: Text, name: Text, input: Text, caller: CALLER, namespace: Text, async: Flag,
        status: STATUS,
    }
    CUSTOM_OUTPUT { type: Text, id: Text, call_id: Text, output: OUTPUT, caller: CALLER, status: STATUS }
    REASONING {
        type: Text, id: Text, summary: List(&SUMMARY), content: List(&SUMMARY), encrypted_content: Text,
        status: STATUS,
    }
    SUMMARY { type: Text, text: Text }
    REFERENCE { type: Text, id: Text }

    INPUT_TEXT { type: Text, text: Text, prompt_cache_breakpoint: Map }
    OUTPUT_TEXT { type: Text, text: Text, annotations: List(&Map), logprobs: List(&Map) }
    REFUSAL { type: Text, refusal: Text }
    IMAGE { type: Text, detail: DETAIL, file_id: Text, image_url: Text, prompt_cache_breakpoint: Map }
    FILE {
        type: Text, detail: DETAIL, file_id: Text, file_data: Text, file_url: Text, filename: Text,
        prompt_cache_breakpoint: Map,
    }
    AUDIO { type: Text, input_audio: Map }

    FUNCTION_TOOL {
        type: Text, name: Text, description: Text, parameters: Map, strict: Flag, allowed_callers: List(&Text),
        defer_loading: Flag, output_schema: Map, async: Flag,
    }
    CUSTOM_TOOL {
        type: Text, name: Text, description: Text, format: Map, allowed_callers: List(&Text), defer_loading: Flag,
        async: Flag,
    }
    NAMESPACE { type: Text, name: Text, description: Text, tools: List(&TOOL) }
    NAMED_CHOICE { type: Text, name: Text, server_label: Text }
    ALLOWED { type: Text, mode: Word(&["auto", "required"]), tools: List(&Map) }
    PLAIN_CHOICE { type: Text }
}

static DETAIL: Shape = Word(&["low", "high", "auto", "original"]);
static SUMMARY_KIND: Shape = Word(&["auto", "concise", "detailed"]);
static INCLUDE: Shape = Word(&[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]);
static INPUT: Shape = Either(&[&Text, &List(&ITEM)]);
static CONTENT: Shape = Either(&[&Text, &List(&PART)]);
static OUTPUT: Shape = Either(&[&Text, &List(&PART)]);
static PART: Shape = Tagged(
    "type",
    &[
        ("input_text", &INPUT_TEXT),
        ("output_text", &OUTPUT_TEXT),
        ("refusal", &REFUSAL),
        ("input_image", &IMAGE),
        ("input_file", &FILE),
        ("input_audio", &AUDIO),
    ],
    &INPUT_TEXT,
);
/// Items of the provider's own tools are taken as they are.
static ITEM: Shape = Tagged(
    "type",
    &[
        ("message", &MESSAGE),
        ("function_call", &FUNCTION_CALL),
        ("function_call_output", &FUNCTION_OUTPUT),
        ("custom_tool_call", &CUSTOM_CALL),
        ("custom_tool_call_output", &CUSTOM_OUTPUT),
        ("reasoning", &REASONING),
        ("item_reference", &REFERENCE),
        ("file_search_call", &Map),
        ("computer_call", &Map),
        ("computer_call_output", &Map),
        ("web_search_call", &Map),
        ("tool_search_call", &Map),
        ("tool_search_output", &Map),
        ("additional_tools", &Map),
        ("configuration_update", &Map),
        ("compaction", &Map),
        ("compaction_trigger", &Map),
        ("image_generation_call", &Map),
        ("code_interpreter_call", &Map),
        ("local_shell_call", &Map),
        ("local_shell_call_output", &Map),
        ("shell_call", &Map),
        ("shell_call_output", &Map),
        ("apply_patch_call", &Map),
        ("apply_patch_call_output", &Map),
        ("mcp_list_tools", &Map),
        ("mcp_approval_request", &Map),
        ("mcp_approval_response", &Map),
        ("mcp_call", &Map),
        ("program", &Map),
        ("program_output", &Map),
    ],
    &MESSAGE,
);
static FORMAT: Shape = Tagged(
    "type",
    &[("text", &PLAIN_FORMAT), ("json_object", &PLAIN_FORMAT), ("json_schema", &SCHEMA_FORMAT)],
    &PLAIN_FORMAT,
);
static TOOL: Shape = Tagged(
    "type",
    &[
        ("function", &FUNCTION_TOOL),
        ("custom", &CUSTOM_TOOL),
        ("namespace", &NAMESPACE),
        ("file_search", &Map),
        ("computer", &Map),
        ("computer_use_preview", &Map),
        ("web_search", &Map),
        ("web_search_2025_08_26", &Map),
        ("web_search_preview", &Map),
        ("web_search_preview_2025_03_11", &Map),
        ("mcp", &Map),
        ("code_interpreter", &Map),
        ("programmatic_tool_calling", &Map),
        ("image_generation", &Map),
        ("local_shell", &Map),
        ("shell", &Map),
        ("tool_search", &Map),
        ("apply_patch", &Map),
    ],
    &FUNCTION_TOOL,
);
static TOOL_CHOICE: Shape = Either(&[&Word(&["none", "auto", "required"]), &CHOICE]);
static CHOICE: Shape = Tagged(
    "type",
    &[
        ("function", &NAMED_CHOICE),
        ("custom", &NAMED_CHOICE),
        ("mcp", &NAMED_CHOICE),
        ("allowed_tools", &ALLOWED),
        ("file_search", &PLAIN_CHOICE),
        ("web_search_preview", &PLAIN_CHOICE),
        ("web_search_preview_2025_03_11", &PLAIN_CHOICE),
        ("computer", &PLAIN_CHOICE),
        ("computer_use", &PLAIN_CHOICE),
        ("computer_use_preview", &PLAIN_CHOICE),
        ("image_generation", &PLAIN_CHOICE),
        ("code_interpreter", &PLAIN_CHOICE),
        ("programmatic_tool_calling", &PLAIN_CHOICE),
        ("apply_patch", &PLAIN_CHOICE),
        ("shell", &PLAIN_CHOICE),
    ],
    &NAMED_CHOICE,
);
