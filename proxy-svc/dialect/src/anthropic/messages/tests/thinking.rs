//! How models of different ages are told to think.

use super::writing::{asking, call, message, result, text, thought, tool, user};
use super::*;
use crate::Protocol;
use crate::canonical::{Effort, ReasoningRequest, Role, Sampling, ToolChoice};

fn effort(effort: Effort) -> ReasoningRequest<'static> {
    ReasoningRequest { effort: Some(effort), ..ReasoningRequest::default() }
}

fn budget(tokens: u64) -> ReasoningRequest<'static> {
    ReasoningRequest { enabled: Some(true), budget: Some(tokens), ..ReasoningRequest::default() }
}

/// `thinking`, `output_config.effort`, `max_tokens` and the notes.
fn planned(model: &str, reasoning: ReasoningRequest<'static>, max_tokens: Option<u64>) -> (Json, Json, Json, String) {
    let request = Request { reasoning, max_output_tokens: max_tokens, ..asking(vec![user("Hi")]) };
    let (body, notes) = written_for(model, &request);
    (body["thinking"].clone(), body["output_config"]["effort"].clone(), body["max_tokens"].clone(), notes)
}

#[test]
fn an_effort_is_a_word_a_budget_or_both() {
    let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = json!({"type": "adaptive"});
    let large = Some(60_000);
    for (model, asked, thinking, word, note) in [
        ("claude-haiku-4-5", Effort::Medium, enabled(8192), json!(null), "reasoning.effort=approximated"),
        ("claude-opus-4-5", Effort::High, enabled(24_576), json!("high"), "reasoning.effort=approximated"),
        ("claude-opus-4-5", Effort::Max, enabled(32_768), json!("high"), "reasoning.effort=approximated"),
        ("claude-sonnet-4-6", Effort::Low, adaptive.clone(), json!("low"), ""),
        ("claude-sonnet-4-6", Effort::ExtraHigh, adaptive.clone(), json!("high"), "reasoning.effort=approximated"),
        ("claude-opus-4-8", Effort::ExtraHigh, adaptive.clone(), json!("xhigh"), ""),
        ("claude-opus-5-5", Effort::Minimal, adaptive.clone(), json!("low"), "reasoning.effort=approximated"),
        ("claude-3-5-haiku-latest", Effort::High, json!(null), json!(null), "max_tokens=clamped, reasoning=dropped"),
    ] {
        let (found, found_word, _, notes) = planned(model, effort(asked), large);
        assert_eq!((found, found_word, &*notes), (thinking, word, note), "{model} {asked:?}");
    }
}

#[test]
fn a_budget_is_kept_where_there_are_budgets_and_fits_into_the_limit() {
    let of = |model, tokens, max| planned(model, budget(tokens), max);
    let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(of(MODEL, 2000, Some(4096)), (enabled(2000), Json::Null, json!(4096), String::new()));
    assert_eq!(of("claude-opus-4-6", 2000, Some(4096)).0, enabled(2000));
    let clamped = "reasoning.budget=clamped".to_owned();
    assert_eq!(of(MODEL, 10, Some(4096)), (enabled(1024), Json::Null, json!(4096), clamped.clone()));
    assert_eq!(of(MODEL, 9000, Some(4096)), (enabled(3072), Json::Null, json!(4096), clamped.clone()));
    assert_eq!(of(MODEL, 9000, Some(1100)), (enabled(1024), Json::Null, json!(1100), clamped));
    assert_eq!(of(MODEL, 9000, Some(1024)), (Json::Null, Json::Null, json!(1024), "reasoning=dropped".to_owned()));
    // Where the gateway set the limit, it makes room.
    assert_eq!(of("glm-5", 9000, None), (enabled(9000), Json::Null, json!(17_192), "max_tokens=defaulted".to_owned()));
    let notes = "reasoning.budget=approximated".to_owned();
    assert_eq!(
        of("claude-opus-5", 9000, Some(4096)),
        (json!({"type": "adaptive"}), json!("medium"), json!(4096), notes)
    );
}

