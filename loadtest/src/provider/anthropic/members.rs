//! Every member of a Messages request that the official SDKs know, betas included.

use super::super::error::ApiError;
use super::super::members::Shape::{Any, Either, Flag, List, Map, Number, Tagged, Text, Whole, Word};
use super::super::members::{Naming, Shape, Wrong, check, members};

/// Refuses what the real endpoint would not know.
pub(super) fn refuse_unknown(body: &serde_json::Value) -> Result<(), ApiError> {
    let Some(finding) = check(&REQUEST, body, Naming::Exact) else { return Ok(()) };
    let at = finding.dotted();
    let message = match &finding.wrong {
        Wrong::Unknown(name) if at.is_empty() => format!("{name}: Extra inputs are not permitted"),
        Wrong::Unknown(name) => format!("{at}.{name}: Extra inputs are not permitted"),
        Wrong::Type("object") => format!("{at}: Input should be a valid dictionary"),
        Wrong::Type("array") => format!("{at}: Input should be a valid list"),
        Wrong::Type(kind) => format!("{at}: Input should be a valid {kind}"),
        Wrong::Word(words) => format!("{at}: Input should be '{}'", words.join("', '")),
        Wrong::Kind(kind, known) => format!(
            "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: '{}'",
            known.join("', '")
        ),
    };
    Err(ApiError::new(400, message))
}

const EFFORTS: Shape = Word(&["low", "medium", "high", "xhigh", "max"]);
const SPEED: Shape = Word(&["fast", "standard"]);

members! {
    REQUEST {
        model: Text, max_tokens: Whole, messages: List(&MESSAGE), system: CONTENT, stream: Flag,
        temperature: Number, top_p: Number, top_k: Whole, stop_sequences: List(&Text), metadata: METADATA,
        tools: List(&TOOL), tool_choice: TOOL_CHOICE, thinking: THINKING, output_config: OUTPUT_CONFIG,
        service_tier: Word(&["auto", "standard_only"]), cache_control: CACHE_CONTROL, container: Any,
        diagnostics: Map, inference_geo: Text, speed: SPEED, user_profile_id: Text, workspace_id: Text, betas: Any,
        billing_policy: Map, compaction: Map, context_management: Map, fallback_credit_token: Any, fallbacks: Any,
        mcp_servers: List(&MCP_SERVER), thread: Map, output_format: Map,
    }
    METADATA { user_id: Text }
    MESSAGE {
        role: Word(&["user", "assistant", "system"]), content: CONTENT, clear_at: Text, output_config: OUTPUT_CONFIG,
    }
    CACHE_CONTROL { type: Word(&["ephemeral"]), ttl: Word(&["5m", "1h"]), scope: Text }
    OUTPUT_CONFIG { effort: EFFORTS, format: FORMAT, task_budget: Map }
    FORMAT { type: Word(&["json_schema"]), schema: Map }
    MCP_SERVER { name: Text, type: Text, url: Text, authorization_token: Text, tool_configuration: Map }
}

static CONTENT: Shape = Either(&[&Text, &List(&BLOCK)]);
static TEXTS: Shape = Either(&[&Text, &List(&TEXT)]);

static BLOCK: Shape = Tagged(
    "type",
    &[
        ("text", &TEXT),
        ("image", &IMAGE),
        ("document", &DOCUMENT),
        ("search_result", &SEARCH_RESULT),
        ("thinking", &THINKING_BLOCK),
        ("redacted_thinking", &REDACTED_THINKING),
        ("tool_use", &TOOL_USE),
        ("tool_result", &TOOL_RESULT),
        ("server_tool_use", &SERVER_TOOL_USE),
        ("web_search_tool_result", &SERVER_RESULT),
        ("web_fetch_tool_result", &SERVER_RESULT),
        ("advisor_tool_result", &SERVER_RESULT),
        ("code_execution_tool_result", &SERVER_RESULT),
        ("bash_code_execution_tool_result", &SERVER_RESULT),
        ("text_editor_code_execution_tool_result", &SERVER_RESULT),
        ("tool_search_tool_result", &SERVER_RESULT),
        ("mcp_tool_use", &MCP_TOOL_USE),
        ("mcp_tool_result", &MCP_TOOL_RESULT),
        ("mcp_tool_listing", &MCP_TOOL_LISTING),
        ("container_upload", &CONTAINER_UPLOAD),
        ("compaction", &COMPACTION),
        ("tool_addition", &TOOL_CHANGE),
        ("tool_removal", &TOOL_CHANGE),
        ("tool_reference", &TOOL_REFERENCE),
        ("browser_state", &BROWSER_STATE),
        ("fallback", &FALLBACK),
    ],
    &TEXT,
);

