use proptest::prelude::*;

use super::*;

/// Any JSON, made of the protocol's own words.
fn any_json() -> impl Strategy<Value = Json> {
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "tool",
        "function",
        "custom",
        "text",
        "image_url",
        "file",
        "auto",
        "stop",
        "",
        "{",
        "data:",
        "data:a/b;base64,x",
        "json_schema",
        "allowed_tools",
        "reasoning.text",
        "thinking",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        word.prop_map(Json::from),
    ];
    let name = prop::sample::select(vec![
        "role",
        "content",
        "type",
        "text",
        "messages",
        "tools",
        "tool_calls",
        "function",
        "custom",
        "name",
        "arguments",
        "id",
        "index",
        "choices",
        "delta",
        "message",
        "finish_reason",
        "reasoning_details",
        "reasoning_content",
        "image_url",
        "url",
        "file",
        "tool_choice",
        "response_format",
        "json_schema",
        "schema",
        "logprobs",
        "error",
        "function_call",
        "refusal",
        "signature",
        "stop",
        "thinking",
        "properties",
        "required",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_request_breaks_the_codec(messages in any_json(), tools in any_json(), rest in any_json()) {
        let body = serde_json::json!({"messages": messages, "tools": tools, "response_format": rest}).to_string();
        if let Ok(request) = try_read(&body) {
            for target in [&OPENAI, &COMPATIBLE] {
                if let Ok(written) = translate::write_request(&request, target) {
                    prop_assert!(serde_json::from_slice::<Json>(&written.body).is_ok());
                }
            }
        }
    }

    #[test]
    fn no_answer_breaks_the_codec(choices in any_json()) {
        let body = serde_json::json!({"choices": choices}).to_string();
        let out = translate::write_answer(Format::Chat, Format::Chat, body.as_bytes(), None, &TERMS, &Names::default());
        if let Ok(out) = out {
            prop_assert!(serde_json::from_slice::<Json>(&out).is_ok());
        }
    }

    #[test]
    fn no_stream_breaks_the_codec(deltas in prop::collection::vec(any_json(), 0..8)) {
        let mut translator = StreamTranslator::new(Format::Chat, Format::Chat, &TERMS, Names::default());
        let mut out = Vec::new();
        for delta in deltas {
            let chunk = serde_json::json!({"choices": [{"delta": delta}]});
            translator.feed(format!("data: {chunk}\n\n").as_bytes(), &Reversed, &mut out);
        }
        translator.finish(&Reversed, &mut out);
        let out = String::from_utf8(out).unwrap();
        prop_assert!(chunks(&out).iter().all(Json::is_object));
    }
}
