//! Answers that a service keeps: who is given them again, byte for byte, and what is never kept.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Call, Dialect, Redis, Tokens, Trio,
    eventually::{START, eventually},
    h2_client,
    raw::{Connection, request},
    rest::text,
    trio::Settings,
    usage::expect,
};

/// A service that keeps answers, with one upstream key in each pool.
async fn keeping(trio: &Trio, name: &str, cache: Value) -> anyhow::Result<Application> {
    keeping_with(trio, name, json!({"response_cache": cache})).await
}

async fn keeping_with(trio: &Trio, name: &str, service: Value) -> anyhow::Result<Application> {
    let application = trio.seed.application_with(&trio.rest, name, 1, &service).await?;
    trio.in_force().await?;
    Ok(application)
}

async fn access_key(trio: &Trio, service_id: &str, name: &str) -> anyhow::Result<String> {
    let key = trio.rest.create("access-keys", &json!({"service_id": service_id, "name": name})).await?;
    trio.in_force().await?;
    Ok(text(&key, "secret")?.to_owned())
}

async fn received(trio: &Trio) -> anyhow::Result<usize> {
    Ok(trio.simulator.requests(0).await?.len())
}

fn with_header(mut call: Call, name: &str, value: &str) -> Call {
    call.headers.push((name.to_owned(), value.to_owned()));
    call
}

/// A service whose models `to-openai`, `to-anthropic`, `to-gemini` lead to the provider of that protocol.
async fn translating(trio: &Trio, keys: &Application) -> anyhow::Result<String> {
    let routes: Vec<Value> = (Dialect::ALL.iter())
        .map(|to| {
            let target = json!({"pool_id": keys.keys(*to)[0].pool_id, "model": to.model()});
            json!({"models": [format!("to-{}", to.name())], "targets": [target]})
        })
        .collect();
    let service = json!({"name": "translating", "slug": "translating", "routes": routes,
        "response_cache": {"ttl_seconds": 600}});
    let service = trio.rest.create("services", &service).await?;
    access_key(trio, text(&service, "id")?, "translating").await
}

/// Sends a call twice: the first time a provider answers, the second time nobody is asked.
async fn asked_twice(trio: &Trio, call: &Call) -> anyhow::Result<(Answer, Answer)> {
    let before = received(trio).await?;
    let first = trio.send(call).await?;
    ensure!(first.status == 200, "{} {}", first.status, first.text());
    ensure!(first.header("x-tollgate-cache") == Some("miss"), "{:?}", first.headers);
    ensure!(first.header("age").is_none(), "{:?}", first.headers);
    let second = trio.send(call).await?;
    ensure!(received(trio).await? == before + 1, "the provider was asked again");
    ensure!(second.status == 200 && second.body == first.body, "{} instead of {}", second.text(), first.text());
    ensure!(second.header("x-tollgate-cache") == Some("hit"), "{:?}", second.headers);
    ensure!(second.header("age").is_some_and(|age| age.parse::<u64>().is_ok_and(|age| age < 60)));
    for same in ["content-type", "x-tollgate-provider", "x-tollgate-model", "x-tollgate-adapted"] {
        ensure!(second.header(same) == first.header(same), "{same}: {:?}", second.headers);
    }
    ensure!(second.header("x-tollgate-attempts") == Some("0"), "{:?}", second.headers);
    ensure!(second.request_id()? != first.request_id()?);
    Ok((first, second))
}

async fn is_recorded_as_hit(trio: &Trio, first: &Answer, second: &Answer) -> anyhow::Result<()> {
    let asked = trio.rest.event(first.request_id()?, START).await?;
    let hit = trio.rest.event(second.request_id()?, START).await?;
    expect(&asked, "/cache", &json!("miss"))?;
    expect(&hit, "/cache", &json!("hit"))?;
    expect(&hit, "/outcome", &json!("ok"))?;
    expect(&hit, "/status", &json!(200))?;
    expect(&hit, "/attempts", &json!([]))?;
    expect(&hit, "/provider_id", &Value::Null)?;
    expect(&hit, "/model_served", &asked["model_served"])?;
    expect(&hit, "/stream", &asked["stream"])?;
    ensure!(Tokens::of(&hit)? == Tokens::of(&asked)? && Tokens::of(&hit)?.output > 0, "{hit}");
    expect(&hit, "/usage/source", &json!("provider"))
}

