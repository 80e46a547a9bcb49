//! A flood of keys that nobody has: the control plane sees none of it, and good requests go on, also those that come from
//! the same addresses.
//!
//! The flood comes through a trusted balancer, which keeps its connections. A stranger's connection is closed.
//! Prints what was reached. With optimisation, good requests may take twice as long as without the flood; without it the
//! bound is wide, because then the flood's own clients take most of the machine.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{self, Runtime},
    task::JoinHandle,
    time::{Instant as Tick, MissedTickBehavior, interval_at},
};
use tollgate_tests::{
    Application, Dialect, Trio,
    raw::{Connection, exchange, parse_head, request},
    trio::Settings,
};

const FLOOD: Duration = Duration::from_secs(10);
/// Requests a second that the flood does not exceed; without optimisation a proxy is far slower.
const TARGET: u32 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
/// Of quiet and flood.
const ROUNDS: u32 = 5;
const ATTACKERS: u32 = 4;
/// Where the flood comes from, and the good requests too.
const ADDRESSES: [&str; 4] = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::1"];
/// Requests that leave in one write: so many that the flood's clients are not what takes the machine.
const PIPELINE: u32 = 10;
/// What good requests may take beside the factor of two.
const ALLOWANCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 0 });

#[derive(Default)]
struct Flood {
    sent: AtomicU64,
    throttled: AtomicU64,
    under_way: tokio::sync::watch::Sender<bool>,
}

/// Pipelines requests as fast as its share of the target allows, in turns with the other attackers.
async fn attack(flood: Arc<Flood>, address: SocketAddr, requests: Vec<u8>, number: u32) -> anyhow::Result<Infallible> {
    let turn = Duration::from_secs(1) * PIPELINE / TARGET;
    let mut next = interval_at(Tick::now() + turn * number, turn * ATTACKERS);
    // What was not sent in a pause is not made up for.
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut unread) = (vec![0; 64 << 10], Vec::new());
    let mut under_way = flood.under_way.subscribe();
    loop {
        under_way.wait_for(|under_way| *under_way).await?;
        next.tick().await;
        stream.write_all(&requests).await?;
        let mut answers = 0;
        while answers < PIPELINE {
            let count = stream.read(&mut buffer).await?;
            ensure!(count > 0, "a trusted balancer's connection was closed");
            unread.extend_from_slice(&buffer[..count]);
            while let Some((head, length)) = parse_head(&unread)? {
                let whole = length + head.header("content-length").context("no length")?.parse::<usize>()?;
                if unread.len() < whole {
                    break;
                }
                unread.drain(..whole);
                answers += 1;
                flood.sent.fetch_add(1, Relaxed);
                match head.status {
                    401 => {}
                    429 => drop(flood.throttled.fetch_add(1, Relaxed)),
                    other => anyhow::bail!("a bad key was answered {other}"),
                }
            }
        }
    }
}

/// A batch of requests with a bad key, from one address after the other.
fn batch(key: &str) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let one =
        |address: &&str| request("GET", "/v1/models", &[("authorization", &bearer), ("x-forwarded-for", address)], b"");
    ADDRESSES.iter().cycle().take(PIPELINE as usize).flat_map(one).collect()
}

/// On a thread of its own: good requests must not wait for the flood's clients.
struct Attackers {
    runtime: Option<Runtime>,
    attacks: Vec<JoinHandle<anyhow::Result<Infallible>>>,
}

