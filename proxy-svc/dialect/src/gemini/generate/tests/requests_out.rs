//! Requests to Gemini.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, Effort, Media, Message, OutputFormat, Reasoning, ReasoningRequest, Role, Signature, Text, Tool,
    ToolCall, ToolChoice, ToolResult,
};

const NEWEST: &str = "gemini-3-flash-preview";

fn text(text: &str) -> Block<'_> {
    Block::text(Text::from(text))
}

fn message(role: Role, content: Vec<Block<'_>>) -> Message<'_> {
    Message { role, content }
}

fn user(said: &str) -> Message<'_> {
    message(Role::User, vec![text(said)])
}

fn asking(said: &str) -> Request<'_> {
    Request { messages: vec![user(said)], ..Request::default() }
}

fn call<'a>(id: &'a str, name: &'a str, signature: Option<Signature<'a>>) -> Block<'a> {
    let arguments = Arguments::Written(Text::Escaped(r#"{\"a\":1}"#));
    let (id, name) = (Some(Text::from(id)), Text::from(name));
    Block::ToolCall(ToolCall { id, name, arguments, is_custom: false, signature, cache: None })
}

fn result<'a>(id: &'a str, said: &'a str, is_error: bool) -> Block<'a> {
    let (id, content) = (Some(Text::from(id)), vec![text(said)]);
    Block::ToolResult(ToolResult { id, name: None, content, is_error, is_custom: false, cache: None })
}

fn own(value: &str) -> Signature<'_> {
    Signature { origin: Protocol::Gemini, value: Text::from(value) }
}

fn tool<'a>(name: &'a str, schema: Option<&'a str>) -> Tool<'a> {
    Tool {
        name: Text::from(name),
        description: Some(Text::from("d")),
        parameters: schema.map(|schema| Value::parse(schema.as_bytes()).unwrap()),
        is_openapi: false,
        strict: None,
        is_custom: false,
        cache: None,
    }
}

#[test]
fn a_plain_request_says_nothing_more() {
    let (body, notes) = written(&asking("Hi"), NEWEST).unwrap();
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {}}));
    assert_eq!(notes, "");
}

#[test]
fn the_path_names_the_model_once() {
    assert_eq!(Generate.path("gemini-3", false), "/models/gemini-3:generateContent");
    assert_eq!(Generate.path("models/gemini-3", true), "/models/gemini-3:streamGenerateContent?alt=sse");
    assert_eq!(Generate.path("tunedModels/t", false), "/tunedModels/t:generateContent");
}