#[tokio::test]
async fn the_same_question_is_answered_again_in_every_protocol() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let translating = translating(&trio, &keys).await?;
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let call = keys.chat(dialect, stream);
            let (first, second) = asked_twice(&trio, &call).await.context(format!("{dialect:?}, stream {stream}"))?;
            is_recorded_as_hit(&trio, &first, &second).await?;
            for to in Dialect::ALL {
                let call = Call::chat(dialect, &translating, &format!("to-{}", to.name()), stream);
                let case = || format!("{dialect:?} to {to:?}, stream {stream}");
                let (first, second) = asked_twice(&trio, &call).await.with_context(case)?;
                is_recorded_as_hit(&trio, &first, &second).await.with_context(case)?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn other_answers_that_are_a_models_own_are_kept_too() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let openai = |path: &str, body: Value| Call::post(Dialect::OpenAi, &keys.secret, path.to_owned(), body.to_string());
    for stream in [false, true] {
        let body = json!({"model": "gpt-4.1", "input": "Hello", "store": false, "stream": stream});
        asked_twice(&trio, &openai("/v1/responses", body)).await.context(format!("responses, stream {stream}"))?;
        // The client did not ask for usage, and gets none the second time either.
        let body = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}], "stream": stream});
        let (first, _) = asked_twice(&trio, &openai("/v1/chat/completions", body)).await?;
        ensure!(!stream || !first.text().contains("\"usage\":{"), "{}", first.text());
    }
    let body = json!({"model": "text-embedding-3-small", "input": "Hello"});
    asked_twice(&trio, &openai("/v1/embeddings", body)).await.context("embeddings")?;
    let path = "/v1beta/models/gemini-2.5-flash:embedContent".to_owned();
    let body = json!({"content": {"parts": [{"text": "Hello"}]}}).to_string();
    asked_twice(&trio, &Call::post(Dialect::Gemini, &keys.secret, path, body)).await.context("embedContent")?;
    // Gemini's stream that is one JSON array.
    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent".to_owned();
    let body = Dialect::Gemini.chat_body("", true).to_string();
    asked_twice(&trio, &Call::post(Dialect::Gemini, &keys.secret, path, body)).await.context("array")?;
    Ok(())
}

/// In many pieces.
#[tokio::test]
async fn a_long_answer_is_the_same_over_http2() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    for stream in [false, true] {
        let call = Call::chat(Dialect::OpenAi, &keys.secret, "gpt-4.1-sim-bytes-400000-chunks-40", stream);
        let (first, _) = asked_twice(&trio, &call).await?;
        ensure!(first.body.len() > 400_000);
        // What the other client sends besides.
        let url = format!("http://{}{}", trio.addresses.proxy, call.path);
        let mut request = http::Request::post(url).header("accept", "*/*");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let before = received(&trio).await?;
        let answer = h2_client::exchange(trio.addresses.proxy, request.body(call.body.clone())?).await?;
        ensure!(answer.headers().get("x-tollgate-cache").is_some_and(|mark| mark == "hit"), "{:?}", answer.headers());
        ensure!(*answer.body() == first.body && received(&trio).await? == before);
    }
    Ok(())
}

#[tokio::test]
async fn what_differs_in_anything_is_another_question() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::Anthropic, false);
    asked_twice(&trio, &call).await?;
    let spaced = Call { body: [&call.body[..], b" "].concat().into(), ..call.clone() };
    let beta = with_header(call.clone(), "anthropic-beta", "context-1m-2025-08-07");
    let query = Call { path: format!("{}?beta=true", call.path), ..call.clone() };
    for other in [keys.chat(Dialect::Anthropic, true), spaced, beta, query] {
        asked_twice(&trio, &other).await.with_context(|| format!("{other:?}"))?;
    }
    // What does not change the answer does not.
    let before = received(&trio).await?;
    let same = with_header(with_header(call, "user-agent", "another"), "idempotency-key", "another");
    ensure!(trio.send(&same).await?.header("x-tollgate-cache") == Some("hit"));
    ensure!(received(&trio).await? == before);
    Ok(())
}

