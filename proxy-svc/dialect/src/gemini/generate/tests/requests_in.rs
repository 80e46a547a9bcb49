//! Callers' requests.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, Effort, Media, OutputFormat, Reasoning, Role, Signature, Text, ToolChoice, ToolResult,
};
use crate::translate::policy::Verdict;
use crate::translate::{seal_text, sealed_base64};

fn notes(request: &Request<'_>) -> String {
    header_value(&request.notes).unwrap_or_default()
}

fn blocks(list: &Json) -> Vec<Block<'static>> {
    accepted(&parts(list)).messages.remove(0).content
}

#[test]
fn either_case_reads_the_same() {
    let camel = json!({
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}, {"text": ""}]},
        "contents": [
            {"parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"a_b": 1}}, "thoughtSignature": "c2ln"}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "look", "response": {"output": "a cat"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "look", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look", "b"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 40.0, "candidateCount": 2, "maxOutputTokens": 100.0,
            "stopSequences": ["a", "b"], "seed": 7, "presencePenalty": 0.1, "frequencyPenalty": -0.2,
            "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"}, "responseModalities": ["TEXT"],
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 2048},
        },
    });
    let request = accepted(&camel);
    let snake = camel.to_string();
    let snake = [
        ("systemInstruction", "system_instruction"),
        ("inlineData", "inline_data"),
        ("mimeType", "mime_type"),
        ("functionCall\"", "function_call\""),
        ("thoughtSignature", "thought_signature"),
        ("functionResponse", "function_response"),
        ("functionDeclarations", "function_declarations"),
        ("parametersJsonSchema", "parameters_json_schema"),
        ("toolConfig", "tool_config"),
        ("functionCallingConfig", "function_calling_config"),
        ("allowedFunctionNames", "allowed_function_names"),
        ("generationConfig", "generation_config"),
        ("topP", "top_p"),
        ("topK", "top_k"),
        ("candidateCount", "candidate_count"),
        ("maxOutputTokens", "max_output_tokens"),
        ("stopSequences", "stop_sequences"),
        ("presencePenalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty"),
        ("responseLogprobs", "response_logprobs"),
        ("responseMimeType", "response_mime_type"),
        ("responseJsonSchema", "response_json_schema"),
        ("responseModalities", "response_modalities"),
        ("thinkingConfig", "thinking_config"),
        ("includeThoughts", "include_thoughts"),
        ("thinkingBudget", "thinking_budget"),
    ]
    .iter()
    .fold(snake, |body, (camel, snake)| body.replace(camel, snake));
    assert_eq!(accepted(&serde_json::from_str(&snake).unwrap()), request);

    assert_eq!(request.system, [Block::text(Text::from("Be brief."))]);
    assert_eq!(request.messages.len(), 3);
    assert_eq!(request.messages[0].role, Role::User);
    let [Block::ToolCall(call)] = &*request.messages[1].content else { panic!() };
    assert_eq!(call.id, Some(Text::from("call_0")));
    assert!(matches!(call.arguments, Arguments::Object(value) if value.raw() == r#"{"a_b":1}"#));
    let signature = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    assert_eq!(call.signature, Some(signature));
    let [Block::ToolResult(result)] = &*request.messages[2].content else { panic!() };
    assert_eq!((&result.id, result.is_error), (&Some(Text::from("call_0")), false));
    assert_eq!(result.content, [Block::text(Text::from("a cat"))]);
    assert_eq!(request.tools.len(), 1);
    assert!(!request.tools[0].is_openapi);
    let names = vec![Text::from("look"), Text::from("b")];
    assert_eq!(request.tool_choice, Some(ToolChoice::Allowed { names, required: true }));
    let sampling = &request.sampling;
    let raw = |value: Option<Value<'static>>| value.map(Value::raw);
    assert_eq!(raw(sampling.temperature), Some("0.5"));
    assert_eq!(raw(sampling.top_p), Some("0.9"));
    assert_eq!(raw(sampling.top_k), Some("40"));
    assert_eq!(raw(sampling.seed), Some("7"));
    assert_eq!(raw(sampling.presence_penalty), Some("0.1"));
    assert_eq!(raw(sampling.frequency_penalty), Some("-0.2"));
    assert_eq!((sampling.choices, sampling.log_probabilities), (Some(2), Some(3)));
    assert_eq!(request.max_output_tokens, Some(100));
    assert_eq!(request.stop, [Text::from("a"), Text::from("b")]);
    assert!(matches!(request.format, OutputFormat::JsonSchema { is_openapi: false, .. }));
    assert_eq!((request.reasoning.visible, request.reasoning.budget), (Some(true), Some(2048)));
    assert!(!request.stream && request.include_usage);
    assert_eq!(notes(&request), "");
}

#[test]
fn the_path_says_whether_it_streams() {
    let caller = Caller { stream_in_path: true, seal: &Reversed };
    let body = with("labels", Json::Null).to_string();
    assert!(Generate.read_request(Value::parse(body.as_bytes()).unwrap(), &caller).unwrap().stream);
}

#[test]
fn one_element_needs_no_brackets() {
    let bare = json!({
        "contents": {"role": "user", "parts": {"text": "Hi"}},
        "systemInstruction": "Be brief.",
        "tools": {"functionDeclarations": {"name": "f"}},
    });
    let request = accepted(&bare);
    assert_eq!(request.messages[0].content, [Block::text(Text::from("Hi"))]);
    assert_eq!(request.system, [Block::text(Text::from("Be brief."))]);
    assert_eq!(request.tools[0].name, "f");
    let list = accepted(&with("systemInstruction", json!([{"text": "a"}, "b"])));
    assert_eq!(list.system, [Block::text(Text::from("a")), Block::text(Text::from("b"))]);
}

#[test]
fn media_are_told_apart_by_their_type() {
    let inline = |media_type: &str, data: &str| {
        blocks(&json!([{"inlineData": {"mimeType": media_type, "data": data}}])).remove(0)
    };
    // The alphabet of Google's Python SDK.
    let Block::Image { media: Media::Inline { media_type, data }, .. } = inline("image/webp", "a-_b") else { panic!() };
    assert_eq!((media_type, data), (Text::from("image/webp"), Text::from("a+/b")));
    for (media_type, name) in [
        ("audio/wav", "wav"),
        ("audio/x-wav", "wav"),
        ("audio/mpeg", "mp3"),
        ("audio/mp3", "mp3"),
        ("Audio/x-flac; rate=3", "flac"),
    ] {
        let expected = Block::Audio { data: Text::from("UklG"), format: Text::from(name) };
        assert_eq!(inline(media_type, "UklG"), expected);
    }
    assert!(matches!(inline("application/pdf", "JVBE"), Block::Document { media: Media::Inline { .. }, .. }));
    for data in ["w58-", "w58+", "w58-Cg", "w58-Cg=="] {
        let Block::Document { media: Media::Plain(text), .. } = inline("text/csv", data) else { panic!() };
        assert_eq!(text.decode().trim_end(), "ß>");
    }
    let file = |file: Json| blocks(&json!([{"fileData": file}])).remove(0);
    let url = "https://example.com/a.PNG?x=1";
    let Block::Image { media: Media::Url { media_type: None, .. }, .. } = file(json!({"fileUri": url})) else {
        panic!()
    };
    let typed = file(json!({"fileUri": "https://example.com/x", "mimeType": "image/jpeg"}));
    assert!(matches!(typed, Block::Image { media: Media::Url { media_type: Some(_), .. }, .. }));
    let document = file(json!({"file_uri": "https://example.com/x", "mime_type": "application/pdf"}));
    assert!(matches!(document, Block::Document { media: Media::Url { .. }, .. }));
    for (refused, param) in [
        (json!({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}), "inlineData.mimeType"),
        (json!({"inlineData": {"mimeType": "text/plain", "data": "/w=="}}), "inlineData.data"),
        (json!({"inlineData": {"data": "AAAA"}}), "inlineData.mimeType"),
        (json!({"inlineData": {"mimeType": "image/png"}}), "inlineData.data"),
        (json!({"fileData": {"fileUri": "gs://bucket/a.png"}}), "fileData.fileUri"),
        (
            json!({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}),
            "fileData.fileUri",
        ),
        (json!({"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}}), "fileData.fileUri"),
        (json!({"fileData": {"fileUri": "https://example.com/a.mp4"}}), "fileData.mimeType"),
        (json!({"fileData": {"mimeType": "image/png"}}), "fileData.fileUri"),
    ] {
        let rejected = read(&parts(&json!([{"text": "x"}, refused]))).unwrap_err();
        assert_eq!(rejected.param, format!("contents[0].parts[1].{param}"), "{refused}");
    }
}

#[test]
fn signatures_stand_behind_their_texts_and_at_their_calls() {
    let anthropic = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB") };
    let sealed = sealed_base64(&Reversed, &anthropic).replace('+', "-").replace('/', "_");
    let own = Some(Signature { origin: Protocol::Gemini, value: Text::from("YQ==") });
    let found = blocks(&json!([
        {"text": "hm", "thought": true, "thoughtSignature": sealed},
        {"text": "", "thought": true},
        {"text": "", "thought": true, "thoughtSignature": sealed},
        {"text": "said", "thoughtSignature": "YQ=="},
        {"text": "", "thoughtSignature": "YQ=="},
        {"text": ""},
        {"thoughtSignature": "YQ=="},
    ]));
    let reasoning = |text: &'static str, signature| Block::Reasoning(Reasoning { text: Text::from(text), signature });
    assert_eq!(
        found,
        [
            reasoning("hm", Some(anthropic.clone())),
            reasoning("", Some(anthropic.clone())),
            Block::text(Text::from("said")),
            reasoning("", own.clone()),
            reasoning("", own.clone()),
            reasoning("", own.clone()),
        ]
    );
    let id = format!("call_9-{}", seal_text(&Reversed, &anthropic));
    let request = accepted(&json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"id": id, "name": "f"}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": id, "name": "f", "response": {}}}]},
    ]}));
    let [Block::ToolCall(call)] = &*request.messages[0].content else { panic!() };
    assert_eq!((&call.id, &call.signature), (&Some(Text::from("call_9")), &Some(anthropic)));
    let [Block::ToolResult(ToolResult { id, content, .. })] = &*request.messages[1].content else { panic!() };
    assert_eq!((id, content.len()), (&Some(Text::from("call_9")), 0));
}

