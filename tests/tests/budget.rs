//! Prices, cost and budgets: what a request costs is what the provider says it used times the operator's price, and a
//! hard budget is not exceeded by more than the control plane says it may be.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_tests::{
    Call, Dialect, Tokens, Trio,
    budgets::{CALLS, PRICES, at_once, bounded, count, hard, is_final, key, micros, priced, single, spent},
    eventually::{START, eventually},
    rest::text,
    usage::expect,
};

/// What the provider's own figures cost, rounded to the nearest millionth.
fn cost(model: &str, tokens: Tokens) -> anyhow::Result<u64> {
    let (_, rates) = PRICES
        .iter()
        .find(|(pattern, _)| model.starts_with(pattern.trim_end_matches('*')))
        .with_context(|| format!("{model} has no price"))?;
    let figures =
        [tokens.input_uncached, tokens.output, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h];
    let exact: u64 = figures.iter().zip(rates).map(|(tokens, rate)| tokens * rate).sum();
    Ok((exact + 500_000) / 1_000_000)
}

async fn standing(trio: &Trio, key: &str) -> anyhow::Result<Value> {
    trio.rest.get(&format!("access-keys/{key}/budget")).await
}

/// Each format, plain and as a stream: name, dialect, model, call.
fn formats(key: &str) -> Vec<(&'static str, &'static str, bool, Call)> {
    let mut calls = Vec::new();
    for stream in [false, true] {
        for (dialect, model) in [
            (Dialect::OpenAi, "gpt-sim-cached-reasoning"),
            (Dialect::Anthropic, "claude-sim-cached-cachewrite-reasoning"),
            (Dialect::Gemini, "gemini-sim-cached-reasoning"),
        ] {
            calls.push((dialect.name(), model, stream, Call::chat(dialect, key, model, stream)));
        }
        let body =
            json!({"model": "gpt-sim-cached-reasoning", "input": "How long is the coast of Norway?", "stream": stream});
        let call = Call::post(Dialect::OpenAi, key, "/v1/responses".to_owned(), body.to_string());
        calls.push(("responses", "gpt-sim-cached-reasoning", stream, call));
        // Translated: an Anthropic caller of an OpenAI model, and the other way round.
        calls.push((
            "anthropic to openai",
            "gpt-sim-cached",
            stream,
            Call::chat(Dialect::Anthropic, key, "gpt-sim-cached", stream),
        ));
        calls.push((
            "openai to gemini",
            "gemini-sim-cached",
            stream,
            Call::chat(Dialect::OpenAi, key, "gemini-sim-cached", stream),
        ));
    }
    calls
}

#[tokio::test]
async fn a_request_costs_what_the_provider_says_it_used_times_the_price() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let mut total = 0;
    let (mut cached, mut reasoned) = (0, 0);
    for (name, model, stream, call) in formats(&application.secret) {
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&call).await?;
        let received = trio.simulator.only_request(before).await?;
        let event = trio.rest.event(answer.request_id()?, START).await?;
        let case = format!("{name}, stream {stream}: {} {event}", answer.text());
        ensure!(answer.status == 200, "{case}");
        let wanted = cost(model, received.generated).context(case.clone())?;
        ensure!(wanted > 0, "{case}");
        ensure!(micros(&event["cost"]["amount"])? == wanted, "{wanted}: {case}");
        expect(&event, "/cost/currency", &json!("USD")).context(case.clone())?;
        let header = answer.header("x-tollgate-cost").map(|amount| micros(&json!(amount))).transpose()?;
        ensure!(header == (!stream).then_some(wanted), "{header:?}: {case}");
        total += wanted;
        cached += received.generated.cache_read;
        reasoned += received.generated.reasoning;
    }
    ensure!(cached > 0 && reasoned > 0, "the provider has read {cached} from caches and reasoned {reasoned}");
    let summary = trio.rest.get("usage/summary?group_by=model").await?;
    ensure!(micros(&summary["total"]["cost"]["amount"])? == total, "{total}: {summary}");
    expect(&summary, "/total/unpriced_requests", &json!(0))
}

#[tokio::test]
async fn a_header_that_is_switched_off_and_a_model_without_a_price_tell_no_cost() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let price = json!({"model": "gpt-4.1", "input": "2.00", "output": "8.00"});
    trio.rest.create("prices", &price).await?;
    let further = json!({"hidden_headers": ["x-tollgate-cost"]});
    let application = trio.seed.application_with(&trio.rest, "hidden", 1, &further).await?;
    trio.in_force().await?;
    let answer = trio.send(&application.chat(Dialect::OpenAi, false)).await?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    ensure!(answer.header("x-tollgate-cost").is_none() && micros(&event["cost"]["amount"])? > 0, "{event}");
    let answer = trio.send(&application.chat(Dialect::Gemini, false)).await?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    ensure!(answer.status == 200 && event["cost"].is_null(), "{event}");
    let summary = trio.rest.get("usage/summary").await?;
    expect(&summary, "/total/unpriced_requests", &json!(1))
}

