//! Callers' requests.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Effort, Media, Message, OutputFormat, Role, Signature, Text, ToolChoice, Value,
};
use crate::translate::calls;
use crate::translate::seal_text;

fn text(text: &str) -> Block<'_> {
    Block::text(Text::from(text))
}

fn user(content: Vec<Block<'_>>) -> Message<'_> {
    Message { role: Role::User, content }
}

#[test]
fn a_string_is_a_message_of_the_user() {
    let request = read(&json!({"model": "m", "input": "Hi", "instructions": "Be brief.", "stream": true})).unwrap();
    assert_eq!(request.system, [text("Be brief.")]);
    assert_eq!(request.messages, [user(vec![text("Hi")])]);
    assert!(request.stream && !request.include_usage);
    assert_eq!(noted(&request), "");
}

#[test]
fn instructions_stand_first_and_late_ones_where_they_are() {
    let request = read(&json!({"input": [
        {"role": "developer", "content": "B"},
        {"type": "message", "role": "user", "content": "Hi"},
        {"role": "system", "content": [{"type": "input_text", "text": "C"}]},
    ], "instructions": "A"}))
    .unwrap();
    assert_eq!(request.system, [text("A"), text("B")]);
    let late = Message { role: Role::System, content: vec![text("C")] };
    assert_eq!(request.messages, [user(vec![text("Hi")]), late]);
}

#[test]
fn every_part_of_a_message_is_read() {
    let request = read_item(&json!({"role": "user", "status": "completed", "id": "msg_1", "content": [
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto", "file_id": null},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "high"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BB=="},
        {"type": "input_file", "filename": "a.csv", "file_data": "CC=="},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_audio", "input_audio": {"data": "DD==", "format": "wav"}},
    ]}))
    .unwrap();
    let inline = |media_type, data| Media::Inline { media_type: Text::from(media_type), data: Text::from(data) };
    let url = |url| Media::Url { url: Text::from(url), media_type: None };
    let expected = [
        Block::Text { text: Text::from("a"), cache: Some(CacheControl::OneHour) },
        Block::Image { media: inline("image/png", "AA=="), detail: None, cache: None },
        Block::Image { media: url("https://x/y.png"), detail: Some(Text::from("high")), cache: None },
        Block::Document { media: inline("application/pdf", "BB=="), name: Some(Text::from("a.pdf")), cache: None },
        Block::Document { media: inline("text/csv", "CC=="), name: Some(Text::from("a.csv")), cache: None },
        Block::Document { media: url("https://x/y.pdf"), name: None, cache: None },
        Block::Audio { data: Text::from("DD=="), format: Text::from("wav") },
    ];
    assert_eq!(request.messages[0].content, expected);
    assert_eq!(noted(&request), "input.content.prompt_cache_breakpoint.ttl=approximated");
}

