use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Effort, Media, OutputFormat, Reasoning, Role, Signature, Text, ToolChoice,
};
use crate::translate::seal_text;

fn blocks(message: &str) -> Vec<Block<'static>> {
    let body = Box::leak(format!(r#"{{"messages":[{{"role":"user","content":"q"}},{message}]}}"#).into_boxed_str());
    read(body).messages.remove(1).content
}

fn rejected(body: &str) -> (String, String) {
    let rejected = try_read(body).unwrap_err();
    (rejected.param, rejected.message)
}

#[test]
fn instructions_before_the_first_turn_are_the_system_prompt() {
    let request = read(
        r#"{"model":"m","messages":[{"role":"developer","content":"a"},{"role":"system","content":[{"type":"text","text":"b"}]},
        {"role":"user","content":"q"},{"role":"system","content":"late"}]}"#,
    );
    assert_eq!(request.system, [Block::text(Text::from("a")), Block::text(Text::from("b"))]);
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::System]);
    assert_eq!(request.notes, []);
}

#[test]
fn parts_of_the_user_are_read() {
    let content = blocks(
        r#"{"role":"user","content":[{"type":"text","text":"a\nb","cache_control":{"type":"ephemeral","ttl":"1h"}},
        {"type":"image_url","image_url":{"url":"data:image/PNG;base64,AA\/=","detail":"low"}},
        {"type":"image_url","image_url":{"url":"https://x/y.png","detail":"auto"}},
        {"type":"input_audio","input_audio":{"data":"BB","format":"wav"}},
        {"type":"file","file":{"file_data":"data:application/pdf;base64,CC","filename":"a.pdf"}},
        {"type":"file","file":{"file_data":"DD","filename":"a.txt"}}]}"#,
    );
    let inline = |media_type: &'static str, data: &'static str| Media::Inline {
        media_type: Text::from(media_type),
        data: Text::from(data),
    };
    let expected = [
        Block::Text { text: Text::from("a\nb"), cache: Some(CacheControl::OneHour) },
        Block::Image { media: inline("image/png", "AA/="), detail: Some(Text::from("low")), cache: None },
        Block::Image {
            media: Media::Url { url: Text::from("https://x/y.png"), media_type: None },
            detail: None,
            cache: None,
        },
        Block::Audio { data: Text::from("BB"), format: Text::from("wav") },
        Block::Document { media: inline("application/pdf", "CC"), name: Some(Text::from("a.pdf")), cache: None },
        Block::Document { media: inline("text/plain", "DD"), name: Some(Text::from("a.txt")), cache: None },
    ];
    assert_eq!(content, expected);
}

#[test]
fn marks_of_the_cache_are_taken_over() {
    let request = read(
        r#"{"messages":[{"role":"user","content":[
        {"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}}]}]}"#,
    );
    let cached = Block::Text { text: Text::from("a"), cache: Some(CacheControl::OneHour) };
    assert_eq!(request.messages[0].content, [cached]);
    assert_eq!(noted(&request), ["messages.content.prompt_cache_breakpoint=approximated"]);
}

#[test]
fn calls_and_results_are_read_in_every_form() {
    let body = r#"{"messages":[{"role":"user","content":"q"},
        {"role":"assistant","content":null,"refusal":null,"annotations":[],"audio":null,"tool_calls":[
            {"id":"c1","type":"function","index":0,"function":{"name":"f","arguments":"{\"a\":1}","parsed_arguments":{}}},
            {"id":"c2","type":"custom","custom":{"name":"g","input":"free"}}]},
        {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"one"}]},
        {"role":"tool","tool_call_id":"c2","content":"two"},
        {"role":"assistant","content":"","function_call":{"name":"h","arguments":{"b":2}}},
        {"role":"function","name":"h","content":"three"}]}"#;
    let request = read(body);
    assert_eq!(noted(&request), Vec::<String>::new());
    let Block::ToolCall(first) = &request.messages[1].content[0] else { panic!() };
    assert_eq!(first.arguments, Arguments::Written(Text::from(r#"{"a":1}"#)));
    let Block::ToolCall(second) = &request.messages[1].content[1] else { panic!() };
    assert!(second.is_custom && second.arguments == Arguments::Written(Text::from("free")));
    let Block::ToolResult(one) = &request.messages[2].content[0] else { panic!() };
    assert_eq!((one.id.clone(), one.is_custom), (Some(Text::from("c1")), false));
    let Block::ToolResult(two) = &request.messages[3].content[0] else { panic!() };
    assert!(two.is_custom);
    let Block::ToolCall(third) = &request.messages[4].content[0] else { panic!() };
    assert_eq!((third.id.clone(), third.arguments.as_object().unwrap().into_owned()), (None, r#"{"b":2}"#.to_owned()));
    let Block::ToolResult(three) = &request.messages[5].content[0] else { panic!() };
    assert_eq!((three.id.clone(), three.name.clone()), (None, Some(Text::from("h"))));
}

#[test]
fn a_call_gets_back_the_signature_behind_its_id() {
    let signature = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let id = format!("c1-{}", seal_text(&Reversed, &signature));
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"q"}},
        {{"role":"assistant","tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},
        {{"role":"tool","tool_call_id":"{id}","content":"r"}}]}}"#
    );
    let request = read(&body);
    let Block::ToolCall(call) = &request.messages[1].content[0] else { panic!() };
    assert_eq!((call.id.clone(), call.signature.clone()), (Some(Text::from("c1")), Some(signature)));
    let Block::ToolResult(result) = &request.messages[2].content[0] else { panic!() };
    assert_eq!(result.id, Some(Text::from("c1")));
}

