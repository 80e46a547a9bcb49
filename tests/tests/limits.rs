//! Limits at every scope, in every dimension and protocol; shared by three proxies through Redis, also while Redis is
//! stopped, killed and restored; divided where there is none.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_tests::{
    Answer, Application, Call, Dialect, Redis, Trio,
    eventually::{START, eventually},
    rest::text,
    trio::{AnotherProxy, Settings},
};

/// Where a limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    AccessKey,
    User,
    Service,
}

impl Scope {
    const ALL: [Self; 3] = [Self::AccessKey, Self::User, Self::Service];

    const fn words(self) -> &'static str {
        match self {
            Self::AccessKey => "access key's",
            Self::User => "user's",
            Self::Service => "service's",
        }
    }
}

/// An application whose access key belongs to a user of its own, with limits at one scope.
async fn limited(trio: &Trio, name: &str, scope: Scope, limits: &Value) -> anyhow::Result<(Application, String)> {
    let application = trio.application(name, 1).await?;
    let user = json!({"email": format!("{name}@example.test"), "role": "member", "password": "a password of tests"});
    let user = trio.rest.create("users", &user).await?;
    let user_id = text(&user, "id")?;
    let key = json!({"service_id": application.service_id, "user_id": user_id, "name": name});
    let key = trio.rest.create("access-keys", &key).await?;
    let path = match scope {
        Scope::AccessKey => format!("/api/v1/access-keys/{}", text(&key, "id")?),
        Scope::User => format!("/api/v1/users/{user_id}"),
        Scope::Service => format!("/api/v1/services/{}", application.service_id),
    };
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"limits": limits}))).await?;
    trio.in_force().await?;
    Ok((application, text(&key, "secret")?.to_owned()))
}

fn chat(dialect: Dialect, key: &str) -> Call {
    Call::chat(dialect, key, dialect.model(), false)
}

fn whole_number(answer: &Answer, name: &str) -> anyhow::Result<u64> {
    let text = answer.header(name).with_context(|| format!("no {name} in {:?}", answer.headers))?;
    text.parse().with_context(|| format!("{name}: {text}"))
}

/// A refusal in the caller's protocol, that names scope and dimension and says when to come again.
fn ensure_refused(dialect: Dialect, answer: &Answer, scope: &str, dimension: &str) -> anyhow::Result<Duration> {
    let case = format!("{dialect:?} {scope} {dimension}: {} {:?} {}", answer.status, answer.headers, answer.text());
    ensure!(answer.status == 429, "{case}");
    let (kind, message) = dialect.error(&answer.json()?).context(case.clone())?;
    let expected = match dialect {
        Dialect::OpenAi => "rate_limit",
        Dialect::Anthropic => "rate_limit_error",
        Dialect::Gemini => "RESOURCE_EXHAUSTED",
    };
    ensure!(kind.contains(expected) || answer.text().contains(expected), "{case}");
    ensure!(message == format!("The {scope} limit on {dimension} is reached."), "{case}");
    let wait = Duration::from_millis(whole_number(answer, "retry-after-ms")?);
    ensure!(u128::from(whole_number(answer, "retry-after")?) == wait.as_millis().div_ceil(1_000), "{case}");
    let retries = answer.header("x-should-retry") != Some("false");
    ensure!(retries == (wait <= Duration::from_mins(1)), "{case}");
    Ok(wait)
}

#[tokio::test]
async fn requests_are_limited_at_every_scope_in_every_protocol() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        for (field, dimension) in [("rpm", "requests per minute"), ("rpd", "requests per day")] {
            let name = format!("{field}-{scope:?}").to_lowercase();
            let (_, key) = limited(&trio, &name, scope, &json!({field: 2})).await?;
            for (dialect, remaining) in [(Dialect::Anthropic, 1), (Dialect::Gemini, 0)] {
                let answer = trio.send(&chat(dialect, &key)).await?;
                ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
                ensure!(whole_number(&answer, "x-ratelimit-limit-requests")? == 2, "{:?}", answer.headers);
                ensure!(whole_number(&answer, "x-ratelimit-remaining-requests")? == remaining, "{:?}", answer.headers);
                ensure!(answer.header("x-ratelimit-reset-requests").is_some_and(|text| text.ends_with('s')));
                ensure!(answer.header("x-ratelimit-limit-tokens").is_none(), "{:?}", answer.headers);
            }
            let newest = trio.simulator.newest().await?;
            for dialect in Dialect::ALL {
                let answer = trio.send(&chat(dialect, &key)).await?;
                let wait = ensure_refused(dialect, &answer, scope.words(), dimension)?;
                ensure!(field == "rpd" || wait <= Duration::from_secs(30), "{wait:?}");
                ensure!(whole_number(&answer, "x-ratelimit-remaining-requests")? == 0, "{:?}", answer.headers);
                let event = trio.rest.event(answer.request_id()?, START).await?;
                ensure!(event["outcome"] == "refused" && event["error_code"] == "rate_limit_exceeded", "{event}");
            }
            ensure!(trio.simulator.requests(newest).await?.is_empty(), "a refused request reached the provider");
        }
    }
    Ok(())
}

