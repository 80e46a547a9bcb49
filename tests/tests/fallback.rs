//! A model of several providers: who takes over, when, and what the caller sees of it. The commit point: until the
//! model has said something, nothing of an answer has gone out.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Call, Dialect, Trio,
    eventually::START,
    rest::text,
    usage::{attempt_outcomes, expect},
};

/// In the order in which they are tried.
const MODELS: [&str; 3] = ["claude-sonnet-4-6", "gpt-4.1", "gemini-2.5-flash"];
const PROVIDERS: [Dialect; 3] = [Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini];

/// A service whose model `smart` is Claude, else GPT, else Gemini, with one key each. Returns its access key.
async fn smart(trio: &Trio, keys: &Application, name: &str, route: Value) -> anyhow::Result<String> {
    service(trio, keys, name, &PROVIDERS.into_iter().zip(MODELS).collect::<Vec<_>>(), route).await
}

/// The same for other models, in the order in which they are tried.
async fn service(
    trio: &Trio,
    keys: &Application,
    name: &str,
    models: &[(Dialect, &str)],
    route: Value,
) -> anyhow::Result<String> {
    let targets: Vec<Value> = (models.iter().enumerate())
        .map(|(priority, (dialect, model))| {
            json!({"pool_id": keys.keys(*dialect)[0].pool_id, "model": model, "priority": priority})
        })
        .collect();
    let mut definition = json!({"models": ["smart"], "targets": targets});
    if let (Some(definition), Some(further)) = (definition.as_object_mut(), route.as_object()) {
        definition.extend(further.clone());
    }
    let service = json!({"name": name, "slug": name, "strategy": "round_robin", "routes": [definition],
        "retry": {"max_attempts": 6}, "timeouts": {"first_byte_ms": 700}});
    let service = trio.rest.create("services", &service).await?;
    let key = json!({"service_id": text(&service, "id")?, "name": name});
    let secret = text(&trio.rest.create("access-keys", &key).await?, "secret")?.to_owned();
    trio.in_force().await?;
    Ok(secret)
}

async fn ask(trio: &Trio, dialect: Dialect, key: &str, stream: bool) -> anyhow::Result<(Answer, Value)> {
    let answer = trio.send(&Call::chat(dialect, key, "smart", stream)).await?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    Ok((answer, event))
}

/// A service as [`smart`] with keys of its own, of which the first `failing` providers' meet the fault: what happened to
/// the health of others is of no account.
async fn fresh(trio: &Trio, name: &str, failing: usize, fault: &Value) -> anyhow::Result<String> {
    let keys = trio.seed.application(&trio.rest, &format!("keys-{name}"), 2).await?;
    for dialect in &PROVIDERS[..failing] {
        for key in keys.keys(*dialect) {
            trio.simulator.fault(json!({"key": key.secret}), None, fault.clone()).await?;
        }
    }
    smart(trio, &keys, name, json!({})).await
}

#[tokio::test]
async fn another_provider_takes_over_in_every_protocol() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let fault = json!({"kind": "status", "status": 503});
    for (failing, model) in MODELS.into_iter().enumerate() {
        for dialect in Dialect::ALL {
            for stream in [false, true] {
                let key =
                    fresh(&trio, &format!("smart-{failing}-{}-{stream}", dialect.name()), failing, &fault).await?;
                let (answer, event) = ask(&trio, dialect, &key, stream).await?;
                let case = format!("{failing} providers fail, {dialect:?}, stream {stream}: {} {event}", answer.text());
                ensure!(answer.status == 200, "{case}");
                ensure!(dialect.said(stream, &answer)?.starts_with("Echo: How long is the coast"), "{case}");
                ensure!(answer.header("x-tollgate-model") == Some(model), "{case}");
                expect(&event, "/model_requested", &json!("smart")).context(case.clone())?;
                expect(&event, "/model_served", &json!(model)).context(case.clone())?;
                expect(&event, "/usage/source", &json!("provider")).context(case.clone())?;
                let mut outcomes = vec!["overloaded"; failing * 2];
                outcomes.push("ok");
                ensure!(attempt_outcomes(&event) == outcomes, "{case}");
            }
        }
    }
    // Nobody is left.
    for (dialect, status) in [(Dialect::OpenAi, 503), (Dialect::Anthropic, 529), (Dialect::Gemini, 503)] {
        let key = fresh(&trio, &format!("nobody-{}", dialect.name()), 3, &fault).await?;
        let (answer, _) = ask(&trio, dialect, &key, true).await?;
        ensure!(answer.status == status, "{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(dialect.error(&answer.json()?).is_some(), "{dialect:?}: {}", answer.text());
    }
    Ok(())
}

