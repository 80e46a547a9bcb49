//! LISTEN: puts the parts together, opens the sockets, and takes everything down again in order. No request logic.
//!
//! Two runtimes: Pingora's serves clients, one of ours does everything else (configuration, delivery of usage), so that
//! neither waits for the other. Pingora's own stop sleeps for a fixed time; ours waits for what is really in work:
//!
//! 1. A signal: not ready any more, still accepting, every answer closes its connection.
//! 2. After `drain_accept`: the listeners close.
//! 3. When nothing is in work, or after `drain_grace`: the journal is delivered, for `drain_delivery` at most.
//! 4. The process ends. A second signal ends it at once; the journal keeps what was not delivered.

mod signals;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingora::{
    apps::ServerApp,
    listeners::{L4BufferSettings, ListenerConfig, Listeners},
    server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, configuration::ServerConf},
    services::listening::Service,
};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_shared::clock::Clock;

use self::signals::Signals;
use crate::{
    budget::{Borrower, BorrowerParts, Budgets},
    cache::{CacheSettings, RedisAnswers},
    config::{Config, JournalLevel},
    connection::{ConnectionSettings, Connections, Listener},
    gateway::{Gateway, GatewayParts, Settings},
    guard::{self, Guard},
    health_exchange::{self, ExchangeOptions, HealthRecord},
    limits::{
        Limiter,
        shared::{BadUrl, Shared},
    },
    operate::reachable,
    ops::Ops,
    report::{DeliveryOptions, JournalError, JournalOptions, Level, Reporter},
    snapshot::{
        Snapshots,
        identity::{Identity, IdentityError},
        watch::{self, Pace, WatchError, Watcher, WatcherParts},
    },
    telemetry::Metrics,
};

/// Threads for everything but requests.
const CONTROL_THREADS: usize = 1;
const STALE_UPSTREAMS_EVERY: Duration = Duration::from_secs(10);
const EXPIRED_ANSWERS_EVERY: Duration = Duration::from_mins(1);
/// After that the port is taken for bound though it cannot be reached from here.
const BOUND_WITHIN: Duration = Duration::from_secs(5);
const IN_WORK_EVERY: Duration = Duration::from_millis(20);

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{address}: {source}")]
    Bind { address: std::net::SocketAddr, source: std::io::Error },
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Redis(#[from] BadUrl),
}