#[test]
fn thoughts_come_back_once_and_with_their_signature() {
    let signature = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB") };
    let sealed = seal_text(&Reversed, &signature);
    let thought = |text: &'static str, signature: Option<Signature<'static>>| {
        Block::Reasoning(Reasoning { text: Text::from(text), signature })
    };
    let said = Block::text(Text::from("a"));
    let read = |members: &str| blocks(&format!(r#"{{"role":"assistant","content":"a",{members}}}"#));

    let with_text = format!(
        r#""reasoning_content":"t1t2","reasoning_details":[
        {{"type":"reasoning.text","text":"t1","signature":"{sealed}","index":0}},
        {{"type":"reasoning.text","text":"t2","index":1}},{{"type":"reasoning.encrypted","data":"{sealed}","index":2}}]"#
    );
    let expected = [
        thought("t1", Some(signature.clone())),
        thought("t2", None),
        thought("", Some(signature.clone())),
        said.clone(),
    ];
    assert_eq!(read(&with_text), expected);

    let without_text = format!(
        r#""reasoning_content":"t","reasoning_details":[{{"type":"reasoning.text","signature":"{sealed}","index":0}}]"#
    );
    assert_eq!(read(&without_text), [thought("t", Some(signature.clone())), said.clone()]);

    let encrypted =
        format!(r#""reasoning_content":"t","reasoning_details":[{{"type":"reasoning.encrypted","data":"{sealed}"}}]"#);
    assert_eq!(read(&encrypted), [thought("t", None), thought("", Some(signature)), said.clone()]);

    assert_eq!(read(r#""reasoning":"t""#), [thought("t", None), said.clone()]);
    // Another gateway's signature is nobody's here; OpenAI's own is an id and what it encrypted.
    assert_eq!(read(r#""reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]"#), std::slice::from_ref(&said));
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 gAAA") };
    assert_eq!(
        read(r#""reasoning_details":[{"type":"reasoning.encrypted","data":"rs_1 gAAA"}]"#),
        [thought("", Some(own)), said]
    );
}

#[test]
fn tools_are_read_by_either_name() {
    let body = with(
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},
        {"type":"custom","custom":{"name":"g","format":{"type":"text"}}}],
        "functions":[{"name":"h"}],"function_call":{"name":"h"}"#,
    );
    let request = read(&body);
    let tools: Vec<_> = request.tools.iter().map(|tool| (tool.name.decode().into_owned(), tool.is_custom)).collect();
    assert_eq!(tools, [("f".to_owned(), false), ("g".to_owned(), true), ("h".to_owned(), false)]);
    assert_eq!(request.tools[0].strict, Some(true));
    assert_eq!(request.tools[0].parameters.unwrap().raw(), r#"{"type":"object"}"#);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named(Text::from("h"))));
    assert_eq!(noted(&request), Vec::<String>::new());
}

#[test]
fn every_choice_of_tools_is_read() {
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Required),
        (r#"{"type":"function","function":{"name":"f"}}"#, ToolChoice::Named(Text::from("f"))),
        (r#"{"type":"custom","custom":{"name":"g"}}"#, ToolChoice::Named(Text::from("g"))),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
            ToolChoice::Allowed { names: vec![Text::from("f")], required: true },
        ),
    ] {
        let body = with(&format!(r#""tool_choice":{choice}"#));
        assert_eq!(read(&body).tool_choice, Some(expected), "{choice}");
    }
}

#[test]
fn settings_are_read() {
    let body = with(
        r#""temperature":0.5,"top_p":1e-1,"top_k":40,"seed":-7,"frequency_penalty":0.1,"presence_penalty":-0.1,"n":2,
        "logprobs":true,"top_logprobs":3,"stop":"x","max_tokens":5,"max_completion_tokens":6.0,"stream":true,
        "stream_options":{"include_usage":true,"include_obfuscation":false},"parallel_tool_calls":false,
        "user":"old","safety_identifier":"new","prompt_cache_key":"k","verbosity":"low","reasoning_effort":"xhigh",
        "response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"},"strict":true}}"#,
    );
    let request = read(&body);
    assert_eq!(noted(&request), Vec::<String>::new());
    let raw = |value: Option<Value<'_>>| value.unwrap().raw().to_owned();
    let sampling = &request.sampling;
    assert_eq!(
        [
            raw(sampling.temperature),
            raw(sampling.top_p),
            raw(sampling.top_k),
            raw(sampling.seed),
            raw(sampling.frequency_penalty),
            raw(sampling.presence_penalty)
        ],
        ["0.5", "1e-1", "40", "-7", "0.1", "-0.1"]
    );
    assert_eq!((sampling.choices, sampling.log_probabilities), (Some(2), Some(3)));
    assert_eq!(request.stop, [Text::from("x")]);
    assert_eq!(request.max_output_tokens, Some(6));
    assert!(request.stream && request.include_usage);
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.user.id, Some(Text::from("new")));
    assert_eq!(request.user.cache_key, Some(Text::from("k")));
    assert_eq!(request.user.verbosity, Some(Text::from("low")));
    assert_eq!((request.reasoning.effort, request.reasoning.enabled), (Some(Effort::ExtraHigh), Some(true)));
    let OutputFormat::JsonSchema { name, schema, strict, .. } = request.format else { panic!() };
    assert_eq!((name, schema.raw(), strict), (Some(Text::from("s")), r#"{"type":"object"}"#, Some(true)));
}

#[test]
fn nulls_and_defaults_say_nothing() {
    let body = with(
        r#""temperature":null,"stop":null,"tools":null,"functions":null,"response_format":null,"stream":null,"n":null,
        "reasoning_effort":null,"logit_bias":{},"store":false,"service_tier":"auto","modalities":["text"],
        "verbosity":"medium","audio":null,"logprobs":false,"top_logprobs":2,"metadata":null"#,
    );
    let request = read(&body);
    let plain = with(r#""stream":false"#);
    assert_eq!(request, read(&plain));
}

#[test]
fn other_clients_words_for_reasoning_are_read() {
    let body = with(r#""reasoning":{"effort":"low","max_tokens":2000,"exclude":true}"#);
    let reasoning = read(&body).reasoning;
    assert_eq!((reasoning.effort, reasoning.budget), (Some(Effort::Low), Some(2000)));
    assert_eq!((reasoning.enabled, reasoning.visible), (Some(true), Some(false)));
    let body = with(r#""thinking":{"type":"disabled"}"#);
    assert_eq!(read(&body).reasoning.enabled, Some(false));
    let body = with(r#""reasoning_effort":"none""#);
    assert_eq!(read(&body).reasoning.enabled, Some(false));
}

#[test]
fn what_has_no_place_is_noted() {
    let body = r#"{"messages":[{"role":"user","name":"ann","content":"q"}],"store":true,"metadata":{"a":"b"},
        "service_tier":"flex","prediction":{"type":"content","content":"x"},"prompt_cache_retention":"24h","new_thing":1}"#;
    let request = read(body);
    let expected = [
        "messages.name=dropped",
        "store=dropped",
        "metadata=dropped",
        "service_tier=dropped",
        "prediction=dropped",
        "prompt_cache_retention=dropped",
        "new_thing=dropped",
    ];
    assert_eq!(noted(&request), expected);
}

#[test]
fn what_would_change_the_meaning_is_refused() {
    for (members, param) in [
        (r#""logit_bias":{"1":1}"#, "logit_bias"),
        (r#""modalities":["text","audio"]"#, "modalities"),
        (r#""audio":{"voice":"a","format":"wav"}"#, "audio"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""moderation":{"model":"m"}"#, "moderation"),
        (r#""tools":[{"type":"custom","custom":{"name":"g","format":{"type":"grammar"}}}]"#, "tools[0].custom.format"),
        (r#""tools":[{"type":"web_search"}]"#, "tools[0].type"),
    ] {
        assert_eq!(rejected(&with(members)).0, param);
    }
    for (content, param) in [
        (r#"[{"type":"file","file":{"file_id":"f"}}]"#, "messages[0].content[0].file.file_id"),
        (r#"[{"type":"image_url","image_url":{"url":"nonsense"}}]"#, "messages[0].content[0].image_url.url"),
        (r#"[{"type":"image_url","image_url":{"url":"data:image/png,x"}}]"#, "messages[0].content[0].image_url.url"),
        (r#"[{"type":"video_url","video_url":{}}]"#, "messages[0].content[0].type"),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#);
        assert_eq!(rejected(&body).0, param);
    }
}

#[test]
fn wrong_types_are_refused_with_the_way_to_them() {
    for (body, param) in [
        (r"{}".to_owned(), "messages"),
        (r#"{"messages":[]}"#.to_owned(), "messages"),
        (r#"{"messages":{}}"#.to_owned(), "messages"),
        (r#"{"messages":[1]}"#.to_owned(), "messages[0]"),
        (r#"{"messages":[{"content":"a"}]}"#.to_owned(), "messages[0].role"),
        (r#"{"messages":[{"role":"clown","content":"a"}]}"#.to_owned(), "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#.to_owned(), "messages[0].content"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#.to_owned(),
            "messages[0].content[0].text",
        ),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#.to_owned(), "messages[0].content[0].text"),
        (r#"{"messages":[{"role":"tool","content":"a"}]}"#.to_owned(), "messages[0].tool_call_id"),
        (r#"{"messages":[{"role":"function","content":"a"}]}"#.to_owned(), "messages[0].name"),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"arguments":"{}"}}]}]}"#.to_owned(),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            r#"{"messages":[{"role":"assistant","function_call":{"name":"f","arguments":1}}]}"#.to_owned(),
            "messages[0].function_call.arguments",
        ),
        (with(r#""temperature":"hot""#), "temperature"),
        (with(r#""stream":"yes""#), "stream"),
        (with(r#""n":-1"#), "n"),
        (with(r#""stop":[1]"#), "stop[0]"),
        (with(r#""stream_options":{"include_usage":1}"#), "stream_options.include_usage"),
        (with(r#""reasoning_effort":"huge""#), "reasoning_effort"),
        (with(r#""response_format":{"type":"xml"}"#), "response_format.type"),
        (with(r#""response_format":{"type":"json_schema"}"#), "response_format.json_schema"),
        (
            with(r#""response_format":{"type":"json_schema","json_schema":{"schema":1}}"#),
            "response_format.json_schema.schema",
        ),
        (with(r#""tools":[{"type":"function"}]"#), "tools[0].function"),
        (with(r#""tools":[{"type":"function","function":{"name":""}}]"#), "tools[0].function.name"),
        (with(r#""tool_choice":"maybe""#), "tool_choice"),
        (with(r#""tool_choice":{"type":"function","function":{}}"#), "tool_choice.name"),
        (with(r#""tool_choice":{"type":"allowed_tools","allowed_tools":{}}"#), "tool_choice.allowed_tools.tools"),
    ] {
        let (found, message) = rejected(&body);
        assert_eq!(found, param, "{body}: {message}");
        assert!(message.contains(&found) && !message.contains("``"), "{message}");
    }
}