/// With a limit on output that makes any estimate large.
fn large(dialect: Dialect, key: &str) -> Call {
    let mut body = dialect.chat_body(dialect.model(), false);
    match dialect {
        Dialect::OpenAi | Dialect::Anthropic => body["max_tokens"] = json!(1_700),
        Dialect::Gemini => body["generationConfig"] = json!({"maxOutputTokens": 1_700}),
    }
    Call::post(dialect, key, dialect.chat_path(dialect.model(), false), body.to_string())
}

#[tokio::test]
async fn tokens_are_reserved_and_settled_at_every_scope() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        let name = format!("tpm-{scope:?}").to_lowercase();
        let (_, key) = limited(&trio, &name, scope, &json!({"tpm": 2_400})).await?;
        // Each reserves more than 1,700, uses far less, and gives the rest back.
        for dialect in Dialect::ALL {
            let answer = trio.send(&large(dialect, &key)).await?;
            ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
            ensure!(whole_number(&answer, "x-ratelimit-limit-tokens")? == 2_400, "{:?}", answer.headers);
            ensure!(whole_number(&answer, "x-ratelimit-remaining-tokens")? < 700, "{:?}", answer.headers);
            let event = trio.rest.event(answer.request_id()?, START).await?;
            let used =
                event["usage"]["input_uncached"].as_u64().unwrap_or(0) + event["usage"]["output"].as_u64().unwrap_or(0);
            ensure!((1..=200).contains(&used), "{event}");
        }
        // As long as one is in work, its reservation stands; when its client leaves, the rest is free again.
        let slow = Dialect::OpenAi;
        let model = "gpt-4o-sim-latency-20000";
        let mut body = slow.chat_body(model, false);
        body["max_tokens"] = json!(1_000);
        let held = Call::post(slow, &key, slow.chat_path(model, false), body.to_string());
        let address = trio.addresses.proxy;
        let newest = trio.simulator.newest().await?;
        let mut holding = JoinSet::new();
        holding.spawn(async move { held.send(address).await });
        eventually("the held request is at the provider", START, async || {
            Ok((!trio.simulator.requests(newest).await?.is_empty()).then_some(()))
        })
        .await?;
        for dialect in Dialect::ALL {
            let answer = trio.send(&large(dialect, &key)).await?;
            ensure_refused(dialect, &answer, scope.words(), "tokens per minute")?;
            ensure!(whole_number(&answer, "x-ratelimit-remaining-tokens")? < 1_500, "{:?}", answer.headers);
        }
        holding.abort_all();
        eventually("the reservation is free again", Duration::from_secs(5), async || {
            let answer = trio.send(&large(Dialect::Gemini, &key)).await?;
            Ok((answer.status == 200).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_place_is_free_again_when_its_client_leaves() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for scope in Scope::ALL {
        let name = format!("concurrency-{scope:?}").to_lowercase();
        let (_, key) = limited(&trio, &name, scope, &json!({"concurrency": 1})).await?;
        let held = Call::chat(Dialect::OpenAi, &key, "gpt-4o-sim-latency-20000", true);
        let (address, newest) = (trio.addresses.proxy, trio.simulator.newest().await?);
        let mut holding = JoinSet::new();
        holding.spawn(async move { held.send(address).await });
        eventually("the held request is at the provider", START, async || {
            Ok((!trio.simulator.requests(newest).await?.is_empty()).then_some(()))
        })
        .await?;
        for dialect in Dialect::ALL {
            let answer = trio.send(&chat(dialect, &key)).await?;
            let wait = ensure_refused(dialect, &answer, scope.words(), "concurrent requests")?;
            ensure!(wait == Duration::from_secs(1), "{wait:?}");
        }
        holding.abort_all();
        eventually("the place is free", Duration::from_secs(5), async || {
            Ok((trio.send(&chat(Dialect::Gemini, &key)).await?.status == 200).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn upstream_keys_that_are_used_up_are_passed_over() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for (dialect, limits) in [
        (Dialect::OpenAi, json!({"rpm": 2})),
        (Dialect::Anthropic, json!({"rpd": 2})),
        (Dialect::Gemini, json!({"tpm": 40})),
    ] {
        for key in application.keys(dialect) {
            let path = format!("/api/v1/upstream-keys/{}", key.id);
            trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"limits": limits}))).await?;
        }
        trio.in_force().await?;
        let mut served = Vec::new();
        let refused = loop {
            let answer = trio.send(&application.chat(dialect, false)).await?;
            if answer.status != 200 {
                break answer;
            }
            let event = trio.rest.event(answer.request_id()?, START).await?;
            served.push(event["upstream_key_id"].as_str().unwrap_or_default().to_owned());
            ensure!(served.len() < 10, "{dialect:?}: the limit of upstream keys holds nothing");
        };
        let most = if dialect == Dialect::Gemini { 2 } else { 4 };
        let first = application.keys(dialect)[0].id.as_str();
        ensure!(served.len() == most, "{dialect:?}: {served:?}");
        ensure!(served.iter().filter(|id| *id == first).count() == most / 2, "{dialect:?}: {served:?}");
        ensure!(refused.status == 429, "{dialect:?}: {} {}", refused.status, refused.text());
        ensure!(refused.text().contains("every upstream key"), "{}", refused.text());
        ensure!(whole_number(&refused, "retry-after-ms")? > 0);
    }
    Ok(())
}

#[tokio::test]
async fn limits_on_trial_are_reported_and_refuse_nothing() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let (application, key) = limited(&trio, "shadow", Scope::AccessKey, &json!({"rpm": 1})).await?;
    let path = format!("/api/v1/services/{}", application.service_id);
    let shadow = json!({"limits_mode": "shadow", "hidden_headers": ["x-ratelimit-reset-requests"]});
    trio.rest.expect(200, Method::PATCH, &path, Some(&shadow)).await?;
    trio.in_force().await?;
    let mut marks = Vec::new();
    for _ in 0..3 {
        let answer = trio.send(&chat(Dialect::OpenAi, &key)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ensure!(answer.header("x-ratelimit-limit-requests") == Some("1"), "{:?}", answer.headers);
        ensure!(answer.header("x-ratelimit-reset-requests").is_none(), "{:?}", answer.headers);
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(event["outcome"] == "ok", "{event}");
        marks.push(event["error_code"].clone());
    }
    ensure!(marks[0] != "rate_limit_shadow" && marks[1..] == ["rate_limit_shadow", "rate_limit_shadow"], "{marks:?}");
    let metrics = metrics(trio.addresses.proxy_ops).await?;
    let wanted = "limit_refusals_total{scope=\"access_key\",dimension=\"requests_per_minute\",mode=\"shadow\"} 2";
    ensure!(metrics.contains(wanted), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_proxy_as_a_whole_has_limits_of_its_own() -> anyhow::Result<()> {
    let proxy = vec![("TOLLGATE_PROXY_LIMITS__REQUESTS_PER_MINUTE", "3".to_owned())];
    let trio = Trio::start_with(Settings { proxy, ..Settings::default() }).await?;
    let first = trio.application("first", 1).await?;
    let second = trio.application("second", 1).await?;
    for application in [&first, &second, &first] {
        let answer = trio.send(&application.chat(Dialect::OpenAi, false)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ensure!(answer.header("x-ratelimit-limit-requests").is_none(), "{:?}", answer.headers);
    }
    for dialect in Dialect::ALL {
        let answer = trio.send(&second.chat(dialect, false)).await?;
        ensure_refused(dialect, &answer, "gateway's", "requests per minute")?;
    }
    Ok(())
}

async fn metrics(ops: SocketAddr) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("http://{ops}/metrics")).await?.text().await?)
}

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