#[tokio::test]
async fn one_request_goes_upstream_for_fifty() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    for stream in [false, true] {
        let before = received(&trio).await?;
        let call = Call::chat(Dialect::OpenAi, &keys.secret, "gpt-4.1-sim-latency-400", stream);
        let answers = futures::future::join_all((0..50).map(|_| trio.send(&call))).await;
        let answers: Vec<Answer> = answers.into_iter().collect::<anyhow::Result<_>>()?;
        ensure!(received(&trio).await? == before + 1, "stream {stream}: {} requests", received(&trio).await? - before);
        ensure!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
        let hits = answers.iter().filter(|answer| answer.header("x-tollgate-cache") == Some("hit")).count();
        ensure!(hits == 49, "{hits} hits");
    }
    Ok(())
}

#[tokio::test]
async fn another_tenant_never_gets_it() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let alone = keeping(&trio, "alone", json!({"ttl_seconds": 600})).await?;
    let shared = keeping(&trio, "shared", json!({"ttl_seconds": 600, "scope": "service"})).await?;
    let without = keeping_with(&trio, "without", json!({})).await?;
    let chat = |key: &str| Call::chat(Dialect::OpenAi, key, "gpt-4.1", false);
    let mark = async |key: &str| {
        Ok::<_, anyhow::Error>(trio.send(&chat(key)).await?.header("x-tollgate-cache").map(str::to_owned))
    };
    // By default an access key is alone with its answers.
    ensure!(mark(&alone.secret).await?.as_deref() == Some("miss"));
    let second = access_key(&trio, &alone.service_id, "second").await?;
    ensure!(mark(&second).await?.as_deref() == Some("miss"));
    ensure!(mark(&second).await?.as_deref() == Some("hit"));
    // A service's keys share where that is wanted, and no service shares with another.
    ensure!(mark(&shared.secret).await?.as_deref() == Some("miss"));
    let second = access_key(&trio, &shared.service_id, "second").await?;
    ensure!(mark(&second).await?.as_deref() == Some("hit"));
    // What an access key may not call, it does not get from the cache.
    let narrow = json!({"service_id": shared.service_id, "name": "narrow", "models": ["gpt-5*"]});
    let narrow = trio.rest.create("access-keys", &narrow).await?;
    trio.in_force().await?;
    let refused = trio.send(&chat(text(&narrow, "secret")?)).await?;
    ensure!(refused.status == 404 && refused.header("x-tollgate-cache").is_none(), "{}", refused.text());
    // A service that does not ask for it has none.
    ensure!(mark(&without.secret).await?.is_none() && mark(&without.secret).await?.is_none());
    let answer = trio.send(&chat(&without.secret)).await?;
    let event = trio.rest.event(answer.request_id()?, START).await?;
    expect(&event, "/cache", &Value::Null)?;
    ensure!(event["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1), "{event}");
    Ok(())
}

#[tokio::test]
async fn an_answer_gets_too_old() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 2})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    asked_twice(&trio, &call).await?;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    asked_twice(&trio, &call).await?;
    // A setting that is taken away counts for what was kept before.
    let path = format!("/api/v1/services/{}", keys.service_id);
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"response_cache": null}))).await?;
    trio.in_force().await?;
    let before = received(&trio).await?;
    ensure!(trio.send(&call).await?.header("x-tollgate-cache").is_none());
    ensure!(received(&trio).await? == before + 1);
    Ok(())
}