#[test]
fn what_the_assistant_did_is_one_turn() {
    let request = read(&json!({"input": [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
         "summary": [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
         "content": [{"type": "output_text", "text": "Well", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "c", "input": "ls"},
        {"type": "function_call_output", "call_id": "call_1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
            {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]},
        {"role": "user", "content": "Go on"},
    ]}))
    .unwrap();
    assert_eq!(request.messages.len(), 4);
    let [_, said, results, _] = request.messages.as_slice() else { panic!() };
    assert_eq!((said.role, results.role), (Role::Assistant, Role::User));
    let [Block::Reasoning(thought), Block::Text { .. }, Block::ToolCall(call), Block::ToolCall(custom)] =
        said.content.as_slice()
    else {
        panic!("{said:?}")
    };
    assert_eq!(thought.text, "One\n\nTwo");
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 gAAA") };
    assert_eq!(thought.signature, Some(own));
    assert_eq!((call.id.clone(), call.is_custom), (Some(Text::from("call_1")), false));
    assert_eq!(call.arguments, Arguments::Written(Text::from("{\"a\":1}")));
    assert_eq!((custom.arguments.clone(), custom.is_custom), (Arguments::Written(Text::from("ls")), true));
    let [Block::ToolResult(first), Block::ToolResult(second)] = results.content.as_slice() else { panic!() };
    assert_eq!((first.content.as_slice(), first.is_custom), ([text("1")].as_slice(), false));
    assert_eq!((second.content.len(), second.is_custom), (2, true));
    assert_eq!(noted(&request), "input.phase=dropped");
}

#[test]
fn what_was_sealed_for_the_caller_is_opened() {
    let foreign = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB==") };
    let of_call = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let id = calls::id_for_caller(Protocol::OpenAi, "r", &Open, 0, Some(&Text::from("call_1")), Some(&of_call));
    let request = read(&json!({"input": [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_made", "summary": [{"type": "summary_text", "text": "T"}],
         "encrypted_content": seal_text(&Open, &foreign)},
        {"type": "function_call", "call_id": id.decode(), "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": id.decode(), "output": "1"},
    ]}))
    .unwrap();
    let [Block::Reasoning(thought), Block::ToolCall(call)] = request.messages[1].content.as_slice() else { panic!() };
    assert_eq!(thought.signature, Some(foreign));
    assert_eq!((call.id.clone(), call.signature.clone()), (Some(Text::from("call_1")), Some(of_call)));
    let Block::ToolResult(result) = &request.messages[2].content[0] else { panic!() };
    assert_eq!(result.id, Some(Text::from("call_1")));
}

#[test]
fn a_thought_that_is_only_stored_is_named_and_left_out() {
    let request = read(&json!({"input": [
        {"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "Hi"},
    ]}))
    .unwrap();
    assert_eq!(request.messages, [user(vec![text("Hi")])]);
    assert_eq!(noted(&request), "input.reasoning=dropped");
    let whole = json!({"type": "reasoning", "id": "rs_1", "summary": [],
                       "content": [{"type": "reasoning_text", "text": "whole"}]});
    let request = read_item(&whole).unwrap();
    let Block::Reasoning(thought) = &request.messages[0].content[0] else { panic!() };
    assert_eq!((thought.text.clone(), &thought.signature), (Text::from("whole"), &None));
}

#[test]
fn tools_and_the_choice_of_them() {
    let request = read_with(json!({
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "function", "name": "g", "parameters": null, "strict": null, "async": false},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"type": "custom", "name": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        ],
        "parallel_tool_calls": false,
        "tool_choice": {"type": "allowed_tools", "mode": "required",
                        "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]},
    }))
    .unwrap();
    let [f, g, c, d] = request.tools.as_slice() else { panic!() };
    assert_eq!((f.name.clone(), f.strict, f.is_custom), (Text::from("f"), Some(true), false));
    assert_eq!(f.parameters.map(Value::raw), Some("{\"type\":\"object\"}"));
    assert_eq!((g.parameters, g.strict), (None, None));
    assert!(c.is_custom && d.is_custom);
    assert_eq!(request.parallel_tool_calls, Some(false));
    let names = vec![Text::from("f"), Text::from("c")];
    assert_eq!(request.tool_choice, Some(ToolChoice::Allowed { names, required: true }));
    assert_eq!(noted(&request), "tools.format=dropped");

    for (written, choice) in [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!({"type": "function", "name": "f"}), ToolChoice::Named(Text::from("f"))),
        (json!({"type": "custom", "name": "c"}), ToolChoice::Named(Text::from("c"))),
    ] {
        assert_eq!(read_with(json!({ "tool_choice": written })).unwrap().tool_choice, Some(choice));
    }
}

#[test]
fn formats_and_controls() {
    let request = read_with(json!({
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "description": "d",
                                                "schema": {"type": "object"}, "strict": true}},
        "max_output_tokens": 100, "temperature": 0.50, "top_p": 1, "top_logprobs": 3,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        "reasoning": {"effort": "xhigh", "summary": "detailed", "context": "auto", "mode": null},
        "safety_identifier": "s", "user": "u", "prompt_cache_key": "k",
    }))
    .unwrap();
    let OutputFormat::JsonSchema { name, description, schema, strict, .. } = &request.format else { panic!() };
    assert_eq!((name, description), (&Some(Text::from("n")), &Some(Text::from("d"))));
    assert_eq!((schema.raw(), *strict), ("{\"type\":\"object\"}", Some(true)));
    assert_eq!(request.user.verbosity, Some(Text::from("low")));
    assert_eq!(request.max_output_tokens, Some(100));
    assert_eq!(request.sampling.temperature.map(Value::raw), Some("0.5"));
    assert_eq!(request.sampling.log_probabilities, Some(3));
    assert!(request.reasoning.encrypted);
    assert_eq!((request.reasoning.effort, request.reasoning.visible), (Some(Effort::ExtraHigh), Some(true)));
    assert_eq!(request.reasoning.summary, Some(Text::from("detailed")));
    assert_eq!(request.user.id, Some(Text::from("s")));
    assert_eq!(request.user.cache_key, Some(Text::from("k")));
    assert_eq!(noted(&request), "");

    let none = read_with(json!({"reasoning": {"effort": "none", "generate_summary": "auto"}})).unwrap().reasoning;
    assert_eq!((none.enabled, none.effort, none.visible), (Some(false), Some(Effort::None), Some(true)));
    let plain = read_with(json!({"text": {"format": {"type": "json_object"}}, "top_logprobs": 0})).unwrap();
    assert_eq!((plain.format, plain.sampling.log_probabilities), (OutputFormat::JsonObject, None));
    let asked = read_with(json!({"include": ["message.output_text.logprobs"]})).unwrap();
    assert_eq!(asked.sampling.log_probabilities, Some(0));
}

