//! Against a real `redis-server`.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_shared::limits::Limits;
use uuid::Uuid;

use super::*;
use crate::limits::{Counted, Dimension, Exhausted, Grant, Limited, Limiter, Registry, Scope, Wants};

/// Ends with the test.
pub(crate) struct Redis {
    process: Child,
    address: SocketAddr,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self::start_at(address)
    }

    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let mut process = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        for _ in 0..500 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Self { process, address };
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = process.kill();
        let _ = process.wait();
        panic!("redis-server does not listen");
    }

    /// A proxy's way to it, once it is in force; until the guard is dropped.
    pub(crate) async fn shared(&self) -> (Arc<Shared>, tokio_util::sync::DropGuard) {
        let url = Secret::new(format!("redis://{}", self.address));
        let (shared, keeper) = Shared::new(&url, Arc::default()).unwrap();
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(keeper.run(stop.clone()));
        while !shared.is_in_force() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        (shared, stop.drop_guard())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn kill(mut self) -> SocketAddr {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.address
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A proxy, as far as limits go, with one access key.
struct Proxy {
    registry: Arc<Registry>,
    limiter: Arc<Limiter>,
    metrics: Arc<Metrics>,
    limits: Limits,
    counted: Counted,
    _stop: tokio_util::sync::DropGuard,
}

impl Proxy {
    async fn new(address: SocketAddr, limits: Limits) -> Self {
        let metrics = Arc::new(Metrics::default());
        let url = Secret::new(format!("redis://{address}"));
        let (shared, keeper) = Shared::new(&url, Arc::clone(&metrics)).unwrap();
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(keeper.run(stop.clone()));
        let registry = Arc::new(Registry::default());
        registry.set_live_proxies(2);
        let counted = registry.counted(Scope::AccessKey, Uuid::from_u128(7), &limits);
        let limiter = Arc::new(Limiter::new(Arc::clone(&registry), Some(shared), Limits::default()));
        let proxy = Self { registry, limiter, metrics, limits, counted, _stop: stop.drop_guard() };
        proxy.in_force(1).await;
        proxy
    }

    async fn in_force(&self, wanted: i64) {
        for _ in 0..2_000 {
            if self.metrics.limits.redis_in_force.get() == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("Redis in force is not {wanted}");
    }

    fn key(&self) -> Limited<'_> {
        Limited::new(Scope::AccessKey, &self.limits, &self.counted).unwrap()
    }

    async fn request(&self) -> Result<Grant, Exhausted> {
        let wants: Wants<'_> = self.key().one_request().collect();
        self.limiter.take(&wants, self.limiter.now(), &mut Patience::new()).await
    }

    async fn tokens(&self, amount: u64) -> Result<Grant, Exhausted> {
        let wants: Wants<'_> = self.key().tokens(amount).into_iter().collect();
        self.limiter.take(&wants, self.limiter.now(), &mut Patience::new()).await
    }

    fn settle(&self, reserved: u64, grant: Grant, used: u64) {
        self.limiter.settle(self.key().tokens(reserved), grant, used, self.limiter.now());
    }

    async fn requests_until_refused(&self) -> u64 {
        let mut granted = 0;
        while self.request().await.is_ok() {
            granted += 1;
        }
        granted
    }
}

fn limits(rpm: Option<u64>, rpd: Option<u64>, tpm: Option<u64>) -> Limits {
    Limits { rpm, tpm, rpd, concurrency: None }
}

#[tokio::test]
async fn two_proxies_share_one_quota() {
    let redis = Redis::start();
    for limits in [limits(Some(20), None, None), limits(None, Some(20), None), limits(Some(40), Some(20), None)] {
        let (one, other) =
            (Proxy::new(redis.address, limits.clone()).await, Proxy::new(redis.address, limits.clone()).await);
        let mut granted = 0;
        for turn in 0..40 {
            let proxy = if turn % 3 == 0 { &one } else { &other };
            granted += u32::from(proxy.request().await.is_ok());
        }
        assert_eq!(granted, 20, "{limits:?}");
        let exhausted = other.request().await.unwrap_err();
        assert!(exhausted.wait > std::time::Duration::ZERO);
        assert_eq!(other.limiter.standings([other.key()].into_iter()).requests.unwrap().remaining, 0);
        let _: () = redis_command(&redis, "FLUSHALL").await;
    }
}

async fn redis_command<T: redis::FromRedisValue>(redis: &Redis, name: &str) -> T {
    let client = Client::open(format!("redis://{}", redis.address)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(name).query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_settlement_reaches_all_proxies_and_a_refusal_takes_nothing() {
    let redis = Redis::start();
    let limits = limits(None, None, Some(1_000));
    let (one, other) = (Proxy::new(redis.address, limits.clone()).await, Proxy::new(redis.address, limits).await);
    let grant = one.tokens(900).await.unwrap();
    for _ in 0..10 {
        assert_eq!(other.tokens(300).await.unwrap_err().dimension, Dimension::Tokens);
    }
    let unused = one.tokens(90).await.unwrap();
    one.settle(90, unused, 0);
    one.settle(900, grant, 100);
    // `other` goes by what it saw last until something that fits lets it look again.
    let mut granted = false;
    for _ in 0..400 {
        granted = one.tokens(850).await.is_ok();
        if granted {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(granted, "the over-estimate was not freed");
    assert!(other.tokens(200).await.is_err());
}

#[tokio::test]
async fn a_stopped_redis_costs_a_few_requests_a_moment_and_then_nobody_anything() {
    let redis = Redis::start();
    let proxy = Proxy::new(redis.address, limits(Some(100_000), None, None)).await;
    proxy.request().await.unwrap();
    redis.signal("STOP");
    let mut waited = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        proxy.request().await.unwrap();
        waited.push(begun.elapsed());
    }
    redis.signal("CONT");
    let slow = waited.iter().filter(|wait| wait.as_millis() >= 20).count();
    assert!(slow <= 2 * STRIKES as usize, "{slow} requests waited: {waited:?}");
    let most = waited.iter().max().unwrap();
    assert!(most.as_millis() < 100, "{most:?}");
    assert_eq!(proxy.metrics.limits.redis_given_up.get(), 1);
    proxy.in_force(1).await;
    proxy.request().await.unwrap();
}

#[tokio::test]
async fn a_dead_redis_leaves_each_proxy_its_share_of_what_it_has_not_used() {
    let redis = Redis::start();
    let limits = limits(Some(40), None, None);
    let (one, other) = (Proxy::new(redis.address, limits.clone()).await, Proxy::new(redis.address, limits).await);
    let begun = Instant::now();
    for _ in 0..10 {
        one.request().await.unwrap();
        other.request().await.unwrap();
    }
    let address = redis.kill();
    // Each has had half of its share of 20.
    assert_eq!((one.requests_until_refused().await, other.requests_until_refused().await), (10, 10));
    assert!(one.request().await.is_err());
    // Back, and empty: what the proxies saw before is told along, what they counted meanwhile is not.
    let redis = Redis::start_at(address);
    one.in_force(1).await;
    other.in_force(1).await;
    let granted = one.requests_until_refused().await + other.requests_until_refused().await;
    let came_back = begun.elapsed().as_secs() * 40 / 60;
    assert!((19..=22 + came_back).contains(&granted), "{granted} after {:?}", begun.elapsed());
    drop(redis);
}

#[tokio::test]
async fn a_day_that_is_used_up_stays_used_up_when_redis_dies_or_forgets() {
    let redis = Redis::start();
    let proxy = Proxy::new(redis.address, limits(None, Some(10), None)).await;
    assert_eq!(proxy.requests_until_refused().await, 10);
    let _: () = redis_command(&redis, "FLUSHALL").await;
    assert!(proxy.request().await.is_err());
    redis.kill();
    for _ in 0..5 {
        assert!(proxy.request().await.is_err());
    }
    assert_eq!(proxy.registry.live_proxies(), 2);
}

#[test]
fn an_address_that_is_none_is_refused_without_showing_it() {
    let address = Secret::new("redis://:password@host:port".to_owned());
    let error = Shared::new(&address, Arc::default()).map(drop).unwrap_err();
    assert!(!error.to_string().contains("password@host:port"));
}
