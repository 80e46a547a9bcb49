//! Rate limits, days' quotas and refused keys.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tollgate_tests::{Call, Dialect, Trio, usage::attempt_outcomes};

use super::{application, attempts, calls, served, states};

/// How long the provider asks to wait.
const WAIT: Duration = Duration::from_secs(5);

/// Surely before that, though a date counts whole seconds.
const EARLY: Duration = Duration::from_millis(3500);

const FORMS: [(Dialect, &str); 9] = [
    (Dialect::OpenAi, "retry_after"),
    (Dialect::OpenAi, "retry_after_ms"),
    (Dialect::OpenAi, "retry_after_date"),
    (Dialect::OpenAi, "reset_tokens"),
    (Dialect::Anthropic, "retry_after"),
    (Dialect::Anthropic, "reset_input_tokens"),
    (Dialect::Gemini, "retry_after"),
    (Dialect::Gemini, "retry_info"),
    // Nothing is said: five seconds, the first time.
    (Dialect::OpenAi, "nothing"),
];

#[tokio::test]
async fn a_rate_limited_key_rests_as_long_as_its_provider_asks() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let mut applications = Vec::new();
    for (dialect, form) in FORMS {
        let application = application(&trio, &format!("{}-{form}", dialect.name()), 2).await?;
        let fault = json!({"kind": "rate_limited", "says": form, "seconds": WAIT.as_secs()});
        let key = &application.keys(dialect)[0].secret;
        // Of this model: the control plane asks for the list of models with the same key.
        trio.simulator.fault(json!({"key": key, "model": dialect.model()}), Some(1), fault).await?;
        applications.push((dialect, form, application));
    }
    trio.in_force().await?;
    let mut cooled = Vec::new();
    for (dialect, form, application) in &applications {
        let began = Instant::now();
        let (first, counts) = served(&trio, application, *dialect).await?;
        ensure!(counts == [1, 1], "{dialect:?} {form}: {counts:?}");
        // The second request does not touch the key that cools.
        let (_, counts) = served(&trio, application, *dialect).await?;
        ensure!(counts == [0, 1], "{dialect:?} {form}: {counts:?}");
        cooled.push((began, first));
    }
    for ((dialect, form, application), (began, first)) in applications.iter().zip(cooled) {
        let attempts = attempts(&trio, &first).await?;
        ensure!(attempts[0].0 == "first" && attempts[0].1.starts_with("rate limited"), "{form}: {attempts:?}");
        ensure!(attempts[1] == ("next_key".to_owned(), String::new()), "{form}: {attempts:?}");
        tokio::time::sleep(EARLY.saturating_sub(began.elapsed())).await;
        if began.elapsed() < EARLY + Duration::from_millis(300) {
            let (_, counts) = served(&trio, application, *dialect).await?;
            ensure!(counts == [0, 1], "{dialect:?} {form}: too early: {counts:?}");
        }
        tokio::time::sleep((WAIT + Duration::from_millis(200)).saturating_sub(began.elapsed())).await;
        let (_, counts) = served(&trio, application, *dialect).await?;
        ensure!(counts == [1, 0], "{dialect:?} {form}: not back: {counts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_days_quota_is_not_tried_again_every_minute() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let application = application(&trio, "day", 2).await?;
    trio.in_force().await?;
    let key = &application.keys(Dialect::Gemini)[0];
    let fault = json!({"kind": "rate_limited", "says": "day", "seconds": 1});
    trio.simulator.fault(json!({"key": key.secret}), None, fault).await?;
    let (answer, counts) = served(&trio, &application, Dialect::Gemini).await?;
    ensure!(counts == [1, 1], "{counts:?}");
    ensure!(attempts(&trio, &answer).await?[0].1 == "the day's quota is used up");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (_, counts) = served(&trio, &application, Dialect::Gemini).await?;
    ensure!(counts == [0, 1], "{counts:?}");
    let states = states(&trio, &key.id).await?;
    ensure!(states.iter().any(|line| line.contains("state=\"cooling\"")), "{states:?}");
    Ok(())
}

#[tokio::test]
async fn when_all_keys_cool_one_attempt_is_made_and_the_caller_learns_when() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let application = application(&trio, &format!("all-{}", dialect.name()), 2).await?;
        trio.in_force().await?;
        for (key, seconds) in application.keys(dialect).iter().zip(["30", "90"]) {
            let fault = json!({"kind": "status", "status": 429, "retry_after": seconds});
            trio.simulator.fault(json!({"key": key.secret}), None, fault).await?;
        }
        for (round, expected) in [(0, [1, 1]), (1, [1, 0])] {
            let before = trio.simulator.newest().await?;
            let answer = trio.send(&application.chat(dialect, false)).await?;
            let case = format!("{dialect:?}, round {round}: {} {}", answer.status, answer.text());
            ensure!(answer.status == 429, "{case}");
            ensure!(dialect.error(&answer.json()?).is_some(), "{case}");
            let wait: u64 = answer.header("retry-after").context("no retry-after")?.parse()?;
            ensure!((20..=30).contains(&wait), "{case}: {wait}");
            ensure!(calls(&trio, &application, dialect, before).await? == expected, "{case}");
            let reasons = attempts(&trio, &answer).await?;
            let reasons: Vec<&str> = reasons.iter().map(|(reason, _)| reason.as_str()).collect();
            ensure!(
                if round == 0 { reasons == ["first", "next_key"] } else { reasons == ["least_bad"] },
                "{reasons:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_key_is_out_for_every_model_and_never_shown() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let application = application(&trio, &format!("refused-{}", dialect.name()), 2).await?;
        trio.in_force().await?;
        let key = &application.keys(dialect)[0];
        let message = format!("Incorrect API key provided: {}.", key.secret);
        let fault = match dialect {
            Dialect::Gemini => json!({"kind": "status", "status": 400, "body": {"error": {
                "code": 400, "message": message, "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}}),
            _ => json!({"kind": "status", "status": 401, "body": {"error": {"message": message, "type": "x"}}}),
        };
        trio.simulator.fault(json!({"key": key.secret}), None, fault).await?;
        let (answer, counts) = served(&trio, &application, dialect).await?;
        ensure!(counts == [1, 1], "{dialect:?}: {counts:?}");
        let event = trio.rest.event(answer.request_id()?, tollgate_tests::eventually::START).await?;
        ensure!(attempt_outcomes(&event) == ["credentials_refused", "ok"], "{event}");
        ensure!(!answer.text().contains(&key.secret) && !event.to_string().contains(&key.secret), "{event}");
        let other = match dialect {
            Dialect::OpenAi => "gpt-4o",
            Dialect::Anthropic => "claude-opus-4-6",
            Dialect::Gemini => "gemini-2.5-pro",
        };
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&Call::chat(dialect, &application.secret, other, true)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(calls(&trio, &application, dialect, before).await? == [0, 1], "{dialect:?}");
        let states = states(&trio, &key.id).await?;
        ensure!(states.iter().any(|line| line.contains("state=\"refused\"")), "{states:?}");
        // A new secret is a new beginning, at once.
        let secret = tollgate_tests::seed::secret("sk", "renewed");
        let path = format!("/api/v1/upstream-keys/{}", key.id);
        trio.rest.expect(200, reqwest::Method::PATCH, &path, Some(&json!({"secret": secret}))).await?;
        trio.in_force().await?;
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&application.chat(dialect, false)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(trio.simulator.only_request(before).await?.credential == Some(secret), "{dialect:?}");
    }
    Ok(())
}