#[tokio::test]
async fn a_cost_beyond_what_can_be_is_none_and_said_once() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    trio.rest.create("prices", &json!({"model": "gpt-4.1", "input": "1000000", "output": "0"})).await?;
    let application = trio.seed.application(&trio.rest, "dear", 1).await?;
    trio.in_force().await?;
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "coast"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2_000_000_000, "completion_tokens": 1, "total_tokens": 2_000_000_001},
    });
    let answer = json!({"kind": "status", "status": 200, "body": body});
    trio.simulator.fault(json!({"path_prefix": "/v1/chat"}), None, answer).await?;
    for _ in 0..3 {
        let answer = trio.send(&application.chat(Dialect::OpenAi, false)).await?;
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(event["usage"]["input_uncached"] == 2_000_000_000_u64 && event["cost"].is_null(), "{event}");
    }
    let log = trio.log("proxy-svc");
    ensure!(log.matches("a cost is beyond what can be").count() == 1, "{log}");
    Ok(())
}

#[tokio::test]
async fn a_spent_budget_is_refused_in_each_dialect_and_a_raised_one_serves_within_a_second() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, hard("0.000010")).await?;
    for (dialect, status, kind) in [
        (Dialect::OpenAi, 429, "insufficient_quota"),
        (Dialect::Anthropic, 402, "billing_error"),
        (Dialect::Gemini, 429, "RESOURCE_EXHAUSTED"),
    ] {
        for stream in [false, true] {
            let answer = trio.send(&Call::chat(dialect, &secret, dialect.model(), stream)).await?;
            let case = format!("{dialect:?}, stream {stream}: {} {}", answer.status, answer.text());
            ensure!(answer.status == status, "{case}");
            ensure!(dialect.error(&answer.json()?).is_some_and(|(found, _)| found == kind), "{case}");
            ensure!(answer.header("x-should-retry") == Some("false"), "{case}");
            let event = trio.rest.event(answer.request_id()?, START).await?;
            expect(&event, "/outcome", &json!("refused"))?;
            expect(&event, "/error_code", &json!("insufficient_quota"))?;
        }
    }
    let path = format!("/api/v1/access-keys/{id}");
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"budget": hard("5.00")}))).await?;
    let raised = Instant::now();
    eventually("the raised budget serves", START, async || {
        Ok((trio.send(&bounded(&secret, "gpt-4.1")).await?.status == 200).then_some(()))
    })
    .await?;
    ensure!(raised.elapsed() < Duration::from_secs(1), "{:?}", raised.elapsed());

    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"budget": hard("0.000001")}))).await?;
    let lowered = Instant::now();
    eventually("the lowered budget refuses", START, async || {
        Ok((trio.send(&bounded(&secret, "gpt-4.1")).await?.status == 429).then_some(()))
    })
    .await?;
    ensure!(lowered.elapsed() < Duration::from_secs(1), "{:?}", lowered.elapsed());

    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"budget": null}))).await?;
    eventually("without a budget it serves", Duration::from_secs(5), async || {
        Ok((trio.send(&bounded(&secret, "gpt-4.1")).await?.status == 200).then_some(()))
    })
    .await?;
    trio.rest.expect(404, Method::GET, &format!("{path}/budget"), None).await.map(drop)
}

#[tokio::test]
async fn a_fresh_key_with_a_budget_serves_its_first_request() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    for _ in 0..10 {
        let (_, secret) = key(&trio, &application.service_id, hard("1.00")).await?;
        let answer = trio.send(&bounded(&secret, "gpt-4.1")).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    }
    Ok(())
}

