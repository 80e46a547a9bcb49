//! Three proxies: with Redis, with a Redis that fails, and without.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_tests::{
    Call, Dialect, Redis, Trio,
    eventually::{START, eventually},
    trio::{AnotherProxy, Settings},
};

use super::{Scope, chat, large, limited, metrics};

/// Waits until a gauge has a value at each of these.
async fn gauge(everywhere: &[SocketAddr], name: &str, value: u64) -> anyhow::Result<()> {
    let line = format!("tollgate_proxy_{name} {value}\n");
    for ops in everywhere {
        eventually(&line, START, async || Ok(metrics(*ops).await?.contains(&line).then_some(()))).await?;
    }
    Ok(())
}

/// Three proxies of one control plane, which know of each other and of the newest configuration.
struct Three {
    trio: Trio,
    _others: Vec<AnotherProxy>,
    proxies: Vec<SocketAddr>,
    ops: Vec<SocketAddr>,
}

impl Three {
    async fn start(settings: Settings) -> anyhow::Result<Self> {
        let trio = Trio::start_with(settings).await?;
        let others = vec![trio.another_proxy("proxy-2").await?, trio.another_proxy("proxy-3").await?];
        let proxies = [trio.addresses.proxy].into_iter().chain(others.iter().map(|other| other.address)).collect();
        let ops = [trio.addresses.proxy_ops].into_iter().chain(others.iter().map(|other| other.ops)).collect();
        let three = Self { trio, _others: others, proxies, ops };
        gauge(&three.ops, "live_proxies", 3).await?;
        Ok(three)
    }

    async fn everywhere_in_force(&self) -> anyhow::Result<()> {
        eventually("all proxies have the newest configuration", START, async || {
            let proxies = self.trio.rest.all("proxies").await?;
            let converged = proxies.iter().filter(|proxy| proxy["converged"] == true).count();
            Ok((converged >= 3).then_some(()))
        })
        .await
    }

    /// Sends from all sides until told otherwise; when each was answered, after how long, and with what.
    fn load(&self, call: &Call, workers_each: usize) -> anyhow::Result<Load> {
        let (stop, results) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), Arc::default());
        let mut workers = JoinSet::new();
        for address in &self.proxies {
            for _ in 0..workers_each {
                let (client, call, address) = (tollgate_tests::requests::client()?, call.clone(), *address);
                workers.spawn(work(client, call, address, Arc::clone(&stop), Arc::clone(&results)));
            }
        }
        Ok(Load { stop, workers, results, begun: Instant::now() })
    }
}

type Results = Arc<parking_lot::Mutex<Vec<(Instant, Duration, u16)>>>;

struct Load {
    stop: Arc<std::sync::atomic::AtomicBool>,
    workers: JoinSet<anyhow::Result<()>>,
    results: Results,
    begun: Instant,
}

async fn work(
    client: Client,
    call: Call,
    address: SocketAddr,
    stop: Arc<std::sync::atomic::AtomicBool>,
    results: Results,
) -> anyhow::Result<()> {
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let begun = Instant::now();
        let answer = call.send_with(&client, address).await?;
        results.lock().push((begun, begun.elapsed(), answer.status));
        // Refusals come fast; the machine belongs to the proxies too.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

impl Load {
    fn slowest_since(&self, since: Instant) -> Duration {
        let results = self.results.lock();
        results.iter().filter(|(at, _, _)| *at >= since).map(|(_, took, _)| *took).max().unwrap_or_default()
    }

    fn granted(&self) -> u64 {
        self.results.lock().iter().filter(|(_, _, status)| *status == 200).count() as u64
    }

    /// How many were let through, and in what time.
    async fn end(mut self) -> anyhow::Result<(u64, u64)> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended??;
        }
        let results = self.results.lock();
        let odd = results.iter().find(|(_, _, status)| !matches!(status, 200 | 429));
        ensure!(odd.is_none(), "{odd:?}");
        let granted = results.iter().filter(|(_, _, status)| *status == 200).count() as u64;
        Ok((granted, u64::try_from(self.begun.elapsed().as_millis())?))
    }
}

