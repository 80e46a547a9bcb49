//! The rest of a hard budget: what requests in flight have reserved may come back, so nobody is refused for good because of
//! it, and what lies in small parts at several proxies is put together for the last requests.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tollgate_tests::{
    Answer, Call, Dialect,
    budgets::{at_once, bounded, count, hard, is_final, key, micros, priced, single, spent},
    eventually::{START, eventually},
    rest::text,
    seed::known,
};

/// Eighty thousand millionths of output.
fn large(secret: &str) -> Call {
    let body =
        json!({"model": "gpt-4.1", "max_tokens": 10_000, "messages": [{"role": "user", "content": "How long?"}]});
    Call::post(Dialect::OpenAi, secret, "/v1/chat/completions".to_owned(), body.to_string())
}

#[tokio::test]
async fn what_others_have_reserved_is_refused_for_a_moment_and_in_each_dialect() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    // One reservation of 4096 tokens of output, and nearly nothing else.
    let (id, secret) = key(&trio, &application.service_id, hard("0.036")).await?;
    let running = trio.at_the_provider(&Call::chat(Dialect::OpenAi, &secret, "gpt-sim-latency-2500", false)).await?;
    for (dialect, status, kind) in [
        (Dialect::OpenAi, 429, "rate_limit_error"),
        (Dialect::Anthropic, 429, "rate_limit_error"),
        (Dialect::Gemini, 429, "RESOURCE_EXHAUSTED"),
    ] {
        let answer = trio.send(&Call::chat(dialect, &secret, dialect.model(), false)).await?;
        let case = format!("{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(answer.status == status && !is_final(&answer), "{case}");
        ensure!(dialect.error(&answer.json()?).is_some_and(|(found, _)| found == kind), "{case}");
        ensure!(answer.header("retry-after") == Some("1"), "{case}");
        ensure!(answer.text().contains("held elsewhere"), "{case}");
    }
    // What can never be met is refused for good meanwhile, too.
    let answer = trio.send(&large(&secret)).await?;
    ensure!(answer.status == 429 && is_final(&answer), "{} {}", answer.status, answer.text());
    let first = running.join_all().await.pop().context("it runs")??;
    ensure!(first.status == 200, "{}", first.text());
    let next = trio.send(&Call::chat(Dialect::OpenAi, &secret, "gpt-4.1", false)).await?;
    ensure!(next.status == 200, "what came back is there: {} {}", next.status, next.text());
    let spent = spent(&trio, &[first, next]).await?;
    let shown = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    ensure!(micros(&shown["spent"])? == spent, "{spent}: {shown}");
    Ok(())
}