#[tokio::test]
async fn parallel_calls_on_a_nearly_spent_budget_stay_within_what_is_documented() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    for (lease, slack) in [("ahead", true), ("single", false)] {
        // A few requests' reservations.
        let budget = json!({"amount": "0.012", "currency": "USD", "period": "day", "hard": true, "lease": lease});
        let (id, secret) = key(&trio, &application.service_id, budget).await?;
        let call = bounded(&secret, "gpt-4.1");
        let mut answers = Vec::new();
        let mut bound = 0;
        for _ in 0..4 {
            answers.extend(at_once(CALLS, &call, &[trio.addresses.proxy]).await?);
            bound = bound.max(micros(&standing(&trio, &id).await?["overshoot_bound"])?);
        }
        let case = || {
            answers.iter().map(|answer| format!("{} {}", answer.status, answer.text())).collect::<Vec<_>>().join("\n")
        };
        ensure!(count(&answers, 200) > 0, "{}", case());
        ensure!(count(&answers, 200) + count(&answers, 429) + count(&answers, 503) == answers.len(), "{}", case());
        ensure!(lease == "single" || count(&answers, 429) > 0, "{}", case());
        let spent = spent(&trio, &answers).await?;
        let allowed = 12_000 + if slack { bound } else { 0 };
        eprintln!("{lease}: {spent} of 12000 spent, at most {bound} out in leases");
        ensure!(spent <= allowed, "{lease}: {spent} of {allowed}");
        let shown = standing(&trio, &id).await?;
        ensure!(micros(&shown["spent"])? == spent, "{spent}: {shown}");
        ensure!(micros(&shown["spent"])? + micros(&shown["leased"])? <= 12_000, "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn one_at_a_time_spends_the_budget_to_its_last_request() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, single("0.02")).await?;
    let call = bounded(&secret, "gpt-4.1");
    let mut answers = Vec::new();
    loop {
        let answer = trio.send(&call).await?;
        match answer.status {
            200 => answers.push(answer),
            429 if is_final(&answer) => break,
            429 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
            other => anyhow::bail!("{other} {}", answer.text()),
        }
        ensure!(answers.len() < 500, "the budget is never spent");
    }
    let spent = spent(&trio, &answers).await?;
    // What is left does not cover another reservation: every byte a token, and all of the output.
    let reservation = (call.body.len() as u64 * 2_500_000).div_ceil(1_000_000) + 400 * 8;
    ensure!(spent <= 20_000 && spent + reservation > 20_000, "{spent} and {reservation} of 20000");
    ensure!(micros(&standing(&trio, &id).await?["spent"])? == spent);
    Ok(())
}

#[tokio::test]
async fn three_proxies_hold_one_budget() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let further = [trio.another_proxy("second").await?, trio.another_proxy("third").await?];
    let addresses = [trio.addresses.proxy, further[0].address, further[1].address];
    let (id, secret) = key(&trio, &application.service_id, hard("0.10")).await?;
    let call = bounded(&secret, "gpt-4.1");
    for address in addresses {
        tollgate_tests::seed::known(&call, address, START).await?;
    }
    let mut answers = Vec::new();
    let mut bound = 0;
    loop {
        let round = at_once(CALLS, &call, &addresses).await?;
        let over = round.iter().all(is_final);
        if count(&round, 200) == 0 {
            // What lies at other proxies comes together.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        answers.extend(round);
        bound = bound.max(micros(&standing(&trio, &id).await?["overshoot_bound"])?);
        if over {
            break;
        }
        ensure!(answers.len() < 4_000, "the budget is never spent");
    }
    spent(&trio, &answers).await?;
    let spent = micros(&standing(&trio, &id).await?["spent"])?;
    eprintln!("{spent} of 100000 spent, at most {bound} out in leases");
    ensure!(spent <= 100_000 + bound, "{spent} of 100000 + {bound}");
    let reservation = (call.body.len() as u64 * 2_000_000).div_ceil(3_000_000) + 400 * 8;
    ensure!(spent + reservation > 100_000, "only {spent} of 100000 were spent, and {reservation} were asked for");
    Ok(())
}

#[tokio::test]
async fn without_the_control_plane_what_is_held_is_used_up_and_then_refused_for_a_while() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, hard("0.05")).await?;
    let call = bounded(&secret, "gpt-4.1");
    let mut answers = vec![trio.send(&call).await?];
    ensure!(answers[0].status == 200, "{}", answers[0].text());
    trio.kill_admin()?;
    let mut served = 0;
    let refused = loop {
        let answer = trio.send(&call).await?;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        answers.push(answer);
        ensure!(served < 200, "what is held is never used up");
    };
    ensure!(served > 0, "nothing was held: {}", refused.text());
    ensure!(
        refused.status == 503 && refused.header("retry-after") == Some("1"),
        "{} {}",
        refused.status,
        refused.text()
    );
    trio.start_admin().await?;
    eventually("it serves again", START, async || {
        let answer = trio.send(&call).await?;
        let serves = answer.status == 200;
        answers.push(answer);
        Ok(serves.then_some(()))
    })
    .await?;
    loop {
        let answer = trio.send(&call).await?;
        match answer.status {
            200 => answers.push(answer),
            429 if is_final(&answer) => break,
            429 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
            other => anyhow::bail!("{other} {}", answer.text()),
        }
        ensure!(answers.len() < 1_000, "the budget is never spent");
    }
    let spent = spent(&trio, &answers).await?;
    ensure!(spent <= 50_000, "{spent} of 50000");
    ensure!(micros(&standing(&trio, &id).await?["spent"])? == spent);
    Ok(())
}