#[test]
fn thinking_is_turned_off_in_each_models_way() {
    let off = ReasoningRequest { enabled: Some(false), ..ReasoningRequest::default() };
    for (model, thinking, word, note) in [
        (MODEL, json!(null), json!(null), ""),
        ("claude-opus-4-8", json!(null), json!(null), ""),
        ("claude-opus-5", json!({"type": "disabled"}), json!(null), ""),
        ("claude-sonnet-5-5", json!({"type": "between_tools"}), json!(null), ""),
        ("claude-fable-5", json!(null), json!("low"), "reasoning=approximated"),
    ] {
        for asked in [off.clone(), effort(Effort::None)] {
            let (found, found_word, _, notes) = planned(model, asked, Some(4096));
            assert_eq!((found, found_word, &*notes), (thinking.clone(), word.clone(), note), "{model}");
        }
        assert_eq!(planned(model, ReasoningRequest::default(), Some(4096)).0, Json::Null);
    }
}

#[test]
fn thoughts_are_shown_to_whom_they_are_promised() {
    let asked = |visible| ReasoningRequest { visible: Some(visible), ..effort(Effort::High) };
    assert_eq!(
        planned("claude-opus-5", asked(true), Some(4096)).0,
        json!({"type": "adaptive", "display": "summarized"})
    );
    assert_eq!(planned("claude-opus-5", asked(false), Some(4096)).0, json!({"type": "adaptive", "display": "omitted"}));
    assert_eq!(planned("claude-opus-4-6", asked(true), Some(4096)).0, json!({"type": "adaptive"}));
}

#[test]
fn a_model_that_thinks_keeps_its_own_sampling_and_is_not_forced() {
    let mut request = Request {
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Required),
        reasoning: budget(2000),
        ..asking(vec![user("Hi")])
    };
    request.sampling.temperature = Some(Value::parse(b"0.2").unwrap());
    request.sampling.top_k = Some(Value::parse(b"3").unwrap());
    let (body, notes) = written(&request);
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    assert_eq!((body.get("temperature"), body.get("top_k")), (None, None));
    assert_eq!(notes, "tool_choice=approximated, temperature=dropped, top_k=dropped");
    // Not asked to think, a model that would by itself does not where a tool is forced; one that must think is not forced.
    let request = Request { reasoning: ReasoningRequest::default(), sampling: Sampling::default(), ..request };
    let (body, notes) = written_for("claude-opus-5", &request);
    assert_eq!(
        (&body["thinking"]["type"], &body["tool_choice"]["type"], &*notes),
        (&json!("disabled"), &json!("any"), "")
    );
    let (body, notes) = written_for("claude-opus-5-5", &request);
    assert_eq!((body.get("thinking"), &body["tool_choice"]["type"]), (None, &json!("auto")));
    assert_eq!(notes, "tool_choice=approximated");
}

#[test]
fn a_call_whose_thoughts_were_lost_is_answered_without_a_budget() {
    let conversation = |first| {
        vec![
            user("Hi"),
            message(Role::Assistant, first),
            message(Role::User, vec![result("a", vec![text("1")])]),
            message(Role::Assistant, vec![call("b")]),
            message(Role::User, vec![result("b", vec![text("2")])]),
        ]
    };
    let of = |model, messages| {
        let request = Request { tools: vec![tool("f")], reasoning: budget(2000), ..asking(messages) };
        let (body, notes) = written_for(model, &request);
        (body["thinking"]["type"].clone(), notes)
    };
    let lost = conversation(vec![call("a")]);
    assert_eq!(of(MODEL, lost.clone()), (Json::Null, "reasoning=approximated".to_owned()));
    assert_eq!(of("claude-opus-5", lost.clone()).0, "adaptive");
    let kept = conversation(vec![thought("t", Protocol::Anthropic, "S=="), call("a")]);
    assert_eq!(of(MODEL, kept), (json!("enabled"), String::new()));
    let over = [lost, vec![message(Role::Assistant, vec![text("3")]), user("Thanks")]].concat();
    assert_eq!(of(MODEL, over), (json!("enabled"), String::new()));
}

#[test]
fn a_prefill_excludes_thinking_and_thoughts() {
    let prefill = vec![thought("t", Protocol::Anthropic, "S=="), text("So ")];
    let request = Request { reasoning: budget(2000), ..asking(vec![user("Hi"), message(Role::Assistant, prefill)]) };
    let (body, notes) = written(&request);
    assert_eq!((body.get("thinking"), &*notes), (None, "reasoning=approximated"));
    assert_eq!(body["messages"][1]["content"], json!([{"type": "text", "text": "So"}]));
}