#[tokio::test]
async fn the_callers_cache_control_is_heeded() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    let said = |value| with_header(call.clone(), "cache-control", value);
    let mark = async |call: &Call| {
        let (before, answer) = (received(&trio).await?, trio.send(call).await?);
        let asked = received(&trio).await? - before;
        Ok::<_, anyhow::Error>((answer.header("x-tollgate-cache").unwrap_or_default().to_owned(), asked))
    };
    let is = |(mark, asked): (String, usize), wanted: (&str, usize)| mark == wanted.0 && asked == wanted.1;
    // Neither taken nor kept.
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    ensure!(is(mark(&call).await?, ("miss", 1)));
    ensure!(is(mark(&said("no-store")).await?, ("bypass", 1)));
    // Not taken, but kept: the next one gets the new answer.
    let renewed = trio.send(&said("no-cache")).await?;
    ensure!(renewed.header("x-tollgate-cache") == Some("bypass"), "{:?}", renewed.headers);
    let next = trio.send(&call).await?;
    ensure!(next.header("x-tollgate-cache") == Some("hit") && next.body == renewed.body, "{}", next.text());
    ensure!(is(mark(&said("max-age=60")).await?, ("hit", 0)));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    ensure!(is(mark(&said("max-age=1")).await?, ("miss", 1)));
    let event = trio.rest.event(renewed.request_id()?, START).await?;
    expect(&event, "/cache", &json!("bypass"))
}

#[tokio::test]
async fn what_a_provider_stores_is_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let stored = [
        ("/v1/responses", json!({"model": "gpt-4.1", "input": "Hello"})),
        ("/v1/responses", json!({"model": "gpt-4.1", "input": "Hello", "store": true})),
        ("/v1/chat/completions", json!({"model": "gpt-4.1", "messages": messages, "store": true})),
    ];
    for (path, body) in stored {
        let call = Call::post(Dialect::OpenAi, &keys.secret, path.to_owned(), body.to_string());
        let before = received(&trio).await?;
        for _ in 0..2 {
            let answer = trio.send(&call).await?;
            ensure!(answer.status == 200, "{}", answer.text());
            ensure!(answer.header("x-tollgate-cache") == Some("bypass"), "{body}: {:?}", answer.headers);
        }
        ensure!(received(&trio).await? == before + 2, "{body}");
    }
    // What goes on from one that is stored, without storing anything itself.
    let response = json!({"model": "gpt-4.1", "input": "Hello"}).to_string();
    let response = trio.send(&Call::post(Dialect::OpenAi, &keys.secret, "/v1/responses".into(), response)).await?;
    let next =
        json!({"model": "gpt-4.1", "input": "And?", "store": false, "previous_response_id": response.json()?["id"]});
    let next = Call::post(Dialect::OpenAi, &keys.secret, "/v1/responses".into(), next.to_string());
    let answer = trio.send(&next).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    ensure!(answer.header("x-tollgate-cache") == Some("bypass"), "{:?}", answer.headers);
    // Other endpoints do not know the cache at all.
    let count = json!({"model": "claude-sonnet-4-6", "messages": messages}).to_string();
    let count = Call::post(Dialect::Anthropic, &keys.secret, "/v1/messages/count_tokens".into(), count);
    ensure!(trio.send(&count).await?.header("x-tollgate-cache").is_none());
    Ok(())
}

