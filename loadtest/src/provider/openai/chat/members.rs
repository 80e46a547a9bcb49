//! Every member of a chat completion request that the official SDKs know.

use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::members::Shape::{Any, Either, Flag, List, Map, Number, Tagged, Text, Whole, Word};
use super::super::super::members::{Shape, members};
use super::super::unknown;

/// Refuses what the real endpoint would not know. Providers that say their reasoning in `reasoning_content` also
/// take it back.
pub(super) fn refuse_unknown(body: &Value, reasoning_content: bool) -> Result<(), ApiError> {
    if !reasoning_content {
        return unknown::refuse(&BODY, body, true);
    }
    let mut body = body.clone();
    for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        message.as_object_mut().and_then(|fields| fields.remove("reasoning_content"));
    }
    unknown::refuse(&BODY, &body, true)
}

static EFFORT: Shape = Word(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]);
static LEVEL: Shape = Word(&["low", "medium", "high"]);

members! {
    BODY {
        model: Text, messages: List(&MESSAGE), stream: Flag, stream_options: STREAM_OPTIONS, temperature: Number,
        top_p: Number, n: Whole, stop: Either(&[&Text, &List(&Text)]), max_tokens: Whole,
        max_completion_tokens: Whole, presence_penalty: Number, frequency_penalty: Number, logit_bias: Map,
        logprobs: Flag, top_logprobs: Whole, seed: Whole, user: Text, tools: List(&TOOL), tool_choice: TOOL_CHOICE,
        parallel_tool_calls: Flag, functions: List(&FUNCTION), function_call: Either(&[&Text, &NAMED]),
        response_format: RESPONSE_FORMAT, reasoning_effort: EFFORT, verbosity: LEVEL, store: Flag, metadata: Map,
        modalities: List(&Text), audio: AUDIO, prediction: PREDICTION, service_tier: Text, safety_identifier: Text,
        prompt_cache_key: Text, prompt_cache_retention: Text, prompt_cache_options: Map,
        web_search_options: WEB_SEARCH, moderation: Map,
    }
    STREAM_OPTIONS { include_usage: Flag, include_obfuscation: Flag }
    AUDIO { format: Text, voice: Any }
    PREDICTION { type: Word(&["content"]), content: TEXT_CONTENT }
    WEB_SEARCH { search_context_size: LEVEL, user_location: Map }
    NAMED { name: Text }

    SYSTEM { role: Text, content: TEXT_CONTENT, name: Text }
    USER { role: Text, content: USER_CONTENT, name: Text }
    // Answers come back as they were given, with their annotations, and with what the SDKs' helpers have read in them.
    ASSISTANT {
        role: Text, content: ASSISTANT_CONTENT, name: Text, refusal: Text, audio: AUDIO_ID, function_call: CALLED,
        tool_calls: List(&TOOL_CALL), annotations: List(&Map), parsed: Any,
    }
    TOOL_MESSAGE { role: Text, content: TEXT_CONTENT, tool_call_id: Text }
    FUNCTION_MESSAGE { role: Text, content: Text, name: Text }
    AUDIO_ID { id: Text }
    CALLED { name: Text, arguments: Text, parsed_arguments: Any }
    FUNCTION_CALL { id: Text, type: Text, function: CALLED }
    CUSTOM_CALL { id: Text, type: Text, custom: CUSTOM_CALLED }
    CUSTOM_CALLED { name: Text, input: Text }

    TEXT { type: Text, text: Text, prompt_cache_breakpoint: Map }
    REFUSAL { type: Text, refusal: Text }
    IMAGE { type: Text, image_url: IMAGE_URL, prompt_cache_breakpoint: Map }
    IMAGE_URL { url: Text, detail: Word(&["auto", "low", "high", "original"]) }
    INPUT_AUDIO { type: Text, input_audio: SOUND, prompt_cache_breakpoint: Map }
    SOUND { data: Text, format: Word(&["wav", "mp3"]) }
    FILE { type: Text, file: FILE_FILE, prompt_cache_breakpoint: Map }
    FILE_FILE { file_data: Text, file_id: Text, filename: Text }

    FUNCTION_TOOL { type: Text, function: FUNCTION }
    FUNCTION { name: Text, description: Text, parameters: Map, strict: Flag }
    CUSTOM_TOOL { type: Text, custom: CUSTOM }
    CUSTOM { name: Text, description: Text, format: Map }
    FUNCTION_CHOICE { type: Text, function: NAMED }
    CUSTOM_CHOICE { type: Text, custom: NAMED }
    ALLOWED { type: Text, allowed_tools: ALLOWED_TOOLS }
    ALLOWED_TOOLS { mode: Word(&["auto", "required"]), tools: List(&Map) }
    PLAIN_FORMAT { type: Text }
    SCHEMA_FORMAT { type: Text, json_schema: JSON_SCHEMA }
    JSON_SCHEMA { name: Text, description: Text, schema: Map, strict: Flag }
}

static MESSAGE: Shape = Tagged(
    "role",
    &[
        ("system", &SYSTEM),
        ("developer", &SYSTEM),
        ("user", &USER),
        ("assistant", &ASSISTANT),
        ("tool", &TOOL_MESSAGE),
        ("function", &FUNCTION_MESSAGE),
    ],
    &USER,
);
static TEXT_CONTENT: Shape = Either(&[&Text, &List(&TEXT)]);
static USER_CONTENT: Shape = Either(&[&Text, &List(&USER_PART)]);
static ASSISTANT_CONTENT: Shape = Either(&[&Text, &List(&ASSISTANT_PART)]);
static USER_PART: Shape =
    Tagged("type", &[("text", &TEXT), ("image_url", &IMAGE), ("input_audio", &INPUT_AUDIO), ("file", &FILE)], &TEXT);
static ASSISTANT_PART: Shape = Tagged("type", &[("text", &TEXT), ("refusal", &REFUSAL)], &TEXT);
static TOOL_CALL: Shape = Tagged("type", &[("function", &FUNCTION_CALL), ("custom", &CUSTOM_CALL)], &FUNCTION_CALL);
static TOOL: Shape = Tagged("type", &[("function", &FUNCTION_TOOL), ("custom", &CUSTOM_TOOL)], &FUNCTION_TOOL);
static TOOL_CHOICE: Shape = Either(&[&Word(&["none", "auto", "required"]), &NAMED_CHOICE]);
static NAMED_CHOICE: Shape = Tagged(
    "type",
    &[("function", &FUNCTION_CHOICE), ("custom", &CUSTOM_CHOICE), ("allowed_tools", &ALLOWED)],
    &FUNCTION_CHOICE,
);
static RESPONSE_FORMAT: Shape = Tagged(
    "type",
    &[("text", &PLAIN_FORMAT), ("json_object", &PLAIN_FORMAT), ("json_schema", &SCHEMA_FORMAT)],
    &PLAIN_FORMAT,
);