members! {
    TEXT { type: Text, text: Text, cache_control: CACHE_CONTROL, citations: List(&CITATION) }
    IMAGE { type: Text, source: IMAGE_SOURCE, cache_control: CACHE_CONTROL, transformations: Map }
    DOCUMENT {
        type: Text, source: DOCUMENT_SOURCE, cache_control: CACHE_CONTROL, citations: CITATIONS, context: Text,
        title: Text,
    }
    SEARCH_RESULT {
        type: Text, content: List(&TEXT), source: Text, title: Text, cache_control: CACHE_CONTROL,
        citations: CITATIONS,
    }
    CITATIONS { enabled: Flag }
    CITATION {
        type: Text, cited_text: Text, document_index: Whole, document_title: Text, start_char_index: Whole,
        end_char_index: Whole, start_page_number: Whole, end_page_number: Whole, start_block_index: Whole,
        end_block_index: Whole, search_result_index: Whole, source: Text, title: Text, url: Text,
        encrypted_index: Text, file_id: Text,
    }
    THINKING_BLOCK { type: Text, thinking: Text, signature: Text }
    REDACTED_THINKING { type: Text, data: Text }
    TOOL_USE {
        type: Text, id: Text, name: Text, input: Map, cache_control: CACHE_CONTROL, caller: CALLER,
        toolset_name: Text,
    }
    CALLER { type: Text, tool_id: Text }
    TOOL_RESULT {
        type: Text, tool_use_id: Text, content: CONTENT, is_error: Flag, cache_control: CACHE_CONTROL,
        toolset_name: Text,
    }
    SERVER_TOOL_USE { type: Text, id: Text, name: Text, input: Map, cache_control: CACHE_CONTROL, caller: CALLER }
    SERVER_RESULT { type: Text, tool_use_id: Text, content: Any, cache_control: CACHE_CONTROL, caller: CALLER }
    MCP_TOOL_USE { type: Text, id: Text, name: Text, input: Map, server_name: Text, cache_control: CACHE_CONTROL }
    MCP_TOOL_RESULT { type: Text, tool_use_id: Text, content: TEXTS, is_error: Flag, cache_control: CACHE_CONTROL }
    MCP_TOOL_LISTING { type: Text, mcp_server_name: Text, tools: List(&Map) }
    CONTAINER_UPLOAD { type: Text, file_id: Text, cache_control: CACHE_CONTROL }
    COMPACTION {
        type: Text, content: Text, encrypted_content: Text, signature: Text, tool_changes: List(&TOOL_CHANGE),
        cache_control: CACHE_CONTROL,
    }
    TOOL_CHANGE { type: Text, tool: Map, cache_control: CACHE_CONTROL }
    TOOL_REFERENCE { type: Text, tool_name: Text, cache_control: CACHE_CONTROL }
    BROWSER_STATE { type: Text, tabs: List(&Map), state_changes: List(&Map), cache_control: CACHE_CONTROL }
    FALLBACK { type: Text, from: Map, to: Map, trigger: Any }

    BASE64 { type: Text, media_type: Text, data: Text }
    URL { type: Text, url: Text }
    FILE { type: Text, file_id: Text }
    INNER { type: Text, content: CONTENT }
}

static IMAGE_SOURCE: Shape = Tagged("type", &[("base64", &BASE64), ("url", &URL), ("file", &FILE)], &BASE64);
static DOCUMENT_SOURCE: Shape = Tagged(
    "type",
    &[("base64", &BASE64), ("text", &BASE64), ("content", &INNER), ("url", &URL), ("file", &FILE)],
    &BASE64,
);

