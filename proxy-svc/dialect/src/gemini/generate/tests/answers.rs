//! Whole answers.

use super::*;
use crate::Protocol;
use crate::canonical::{Arguments, Block, Choice, Finish, Reasoning, Signature, Text, ToolCall};

fn answer(body: &Json) -> Option<Answer<'static>> {
    let body: &'static str = body.to_string().leak();
    Generate.read_answer(Value::parse(body.as_bytes()).unwrap())
}

fn candidate(parts: &Json, reason: &str) -> Choice<'static> {
    let body = json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason}]});
    answer(&body).unwrap().choices.remove(0)
}

fn reasoning(text: &'static str, signature: Option<&'static str>) -> Block<'static> {
    let signature = signature.map(|value| Signature { origin: Protocol::Gemini, value: Text::from(value) });
    Block::Reasoning(Reasoning { text: Text::from(text), signature })
}

#[test]
fn parts_become_blocks() {
    let found = candidate(
        &json!([
            {"text": "hm", "thought": true},
            {"text": "a", "thoughtSignature": "QQ=="},
            {"executableCode": {"code": "1"}},
            {"text": ""},
            {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "Qg=="},
            {"functionCall": {"id": "7", "name": "g"}},
            {"functionCall": {}},
        ]),
        "STOP",
    );
    let Block::ToolCall(first) = &found.content[3] else { panic!("{found:?}") };
    assert_eq!(first.signature.as_ref().unwrap().value, "Qg==");
    assert_eq!(first.id, None);
    let Block::ToolCall(second) = &found.content[4] else { panic!("{found:?}") };
    assert_eq!(second.id, Some(Text::from("7")));
    assert_eq!(second.arguments, Arguments::Object(Value::EMPTY_OBJECT));
    let texts = [reasoning("hm", None), Block::text(Text::from("a")), reasoning("", Some("QQ=="))];
    assert_eq!(found.content[..3], texts);
    assert_eq!((found.content.len(), found.finish), (5, Finish::ToolCalls));
}

#[test]
fn reasons_are_told_apart() {
    let text = json!([{"text": "a"}]);
    let call = json!([{"functionCall": {"name": "f"}}]);
    for (parts, word, finish) in [
        (&text, "STOP", Finish::Stop),
        (&call, "STOP", Finish::ToolCalls),
        (&call, "MAX_TOKENS", Finish::Length),
        (&text, "MALFORMED_FUNCTION_CALL", Finish::Stop),
        (&text, "SAFETY", Finish::ContentFilter),
        (&text, "RECITATION", Finish::ContentFilter),
        (&text, "BLOCKLIST", Finish::ContentFilter),
        (&text, "PROHIBITED_CONTENT", Finish::ContentFilter),
        (&text, "SPII", Finish::ContentFilter),
        (&text, "IMAGE_SAFETY", Finish::ContentFilter),
        (&text, "OTHER", Finish::Stop),
        (&text, "SOMETHING_NEW", Finish::Stop),
    ] {
        assert_eq!(candidate(parts, word).finish, finish, "{word}");
    }
    let blocked = answer(&json!({"candidates": [{"finishReason": "SAFETY", "index": 2}]})).unwrap();
    assert_eq!((blocked.choices[0].index, blocked.choices[0].finish), (2, Finish::ContentFilter));
}

#[test]
fn a_blocked_prompt_has_no_candidates() {
    let blocked = answer(&json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}})).unwrap();
    assert_eq!(blocked.blocked, Some(Text::from("SAFETY")));
    assert!(blocked.choices.is_empty());
    assert_eq!(answer(&json!({"error": {"code": 400}})), None);
    assert_eq!(answer(&json!({})), None);
    assert_eq!(answer(&json!([])), None);
    assert_eq!(answer(&json!({"candidates": "x"})), None);
}

