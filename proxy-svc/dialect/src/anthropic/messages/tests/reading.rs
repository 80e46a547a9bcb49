//! Requests of callers.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Effort, Media, OutputFormat, Reasoning, Role, Signature, Text, ToolChoice,
};
use crate::translate::seal_text;

fn content(blocks: &Json, check: impl FnOnce(&[Block<'_>], String)) {
    let is_thought = |block: &Json| block["type"].as_str().is_some_and(|kind| kind.ends_with("thinking"));
    let is_assistants = blocks.as_array().unwrap().iter().any(is_thought);
    let role = if is_assistants { "assistant" } else { "user" };
    let request = json!({"model": "m", "max_tokens": 1, "messages": [{"role": role, "content": blocks}]});
    read_as(&request, |request, notes| check(&request.messages[0].content, notes));
}

#[test]
fn every_member_of_the_top_is_read() {
    let request = body(&json!({
        "max_tokens": 512, "stop_sequences": ["END"], "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stream": true,
        "metadata": {"user_id": "u-1"}, "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true, "type": "custom", "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
    }));
    read_as(&request, |request, notes| {
        assert_eq!(notes, "");
        assert_eq!(request.max_output_tokens, Some(512));
        assert_eq!(request.stop, [Text::from("END")]);
        assert_eq!(request.sampling.temperature.unwrap().raw(), "0.5");
        assert_eq!(request.sampling.top_p.unwrap().raw(), "0.9");
        assert_eq!(request.sampling.top_k.unwrap().raw(), "40");
        assert!(request.stream);
        assert_eq!(request.user.id, Some(Text::from("u-1")));
        let system = Block::Text { text: Text::from("Be kind."), cache: Some(CacheControl::OneHour) };
        assert_eq!(request.system, [system]);
        let reasoning = &request.reasoning;
        assert_eq!((reasoning.enabled, reasoning.budget, reasoning.visible), (Some(true), Some(2000), Some(true)));
        assert_eq!(reasoning.effort, Some(Effort::ExtraHigh));
        assert!(
            matches!(&request.format, OutputFormat::JsonSchema { strict: Some(true), schema, .. } if schema.raw() == r#"{"type":"object"}"#)
        );
        let tool = &request.tools[0];
        assert_eq!((tool.strict, tool.cache, tool.is_custom), (Some(true), Some(CacheControl::FiveMinutes), false));
        assert_eq!(tool.parameters.unwrap().raw(), r#"{"type":"object"}"#);
        assert_eq!(request.tool_choice, Some(ToolChoice::Named(Text::from("f"))));
        assert_eq!(request.parallel_tool_calls, Some(false));
    });
}

#[test]
fn nulls_are_as_good_as_nothing() {
    let request = body(&json!({
        "stop_sequences": null, "temperature": null, "metadata": {"user_id": null}, "system": null, "thinking": null,
        "output_config": {"effort": null, "format": null}, "tools": null, "tool_choice": null, "container": null,
        "context_management": null, "stream": null, "inference_geo": null, "mcp_servers": [], "service_tier": "auto",
    }));
    read_as(&request, |request, notes| {
        let plain = body(&json!({})).to_string();
        let plain = read_request(Format::Messages, plain.as_bytes(), &CALLER).unwrap();
        assert_eq!((request, notes), (&plain, String::new()));
    });
}

#[test]
fn thinking_is_read_in_all_its_kinds() {
    for (thinking, expected) in [
        (json!({"type": "adaptive"}), (Some(true), None, Some(true))),
        (json!({"type": "adaptive", "display": "omitted", "block_binding": {}}), (Some(true), None, Some(false))),
        (
            json!({"type": "enabled", "budget_tokens": 1024, "display": "summarized"}),
            (Some(true), Some(1024), Some(true)),
        ),
        (json!({"type": "disabled"}), (Some(false), None, None)),
        (json!({"type": "between_tools"}), (Some(false), None, None)),
    ] {
        read_as(&body(&json!({"thinking": thinking})), |request, notes| {
            let reasoning = &request.reasoning;
            assert_eq!((reasoning.enabled, reasoning.budget, reasoning.visible), expected);
            assert_eq!(notes, "");
        });
    }
}

#[test]
fn instructions_in_front_are_the_system_prompt_and_later_ones_stay_where_they_are() {
    let request = json!({"max_tokens": 1, "system": "One.", "messages": [
        {"role": "system", "content": "Two."}, {"role": "user", "content": "Hi"},
        {"role": "system", "content": [{"type": "text", "text": "Three."}]},
        {"role": "system", "output_config": {"effort": "low"}},
    ]});
    read_as(&request, |request, notes| {
        assert_eq!(request.system, [Block::text(Text::from("One.")), Block::text(Text::from("Two."))]);
        let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::System, Role::System]);
        assert_eq!(notes, "messages.output_config=dropped");
    });
}

#[test]
fn images_and_documents_are_read_from_every_source() {
    let blocks = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}, "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/i"}, "transformations": {}},
        {"type": "document", "title": "T", "context": "C", "citations": {"enabled": true},
         "source": {"type": "base64", "media_type": "application/pdf", "data": "cA=="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "citations": {"enabled": false}},
        {"type": "document", "source": {"type": "url", "url": "https://x/d"}},
        {"type": "document", "title": "B", "cache_control": {"type": "ephemeral"}, "source": {"type": "content", "content": [
            {"type": "text", "text": "part"}, {"type": "image", "source": {"type": "url", "url": "https://x/p"}}]}},
        {"type": "search_result", "title": "R", "source": "https://r", "content": [{"type": "text", "text": "found"}]},
    ]);
    content(&blocks, |blocks, notes| {
        let url = |url: &'static str| Media::Url { url: Text::from(url), media_type: None };
        let image = |media, cache| Block::Image { media, detail: None, cache };
        let document =
            |media, name: Option<&'static str>| Block::Document { media, name: name.map(Text::from), cache: None };
        let inline = |kind: &'static str, data: &'static str| Media::Inline {
            media_type: Text::from(kind),
            data: Text::from(data),
        };
        let text = |text: &'static str| Block::text(Text::from(text));
        let five = Some(CacheControl::FiveMinutes);
        let expected = [
            image(inline("image/png", "aQ=="), five),
            image(url("https://x/i"), None),
            text("C"),
            document(inline("application/pdf", "cA=="), Some("T")),
            document(Media::Plain(Text::from("words")), None),
            document(url("https://x/d"), None),
            text("B"),
            text("part"),
            image(url("https://x/p"), five),
            text("R\nhttps://r\n\nfound"),
        ];
        assert_eq!(blocks, expected);
        assert_eq!(notes, "messages.content.transformations=dropped, messages.content.citations=dropped");
    });
}