static TOOL_CHOICE: Shape = Tagged(
    "type",
    &[("auto", &OPEN_CHOICE), ("any", &OPEN_CHOICE), ("tool", &NAMED_CHOICE), ("none", &NO_CHOICE)],
    &NO_CHOICE,
);
static THINKING: Shape = Tagged(
    "type",
    &[("enabled", &ENABLED), ("adaptive", &ADAPTIVE), ("disabled", &NO_CHOICE), ("between_tools", &NO_CHOICE)],
    &NO_CHOICE,
);
const DISPLAY: Shape = Word(&["summarized", "omitted", "updates"]);

members! {
    OPEN_CHOICE { type: Text, disable_parallel_tool_use: Flag }
    NAMED_CHOICE { type: Text, name: Text, disable_parallel_tool_use: Flag }
    NO_CHOICE { type: Text }
    ENABLED { type: Text, budget_tokens: Whole, display: DISPLAY, block_binding: Map }
    ADAPTIVE { type: Text, display: DISPLAY, block_binding: Map }
}

/// Tools of the provider's own are many and change by the month; they share one list of members.
static TOOL: Shape = Tagged(
    "type",
    &[
        ("custom", &CUSTOM_TOOL),
        ("bash_20241022", &SERVER_TOOL),
        ("bash_20250124", &SERVER_TOOL),
        ("code_execution_20250522", &SERVER_TOOL),
        ("code_execution_20250825", &SERVER_TOOL),
        ("code_execution_20260120", &SERVER_TOOL),
        ("code_execution_20260521", &SERVER_TOOL),
        ("browser_toolset_20260801", &SERVER_TOOL),
        ("memory_20250818", &SERVER_TOOL),
        ("computer_20241022", &SERVER_TOOL),
        ("computer_20250124", &SERVER_TOOL),
        ("computer_20251124", &SERVER_TOOL),
        ("computer_toolset_20260801", &SERVER_TOOL),
        ("text_editor_20241022", &SERVER_TOOL),
        ("text_editor_20250124", &SERVER_TOOL),
        ("text_editor_20250429", &SERVER_TOOL),
        ("text_editor_20250728", &SERVER_TOOL),
        ("web_search_20250305", &SERVER_TOOL),
        ("web_search_20260209", &SERVER_TOOL),
        ("web_search_20260318", &SERVER_TOOL),
        ("web_fetch_20250910", &SERVER_TOOL),
        ("web_fetch_20260209", &SERVER_TOOL),
        ("web_fetch_20260309", &SERVER_TOOL),
        ("web_fetch_20260318", &SERVER_TOOL),
        ("advisor_20260301", &SERVER_TOOL),
        ("tool_search_tool_bm25", &SERVER_TOOL),
        ("tool_search_tool_bm25_20251119", &SERVER_TOOL),
        ("tool_search_tool_regex", &SERVER_TOOL),
        ("tool_search_tool_regex_20251119", &SERVER_TOOL),
        ("mcp_toolset", &SERVER_TOOL),
    ],
    &CUSTOM_TOOL,
);

members! {
    CUSTOM_TOOL {
        type: Text, name: Text, description: Text, input_schema: Map, cache_control: CACHE_CONTROL, strict: Flag,
        allowed_callers: List(&Text), defer_loading: Flag, eager_input_streaming: Flag, input_examples: List(&Map),
    }
    SERVER_TOOL {
        type: Text, name: Text, cache_control: CACHE_CONTROL, strict: Flag, allowed_callers: List(&Text),
        defer_loading: Flag, input_examples: List(&Map), configs: Map, max_characters: Whole,
        allowed_domains: List(&Text), blocked_domains: List(&Text), max_uses: Whole, user_location: Map,
        citations: CITATIONS, max_content_tokens: Whole, url_sources: Map, use_cache: Flag, response_inclusion: Text,
        display_height_px: Whole, display_width_px: Whole, display_number: Whole, enable_zoom: Flag, model: Text,
        caching: CACHE_CONTROL, max_tokens: Whole, mcp_server_name: Text, default_config: Map, tools: List(&Map),
    }
}