#[test]
fn log_probabilities_have_openais_shape_inside() {
    let body = json!({"candidates": [{"content": {"parts": [{"text": "Aß"}]}, "logprobsResult": {
        "chosenCandidates": [{"token": "A", "tokenId": 1, "logProbability": -0.25}, {"token": "ß"}],
        "topCandidates": [{"candidates": [{"token": "A", "logProbability": -0.25}, {"token": "B", "logProbability": -2}]}],
    }}]});
    let read = answer(&body).unwrap();
    let found: Json = serde_json::from_str(read.choices[0].log_probabilities.as_deref().unwrap()).unwrap();
    assert_eq!(
        found,
        json!({"content": [
            {"token": "A", "logprob": -0.25, "bytes": [65], "top_logprobs": [
                {"token": "A", "logprob": -0.25, "bytes": [65]}, {"token": "B", "logprob": -2, "bytes": [66]},
            ]},
            {"token": "ß", "logprob": 0, "bytes": [195, 159], "top_logprobs": []},
        ], "refusal": null})
    );
    let again = rewritten(&read, None);
    let result = &again["candidates"][0]["logprobsResult"];
    assert_eq!(
        result["chosenCandidates"],
        json!([{"token": "A", "logProbability": -0.25}, {"token": "ß", "logProbability": 0}])
    );
    assert_eq!(result["topCandidates"][0]["candidates"][1], json!({"token": "B", "logProbability": -2}));
}

fn rewritten(answer: &Answer<'_>, usage: Option<&Usage>) -> Json {
    let mut out = Vec::new();
    Generate.write_answer(answer, usage, &TERMS, &mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn an_answer_of_another_provider_is_whole() {
    let other = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB") };
    let call = ToolCall {
        id: None,
        name: Text::from("f"),
        arguments: Arguments::Written(Text::Escaped(r#"{\"a\": \"ß\"}"#)),
        is_custom: false,
        signature: None,
        cache: None,
    };
    let choice =
        |index, content, finish| Choice { index, content, finish, stop_sequence: None, log_probabilities: None };
    let answer = Answer {
        id: Some(Text::from("msg_1")),
        model: Some(Text::from("claude")),
        choices: vec![
            choice(
                0,
                vec![
                    Block::Reasoning(Reasoning { text: Text::from("hm"), signature: Some(other.clone()) }),
                    Block::text(Text::from("said")),
                    Block::ToolCall(call.clone()),
                    Block::ToolCall(ToolCall { id: Some(Text::from("toolu_1")), ..call }),
                ],
                Finish::ToolCalls,
            ),
            choice(1, vec![Block::Refusal(Text::from("no"))], Finish::ContentFilter),
            choice(2, vec![], Finish::ContextWindow),
            choice(3, vec![Block::Refusal(Text::from("no"))], Finish::Stop),
        ],
        blocked: None,
    };
    let usage = Usage {
        input_uncached: 5,
        cache_read: 3,
        cache_write_5m: 2,
        output: 9,
        reasoning: 4,
        input_image: 1,
        ..Usage::default()
    };
    let sealed = crate::translate::sealed_base64(&Reversed, &other);
    assert_eq!(
        rewritten(&answer, Some(&usage)),
        json!({
            "candidates": [
                {
                    "content": {"role": "model", "parts": [
                        {"text": "hm", "thought": true, "thoughtSignature": sealed},
                        {"text": "said"},
                        {"functionCall": {"id": "call_req1_0", "name": "f", "args": {"a": "ß"}}},
                        {"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": "ß"}}},
                    ]},
                    "finishReason": "STOP", "index": 0,
                },
                {
                    "content": {"role": "model", "parts": [{"text": ""}]},
                    "finishReason": "SAFETY", "index": 1, "finishMessage": "no",
                },
                {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "MAX_TOKENS", "index": 2},
                {"content": {"role": "model", "parts": [{"text": "no"}]}, "finishReason": "STOP", "index": 3},
            ],
            "usageMetadata": {
                "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 19, "cachedContentTokenCount": 3,
                "thoughtsTokenCount": 4,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}, {"modality": "IMAGE", "tokenCount": 1}],
            },
            "modelVersion": "claude", "responseId": "req-1",
        })
    );
}

#[test]
fn refused_prompts_are_told_in_this_protocols_words() {
    for (given, word) in [("PROHIBITED_CONTENT", "PROHIBITED_CONTENT"), ("content_filter", "OTHER")] {
        let answer = Answer { blocked: Some(Text::from(given)), ..Answer::default() };
        let expected =
            json!({"promptFeedback": {"blockReason": word}, "modelVersion": "gemini-x", "responseId": "req-1"});
        assert_eq!(rewritten(&answer, None), expected);
    }
}