#[tokio::test]
async fn callers_that_wait_as_they_are_told_are_all_served() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let (_, secret) = key(&trio, &application.service_id, hard("0.050")).await?;
    let call = Call::chat(Dialect::OpenAi, &secret, "gpt-sim-latency-200", false);
    let address = trio.addresses.proxy;
    let mut running = JoinSet::new();
    for _ in 0..6 {
        let call = call.clone();
        running.spawn(async move {
            let begun = Instant::now();
            loop {
                let answer = call.send(address).await?;
                if answer.status == 200 || is_final(&answer) || begun.elapsed() > START {
                    return anyhow::Ok(answer);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
    }
    let answers = running.join_all().await.into_iter().collect::<anyhow::Result<Vec<Answer>>>()?;
    let case = || answers.iter().map(Answer::text).collect::<Vec<_>>().join("\n");
    ensure!(count(&answers, 200) == answers.len(), "{}", case());
    Ok(())
}

#[tokio::test]
async fn the_last_requests_get_what_lies_at_other_proxies() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let further = [trio.another_proxy("second").await?, trio.another_proxy("third").await?];
    let (id, secret) = key(&trio, &application.service_id, hard("0.060")).await?;
    let call = bounded(&secret, "gpt-4.1");
    let mut answers = Vec::new();
    for proxy in &further {
        known(&call, proxy.address, START).await?;
        answers.extend(at_once(2, &call, &[proxy.address]).await?);
    }
    let others = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    ensure!(micros(&others["leased"])? > 0, "{others}");
    // From now on those are idle.
    let begun = Instant::now();
    loop {
        let answer = trio.send(&call).await?;
        if is_final(&answer) {
            break;
        }
        if answer.status != 200 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        answers.push(answer);
        ensure!(begun.elapsed() < 2 * START, "what is left is never said to be spent");
    }
    spent(&trio, &answers).await?;
    let shown = trio.rest.get(&format!("access-keys/{id}/budget")).await?;
    let spent = micros(&shown["spent"])?;
    let reservation = (call.body.len() as u64 * 2_000_000).div_ceil(3_000_000) + 400 * 8;
    eprintln!("{spent} of 60000 spent within {:?}", begun.elapsed());
    ensure!(spent <= 60_000 && spent + reservation > 60_000, "{reservation} were asked for: {shown}");
    Ok(())
}

#[tokio::test]
async fn a_key_that_cannot_pay_takes_nothing_from_others() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let service = format!("services/{}", application.service_id);
    trio.rest
        .expect(200, Method::PATCH, &format!("/api/v1/{service}"), Some(&json!({"budget": hard("0.100")})))
        .await?;
    let (_, poor) = key(&trio, &application.service_id, hard("0.010")).await?;
    let leased = async || micros(&trio.rest.get(&format!("{service}/budget")).await?["leased"]);
    let before =
        eventually("something is lent ahead", START, async || Ok(Some(leased().await?).filter(|lent| *lent > 0)));
    let before = before.await?;
    // Eighty thousand of the service's hundred thousand.
    for _ in 0..5 {
        let answer = trio.send(&large(&poor)).await?;
        ensure!(answer.status == 429 && is_final(&answer), "{} {}", answer.status, answer.text());
        ensure!(answer.text().contains("access key"), "{}", answer.text());
    }
    let after = leased().await?;
    ensure!(after <= before, "{before} were lent, and {after} are");
    // The other way round: a service takes nothing of a user's, who has other services.
    trio.rest
        .expect(200, Method::PATCH, &format!("/api/v1/{service}"), Some(&json!({"budget": hard("0.010")})))
        .await?;
    let user = json!({"email": "u@example.test", "role": "member", "password": "a password of tests", "budget": hard("0.100")});
    let user = text(&trio.rest.create("users", &user).await?, "id")?.to_owned();
    let theirs = json!({"service_id": application.service_id, "user_id": user, "name": "theirs"});
    let theirs = text(&trio.rest.create("access-keys", &theirs).await?, "secret")?.to_owned();
    trio.in_force().await?;
    for _ in 0..5 {
        let answer = trio.send(&large(&theirs)).await?;
        ensure!(answer.status == 429 && is_final(&answer), "{} {}", answer.status, answer.text());
        ensure!(answer.text().contains("service"), "{}", answer.text());
    }
    let shown = trio.rest.get(&format!("users/{user}/budget")).await?;
    ensure!(micros(&shown["leased"])? <= 25_000, "{shown}");
    Ok(())
}

#[tokio::test]
async fn nobody_waits_for_one_budget_who_is_refused_by_another() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let service = format!("/api/v1/services/{}", application.service_id);
    trio.rest.expect(200, Method::PATCH, &service, Some(&json!({"budget": hard("0.040")}))).await?;
    let (_, secret) = key(&trio, &application.service_id, single("1.00")).await?;
    let running = trio.at_the_provider(&Call::chat(Dialect::OpenAi, &secret, "gpt-sim-latency-1500", false)).await?;
    let busy = trio.send(&bounded(&secret, "gpt-4.1")).await?;
    ensure!(busy.status == 429 && !is_final(&busy), "{} {}", busy.status, busy.text());
    let hopeless = trio.send(&large(&secret)).await?;
    ensure!(hopeless.status == 429 && is_final(&hopeless), "{} {}", hopeless.status, hopeless.text());
    ensure!(hopeless.text().contains("service"), "{}", hopeless.text());
    let first = running.join_all().await.pop().context("it runs")??;
    ensure!(first.status == 200, "{}", first.text());
    Ok(())
}

#[tokio::test]
async fn a_killed_proxy_takes_up_again_what_it_held_of_a_budget_of_one_request_at_a_time() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let (id, secret) = key(&trio, &application.service_id, single("0.10")).await?;
    let running = trio.at_the_provider(&bounded(&secret, "gpt-sim-latency-60000")).await?;
    trio.kill_proxy()?;
    ensure!(running.join_all().await.iter().all(Result::is_err), "the proxy was killed");
    let standing = format!("access-keys/{id}/budget");
    let held = trio.rest.get(&standing).await?;
    ensure!(micros(&held["leased"])? > 0, "{held}");
    trio.start_proxy().await?;
    let begun = Instant::now();
    let served = eventually("the next request is served", START, async || {
        let answer = trio.send(&bounded(&secret, "gpt-4.1")).await?;
        Ok((answer.status == 200).then_some(answer))
    })
    .await?;
    // A lease lapses a minute after the last sign of life.
    ensure!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let cost = spent(&trio, &[served]).await?;
    let shown = trio.rest.get(&standing).await?;
    ensure!(micros(&shown["spent"])? > cost, "that of the interrupted request is estimated: {cost} and {shown}");
    Ok(())
}

#[tokio::test]
async fn what_idle_proxies_hold_comes_while_a_request_waits() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let further = [trio.another_proxy("second").await?, trio.another_proxy("third").await?];
    for _ in 0..5 {
        let (id, secret) = key(&trio, &application.service_id, hard("0.085")).await?;
        for proxy in &further {
            // It knows the key, and has been lent its share.
            let malformed = Call { body: "{}".into(), ..bounded(&secret, "gpt-4.1") };
            known(&malformed, proxy.address, START).await?;
        }
        let standing = format!("access-keys/{id}/budget");
        eventually("all have been lent something", START, async || {
            let leased = micros(&trio.rest.get(&standing).await?["leased"])?;
            Ok((leased > 15_000).then_some(()))
        })
        .await?;
        let answer = trio.send(&large(&secret)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    }
    Ok(())
}
