//! A key that fails is replaced by another one; when all fail, the class of their failures decides the answer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Dialect, Trio,
    eventually::START,
    ports,
    rest::text,
    usage::{attempt_outcomes, expect},
};

/// The first key meets the fault; the answer must come from the second, and the event must show both attempts.
async fn second_key_answers(trio: &Trio, name: &str, fault: &Value, outcome: &str) -> anyhow::Result<()> {
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let case = format!("{name}, {dialect:?}, stream {stream}");
            let slug = format!("{name}-{}-{stream}", dialect.name()).replace('_', "-");
            // Keys of its own: what earlier faults did to the health of others is of no account.
            let application = impatient(trio, &slug).await?;
            let keys = application.keys(dialect);
            trio.simulator.fault(json!({"key": keys[0].secret}), None, fault.clone()).await?;
            let answer = trio.send(&application.chat(dialect, stream)).await?;
            ensure!(answer.status == 200, "{case}: {} {}", answer.status, answer.text());
            let event = trio.rest.event(answer.request_id()?, START).await?;
            ensure!(attempt_outcomes(&event) == [outcome, "ok"], "{case}: {event}");
            for (field, wanted) in [
                ("/outcome", json!("ok")),
                ("/upstream_key_id", json!(keys[1].id)),
                ("/attempts/0/upstream_key_id", json!(keys[0].id)),
                ("/attempts/1/upstream_key_id", json!(keys[1].id)),
                ("/usage/source", json!("provider")),
            ] {
                expect(&event, field, &wanted).with_context(|| case.clone())?;
            }
        }
    }
    Ok(())
}

/// A service that does not wait long.
async fn impatient(trio: &Trio, name: &str) -> anyhow::Result<Application> {
    let service = json!({"timeouts": {"first_byte_ms": 700}});
    let application = trio.seed.application_with(&trio.rest, name, 2, &service).await?;
    trio.in_force().await?;
    Ok(application)
}

#[tokio::test]
async fn a_rate_limited_key_is_replaced() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let fault = json!({"kind": "status", "status": 429, "retry_after": "1"});
    second_key_answers(&trio, "limited", &fault, "rate_limited").await
}

#[tokio::test]
async fn a_failing_provider_is_tried_with_the_next_key() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    second_key_answers(&trio, "broken", &json!({"kind": "status", "status": 500}), "server_error").await?;
    second_key_answers(&trio, "overloaded", &json!({"kind": "status", "status": 529}), "overloaded").await
}

#[tokio::test]
async fn a_key_that_the_provider_refuses_is_replaced() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    second_key_answers(&trio, "refused", &json!({"kind": "status", "status": 401}), "credentials_refused").await?;
    second_key_answers(&trio, "forbidden", &json!({"kind": "status", "status": 403}), "credentials_refused").await
}

#[tokio::test]
async fn a_silent_provider_is_given_up_and_tried_with_the_next_key() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    second_key_answers(&trio, "silent", &json!({"kind": "hang_before_headers"}), "timed_out").await
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_tried_with_the_next_key() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    second_key_answers(&trio, "reset", &json!({"kind": "reset"}), "connection_lost").await?;
    second_key_answers(&trio, "closed", &json!({"kind": "close_before_headers"}), "connection_lost").await
}

#[tokio::test]
async fn a_provider_that_refuses_connections_is_replaced_by_the_next_target() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let good = trio.application("good", 1).await?;
    for dialect in Dialect::ALL {
        let name = format!("nobody there {}", dialect.name());
        let nobody = format!("http://{}", ports::free()?);
        let provider = json!({"name": name, "kind": dialect.name(), "base_url": nobody});
        let provider = trio.rest.create("providers", &provider).await?;
        let pool = trio.rest.create("key-pools", &json!({"name": name, "provider_id": text(&provider, "id")?})).await?;
        let pool_id = text(&pool, "id")?;
        let secret = tollgate_tests::seed::secret("sk", "nobody");
        trio.rest.create("upstream-keys", &json!({"pool_id": pool_id, "name": name, "secret": secret})).await?;
        let targets =
            json!([{"pool_id": pool_id, "priority": 0}, {"pool_id": good.keys(dialect)[0].pool_id, "priority": 1}]);
        let service = json!({"name": name, "slug": format!("nobody-{}", dialect.name()), "strategy": "round_robin",
            "routes": [{"models": ["*"], "targets": targets}]});
        let service = trio.rest.create("services", &service).await?;
        let key = json!({"service_id": text(&service, "id")?, "name": name});
        let mut application = good.clone();
        text(&trio.rest.create("access-keys", &key).await?, "secret")?.clone_into(&mut application.secret);
        trio.in_force().await?;

        let answer = trio.send(&application.chat(dialect, false)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(attempt_outcomes(&event) == ["connect_failed", "ok"], "{event}");
    }
    Ok(())
}