impl Attackers {
    fn begin(flood: &Arc<Flood>, address: SocketAddr, batch: &[u8]) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let attack = |number| runtime.spawn(attack(Arc::clone(flood), address, batch.to_vec(), number));
        Ok(Self { attacks: (0..ATTACKERS).map(attack).collect(), runtime: Some(runtime) })
    }

    /// None of them ends by itself, unless something was not as it must be.
    async fn end(mut self) -> anyhow::Result<()> {
        let ended = self.attacks.drain(..).find(JoinHandle::is_finished);
        let Some(ended) = ended else { return Ok(()) };
        let Err(error) = ended.await?;
        Err(error)
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// How long good requests take, one after the other.
async fn good_requests(trio: &Trio, application: &Application, span: Duration) -> anyhow::Result<Vec<Duration>> {
    let call = application.chat(Dialect::OpenAi, false);
    let mut headers: Vec<(&str, &str)> =
        call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.push(("x-forwarded-for", ADDRESSES[0]));
    let bytes = request("POST", &call.path, &headers, &call.body);
    let mut connection = Connection::open(trio.addresses.proxy).await?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < span {
        let sent = Instant::now();
        connection.send(&bytes).await?;
        let answer = connection.answer().await?;
        ensure!(answer.head.status == 200, "a good request was answered {}", answer.head.status);
        times.push(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(times)
}

fn percentile(times: &[Duration], percent: usize) -> anyhow::Result<Duration> {
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().context("no request was made")
}

async fn bad_keys(trio: &Trio) -> anyhow::Result<u64> {
    let answer = exchange(trio.addresses.proxy_ops, &request("GET", "/metrics", &[], b"")).await?;
    let page = String::from_utf8(answer.body)?;
    let line = page.lines().find_map(|line| line.strip_prefix("tollgate_proxy_bad_keys_total "));
    Ok(line.context("no such metric")?.trim().parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_harm_nobody_else() -> anyhow::Result<()> {
    let proxy = vec![("TOLLGATE_PROXY_TRUSTED_PROXIES", "127.0.0.1".to_owned())];
    let trio = Trio::start_with(Settings { proxy, ..Settings::default() }).await?;
    let application = trio.application("application", 1).await?;
    let revoked = trio.application("revoked", 1).await?;
    trio.revoke(&revoked.access_key_id).await?;
    trio.in_force().await?;
    let first = good_requests(&trio, &application, Duration::from_secs(1)).await?;
    let lines_before = (trio.log("admin-svc").lines().count(), trio.log("proxy-svc").lines().count());

    let flood = Arc::new(Flood::default());
    let attackers = Attackers::begin(&flood, trio.addresses.proxy, &batch(&revoked.secret))?;
    // In turns, so that whatever else this machine does meets both alike.
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.extend(good_requests(&trio, &application, FLOOD / ROUNDS).await?);
        flood.under_way.send_replace(true);
        busy.extend(good_requests(&trio, &application, FLOOD / ROUNDS).await?);
        flood.under_way.send_replace(false);
    }
    quiet.sort_unstable();
    busy.sort_unstable();
    attackers.end().await?;
    let rate = flood.sent.load(Relaxed) / FLOOD.as_secs();

    let (p99_quiet, p99_busy) = (percentile(&quiet, 99)?, percentile(&busy, 99)?);
    eprintln!(
        "flood: {rate} unknown keys a second ({} in all, {} throttled); good requests: \
         p50 {:?} -> {:?}, p99 {p99_quiet:?} -> {p99_busy:?} ({} and {} requests)",
        flood.sent.load(Relaxed),
        flood.throttled.load(Relaxed),
        percentile(&quiet, 50)?,
        percentile(&busy, 50)?,
        quiet.len(),
        busy.len(),
    );
    ensure!(p99_busy <= p99_quiet * 2 + ALLOWANCE, "good requests: p99 {p99_quiet:?} -> {p99_busy:?}");
    ensure!(flood.sent.load(Relaxed) > 1000, "there was hardly a flood: {rate} a second");
    ensure!(flood.throttled.load(Relaxed) * 10 > flood.sent.load(Relaxed) * 9, "most were not throttled");
    ensure!(bad_keys(&trio).await? >= flood.sent.load(Relaxed), "not every bad key was counted");

    // The control plane heard of good requests alone, and neither log has a line for each.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (events, good) = (trio.rest.events().await?, first.len() + quiet.len() + busy.len());
    ensure!(events.len() <= good, "{} events of {good} good requests", events.len());
    let known = |event: &&Value| event["access_key_id"] == application.access_key_id.as_str();
    ensure!(events.iter().all(|event| known(&event)), "an event of an unknown key");
    let lines = (trio.log("admin-svc").lines().count(), trio.log("proxy-svc").lines().count());
    ensure!(lines.0 - lines_before.0 <= 20, "the control plane logged {} lines", lines.0 - lines_before.0);
    ensure!(lines.1 - lines_before.1 <= 20, "the proxy logged {} lines", lines.1 - lines_before.1);
    Ok(())
}

/// From an address that is nobody's balancer.
#[tokio::test]
async fn stranger_that_guesses_on_loses_its_connection_and_a_good_key_works() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let guess = request("GET", "/v1/models", &[("x-api-key", "tg_guessed"), ("anthropic-version", "2023-06-01")], b"");
    let mut connection = Connection::open(trio.addresses.proxy).await?;
    let mut statuses = Vec::new();
    let last = loop {
        ensure!(statuses.len() < 1000, "the connection stays open");
        connection.send(&guess).await?;
        let answer = connection.answer().await?;
        statuses.push(answer.head.status);
        if answer.head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            break answer;
        }
    };
    ensure!(statuses[..30].iter().all(|status| *status == 401), "{statuses:?}");
    ensure!(last.head.status == 429 && last.head.header("x-should-retry") == Some("false"), "{:?}", last.head);
    let wait: u64 = last.head.header("retry-after").context("no wait")?.parse()?;
    ensure!((590..=600).contains(&wait), "{wait}");
    let good = trio.send(&application.chat(Dialect::Anthropic, false)).await?;
    ensure!(good.status == 200, "{}", good.text());
    Ok(())
}
