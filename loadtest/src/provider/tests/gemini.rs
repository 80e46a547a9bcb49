//! Gemini's shapes.

use serde_json::{Value, json};

use super::wire::{GEMINI, post, start};

fn body(extra: &Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "good morning"}]}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn text(responses: &[Value]) -> String {
    responses.iter().filter_map(|one| one.pointer("/candidates/0/content/parts/0/text")?.as_str()).collect()
}

#[test]
fn events_array_and_whole_say_the_same() {
    let provider = start();
    let whole = post(&provider, "/v1beta/models/gemini-2.0-flash:generateContent", GEMINI, &body(&json!({})));
    let whole = text(&[whole.json()]);
    assert!(whole.starts_with("Echo: good morning "));
    let events =
        post(&provider, "/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse", GEMINI, &body(&json!({})));
    assert!(events.text().contains("\r\n\r\ndata: {") && !events.text().contains("[DONE]"));
    assert_eq!(text(&events.data()), whole);
    let array = post(&provider, "/v1/models/gemini-2.0-flash:streamGenerateContent", GEMINI, &body(&json!({})));
    assert_eq!(text(array.json().as_array().unwrap()), whole);
}

#[test]
fn usage_is_cumulative_and_leaves_the_thoughts_out_of_the_candidates() {
    let provider = start();
    let reply = post(
        &provider,
        "/v1beta/models/gemini-2.5-pro-sim-cached:streamGenerateContent?alt=sse",
        GEMINI,
        &body(&json!({})),
    );
    let responses = reply.data();
    let counts: Vec<_> =
        responses.iter().map(|one| one["usageMetadata"]["totalTokenCount"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted());
    let last = &responses.last().unwrap()["usageMetadata"];
    let generated = provider.requests()[0].generated;
    assert_eq!(last["promptTokenCount"], generated.prompt());
    assert_eq!(last["cachedContentTokenCount"], generated.cache_read);
    assert_eq!(last["candidatesTokenCount"], generated.output - generated.reasoning);
    assert_eq!(last["thoughtsTokenCount"], generated.reasoning);
    assert_eq!(last["totalTokenCount"], generated.prompt() + generated.output);
    assert!(responses.last().unwrap().pointer("/candidates/0/content/parts/0/thoughtSignature").is_some());
}

#[test]
fn calls_end_in_stop_and_their_signature_is_wanted_back() {
    let provider = start();
    let tools = json!([{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}]}]);
    let path = "/v1beta/models/gemini-3-pro:generateContent";
    let first = post(&provider, path, GEMINI, &body(&json!({"tools": tools}))).json();
    let candidate = &first["candidates"][0];
    assert_eq!(candidate["finishReason"], "STOP");
    assert_eq!(
        candidate["content"]["parts"][0]["functionCall"],
        json!({"name": "weather", "args": {"city": "sample"}})
    );
    let again = |model: &Value| {
        let response =
            json!({"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"sky": "blue"}}}]});
        post(
            &provider,
            path,
            GEMINI,
            &json!({"contents": [{"parts": [{"text": "hi"}]}, model, response], "tools": tools}),
        )
    };
    let answer = again(&candidate["content"]);
    assert!(answer.json()["candidates"][0]["content"]["parts"][0]["text"].is_string());
    let mut unsigned = candidate["content"].clone();
    unsigned["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    assert_eq!(again(&unsigned).status, 400);
}

#[test]
fn thoughts_are_shown_when_asked_for() {
    let provider = start();
    let config = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}}});
    let reply = post(&provider, "/v1beta/models/gemini-2.5-pro:generateContent", GEMINI, &body(&config)).json();
    assert_eq!(reply.pointer("/candidates/0/content/parts/0/thought"), Some(&json!(true)));
    let none = json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}});
    let reply = post(&provider, "/v1beta/models/gemini-2.5-pro:generateContent", GEMINI, &body(&none)).json();
    assert!(reply["usageMetadata"].get("thoughtsTokenCount").is_none());
}

#[test]
fn a_bad_key_is_an_invalid_argument() {
    let provider = start();
    provider.set_bad_keys(["sk-bad"]);
    let reply = post(&provider, "/v1beta/models/gemini-2.5-pro:generateContent?key=sk-bad", &[], &body(&json!({})));
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["status"], &error["code"]), (400, &json!("INVALID_ARGUMENT"), &json!(400)));
    assert_eq!(error["details"][0]["reason"], "API_KEY_INVALID");
    assert_eq!(provider.requests()[0].credential_place.as_deref(), Some("query"));
    let missing = post(&provider, "/v1beta/models/gemini-2.5-pro:generateContent", &[], &body(&json!({})));
    assert_eq!(missing.json()["error"]["status"], "PERMISSION_DENIED");
}

#[test]
fn the_other_verbs_answer() {
    let provider = start();
    let content = json!({"content": {"parts": [{"text": "x"}]}});
    let one = post(&provider, "/v1beta/models/gemini-embedding-001:embedContent", GEMINI, &content).json();
    assert!(one["embedding"]["values"][0].is_f64());
    let many = json!({"requests": [content, content]});
    let many = post(&provider, "/v1beta/models/gemini-embedding-001:batchEmbedContents", GEMINI, &many).json();
    assert_eq!(many["embeddings"].as_array().unwrap().len(), 2);
    let count = post(&provider, "/v1beta/models/gemini-2.5-pro:countTokens", GEMINI, &body(&json!({}))).json();
    assert!(count["totalTokens"].as_u64() > Some(0));
    assert_eq!(post(&provider, "/v1beta/models/gemini-2.5-pro:generateContent", GEMINI, &json!({})).status, 400);
}
