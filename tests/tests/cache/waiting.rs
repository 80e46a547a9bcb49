//! Several who ask the same at the same time.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use tollgate_tests::{
    Answer, Call, Dialect, Trio,
    eventually::{START, eventually},
    raw::{Connection, request},
};

use super::{keeping, keeping_with, received};

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