#[tokio::test]
async fn nothing_of_an_answer_without_content_reaches_the_caller() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for (number, fault) in [
        json!({"kind": "empty_200"}),
        json!({"kind": "error_in_200"}),
        json!({"kind": "cut_mid_stream", "after_chunks": 1}),
        json!({"kind": "error_mid_stream", "after_chunks": 1}),
        json!({"kind": "hang_mid_stream", "after_chunks": 1}),
        json!({"kind": "malformed_sse"}),
    ]
    .into_iter()
    .enumerate()
    {
        for dialect in Dialect::ALL {
            let key = fresh(&trio, &format!("commit-{number}-{}", dialect.name()), 1, &fault).await?;
            let (answer, event) = ask(&trio, dialect, &key, true).await?;
            let case = format!("{fault}, {dialect:?}: {} {event}", answer.text());
            ensure!(answer.status == 200, "{case}");
            ensure!(dialect.said(true, &answer)?.starts_with("Echo: How long is the coast"), "{case}");
            ensure!(!answer.text().contains("error"), "{case}");
            expect(&event, "/model_served", &json!("gpt-4.1")).context(case.clone())?;
            ensure!(attempt_outcomes(&event).len() == 3, "{case}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_no_answer_reaches_nobody() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    for (index, (provider, model)) in PROVIDERS.into_iter().zip(MODELS).enumerate() {
        let willing = (PROVIDERS[(index + 1) % 3], MODELS[(index + 1) % 3]);
        let key = service(&trio, &keys, &format!("plain-{index}"), &[(provider, model), willing], json!({})).await?;
        trio.simulator.fault(json!({"model": model}), None, json!({"kind": "malformed_sse"})).await?;
        for dialect in Dialect::ALL {
            let (answer, event) = ask(&trio, dialect, &key, false).await?;
            let case = format!("{model}, {dialect:?}: {} {event}", answer.text());
            ensure!(answer.status == 200 && answer.header("x-tollgate-model") == Some(willing.1), "{case}");
            ensure!(dialect.said(false, &answer)?.starts_with("Echo: How long is the coast"), "{case}");
        }
        trio.simulator.clear_faults().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_has_begun_ends_with_the_callers_own_error_and_a_partial_bill() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    let key = smart(&trio, &keys, "begun", json!({})).await?;
    for fault in ["error_mid_stream", "cut_mid_stream"] {
        for secret in keys.keys(Dialect::Anthropic).iter().map(|key| &key.secret) {
            trio.simulator.fault(json!({"key": secret}), None, json!({"kind": fault, "after_chunks": 5})).await?;
        }
        for dialect in Dialect::ALL {
            let call = Call::chat(dialect, &key, "smart", true);
            let client = tollgate_tests::requests::client()?;
            let mut request =
                client.post(format!("http://{}{}", trio.addresses.proxy, call.path)).body(call.body.clone());
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            let mut response = request.send().await?;
            let request_id = response.headers()["x-request-id"].to_str()?.to_owned();
            let mut seen = Vec::new();
            // The missing end of the answer is part of what the caller is told.
            while let Ok(Some(chunk)) = response.chunk().await {
                seen.extend_from_slice(&chunk);
            }
            let seen = String::from_utf8(seen)?;
            let event = trio.rest.event(&request_id, START).await?;
            let case = format!("{fault}, {dialect:?}: {seen} {event}");
            ensure!(seen.contains("error") && seen.contains("Echo"), "{case}");
            ensure!(
                !seen.contains("[DONE]") && !seen.contains("message_stop") && !seen.contains("finishReason"),
                "{case}"
            );
            expect(&event, "/outcome", &json!("upstream_error")).context(case.clone())?;
            expect(&event, "/usage/source", &json!("partial")).context(case.clone())?;
            ensure!(event["usage"]["output"].as_u64() > Some(0), "{case}");
        }
        trio.simulator.clear_faults().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_route_says_what_lets_another_target_take_over() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    let usual = smart(&trio, &keys, "usual", json!({})).await?;
    let wide = json!({"fallback_on": ["context_window", "content_policy"]});
    let wide = smart(&trio, &keys, "wide", wide).await?;
    for (fault, code) in [("context_window", "context_length_exceeded"), ("content_policy", "content_policy_violation")]
    {
        trio.simulator.fault(json!({"model": MODELS[0]}), None, json!({"kind": fault})).await?;
        for dialect in Dialect::ALL {
            for stream in [false, true] {
                // Usually it is the caller's to mend.
                let (answer, event) = ask(&trio, dialect, &usual, stream).await?;
                let case = format!("{fault}, {dialect:?}, stream {stream}: {} {event}", answer.text());
                ensure!(answer.status == 400 && attempt_outcomes(&event) == ["client_error"], "{case}");
                let error = dialect.error(&answer.json()?).with_context(|| case.clone())?;
                ensure!(!error.1.is_empty(), "{case}");
                if dialect == Dialect::OpenAi {
                    expect(&answer.json()?, "/error/code", &json!(code)).context(case.clone())?;
                }
                // Here another model may see it in another way; a second key of the same would not.
                let (answer, event) = ask(&trio, dialect, &wide, stream).await?;
                let case = format!("{fault}, {dialect:?}, stream {stream}: {} {event}", answer.text());
                ensure!(answer.status == 200 && attempt_outcomes(&event) == ["client_error", "ok"], "{case}");
                expect(&event, "/model_served", &json!(MODELS[1])).context(case.clone())?;
            }
        }
        trio.simulator.clear_faults().await?;
    }
    // And what is not named keeps the others out.
    trio.simulator.fault(json!({"model": MODELS[0]}), None, json!({"kind": "status", "status": 500})).await?;
    let (answer, event) = ask(&trio, Dialect::Anthropic, &wide, false).await?;
    ensure!(answer.status == 502, "{} {event}", answer.text());
    ensure!(attempt_outcomes(&event) == ["server_error", "server_error"], "{event}");
    Ok(())
}

#[tokio::test]
async fn a_blocked_prompt_counts_as_a_refusal_where_the_route_says_so() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    let (blocking, willing) = ((Dialect::Gemini, "gemini-sim-blocked"), (Dialect::OpenAi, "gpt-4.1"));
    let wide = || json!({"fallback_on": ["content_policy"]});
    let usual = service(&trio, &keys, "usual", &[blocking, willing], json!({})).await?;
    let falling = service(&trio, &keys, "falling", &[blocking, willing], wide()).await?;
    let alone = service(&trio, &keys, "alone", &[blocking], wide()).await?;
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let (answer, event) = ask(&trio, dialect, &falling, stream).await?;
            let case = format!("{dialect:?}, stream {stream}: {} {event}", answer.text());
            ensure!(answer.status == 200 && attempt_outcomes(&event) == ["client_error", "ok"], "{case}");
            ensure!(dialect.said(stream, &answer)?.starts_with("Echo: How long is the coast"), "{case}");
            // Where nobody else may see it, or nobody else is there, the caller gets the answer that says so, and it
            // is billed.
            let (answer, _) = ask(&trio, dialect, &usual, stream).await?;
            let (told, event) = ask(&trio, dialect, &alone, stream).await?;
            let case = format!("{dialect:?}, stream {stream}: {} {} {event}", answer.text(), told.text());
            ensure!(answer.status == 200 && told.status == 200, "{case}");
            ensure!(!dialect.said(stream, &told)?.contains("coast"), "{case}");
            ensure!(answer.header("content-type") == told.header("content-type"), "{case}");
            ensure!(event.pointer("/usage/source") == Some(&json!("provider")), "{case}");
            ensure!(event["outcome"] == "ok", "{case}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn when_no_model_takes_the_request_the_caller_learns_why() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    let key = smart(&trio, &keys, "nobody", json!({"fallback_on": ["context_window"]})).await?;
    for model in MODELS {
        trio.simulator.fault(json!({"model": model}), None, json!({"kind": "context_window"})).await?;
    }
    for dialect in Dialect::ALL {
        let (answer, event) = ask(&trio, dialect, &key, false).await?;
        ensure!(answer.status == 400, "{dialect:?}: {} {event}", answer.text());
        ensure!(dialect.error(&answer.json()?).is_some(), "{dialect:?}: {}", answer.text());
        ensure!(attempt_outcomes(&event) == ["client_error"; 3], "{event}");
    }
    Ok(())
}

#[tokio::test]
async fn a_silent_stream_is_given_up_in_time() -> anyhow::Result<()> {
    let (trio, keys) = Trio::with_application().await?;
    let key = smart(&trio, &keys, "silent", json!({})).await?;
    let hang = json!({"kind": "hang_mid_stream", "after_chunks": 1});
    trio.simulator.fault(json!({"model": MODELS[0]}), None, hang).await?;
    let begun = Instant::now();
    let (answer, event) = ask(&trio, Dialect::OpenAi, &key, true).await?;
    ensure!(answer.status == 200, "{} {event}", answer.text());
    ensure!(attempt_outcomes(&event) == ["timed_out", "timed_out", "ok"], "{event}");
    ensure!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    Ok(())
}