#[test]
fn calls_and_results_stand_in_turns_of_their_own() {
    let mut request = asking("Weather?");
    request.messages.extend([
        message(Role::Assistant, vec![text("Looking."), call("1", "a", Some(own("QQ=="))), call("2", "b", None)]),
        message(Role::User, vec![result("2", r#"{"rain":true}"#, false)]),
        message(Role::User, vec![result("1", "gone", true), text("And?")]),
    ]);
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(
        body["contents"],
        json!([
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {"role": "model", "parts": [
                {"text": "Looking."},
                {"functionCall": {"id": "1", "name": "a", "args": {"a": 1}}, "thoughtSignature": "QQ=="},
                {"functionCall": {"id": "2", "name": "b", "args": {"a": 1}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "a", "response": {"error": "gone"}}},
                {"functionResponse": {"id": "2", "name": "b", "response": {"rain": true}}},
            ]},
            {"role": "user", "parts": [{"text": "And?"}]},
        ])
    );
    assert_eq!(notes, "");
}

#[test]
fn results_that_are_no_certain_object_are_texts() {
    for (said, response) in [
        ("plain", json!({"result": "plain"})),
        ("[1]", json!({"result": "[1]"})),
        ("", json!({"result": ""})),
        (r#"{"id":1234567890123456789}"#, json!({"result": r#"{"id":1234567890123456789}"#})),
        (r#" {"id":12} "#, json!({"id": 12})),
    ] {
        let mut request = asking("x");
        request.messages.push(message(Role::Assistant, vec![call("1", "a", None)]));
        request.messages.push(message(Role::User, vec![result("1", said, false)]));
        let (body, _) = written(&request, "gemini-2.5-flash").unwrap();
        assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["response"], response, "{said}");
    }
    let mut request = asking("x");
    request.messages.push(message(Role::User, vec![result("unknown", "x", false)]));
    assert_eq!(written(&request, NEWEST).unwrap_err().param, "messages");
}

#[test]
fn calls_of_other_models_pass_in_the_running_turn() {
    let step = |id: &'static str| message(Role::Assistant, vec![call(id, "a", None), call("x", "b", None)]);
    let mut request = asking("x");
    request.messages.extend([step("1"), message(Role::User, vec![result("1", "r", false)]), user("y"), step("2")]);
    request.messages.extend([message(Role::User, vec![result("2", "r", false)]), step("3")]);
    let signatures = |model: &str| {
        let (body, notes) = written(&request, model).unwrap();
        let parts =
            body["contents"].as_array().unwrap().iter().flat_map(|content| content["parts"].as_array().unwrap());
        let calls = parts.filter(|part| part.get("functionCall").is_some());
        (calls.map(|part| part.get("thoughtSignature").is_some()).collect::<Vec<_>>(), notes)
    };
    for model in [NEWEST, "gemini-flash-latest"] {
        let expected = vec![false, false, true, false, true, false];
        assert_eq!(signatures(model), (expected, "reasoning.signature=approximated".to_owned()));
    }
    assert_eq!(signatures("gemini-2.5-pro"), (vec![false; 6], String::new()));
}

#[test]
fn only_what_gemini_signed_goes_back() {
    let reasoning = |text, signature| Block::Reasoning(Reasoning { text: Text::from(text), signature });
    let other = Some(Signature { origin: Protocol::Anthropic, value: Text::from("x") });
    let mut request = asking("x");
    request.messages.extend([
        message(Role::Assistant, vec![reasoning("others", other.clone())]),
        user("y"),
        message(
            Role::Assistant,
            vec![
                reasoning("unsigned", None),
                reasoning("mine", Some(own("QQ=="))),
                text("said"),
                reasoning("", Some(own("Qg=="))),
                reasoning("", Some(own("Qw=="))),
            ],
        ),
    ]);
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(
        body["contents"],
        json!([
            {"role": "user", "parts": [{"text": "x"}]},
            {"role": "user", "parts": [{"text": "y"}]},
            {"role": "model", "parts": [
                {"text": "mine", "thought": true, "thoughtSignature": "QQ=="},
                {"text": "said", "thoughtSignature": "Qg=="},
                {"text": "", "thoughtSignature": "Qw=="},
            ]},
        ])
    );
    assert_eq!(notes, "reasoning.signature=dropped, messages.reasoning=dropped, messages.prefill=approximated");
}

#[test]
fn contents_are_never_empty_and_begin_with_the_user() {
    let empty = Request { messages: vec![user("")], ..Request::default() };
    let filler = json!({"role": "user", "parts": [{"text": " "}]});
    assert_eq!(written(&empty, NEWEST).unwrap().0["contents"], json!([filler]));
    let greeting =
        Request { messages: vec![message(Role::Assistant, vec![text("Hello")]), user("x")], ..Request::default() };
    assert_eq!(written(&greeting, NEWEST).unwrap().0["contents"][0], filler);
}

#[test]
fn instructions_are_joined_in_their_order() {
    let mut request = asking("x");
    request.system = vec![text("a"), text("")];
    request.messages.push(message(Role::System, vec![text("late")]));
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "a"}, {"text": "late"}]}));
    assert_eq!(notes, "messages.system=approximated");
}

#[test]
fn media_say_their_type() {
    let image = |media| Block::Image { media, detail: None, cache: None };
    let document = |media| Block::Document { media, name: None, cache: None };
    let inline =
        |media_type: &'static str| Media::Inline { media_type: Text::from(media_type), data: Text::from("QQ==") };
    let url = |url: &'static str| Media::Url { url: Text::from(url), media_type: None };
    let mut request = asking("x");
    request.messages[0].content.extend([
        image(inline("image/png")),
        image(url("https://a/b.webp?c=d.pdf")),
        image(url("https://a/b")),
        document(inline("application/pdf")),
        document(url("https://a/b")),
        document(Media::Plain(Text::from("ß"))),
        Block::Audio { data: Text::from("QQ=="), format: Text::from("mp3") },
    ]);
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(
        body["contents"][0]["parts"],
        json!([
            {"text": "x"},
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://a/b.webp?c=d.pdf"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a/b"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a/b"}},
            {"inlineData": {"mimeType": "text/plain", "data": "w58="}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}},
        ])
    );
    assert_eq!(notes, "");
}

#[test]
fn media_of_results_are_shown_behind_them() {
    let mut request = asking("x");
    let image = Block::Image {
        media: Media::Inline { media_type: Text::from("image/png"), data: Text::from("QQ==") },
        detail: None,
        cache: None,
    };
    let content = vec![text("see"), image];
    let shown =
        ToolResult { id: Some(Text::from("1")), name: None, content, is_error: false, is_custom: false, cache: None };
    request.messages.push(message(Role::Assistant, vec![call("1", "a", Some(own("QQ==")))]));
    request.messages.push(message(Role::User, vec![Block::ToolResult(shown)]));
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["response"], json!({"result": "see"}));
    assert_eq!(body["contents"][3]["parts"][0]["inlineData"]["mimeType"], "image/png");
    assert_eq!(notes, "tool_result.content=approximated");
}