/// Runs until a signal; returns when everything is down.
pub fn run(config: &Config) -> Result<(), ServerError> {
    for address in [config.listen, config.ops_listen] {
        probe(address)?;
    }
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(ServerError::Runtime)?;
    let proxy = Proxy::assemble(config, &control)?;
    let listeners_close = tokio::sync::watch::Sender::new(false);
    proxy.listen(config, listeners_close.subscribe());
    control.block_on(proxy.supervise(config, &listeners_close));
    control.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// Pingora panics in a thread of its own when an address is taken; this says so before.
fn probe(address: std::net::SocketAddr) -> Result<(), ServerError> {
    std::net::TcpListener::bind(address).map(drop).map_err(|source| ServerError::Bind { address, source })
}

struct Proxy {
    gateway: Arc<Gateway>,
    connections: Arc<Connections>,
    snapshots: Arc<Snapshots>,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    /// The clients' port is bound.
    listening: Arc<AtomicBool>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Proxy {
    fn assemble(config: &Config, control: &Runtime) -> Result<Self, ServerError> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let metrics = Arc::new(Metrics::new(Clock::system()));
        let snapshots = Arc::new(Snapshots::new());
        let (reporter, recovered) = Reporter::open(journal_options(config))?;
        tracing::info!(
            undelivered = recovered.undelivered,
            interrupted = recovered.interrupted,
            damaged = recovered.damaged,
            "usage journal opened"
        );
        let identity = Identity::load_or_create(&config.data_dir)?;
        let pace = Pace::default();
        let endpoint = watch::endpoint(&config.admin, &pace)?;
        let watcher = Watcher::start(WatcherParts {
            snapshots: Arc::clone(&snapshots),
            metrics: Arc::clone(&metrics),
            clock: Clock::system(),
            identity,
            admin: &config.admin,
            join_token: &config.join_token,
            data_dir: &config.data_dir,
            pace,
        })?;
        let (budgets, bells) = Budgets::new(Arc::clone(&snapshots), Arc::clone(&metrics), Clock::system());
        let (settled, earlier_starts_settled) = tokio::sync::watch::channel(false);
        let borrower = Borrower::new(BorrowerParts {
            budgets: Arc::clone(&budgets),
            bells,
            endpoint: endpoint.clone(),
            join_token: config.join_token.clone(),
            identity,
            earlier_starts_settled,
            clock: Clock::system(),
        });
        {
            let _runtime = control.enter();
            tasks.spawn(watcher.run(stop.clone()));
            let exchange = ExchangeOptions {
                endpoint: endpoint.clone(),
                join_token: config.join_token.clone(),
                proxy_id: identity.proxy_id,
                boot_id: identity.boot_id,
                every: ExchangeOptions::EVERY,
            };
            let health: Arc<dyn HealthRecord> = Arc::clone(snapshots.health()) as _;
            tasks.spawn(health_exchange::run(health, exchange, stop.clone()));
            tasks.spawn(borrower.run(stop.clone()));
            let delivery = DeliveryOptions {
                endpoint,
                join_token: config.join_token.clone(),
                proxy_id: identity.proxy_id,
                boot_id: identity.boot_id,
                gather: DeliveryOptions::GATHER,
            };
            reporter.start(delivery, &tasks, &stop);
            // What is damaged, of another version, or not written yet may be a request whose cost nobody knows.
            if recovered.damaged == 0 && recovered.foreign == 0 && reporter.open_intents() == 0 {
                let (reporter, stop) = (reporter.clone(), stop.clone());
                tasks.spawn(async move {
                    if stop.run_until_cancelled(reporter.delivered()).await.is_some() && reporter.damaged() == 0 {
                        settled.send_replace(true);
                    }
                });
            }
        }
        let redis = redis(config, &metrics, control, (&tasks, &stop))?;
        let limiter = Limiter::new(Arc::clone(snapshots.registry()), redis.clone(), config.limits.own.clone());
        let guard = Guard::new(guard::Settings::from(config), redis, Arc::clone(&metrics));
        if let Some(memory) = guard.memory() {
            let _runtime = control.enter();
            tasks.spawn(memory.run(Arc::clone(&metrics), stop.clone()));
        }
        let gateway = Gateway::new(GatewayParts {
            snapshots: Arc::clone(&snapshots),
            reporter: reporter.clone(),
            metrics: Arc::clone(&metrics),
            settings: Settings::from(config),
            guard,
            limiter,
            budgets,
            upstream_addresses: config.upstream_addresses.clone(),
            tasks: tasks.clone(),
        });
        let gateway = match &config.redis_url {
            Some(url) => gateway.with_shared_answers(Arc::new(RedisAnswers::new(url)?), tasks.clone()),
            None => gateway,
        };
        let gateway = Arc::new(gateway);
        let connections =
            Arc::new(Connections::new(Arc::clone(&gateway), ConnectionSettings::from(config), TaskTracker::new()));
        Ok(Self { gateway, connections, snapshots, reporter, metrics, listening: Arc::default(), tasks, stop })
    }

    /// Starts Pingora in a thread of its own; it is not waited for, because its stop sleeps.
    fn listen(&self, config: &Config, close: tokio::sync::watch::Receiver<bool>) {
        let conf = ServerConf {
            threads: config.threads,
            work_stealing: false,
            // Longer than we stay: it is this process that ends, not Pingora.
            grace_period_seconds: Some(86_400),
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        let ops = Ops {
            gateway: Arc::clone(&self.gateway),
            connections: Arc::clone(&self.connections),
            snapshots: Arc::clone(&self.snapshots),
            reporter: self.reporter.clone(),
            metrics: Arc::clone(&self.metrics),
            listening: Arc::clone(&self.listening),
        };
        server.add_service(service("clients", config.listen, Listener(Arc::clone(&self.connections))));
        let mut ops = service("ops", config.ops_listen, ops);
        ops.threads = Some(1);
        server.add_service(ops);
        std::thread::spawn(move || server.run(RunArgs { shutdown_signal: Box::new(CloseListeners(close)) }));
    }

    async fn supervise(&self, config: &Config, listeners_close: &tokio::sync::watch::Sender<bool>) {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be received");
                return;
            }
        };
        self.await_listener(config).await;
        let mut stale = tokio::time::interval(STALE_UPSTREAMS_EVERY);
        let mut expired = tokio::time::interval(EXPIRED_ANSWERS_EVERY);
        let patient = loop {
            tokio::select! {
                patient = signals.stop() => break patient,
                _ = stale.tick() => self.gateway.close_stale_upstreams(),
                _ = expired.tick() => self.gateway.drop_expired_answers(),
            }
        };
        tokio::select! {
            () = self.wind_down(config, listeners_close, patient) => {}
            _ = signals.stop() => tracing::warn!(in_flight = self.gateway.in_flight(), "second signal: ending at once"),
        }
    }

    /// Pingora binds in a thread of its own and does not say when; being reachable is what counts.
    async fn await_listener(&self, config: &Config) {
        let deadline = Instant::now() + BOUND_WITHIN;
        while tokio::net::TcpStream::connect(reachable(config.listen)).await.is_err() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.listening.store(true, Ordering::Relaxed);
        tracing::info!(listen = %config.listen, ops_listen = %config.ops_listen, "listening");
    }

    async fn wind_down(&self, config: &Config, listeners_close: &tokio::sync::watch::Sender<bool>, patient: bool) {
        tracing::info!(in_flight = self.gateway.in_flight(), "draining");
        self.gateway.drain();
        if patient {
            tokio::time::sleep(config.timeouts.drain_accept).await;
        }
        listeners_close.send_replace(true);
        let deadline = Instant::now() + config.timeouts.drain_grace;
        while self.gateway.in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(IN_WORK_EVERY).await;
        }
        // What was in work a moment ago still has its last bytes on their way.
        tokio::time::sleep(IN_WORK_EVERY).await;
        if tokio::time::timeout(config.timeouts.drain_delivery, self.reporter.delivered()).await.is_err() {
            tracing::warn!(events = self.reporter.depth(), "usage events stay in the journal for the next start");
        }
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        tracing::info!("stopped");
    }
}