/// Both keys meet the fault; the answer, checked to be in the caller's shape.
async fn all_fail(trio: &Trio, name: &str, dialect: Dialect, fault: &Value) -> anyhow::Result<(Answer, String)> {
    let application = impatient(trio, &format!("{name}-{}", dialect.name())).await?;
    for key in application.keys(dialect) {
        trio.simulator.fault(json!({"key": key.secret}), None, fault.clone()).await?;
    }
    let answer = trio.send(&application.chat(dialect, false)).await?;
    let (kind, _) = dialect
        .error(&answer.json()?)
        .with_context(|| format!("{name}, {dialect:?}: not its shape: {}", answer.text()))?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    expect(&event, "/outcome", &json!("upstream_error"))?;
    expect(&event, "/status", &json!(answer.status))?;
    assert_eq!(attempt_outcomes(&event).len(), 2, "{event}");
    for key in application.keys(dialect) {
        ensure!(!answer.text().contains(&key.secret), "the answer shows the provider's key");
    }
    Ok((answer, kind))
}

#[tokio::test]
async fn when_every_key_is_rate_limited_so_is_the_caller() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for (dialect, wanted) in [
        (Dialect::OpenAi, "rate_limit_error"),
        (Dialect::Anthropic, "rate_limit_error"),
        (Dialect::Gemini, "RESOURCE_EXHAUSTED"),
    ] {
        let fault = json!({"kind": "status", "status": 429, "retry_after": "7"});
        let (answer, kind) = all_fail(&trio, "limited", dialect, &fault).await?;
        assert_eq!(answer.status, 429);
        ensure!(dialect == Dialect::OpenAi || kind == wanted, "{kind}");
        let seconds: u64 = answer.header("retry-after").context("no retry-after")?.parse()?;
        ensure!((1..=8).contains(&seconds), "retry-after is {seconds}");
    }
    Ok(())
}

#[tokio::test]
async fn when_the_provider_is_overloaded_the_caller_learns_it() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for (dialect, wanted) in [(Dialect::OpenAi, 503), (Dialect::Anthropic, 529), (Dialect::Gemini, 503)] {
        let fault = json!({"kind": "status", "status": if dialect == Dialect::Anthropic { 529 } else { 503 }});
        let (answer, _) = all_fail(&trio, "overloaded", dialect, &fault).await?;
        assert_eq!(answer.status, wanted, "{dialect:?}: {}", answer.text());
    }
    Ok(())
}

#[tokio::test]
async fn when_every_key_is_refused_the_caller_is_not_told_that_its_own_is_bad() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for status in [401, 403] {
        for dialect in Dialect::ALL {
            let fault = json!({"kind": "status", "status": status});
            let (answer, _) = all_fail(&trio, &format!("refused{status}"), dialect, &fault).await?;
            assert_eq!(answer.status, 502, "{dialect:?}: {}", answer.text());
            ensure!(answer.text().to_lowercase().contains("upstream_credentials_exhausted"), "{}", answer.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn when_every_attempt_times_out_it_is_a_time_out() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let start = Instant::now();
        let (answer, _) = all_fail(&trio, "silent", dialect, &json!({"kind": "hang_before_headers"})).await?;
        assert_eq!(answer.status, 504, "{dialect:?}: {}", answer.text());
        ensure!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn when_the_provider_breaks_it_is_a_bad_gateway() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        for (name, fault) in [("reset", json!({"kind": "reset"})), ("broken", json!({"kind": "status", "status": 500}))]
        {
            let (answer, _) = all_fail(&trio, name, dialect, &fault).await?;
            assert_eq!(answer.status, 502, "{dialect:?}: {}", answer.text());
            ensure!(answer.text().to_lowercase().contains("upstream_unavailable"), "{}", answer.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_error_that_is_the_callers_own_is_passed_back_untouched_and_not_tried_again() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for status in [400, 404, 422] {
        for dialect in Dialect::ALL {
            let application = trio.application(&format!("own{status}-{}", dialect.name()), 2).await?;
            let body = json!({"error": {"message": "as the provider said it", "odd": [1, 2]}});
            let fault = json!({"kind": "status", "status": status, "body": body});
            trio.simulator.clear_faults().await?;
            trio.simulator.fault(json!({}), None, fault).await?;
            let before = trio.simulator.newest().await?;
            let answer = trio.send(&application.chat(dialect, false)).await?;
            assert_eq!((answer.status, answer.json()?), (status, body));
            trio.simulator.only_request(before).await?;
            let event = trio.rest.event(answer.request_id()?, START).await?;
            expect(&event, "/outcome", &json!("client_error"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn retry_stops_at_the_services_number_of_attempts() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let service = json!({"retry": {"max_attempts": 1}});
    let application = trio.seed.application_with(&trio.rest, "once", 2, &service).await?;
    trio.in_force().await?;
    trio.simulator.fault(json!({}), None, json!({"kind": "status", "status": 500})).await?;
    let answer = trio.send(&application.chat(Dialect::OpenAi, false)).await?;
    assert_eq!(answer.status, 502, "{}", answer.text());
    trio.simulator.only_request(0).await?;
    Ok(())
}
