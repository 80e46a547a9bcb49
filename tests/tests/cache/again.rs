//! What is given again: the bytes of the first answer, to whoever asks the same, from memory and from Redis.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_tests::{
    Call, Dialect, Redis, Trio,
    eventually::{START, eventually},
    h2_client,
    trio::Settings,
};

use super::{asked_twice, is_recorded_as_hit, keeping, keeping_with, received, translating};

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