#[tokio::test]
async fn errors_and_answers_that_are_not_whole_are_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let service = json!({"response_cache": {"ttl_seconds": 600}, "retry": {"max_attempts": 1}});
    let keys = keeping_with(&trio, "keeping", service).await?;
    for dialect in Dialect::ALL {
        for (stream, fault) in [
            (false, json!({"kind": "status", "status": 400})),
            (false, json!({"kind": "status", "status": 429})),
            (false, json!({"kind": "error_in_200"})),
            (false, json!({"kind": "cut_mid_stream", "after_chunks": 1})),
            (true, json!({"kind": "cut_mid_stream", "after_chunks": 4})),
            (true, json!({"kind": "error_mid_stream", "after_chunks": 4})),
            (true, json!({"kind": "reset", "after_chunks": 4})),
        ] {
            // Whatever was kept before is of another question.
            let model = format!("{}-{}", dialect.model(), fastrand::u64(..));
            let call = Call::chat(dialect, &keys.secret, &model, stream);
            trio.simulator.fault(json!({"model": model}), Some(1), fault.clone()).await?;
            let case = || format!("{fault}, {dialect:?}");
            if let Ok(answer) = trio.send(&call).await {
                ensure!(answer.header("x-tollgate-cache") != Some("hit"), "{}", case());
            }
            trio.simulator.clear_faults().await?;
            asked_twice(&trio, &call).await.with_context(case)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn answers_beyond_the_services_bound_are_not_kept() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600, "max_entry_bytes": 5_000})).await?;
    for stream in [false, true] {
        asked_twice(&trio, &keys.chat(Dialect::OpenAi, stream)).await?;
        let before = received(&trio).await?;
        let call = Call::chat(Dialect::OpenAi, &keys.secret, "gpt-4.1-sim-bytes-6000", stream);
        for _ in 0..2 {
            let answer = trio.send(&call).await?;
            ensure!(answer.status == 200 && answer.header("x-tollgate-cache") == Some("miss"));
        }
        ensure!(received(&trio).await? == before + 2, "stream {stream}");
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_the_targets_is_another_question() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    asked_twice(&trio, &call).await?;
    // Another key of the same pool changes nothing.
    let pool_id = &keys.keys(Dialect::OpenAi)[0].pool_id;
    let key = json!({"pool_id": pool_id, "name": "another", "secret": "sk-another"});
    trio.rest.create("upstream-keys", &key).await?;
    trio.in_force().await?;
    ensure!(trio.send(&call).await?.header("x-tollgate-cache") == Some("hit"));
    let routes = json!([{"models": ["*"], "targets": [{"pool_id": pool_id, "model": "gpt-5-mini"}]}]);
    let path = format!("/api/v1/services/{}", keys.service_id);
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"routes": routes}))).await?;
    trio.in_force().await?;
    let (answer, _) = asked_twice(&trio, &call).await?;
    ensure!(answer.header("x-tollgate-model") == Some("gpt-5-mini"), "{:?}", answer.headers);
    Ok(())
}

#[tokio::test]
async fn when_the_first_one_fails_the_next_one_asks_for_all() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let service = json!({"response_cache": {"ttl_seconds": 600}, "retry": {"max_attempts": 1},
        "timeouts": {"first_byte_ms": 700}});
    let keys = keeping_with(&trio, "keeping", service).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    trio.simulator.fault(json!({"model": "gpt-4.1"}), Some(1), json!({"kind": "hang_before_headers"})).await?;
    let before = received(&trio).await?;
    let answers = futures::future::join_all((0..20).map(|_| trio.send(&call))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<anyhow::Result<_>>()?;
    let count = |status: u16, mark: Option<&str>| {
        answers.iter().filter(|it| it.status == status && it.header("x-tollgate-cache") == mark).count()
    };
    ensure!((count(504, None), count(200, Some("miss")), count(200, Some("hit"))) == (1, 1, 18), "{answers:?}");
    ensure!(received(&trio).await? == before + 2);
    Ok(())
}

#[tokio::test]
async fn when_the_first_client_leaves_the_next_one_asks() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let slow = json!({"kind": "slow_drip", "gap_ms": 300});
    trio.simulator.fault(json!({"model": "gpt-4.1"}), Some(1), slow).await?;
    let call = keys.chat(Dialect::OpenAi, true);
    let headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut leader = Connection::open(trio.addresses.proxy).await?;
    leader.send(&request("POST", &call.path, &headers, &call.body)).await?;
    ensure!(leader.head().await?.status == 200);
    let begun = Instant::now();
    let followers = futures::future::join_all((0..5).map(|_| trio.send(&call)));
    let leave = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(leader);
    };
    let (answers, ()) = tokio::join!(followers, leave);
    let answers: Vec<Answer> = answers.into_iter().collect::<anyhow::Result<_>>()?;
    ensure!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    ensure!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    let hits = answers.iter().filter(|answer| answer.header("x-tollgate-cache") == Some("hit")).count();
    ensure!(hits == 4, "{hits} hits");
    let requests = eventually("the provider notices", START, async || {
        let requests = trio.simulator.requests(0).await?;
        Ok(requests.first().is_some_and(|first| first.client_gone).then_some(requests))
    })
    .await?;
    ensure!(requests.len() == 2, "{} requests", requests.len());
    Ok(())
}