#[tokio::test]
async fn three_proxies_share_a_quota_through_redis() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let redis = Redis::start(directory.path()).await?;
    let proxy = vec![("TOLLGATE_PROXY_REDIS_URL", redis.url())];
    let three = Three::start(Settings { proxy, ..Settings::default() }).await?;
    gauge(&three.ops, "redis_in_force", 1).await?;
    let (_, by_requests) = limited(&three.trio, "shared-rpm", Scope::Service, &json!({"rpm": 120})).await?;
    let (_, by_tokens) = limited(&three.trio, "shared-tpm", Scope::User, &json!({"tpm": 6_000})).await?;
    three.everywhere_in_force().await?;

    let load = three.load(&chat(Dialect::OpenAi, &by_requests), 2)?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (granted, millis) = load.end().await?;
    let most = 120 + 120 * millis / 60_000 + 1;
    eprintln!("requests: {granted} granted in {millis} ms, at most {most}");
    ensure!((120..=most).contains(&granted), "{granted} in {millis} ms");

    let before = usage(&three.trio).await?;
    let load = three.load(&large(Dialect::Anthropic, &by_tokens), 2)?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (granted, millis) = load.end().await?;
    let used = usage(&three.trio).await? - before;
    let most = 6_000 + 6_000 * millis / 60_000;
    eprintln!("tokens: {granted} granted, {used} used in {millis} ms, at most {most}");
    ensure!(used <= most, "{used} in {millis} ms");
    // Three, and one every seventeen seconds, were all that fits if nothing came back.
    ensure!(granted > 12, "only {granted} were let through: estimates are not freed");
    Ok(())
}

/// The sum of the tokens of all events that have arrived, when none comes any more.
async fn usage(trio: &Trio) -> anyhow::Result<u64> {
    let mut last = u64::MAX;
    loop {
        let events = trio.rest.events().await?;
        let sum = |event: &Value| {
            event["usage"]["input_uncached"].as_u64().unwrap_or(0) + event["usage"]["output"].as_u64().unwrap_or(0)
        };
        let now = events.iter().map(sum).sum();
        if now == last {
            return Ok(now);
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test]
async fn redis_may_stop_die_and_come_back_under_load() -> anyhow::Result<()> {
    const LIMIT: u64 = 240;
    let directory = tempfile::tempdir()?;
    let mut redis = Redis::start(directory.path()).await?;
    let proxy = vec![("TOLLGATE_PROXY_REDIS_URL", redis.url())];
    let three = Three::start(Settings { proxy, ..Settings::default() }).await?;
    gauge(&three.ops, "redis_in_force", 1).await?;
    let (_, key) = limited(&three.trio, "outage", Scope::AccessKey, &json!({"rpm": LIMIT})).await?;
    three.everywhere_in_force().await?;

    let load = three.load(&chat(Dialect::OpenAi, &key), 2)?;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let usual = load.slowest_since(begun);
    let mut slowest = Vec::new();
    let mut outages = 0;
    for fault in ["STOP", "KILL"] {
        let since = Instant::now();
        if fault == "STOP" {
            redis.signal("STOP")?;
        } else {
            redis.kill()?;
        }
        outages += 1;
        gauge(&three.ops, "redis_in_force", 0).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        slowest.push(load.slowest_since(since));
        if fault == "STOP" {
            redis.signal("CONT")?;
        } else {
            redis.start_again().await?;
        }
        gauge(&three.ops, "redis_in_force", 1).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("slowest: usually {usual:?}, while Redis was stopped {:?}, dead {:?}", slowest[0], slowest[1]);
    for slowest in &slowest {
        ensure!(*slowest <= usual + Duration::from_millis(100), "{slowest:?}, usually {usual:?}");
    }
    let so_far = load.granted();
    let (granted, millis) = load.end().await?;
    // Whenever Redis goes, a proxy may have the rest of its share once more: together less than the limit.
    let most = LIMIT + LIMIT * millis / 60_000 + outages * LIMIT * 2 / 3;
    eprintln!("{granted} granted in {millis} ms ({so_far} before the end), at most {most}");
    ensure!((LIMIT..=most).contains(&granted), "{granted} in {millis} ms, at most {most}");

    // Afterwards the limit is what it was: what a minute brings is what passes.
    let load = three.load(&chat(Dialect::OpenAi, &key), 2)?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (granted, millis) = load.end().await?;
    let comes_back = LIMIT * millis / 60_000;
    eprintln!("afterwards {granted} in {millis} ms, of {comes_back} that came back");
    ensure!((comes_back / 2..=comes_back + 6).contains(&granted), "{granted}, {comes_back}");
    Ok(())
}

#[tokio::test]
async fn proxies_without_redis_divide_a_quota() -> anyhow::Result<()> {
    let three = Three::start(Settings::default()).await?;
    let (_, key) = limited(&three.trio, "divided", Scope::Service, &json!({"rpm": 30, "rpd": 27})).await?;
    three.everywhere_in_force().await?;
    let mut granted = Vec::new();
    for address in &three.proxies {
        let mut here = 0;
        while chat(Dialect::OpenAi, &key).send(*address).await?.status == 200 {
            here += 1;
            ensure!(here <= 30);
        }
        granted.push(here);
    }
    ensure!(granted == [9, 9, 9], "{granted:?}");
    Ok(())
}