#[test]
fn results_are_texts_errors_and_media() {
    let result = |response: Json| {
        let request = accepted(&json!({"contents": [
            {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
            {"parts": [{"functionResponse": {"name": "f", "response": response, "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
            ]}}]},
        ]}));
        let Block::ToolResult(result) = request.messages[1].content[0].clone() else { panic!() };
        assert!(matches!(result.content.last(), Some(Block::Image { .. })));
        let text: String = result.texts().map(|text| text.decode().into_owned()).collect();
        (text, result.is_error)
    };
    for (response, text, is_error) in [
        (json!({"result": "ok"}), "ok", false),
        (json!({"output": {"a": 1}}), r#"{"a":1}"#, false),
        (json!({"error": "no", "output": null}), "no", true),
        (json!({"error": {"code": 1}}), r#"{"code":1}"#, true),
        (json!({"temperature": 20}), r#"{"temperature":20}"#, false),
        (json!({"error": null, "x": 1}), r#"{"error":null,"x":1}"#, false),
        (json!({}), "", false),
    ] {
        // What stands alone beside nulls is told with them only where its name says nothing.
        let text = if response["x"] == 1 { r#"{"error":null,"x":1}"# } else { text };
        assert_eq!(result(response.clone()), (text.to_owned(), is_error), "{response}");
    }
}

#[test]
fn choices_formats_and_thinking_have_their_words() {
    let choice = |config: Json| {
        let mut body = with("toolConfig", json!({"functionCallingConfig": config}));
        body["tools"] = json!([{"functionDeclarations": [{"name": "f"}]}]);
        accepted(&body)
    };
    let names = vec![Text::from("f"), Text::from("g")];
    for (config, expected) in [
        (json!({}), None),
        (json!({"mode": "AUTO"}), Some(ToolChoice::Auto)),
        (json!({"mode": "any"}), Some(ToolChoice::Required)),
        (json!({"mode": "NONE"}), Some(ToolChoice::None)),
        (json!({"mode": "ANY", "allowedFunctionNames": ["f"]}), Some(ToolChoice::Named(Text::from("f")))),
        (
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}),
            Some(ToolChoice::Allowed { names, required: false }),
        ),
    ] {
        assert_eq!(choice(config.clone()).tool_choice, expected, "{config}");
    }
    assert_eq!(notes(&choice(json!({"mode": "VALIDATED"}))), "toolConfig.functionCallingConfig.mode=approximated");
    assert_eq!(accepted(&with("toolConfig", json!({"functionCallingConfig": {"mode": "AUTO"}}))).tool_choice, None);

    let format = |config: Json| accepted(&with("generationConfig", config)).format;
    assert_eq!(format(json!({"responseMimeType": "text/plain"})), OutputFormat::Text);
    assert_eq!(format(json!({"responseMimeType": "application/json"})), OutputFormat::JsonObject);
    let schema = format(json!({"responseSchema": {"type": "STRING"}}));
    assert!(matches!(schema, OutputFormat::JsonSchema { is_openapi: true, .. }));
    let schema = format(json!({"_responseJsonSchema": {"type": "string"}}));
    assert!(matches!(schema, OutputFormat::JsonSchema { is_openapi: false, .. }));

    let thinking = |config: Json| accepted(&with("generationConfig", json!({"thinkingConfig": config}))).reasoning;
    let off = thinking(json!({"thinkingBudget": 0}));
    assert_eq!((off.enabled, off.budget), (Some(false), None));
    let dynamic = thinking(json!({"thinkingBudget": -1}));
    assert_eq!((dynamic.enabled, dynamic.budget), (Some(true), None));
    for (level, effort) in [
        ("MINIMAL", Some(Effort::Minimal)),
        ("low", Some(Effort::Low)),
        ("MEDIUM", Some(Effort::Medium)),
        ("HIGH", Some(Effort::High)),
        ("XHIGH", Some(Effort::ExtraHigh)),
        ("THINKING_LEVEL_UNSPECIFIED", None),
    ] {
        assert_eq!(thinking(json!({"thinkingLevel": level})).effort, effort);
    }
}

#[test]
fn what_is_wrong_is_named_with_the_way_to_it() {
    for (body, param) in [
        (json!({}), "contents"),
        (json!({"contents": []}), "contents"),
        (json!({"contents": [{"role": "user", "parts": [{"text": ""}]}]}), "contents"),
        (json!({"contents": 5}), "contents"),
        (json!({"contents": [{"role": "system", "parts": []}]}), "contents[0].role"),
        (parts(&json!([{"text": 5}])), "contents[0].parts[0].text"),
        (parts(&json!([{"text": "x"}, {"functionCall": {}}])), "contents[0].parts[1].functionCall.name"),
        (parts(&json!([{"functionCall": {"name": "f", "args": []}}])), "contents[0].parts[0].functionCall.args"),
        (parts(&json!([{"functionResponse": {"name": "f"}}])), "contents[0].parts[0].functionResponse.id"),
        (parts(&json!([{"executableCode": {}}])), "contents[0].parts[0].executableCode"),
        (with("systemInstruction", json!({"parts": [{"inlineData": {}}]})), "systemInstruction.parts[0].inlineData"),
        (with("tools", json!([{"googleSearch": {}}])), "tools[0].googleSearch"),
        (with("tools", json!([{"code_execution": {}}])), "tools[0].codeExecution"),
        (with("tools", json!([{"functionDeclarations": [{"name": ""}]}])), "tools[0].functionDeclarations[0].name"),
        (with("toolConfig", json!({"functionCallingConfig": {"mode": "X"}})), "toolConfig.functionCallingConfig.mode"),
        (with("generationConfig", json!({"topK": "a"})), "generationConfig.topK"),
        (with("generationConfig", json!({"stopSequences": ["a", 1]})), "generationConfig.stopSequences[1]"),
        (with("generationConfig", json!({"responseMimeType": "text/x.enum"})), "generationConfig.responseMimeType"),
        (
            with("generationConfig", json!({"responseModalities": ["TEXT", "AUDIO"]})),
            "generationConfig.responseModalities[1]",
        ),
        (with("generationConfig", json!({"speechConfig": {}})), "generationConfig.speechConfig"),
        (
            with("generationConfig", json!({"thinkingConfig": {"thinkingLevel": "MAX"}})),
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (with("cachedContent", json!("cachedContents/x")), "cachedContent"),
    ] {
        let rejected = read(&body).unwrap_err();
        assert_eq!(rejected.param, param, "{body}");
        assert!(!rejected.message.contains("``"), "{}", rejected.message);
    }
}

#[test]
fn members_of_no_use_elsewhere_are_named() {
    let request = accepted(&json!({
        "model": "models/x", "store": false, "labels": {}, "serviceTier": "flex", "odd_one": 1, "safetySettings": [],
        "contents": [{"parts": [{"text": "x", "mediaResolution": {}, "partMetadata": {}, "audioTranscription": null}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "response": {}, "behavior": "BLOCKING"}]}],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW", "enableEnhancedCivicAnswers": true},
    }));
    let mut found: Vec<_> = request.notes.iter().map(|note| &*note.field).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "contents.parts.mediaResolution",
            "generationConfig.enableEnhancedCivicAnswers",
            "generationConfig.mediaResolution",
            "labels",
            "oddOne",
            "safetySettings",
            "serviceTier",
            "store",
            "tools.functionDeclarations.behavior",
            "tools.functionDeclarations.response",
        ]
    );
}

/// Each row is reached by a request that has the member where the row says.
#[test]
fn every_foreign_member_is_found_where_it_stands() {
    for foreign in Generate.foreign() {
        let path: Vec<&str> = foreign.field.split('.').collect();
        let mut value = json!({});
        for (depth, name) in path.iter().enumerate().rev() {
            let mut object = match (depth, path.first()) {
                (1, Some(&"contents")) => json!({"text": "x"}),
                (2, Some(&"contents")) if path[2] == "functionCall" => json!({"name": "f"}),
                (2, Some(&"contents")) if path[2] == "functionResponse" => json!({"id": "1"}),
                (2, Some(&"contents")) if path[2] == "inlineData" => json!({"mimeType": "image/png", "data": ""}),
                (2, Some(&"contents")) if path[2] == "fileData" => json!({"fileUri": "https://a/b.png"}),
                (1, Some(&"tools")) if path[1] == "functionDeclarations" => json!({"name": "f"}),
                _ => json!({}),
            };
            if depth + 1 < path.len() {
                let mut inner = object;
                for (name, member) in value.as_object().unwrap() {
                    inner[name] = member.clone();
                }
                object = json!({ *name: inner });
            } else {
                object = json!({ *name: {} });
            }
            value = object;
        }
        let (name, inner) = value.as_object().unwrap().iter().next().unwrap();
        let read = read(&with(name, inner.clone()));
        match foreign.verdict {
            Verdict::Refused(_) => assert!(read.is_err(), "{}", foreign.field),
            Verdict::Carried(_) => assert_eq!(notes(&read.unwrap()), "", "{}", foreign.field),
            Verdict::Adapted(how, _) => {
                assert_eq!(notes(&read.unwrap()), format!("{}={}", foreign.field, how.as_str()));
            }
        }
    }
}

#[test]
fn pieces_of_a_streamed_answer_are_one_block_again() {
    let thought = |text: &str| json!({"role": "model", "parts": [{"text": text, "thought": true}]});
    let said = |text: &str| json!({"role": "model", "parts": [{"text": text}, {"text": "!"}]});
    let signed = json!({"role": "model", "parts": [{"text": "", "thought": true, "thoughtSignature": "c2ln"}]});
    let first = json!({"parts": [{"text": "a"}, {"text": "b"}]});
    let contents =
        json!({"contents": [first, thought("Well"), thought(", \"so\""), signed, said("y"), said("es"), first]});
    let request = accepted(&contents);
    assert_eq!(request.messages.iter().map(|message| message.content.len()).collect::<Vec<_>>(), [2, 2, 2]);
    let signature = Some(Signature { origin: Protocol::Gemini, value: Text::from("c2ln") });
    let reasoning = Block::Reasoning(Reasoning { text: Text::from("Well, \"so\""), signature });
    assert_eq!(request.messages[1].content, [reasoning, Block::text(Text::from("y!es!"))]);
}