#[test]
fn tools_and_choices() {
    let long = "a".repeat(70);
    let mut request = asking("x");
    request.tools = vec![tool("f", Some(r#"{"type":"object"}"#)), tool(&long, None)];
    let choose = |choice: ToolChoice<'_>| {
        let mut request = request.clone();
        let name = choice_name(&choice);
        request.tool_choice = Some(choice);
        let (body, notes) = written(&request, NEWEST).unwrap();
        assert_eq!(notes, "", "{name}");
        body
    };
    let body = choose(ToolChoice::Required);
    let declarations = &body["tools"][0]["functionDeclarations"];
    assert_eq!(declarations[0], json!({"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}));
    let short = declarations[1]["name"].as_str().unwrap();
    assert!(short.len() <= 64 && declarations[1].get("parametersJsonSchema").is_none());
    let config = |body: &Json| body["toolConfig"]["functionCallingConfig"].clone();
    assert_eq!(config(&body), json!({"mode": "ANY"}));
    assert_eq!(config(&choose(ToolChoice::Auto)), json!({"mode": "AUTO"}));
    assert_eq!(config(&choose(ToolChoice::None)), json!({"mode": "NONE"}));
    let named = choose(ToolChoice::Named(Text::from(&*long)));
    assert_eq!(config(&named), json!({"mode": "ANY", "allowedFunctionNames": [short]}));
    let names = vec![Text::from("f")];
    let forced = choose(ToolChoice::Allowed { names: names.clone(), required: true });
    assert_eq!(config(&forced), json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    let free = choose(ToolChoice::Allowed { names, required: false });
    assert_eq!(config(&free), json!({"mode": "AUTO"}));
    assert_eq!(free["tools"][0]["functionDeclarations"].as_array().unwrap().len(), 1);

    request.parallel_tool_calls = Some(false);
    request.tools[0].strict = Some(true);
    let (_, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(notes, "tools.strict=dropped, parallel_tool_calls=dropped");
    request.tools[0].is_custom = true;
    assert_eq!(written(&request, NEWEST).unwrap_err().param, "tools.custom");
}

fn choice_name(choice: &ToolChoice<'_>) -> String {
    format!("{choice:?}")
}

#[test]
fn sampling_is_brought_into_range() {
    let mut request = asking("x");
    let number = |text: &'static str| Some(Value::parse(text.as_bytes()).unwrap());
    request.sampling.temperature = number("1.70");
    request.sampling.top_p = number("0.5");
    request.sampling.top_k = number("3");
    request.sampling.seed = number("9007199254740993");
    request.sampling.frequency_penalty = number("2");
    request.sampling.presence_penalty = number("-2");
    request.sampling.choices = Some(2);
    request.sampling.log_probabilities = Some(0);
    request.max_output_tokens = Some(9);
    request.stop = vec![Text::from("a"); 5];
    let (body, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(
        body["generationConfig"],
        json!({
            "temperature": 1.7, "topP": 0.5, "topK": 3, "seed": 1, "frequencyPenalty": 1.99, "presencePenalty": -2,
            "candidateCount": 2, "responseLogprobs": true, "maxOutputTokens": 9, "stopSequences": ["a", "a", "a", "a", "a"],
        })
    );
    assert_eq!(notes, "seed=approximated, frequency_penalty=clamped");
    request.stop.push(Text::from("b"));
    assert_eq!(written(&request, NEWEST).unwrap_err().param, "stop");
    assert_eq!(written(&asking("x"), NEWEST).unwrap().0["generationConfig"], json!({}));
}

#[test]
fn answers_can_be_held_to_a_schema() {
    let mut request = asking("x");
    let schema = Value::parse(br#"{"type":"object","$defs":{}}"#).unwrap();
    let format =
        |is_openapi| OutputFormat::JsonSchema { name: None, description: None, schema, is_openapi, strict: None };
    request.format = format(false);
    let config = |request: &Request<'_>, model: &str| written(request, model).unwrap().0["generationConfig"].clone();
    let as_json =
        json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "$defs": {}}});
    assert_eq!(config(&request, NEWEST), as_json);
    let early = json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}});
    assert_eq!(config(&request, "gemini-2.0-flash"), early);
    request.tools = vec![tool("f", None)];
    assert_eq!(config(&request, NEWEST), as_json);
    let (body, notes) = written(&request, "gemini-2.5-pro").unwrap();
    assert_eq!(body["generationConfig"], json!({}));
    assert!(
        body["systemInstruction"]["parts"][0]["text"].as_str().unwrap().ends_with(r#"{"type":"object","$defs":{}}"#)
    );
    assert_eq!(notes, "response_format.json_schema=approximated");
    request.tools.clear();
    request.format = format(true);
    assert_eq!(config(&request, NEWEST)["responseSchema"], json!({"type": "object", "$defs": {}}));
    request.format = OutputFormat::JsonObject;
    assert_eq!(config(&request, NEWEST), json!({"responseMimeType": "application/json"}));
}

#[test]
fn thinking_is_asked_for_in_the_models_words() {
    type Asked = ReasoningRequest<'static>;
    let effort = |effort| Asked { effort: Some(effort), ..Asked::default() };
    let budget = |budget| Asked { enabled: Some(true), budget: Some(budget), visible: Some(false), ..Asked::default() };
    let off = Asked { enabled: Some(false), ..Asked::default() };
    let on = Asked { enabled: Some(true), visible: Some(true), ..Asked::default() };
    let [pro25, flash25] = ["gemini-2.5-pro", "gemini-2.5-flash"];
    for (asked, model, expected, notes) in [
        (effort(Effort::Low), NEWEST, json!({"thinkingLevel": "LOW"}), ""),
        (effort(Effort::Max), NEWEST, json!({"thinkingLevel": "HIGH"}), "reasoning.effort=approximated"),
        (effort(Effort::None), NEWEST, json!({"thinkingLevel": "MINIMAL"}), "reasoning.effort=approximated"),
        (
            effort(Effort::Medium),
            "gemini-3-pro-preview",
            json!({"thinkingLevel": "HIGH"}),
            "reasoning.effort=approximated",
        ),
        (off.clone(), "gemini-3-pro-preview", json!({"thinkingLevel": "LOW"}), "reasoning.effort=approximated"),
        (budget(20_000), NEWEST, json!({"thinkingLevel": "HIGH"}), "reasoning.budget=approximated"),
        (on.clone(), NEWEST, json!({"includeThoughts": true}), ""),
        (effort(Effort::High), flash25, json!({"thinkingBudget": 24_576}), "reasoning.effort=approximated"),
        (budget(2_000), flash25, json!({"thinkingBudget": 2_000}), ""),
        (budget(60_000), pro25, json!({"thinkingBudget": 32_768}), "reasoning.budget=clamped"),
        (off.clone(), flash25, json!({"thinkingBudget": 0}), ""),
        (off.clone(), pro25, json!({"thinkingBudget": 128}), "reasoning.budget=clamped"),
        (on.clone(), flash25, json!({"thinkingBudget": -1, "includeThoughts": true}), ""),
        (budget(99), "gemini-flash-latest", json!({"thinkingBudget": 99}), ""),
        (budget(99), "gemini-2.0-flash", Json::Null, "reasoning=dropped"),
        (off, "gemini-2.0-flash", Json::Null, ""),
        // Whoever cannot say whether the thoughts are to be seen sees them.
        (
            Asked { enabled: Some(true), effort: Some(Effort::Low), ..Asked::default() },
            NEWEST,
            json!({"includeThoughts": true, "thinkingLevel": "LOW"}),
            "",
        ),
        (Asked::default(), NEWEST, Json::Null, ""),
    ] {
        let request = Request { reasoning: asked.clone(), ..asking("x") };
        let (body, found) = written(&request, model).unwrap();
        assert_eq!(body["generationConfig"]["thinkingConfig"], expected, "{asked:?} {model}");
        assert_eq!(found, notes, "{asked:?} {model}");
    }
}

#[test]
fn a_request_means_the_same_after_a_round_trip() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]},
            {"role": "model", "parts": [
                {"text": "thinking", "thought": true, "thoughtSignature": "QQ=="},
                {"text": "Look", "thoughtSignature": "Qg=="},
                {"functionCall": {"id": "x", "name": "look", "args": {"a": [1]}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "look", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "x", "name": "look", "response": {"error": "no"}}},
                {"functionResponse": {"name": "look", "response": {"cat": true}}},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "look", "description": "d", "parameters": {"type": "OBJECT"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 40, "seed": 7, "candidateCount": 2, "maxOutputTokens": 100,
            "stopSequences": ["a"], "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json",
            "responseSchema": {"type": "STRING", "nullable": true},
            "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "LOW"},
        },
    });
    let mut expected = body.clone();
    expected["contents"][1]["parts"][3]["functionCall"]["id"] = json!("call_1");
    expected["contents"][2]["parts"][1]["functionResponse"]["id"] = json!("call_1");
    let request = accepted(&body);
    let (again, notes) = written(&request, NEWEST).unwrap();
    assert_eq!(again, expected);
    assert_eq!(notes, "");
    assert_eq!(accepted(&again), request);
}