#[test]
fn what_has_no_effect_is_silent_and_what_is_left_out_is_named() {
    let silent = json!({
        "metadata": {"a": "b"}, "store": false, "background": false, "truncation": "disabled", "service_tier": "auto",
        "stream_options": {"include_obfuscation": false}, "previous_response_id": null, "conversation": null,
        "prompt": null, "max_tool_calls": 3, "temperature": null, "tools": [], "reasoning": {"mode": "standard"},
    });
    assert_eq!(noted(&read_with(silent).unwrap()), "");
    for (members, note) in [
        (json!({"store": true}), "store=dropped"),
        (json!({"truncation": "auto"}), "truncation=dropped"),
        (json!({"service_tier": "flex"}), "service_tier=dropped"),
        (json!({"stream_options": {"include_obfuscation": true}}), "stream_options.include_obfuscation=dropped"),
        (json!({"prompt_cache_retention": "24h"}), "prompt_cache_retention=dropped"),
        (json!({"prompt_cache_options": {"mode": "implicit"}}), "prompt_cache_options=dropped"),
        (json!({"context_management": [{"type": "compaction"}]}), "context_management=dropped"),
        (json!({"reasoning": {"mode": "pro"}}), "reasoning.mode=dropped"),
        (json!({"include": ["novel.thing"]}), "include.novel.thing=dropped"),
        (json!({"novel": 1, "text": {"novel": 2}}), "novel=dropped, text.novel=dropped"),
        (json!({"tools": [{"type": "function", "name": "f", "defer_loading": true}]}), "tools.defer_loading=dropped"),
    ] {
        assert_eq!(noted(&read_with(members).unwrap()), note);
    }
    let cited = json!({"role": "assistant", "content": [
        {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]}]});
    assert_eq!(noted(&read_item(&cited).unwrap()), "input.content.annotations=dropped");
}

#[test]
fn what_cannot_be_translated_is_refused_by_name() {
    for (members, param) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": {"id": "conv_1"}}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"moderation": {"model": "m"}}), "moderation"),
        (json!({"tools": [{"type": "web_search_preview_2025_03_11"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "mcp", "server_label": "x"}]}), "tools[0].type"),
        (json!({"tool_choice": {"type": "file_search"}}), "tool_choice.type"),
        (
            json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}),
            "tool_choice.tools[0].type",
        ),
    ] {
        let rejected = read_with(members).unwrap_err();
        assert_eq!(rejected.param, param);
        assert!(rejected.message.contains(param), "{rejected}");
        assert!(rejected.message.contains("cannot be translated"), "{rejected}");
    }
    for kind in [
        "item_reference",
        "web_search_call",
        "file_search_call",
        "computer_call",
        "computer_call_output",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "code_interpreter_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "apply_patch_call",
        "compaction",
        "program",
        "tool_search_call",
        "additional_tools",
        "configuration_update",
        "novel",
    ] {
        let rejected = read_item(&json!({"type": kind, "id": "x"})).unwrap_err();
        assert_eq!(rejected.param, "input[0].type");
        assert!(rejected.message.contains(kind), "{rejected}");
        assert_eq!(rejected.message.contains("is not known"), kind == "novel", "{rejected}");
    }
    assert!(read_item(&json!({"id": "msg_1"})).unwrap_err().message.contains("item_reference"));
    let image = json!({"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]});
    assert_eq!(read_item(&image).unwrap_err().param, "input[0].content[0].file_id");
}

#[test]
fn the_way_to_a_fault_is_named() {
    for (body, param) in [
        (json!({}), "input"),
        (json!({"input": 5}), "input"),
        (json!({"input": [5]}), "input[0]"),
        (json!({"input": [{}]}), "input[0].type"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "critic", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user", "content": 1}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"text": "x"}]}]}), "input[0].content[0].type"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}), "input[0].content[0].text"),
        (json!({"input": [{"role": "user", "content": [{"type": "video"}]}]}), "input[0].content[0].type"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}), "input[0].content[0].image_url"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}), "input[0].content[0].file_data"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]}),
            "input[0].content[0].input_audio.format",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,x"}]}]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://x"}]}]}),
            "input[0].content[0].type",
        ),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}), "input[0].name"),
        (json!({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}), "input[0].arguments"),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}),
            "input[0].arguments",
        ),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "", "namespace": "n"}]}),
            "input[0].namespace",
        ),
        (json!({"input": [{"type": "function_call_output", "output": "x"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (json!({"input": [{"type": "reasoning", "summary": [{}]}]}), "input[0].summary[0].text"),
        (json!({"input": "x", "instructions": []}), "instructions"),
        (json!({"input": "x", "tools": [5]}), "tools[0]"),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": []}]}), "tools[0].parameters"),
        (json!({"input": "x", "tool_choice": "any"}), "tool_choice"),
        (json!({"input": "x", "tool_choice": {"type": "function"}}), "tool_choice.name"),
        (json!({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format.schema"),
        (json!({"input": "x", "text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"input": "x", "text": []}), "text"),
        (json!({"input": "x", "reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (json!({"input": "x", "include": [1]}), "include[0]"),
        (json!({"input": "x", "max_output_tokens": "5"}), "max_output_tokens"),
        (json!({"input": "x", "temperature": "hot"}), "temperature"),
        (json!({"input": "x", "stream": 1}), "stream"),
        (json!({"input": "x", "stream_options": 1}), "stream_options"),
    ] {
        let rejected = read(&body).unwrap_err();
        assert_eq!(rejected.param, param, "{body}");
        assert!(rejected.message.contains(&format!("`{param}`")), "{rejected}");
    }
}