#[tokio::test]
async fn a_control_plane_that_dies_under_load_lends_nothing_twice() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, hard("0.15")).await?;
    let (call, address) = (bounded(&secret, "gpt-4.1"), trio.addresses.proxy);
    let mut load = JoinSet::new();
    load.spawn(async move {
        let mut answers = Vec::new();
        // A round of nothing else: it is spent.
        while answers.len() < 5_000 && !answers.iter().rev().take(CALLS).all(is_final) || answers.len() < CALLS {
            let round = at_once(CALLS, &call, &[address]).await?;
            if count(&round, 503) > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answers.extend(round);
        }
        anyhow::Ok(answers)
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        trio.kill_admin()?;
        tokio::time::sleep(Duration::from_millis(150)).await;
        trio.start_admin().await?;
    }
    let answers = load.join_next().await.context("no load")???;
    ensure!(count(&answers, 200) + count(&answers, 429) + count(&answers, 503) == answers.len());
    let spent = spent(&trio, &answers).await?;
    ensure!(spent <= 150_000, "{spent} of 150000");
    ensure!(spent > 140_000, "only {spent} of 150000 were spent");
    ensure!(micros(&standing(&trio, &id).await?["spent"])? == spent);
    Ok(())
}

#[tokio::test]
async fn a_soft_budget_never_refuses_and_a_hard_one_refuses_what_has_no_price() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let soft = json!({"amount": "0.000001", "currency": "USD", "period": "total", "hard": false});
    let (id, secret) = key(&trio, &application.service_id, soft).await?;
    let answers = at_once(CALLS, &bounded(&secret, "gpt-4.1"), &[trio.addresses.proxy]).await?;
    ensure!(count(&answers, 200) == CALLS);
    let spent = spent(&trio, &answers).await?;
    ensure!(micros(&standing(&trio, &id).await?["spent"])? == spent && spent > 1);
    // Nobody said what these cost.
    let unpriced = Call::post(
        Dialect::OpenAi,
        &secret,
        "/v1/embeddings".to_owned(),
        json!({"model": "text-embedding-3-small", "input": "coast"}).to_string(),
    );
    let answer = trio.send(&unpriced).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    let (_, secret) = key(&trio, &application.service_id, hard("5.00")).await?;
    let (name, value) = Dialect::OpenAi.credential(&secret);
    let mut refused = unpriced;
    refused.headers.retain(|(header, _)| header != name);
    refused.headers.push((name.to_owned(), value));
    let answer = trio.send(&refused).await?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.text());
    expect(&answer.json()?, "/error/code", &json!("price_missing"))?;
    // The provider has a model of its own for this.
    let nameless = json!({"prompt": "coast"}).to_string();
    let nameless = Call::post(Dialect::OpenAi, &secret, "/v1/images/generations".to_owned(), nameless);
    let answer = trio.send(&nameless).await?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.text());
    let error = &answer.json()?["error"];
    ensure!(error["code"] == "price_missing" && text(error, "message")?.contains("names no model"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_hard_budget_allows_no_response_in_the_background() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let ask = |secret: &str| {
        let body = json!({"model": "gpt-4.1", "input": "coast", "background": true}).to_string();
        Call::post(Dialect::OpenAi, secret, "/v1/responses".to_owned(), body)
    };
    let answer = trio.send(&ask(&application.secret)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let (_, secret) = key(&trio, &application.service_id, hard("5.00")).await?;
    let answer = trio.send(&ask(&secret)).await?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.text());
    expect(&answer.json()?, "/error/param", &json!("background"))
}

#[tokio::test]
async fn a_killed_proxy_leaves_a_lease_that_its_events_still_fill() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, hard("0.50")).await?;
    let call = bounded(&secret, "gpt-4.1");
    let answers = at_once(CALLS, &call, &[trio.addresses.proxy]).await?;
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    let spent = spent(&trio, &answers).await?;
    let shown = standing(&trio, &id).await?;
    ensure!(micros(&shown["spent"])? == spent && spent > 0, "{spent}: {shown}");
    ensure!(micros(&shown["spent"])? + micros(&shown["leased"])? + micros(&shown["remaining"])? == 500_000, "{shown}");
    Ok(())
}