#[tokio::test]
async fn a_request_waits_for_anothers_answer_only_so_long() -> anyhow::Result<()> {
    let proxy = vec![("TOLLGATE_PROXY_CACHE__WAIT_MS", "500".to_owned())];
    let trio = Trio::start_with(tollgate_tests::trio::Settings { proxy, ..Default::default() }).await?;
    let keys = keeping(&trio, "keeping", json!({"ttl_seconds": 600})).await?;
    let call = keys.chat(Dialect::OpenAi, false);
    trio.simulator.fault(json!({"model": "gpt-4.1"}), Some(1), json!({"kind": "latency", "ms": 3_000})).await?;
    let second = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        Ok::<_, anyhow::Error>((trio.send(&call).await?, begun.elapsed()))
    };
    let (first, second) = tokio::join!(trio.send(&call), second);
    let (second, took) = second?;
    ensure!(first?.status == 200 && second.status == 200 && second.header("x-tollgate-cache") == Some("miss"));
    ensure!((Duration::from_millis(450)..Duration::from_secs(2)).contains(&took), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn the_mark_can_be_switched_off_and_is_counted() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let service = json!({"response_cache": {"ttl_seconds": 600},
        "hidden_headers": ["x-tollgate-cache", "x-tollgate-provider", "x-tollgate-attempts"]});
    let keys = keeping_with(&trio, "quiet", service).await?;
    let call = keys.chat(Dialect::Anthropic, true);
    let (first, second) = (trio.send(&call).await?, trio.send(&call).await?);
    ensure!(received(&trio).await? == 1 && first.body == second.body);
    for hidden in ["x-tollgate-cache", "age", "x-tollgate-provider", "x-tollgate-attempts"] {
        ensure!(first.header(hidden).is_none() && second.header(hidden).is_none(), "{hidden}: {:?}", second.headers);
    }
    ensure!(second.header("request-id") == Some(second.request_id()?), "{:?}", second.headers);
    let metrics = reqwest::get(format!("http://{}/metrics", trio.addresses.proxy_ops)).await?.text().await?;
    for line in ["cache_requests_total{result=\"hit\"} 1", "cache_requests_total{result=\"miss\"} 1", "cache_entries 1"]
    {
        ensure!(metrics.contains(&format!("tollgate_proxy_{line}\n")), "{line}: {metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn proxies_share_answers_in_redis_and_do_without_when_it_is_gone() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut redis = Redis::start(directory.path()).await?;
    let settings = Settings { proxy: vec![("TOLLGATE_PROXY_REDIS_URL", redis.url())], ..Settings::default() };
    let trio = Trio::start_with(settings).await?;
    let other = trio.another_proxy("second").await?;
    let application = keeping(&trio, "shared", json!({"ttl_seconds": 600})).await?;
    let warm_up = Call::chat(Dialect::OpenAi, &application.secret, "gpt-4.1-nano", false);
    tollgate_tests::seed::known(&warm_up, other.address, START).await?;
    eventually("the first answer is kept", START, async || Ok((redis.keys().await? == 1).then_some(()))).await?;
    for dialect in Dialect::ALL {
        let call = Call::chat(dialect, &application.secret, dialect.model(), true);
        let (before, kept) = (received(&trio).await?, redis.keys().await?);
        let first = trio.send(&call).await?;
        ensure!(first.header("x-tollgate-cache") == Some("miss"), "{:?}", first.headers);
        // It is written beside the answer.
        eventually("it is kept", START, async || Ok((redis.keys().await? > kept).then_some(()))).await?;
        let second = call.send(other.address).await?;
        ensure!(second.header("x-tollgate-cache") == Some("hit"), "{:?}", second.headers);
        ensure!(second.status == 200 && second.body == first.body, "{}", second.text());
        ensure!(received(&trio).await? == before + 1, "the provider was asked again");
    }
    redis.kill()?;
    let call = Call::chat(Dialect::Anthropic, &application.secret, "claude-sonnet-4-6", false);
    let begun = Instant::now();
    let answer = call.send(other.address).await?;
    ensure!(
        answer.status == 200 && begun.elapsed() < Duration::from_secs(1),
        "{} {:?}",
        answer.text(),
        begun.elapsed()
    );
    Ok(())
}