/// The way to what proxies share in Redis, where one is configured; a task keeps its connection.
fn redis(
    config: &Config,
    metrics: &Arc<Metrics>,
    control: &Runtime,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Result<Option<Arc<Shared>>, BadUrl> {
    let Some(url) = &config.redis_url else { return Ok(None) };
    let (shared, keeper) = Shared::new(url, Arc::clone(metrics))?;
    tasks.spawn_on(keeper.run(stop.clone()), control.handle());
    Ok(Some(shared))
}

fn journal_options(config: &Config) -> JournalOptions {
    let crate::config::Journal { level, max_bytes, segment_bytes } = config.journal;
    let level = match level {
        JournalLevel::Process => Level::Process,
        JournalLevel::Host => Level::Host,
    };
    JournalOptions { level, segment_bytes, max_bytes, ..JournalOptions::new(config.data_dir.join("journal")) }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let (limits, timeouts) = (&config.limits, &config.timeouts);
        Self {
            max_body_bytes: limits.max_body_bytes,
            max_in_flight: limits.max_in_flight,
            client_body_idle: timeouts.client_body_idle,
            client_write: timeouts.client_write,
            connect: timeouts.connect,
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            total: timeouts.total,
            cache: CacheSettings { max_bytes: config.cache.max_bytes, wait: config.cache.wait },
        }
    }
}

impl From<&Config> for guard::Settings {
    fn from(config: &Config) -> Self {
        let crate::config::Protection {
            connections_per_address,
            requests_per_second_per_address,
            bad_keys_per_minute_per_address,
            signature_nonces,
            memory_watermark,
        } = config.protection;
        Self {
            trusted_proxies: config.trusted_proxies.clone(),
            connections_per_address,
            requests_per_second_per_address,
            bad_keys_per_minute_per_address,
            signature_nonces,
            memory_watermark,
        }
    }
}

impl From<&Config> for ConnectionSettings {
    fn from(config: &Config) -> Self {
        let (limits, timeouts) = (&config.limits, &config.timeouts);
        Self {
            max_connections: limits.max_connections,
            max_header_bytes: limits.max_header_bytes,
            header: timeouts.client_header,
            keepalive: timeouts.keepalive,
            proxy_protocol: config.proxy_protocol,
        }
    }
}

fn service<A: ServerApp + Send + Sync + 'static>(name: &str, address: std::net::SocketAddr, app: A) -> Service<A> {
    let mut listeners = Listeners::new();
    listeners.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(L4BufferSettings::new(0, 0)));
    Service::with_listeners(name.to_owned(), listeners, app)
}

/// Tells Pingora to close its listeners when the supervisor says so.
struct CloseListeners(tokio::sync::watch::Receiver<bool>);

#[async_trait]
impl ShutdownSignalWatch for CloseListeners {
    async fn recv(&self) -> ShutdownSignal {
        let _ = self.0.clone().wait_for(|close| *close).await;
        ShutdownSignal::GracefulTerminate
    }
}