#[test]
fn calls_and_results_are_read_with_what_was_sealed_behind_their_ids() {
    let signature = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let id = format!("call_1-{}", seal_text(&Reversed, &signature));
    let request = json!({"max_tokens": 1, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {"a": [1]}, "caller": {"type": "direct"}, "toolset_name": null}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "is_error": true, "content": [
                {"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "https://x"}}]},
            {"type": "tool_result", "tool_use_id": "other", "content": "yes", "cache_control": {"type": "ephemeral"}},
            {"type": "tool_result", "tool_use_id": "empty"},
        ]},
    ]});
    read_as(&request, |request, notes| {
        assert_eq!(notes, "");
        let Block::ToolCall(call) = &request.messages[0].content[0] else { panic!() };
        assert_eq!((call.id.clone().unwrap(), call.signature.clone()), (Text::from("call_1"), Some(signature)));
        assert!(matches!(&call.arguments, Arguments::Object(value) if value.raw() == r#"{"a":[1]}"#));
        let results: Vec<_> = request.messages[1]
            .content
            .iter()
            .map(|block| {
                let Block::ToolResult(result) = block else { panic!() };
                (result.id.clone().unwrap(), result.content.len(), result.is_error, result.cache.is_some())
            })
            .collect();
        assert_eq!(
            results,
            [
                (Text::from("call_1"), 2, true, false),
                (Text::from("other"), 1, false, true),
                (Text::from("empty"), 0, false, false)
            ]
        );
    });
}

#[test]
fn thoughts_are_their_own_providers_again() {
    let foreign = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 abc") };
    let sealed = seal_text(&Reversed, &foreign);
    let blocks = json!([
        {"type": "thinking", "thinking": "a", "signature": "Own=="}, {"type": "redacted_thinking", "data": "Data=="},
        {"type": "thinking", "thinking": "b", "signature": sealed}, {"type": "redacted_thinking", "data": sealed},
        {"type": "thinking", "thinking": "c", "signature": ""},
    ]);
    content(&blocks, |blocks, _| {
        let own = |value: &'static str| Some(Signature { origin: Protocol::Anthropic, value: Text::from(value) });
        let thought = |text: &'static str, signature| Block::Reasoning(Reasoning { text: Text::from(text), signature });
        let expected = [
            thought("a", own("Own==")),
            thought("", own("redacted:Data==")),
            thought("b", Some(foreign.clone())),
            thought("", Some(foreign.clone())),
            thought("c", None),
        ];
        assert_eq!(blocks, expected);
    });
}

#[test]
fn summaries_are_texts_and_marks_of_fallbacks_are_named() {
    let blocks = json!([{"type": "compaction", "content": "So far: …"}, {"type": "compaction", "content": null},
        {"type": "fallback", "from": {}, "to": {}}]);
    content(&blocks, |blocks, notes| {
        assert_eq!(blocks, [Block::text(Text::from("So far: …"))]);
        assert_eq!(notes, "messages.content.fallback=dropped");
    });
}

#[test]
fn members_of_anthropic_alone_are_named_or_refused() {
    let request = body(&json!({
        "cache_control": {"type": "ephemeral"}, "context_management": {"edits": []}, "service_tier": "standard_only",
        "speed": "fast", "diagnostics": {}, "output_config": {"task_budget": {}}, "metadata": {"x": 1}, "new_thing": 1,
        "tools": [{"name": "f", "input_schema": {}, "input_examples": [{}], "defer_loading": true, "eager_input_streaming": true}],
    }));
    read_as(&request, |_, notes| {
        let mut names: Vec<&str> = notes.split(", ").collect();
        names.sort_unstable();
        let expected = [
            "cache_control",
            "context_management",
            "diagnostics",
            "metadata.x",
            "new_thing",
            "output_config.task_budget",
            "service_tier",
            "speed",
            "tools.defer_loading",
            "tools.input_examples",
        ];
        assert_eq!(names, expected.map(|name| format!("{name}=dropped")));
    });
    for (member, value) in [
        ("container", json!("c")),
        ("mcp_servers", json!([{}])),
        ("thread", json!({"type": "create"})),
        ("compaction", json!({})),
        ("inference_geo", json!("us")),
    ] {
        assert_eq!(rejected(&body(&json!({member: value}))).param, member);
    }
}

#[test]
fn unknown_members_are_named_wherever_they_stand() {
    let source = json!({"type": "url", "url": "https://x", "odd": 1});
    let request = json!({"max_tokens": 1, "tool_choice": {"type": "auto", "odd": 1}, "thinking": {"type": "adaptive", "odd": 1},
        "output_config": {"format": {"type": "json_schema", "schema": {}, "odd": 1}},
        "tools": [{"name": "f", "odd": 1}],
        "messages": [{"role": "assistant", "odd": 1, "content": [{"type": "image", "source": source},
            {"type": "redacted_thinking", "data": "x", "even": 1}, {"type": "text", "text": "a", "third": {}}]}]});
    read_as(&request, |_, notes| {
        let mut names: Vec<&str> = notes.split(", ").collect();
        names.sort_unstable();
        let expected = [
            "messages.content.even",
            "messages.content.source.odd",
            "messages.content.third",
            "messages.odd",
            "output_config.format.odd",
            "thinking.odd",
            "tool_choice.odd",
            "tools.odd",
        ];
        assert_eq!(names, expected.map(|name| format!("{name}=dropped")));
    });
    let many: serde_json::Map<String, Json> = (0..20_000).map(|number| (format!("m{number}"), json!(1))).collect();
    read_as(&body(&Json::Object(many)), |request, _| assert!(request.notes.len() <= 256));
}

#[test]
fn what_is_wrong_is_rejected_with_the_way_to_it() {
    let message = |content: Json| {
        body(&json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": content}]}))
    };
    for (request, param) in [
        (json!({"max_tokens": 1}), "messages"),
        (body(&json!({"messages": []})), "messages"),
        (body(&json!({"messages": "Hi"})), "messages"),
        (body(&json!({"messages": [1]})), "messages[0]"),
        (body(&json!({"messages": [{"content": "x"}]})), "messages[0].role"),
        (body(&json!({"messages": [{"role": "tool", "content": "x"}]})), "messages[0].role"),
        (body(&json!({"messages": [{"role": "user"}]})), "messages[0].content"),
        (body(&json!({"max_tokens": "5"})), "max_tokens"),
        (body(&json!({"stop_sequences": [1]})), "stop_sequences[0]"),
        (body(&json!({"stop_sequences": "x"})), "stop_sequences"),
        (body(&json!({"stream": 1})), "stream"),
        (body(&json!({"temperature": "hot"})), "temperature"),
        (body(&json!({"metadata": {"user_id": 5}})), "metadata.user_id"),
        (body(&json!({"metadata": 5})), "metadata"),
        (body(&json!({"thinking": {"type": "hard"}})), "thinking.type"),
        (body(&json!({"thinking": {"budget_tokens": 1}})), "thinking.type"),
        (body(&json!({"output_config": {"effort": "huge"}})), "output_config.effort"),
        (body(&json!({"output_config": {"format": {"type": "json"}}})), "output_config.format.type"),
        (body(&json!({"output_config": {"format": {"type": "json_schema"}}})), "output_config.format.schema"),
        (body(&json!({"system": [{"type": "thinking", "thinking": "x"}]})), "system[0]"),
        (body(&json!({"tools": [{"input_schema": {}}]})), "tools[0].name"),
        (body(&json!({"tools": [{"name": "f", "input_schema": []}]})), "tools[0].input_schema"),
        (body(&json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})), "tools[0].type"),
        (body(&json!({"tools": [{"type": "bash_20250124", "name": "bash"}]})), "tools[0].type"),
        (body(&json!({"tool_choice": {"type": "tool"}})), "tool_choice.name"),
        (body(&json!({"tool_choice": "auto"})), "tool_choice"),
        (body(&json!({"tool_choice": {"type": "some"}})), "tool_choice.type"),
        (message(json!([{"text": "x"}])), "messages[1].content[0].type"),
        (message(json!([{"type": "text", "text": 1}])), "messages[1].content[0].text"),
        (message(json!([{"type": "text", "text": "a"}, {"type": "video"}])), "messages[1].content[1].type"),
        (message(json!([{"type": "server_tool_use", "id": "x"}])), "messages[1].content[0].type"),
        (message(json!([{"type": "web_search_tool_result"}])), "messages[1].content[0].type"),
        (message(json!([{"type": "image"}])), "messages[1].content[0].source"),
        (
            message(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "messages[1].content[0].source.type",
        ),
        (
            message(json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}])),
            "messages[1].content[0].source.data",
        ),
        (message(json!([{"type": "document", "source": {"type": "url"}}])), "messages[1].content[0].source.url"),
        (message(json!([{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}])), "messages[1].content[0].input"),
        (message(json!([{"type": "tool_use", "name": "f"}])), "messages[1].content[0].id"),
        (message(json!([{"type": "tool_result", "content": "x"}])), "messages[1].content[0].tool_use_id"),
        (
            message(
                json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "thinking", "thinking": ""}]}]),
            ),
            "messages[1].content[0].content[0]",
        ),
        (
            message(
                json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_reference", "tool_name": "x"}]}]),
            ),
            "messages[1].content[0].content[0].type",
        ),
        (
            message(json!([{"type": "tool_use", "id": "a", "name": "f", "input": {}, "toolset_name": "browser"}])),
            "messages[1].content[0].toolset_name",
        ),
    ] {
        let rejected = rejected(&request);
        assert_eq!(rejected.param, param, "{request}");
        assert!(!rejected.message.is_empty());
    }
}
