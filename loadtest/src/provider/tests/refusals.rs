//! Answers that a model or a filter would not give, or not to their end.

use serde_json::{Value, json};

use super::ask::{chat, gemini, gemini_stream, messages, responses};
use super::wire::start;

#[test]
fn a_refusal_has_its_place_in_each_protocol() {
    let provider = start();
    let chat = chat(&provider, "gpt-4o-sim-refusal", &json!({})).json();
    let choice = &chat["choices"][0];
    assert!(choice["message"]["refusal"].is_string() && choice["message"]["content"].is_null());
    assert_eq!(choice["finish_reason"], "stop");
    let response = responses(&provider, "gpt-4o-sim-refusal", &json!({})).json();
    assert_eq!(
        (&response["status"], &response["output"][0]["content"][0]["type"]),
        (&json!("completed"), &json!("refusal"))
    );
    let message = messages(&provider, "claude-sim-refusal", &json!({})).json();
    assert_eq!((&message["stop_reason"], &message["content"]), (&json!("refusal"), &json!([])));
    assert_eq!(message["stop_details"]["type"], "refusal");
    let candidate = gemini(&provider, "gemini-sim-refusal", &json!({})).json()["candidates"][0].clone();
    assert_eq!((&candidate["finishReason"], candidate.get("content")), (&json!("SAFETY"), None));
    assert_eq!(candidate["safetyRatings"][0]["blocked"], true);
}

#[test]
fn a_filter_leaves_what_was_said_before_it() {
    let provider = start();
    let started = |text: &Value| text.as_str().unwrap().starts_with("Echo: good morning");
    let chat = chat(&provider, "gpt-4o-sim-filtered", &json!({})).json();
    assert_eq!(chat["choices"][0]["finish_reason"], "content_filter");
    assert!(started(&chat["choices"][0]["message"]["content"]));
    let response = responses(&provider, "gpt-4o-sim-filtered", &json!({})).json();
    assert_eq!(response["incomplete_details"]["reason"], "content_filter");
    assert_eq!((&response["status"], &response["output"][0]["status"]), (&json!("incomplete"), &json!("incomplete")));
    assert!(started(&response["output"][0]["content"][0]["text"]));
    let message = messages(&provider, "claude-sim-filtered", &json!({})).json();
    assert_eq!(message["stop_reason"], "refusal");
    assert!(started(&message["content"][0]["text"]));
    let candidate = gemini(&provider, "gemini-sim-filtered", &json!({})).json()["candidates"][0].clone();
    assert_eq!(candidate["finishReason"], "SAFETY");
    assert!(started(&candidate["content"]["parts"][0]["text"]));
}

#[test]
fn streams_end_as_the_whole_answers_do() {
    let provider = start();
    let streamed = json!({"stream": true});
    for word in ["refusal", "filtered"] {
        let chunks = chat(&provider, &format!("gpt-4o-sim-{word}"), &streamed).data();
        let field = if word == "refusal" { "refusal" } else { "content" };
        assert!(chunks.iter().any(|chunk| chunk.pointer(&format!("/choices/0/delta/{field}")).is_some()));
        let finish = if word == "refusal" { "stop" } else { "content_filter" };
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], finish);
        let events = responses(&provider, &format!("gpt-4o-sim-{word}"), &streamed).data();
        let last = if word == "refusal" { "response.completed" } else { "response.incomplete" };
        assert_eq!(events.last().unwrap()["type"], last);
        assert_eq!(events.iter().any(|event| event["type"] == "response.refusal.delta"), word == "refusal");
        let events = messages(&provider, &format!("claude-sim-{word}"), &streamed).data();
        let delta = events.iter().find(|event| event["type"] == "message_delta").unwrap();
        assert_eq!(
            (&delta["delta"]["stop_reason"], &delta["delta"]["stop_details"]["type"]),
            (&json!("refusal"), &json!("refusal"))
        );
        let replies = gemini_stream(&provider, &format!("gemini-sim-{word}"), &json!({})).data();
        assert_eq!(replies.last().unwrap()["candidates"][0]["finishReason"], "SAFETY");
        assert_eq!(replies.len() == 1, word == "refusal");
    }
}

#[test]
fn a_blocked_prompt_has_no_candidates() {
    let provider = start();
    for reply in [
        gemini(&provider, "gemini-sim-blocked", &json!({})).json(),
        gemini_stream(&provider, "gemini-sim-blocked", &json!({})).data().remove(0),
    ] {
        assert_eq!(
            (reply.get("candidates"), &reply["promptFeedback"]["blockReason"]),
            (None, &json!("PROHIBITED_CONTENT"))
        );
        assert_eq!(reply["usageMetadata"]["totalTokenCount"], reply["usageMetadata"]["promptTokenCount"]);
    }
    let generated = provider.requests().pop().unwrap().generated;
    assert!(generated.output == 0 && generated.prompt() > 0);
    let refused = chat(&provider, "gpt-4o-sim-blocked", &json!({}));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("content_policy_violation")));
    assert_eq!(messages(&provider, "claude-sim-blocked", &json!({})).status, 400);
}
