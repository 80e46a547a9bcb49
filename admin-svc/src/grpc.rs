//! The proxies' side of the control plane: configuration goes out, usage comes in, and the health of upstream keys goes
//! both ways.
//!
//! What stands behind is known as traits only; nothing in here touches the database. `convert` alone turns messages
//! into the control plane's types and back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    budget_lease_server::BudgetLeaseServer, config_discovery_server::ConfigDiscoveryServer,
    health_exchange_server::HealthExchangeServer, usage_ingest_server::UsageIngestServer,
};
use tollgate_shared::{
    clock::Clock,
    ids::{BootId, ProxyId},
    secret::Secret,
};
use tonic::{service::interceptor::InterceptedService, transport::server::Router};

use crate::{
    domain::{
        budget::{Ask, Borrower, BudgetKey, Grant, Recall},
        key_health::{Hint, KeyModelReport},
        proxy::RefusedResource,
        usage::{QuarantinedEvent, UsageEvent},
    },
    metrics::Metrics,
    publish::Published,
};

mod authenticate;
mod convert;
mod frame;
mod health;
mod lease;
mod usage;
mod watch;

use authenticate::RequireJoinToken;
use health::HealthService;
use lease::LeaseService;
use usage::IngestService;
use watch::WatchService;

/// A batch of usage is at most 2 MiB; the rest is what framing and a generous proxy may add.
const LARGEST_MESSAGE_IN_BYTES: usize = 4 * 1024 * 1024;
/// A snapshot's chunk or a delta is at most 1 MiB.
const LARGEST_MESSAGE_OUT_BYTES: usize = 2 * 1024 * 1024;
/// A connection that does not answer a ping is closed after twice this: a proxy whose host vanished is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Connections end after this, so that proxies spread anew over the control plane's replicas.
const LONGEST_AGE: Duration = Duration::from_mins(30);
/// The share of the age that is drawn at random, so that they do not all end at once.
const AGE_JITTER: f64 = 0.2;
/// One stream of each service a proxy, with room for those that are being replaced.
const STREAMS_PER_CONNECTION: u32 = 16;

/// What a proxy said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedProxy {
    pub id: ProxyId,
    pub boot_id: BootId,
    pub hostname: String,
    pub version: String,
    pub epoch: String,
    pub revision: u64,
}

/// Remembers which proxies are connected and what each holds. Never waits: it is called from the streams.
pub trait ProxyRegistry: Send + Sync + 'static {
    /// A watch stream began; what it reports belongs to the returned connection.
    fn connected(&self, proxy: ConnectedProxy) -> ConnectionId;
    fn applied(&self, connection: ConnectionId, epoch: &str, revision: u64, refused: Vec<RefusedResource>);
    fn disconnected(&self, connection: ConnectionId);
    /// How many proxies are connected to the control plane, whichever replica; 0 while that is not known.
    fn live(&self) -> u32;
}

/// Names one watch stream; a proxy that reconnects gets a new one, perhaps before its old stream is noticed dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// The service is stopping and takes nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the control plane is stopping")]
pub struct Stopping;

/// What came in one batch.
#[derive(Debug, Default)]
pub struct IncomingBatch {
    pub events: Vec<UsageEvent>,
    pub quarantined: Vec<QuarantinedEvent>,
}

/// Resolves when a batch is committed, fails when it will not be by this process.
pub type Committed = tokio::sync::oneshot::Receiver<()>;

/// Takes usage in.
#[async_trait]
pub trait UsageIntake: Send + Sync + 'static {
    /// Queues a batch, waiting while the queue is full.
    async fn take(&self, batch: IncomingBatch) -> Result<Committed, Stopping>;
}

/// What a proxy is told when its health stream begins, and from then on.
pub struct JoinedHealth {
    pub live: Vec<Arc<Hint>>,
    pub hints: broadcast::Receiver<Arc<Hint>>,
}

/// Puts together how upstream keys are, and passes on what is news. Never waits: it is called from the streams.
pub trait HealthRelay: Send + Sync + 'static {
    fn joined(&self, proxy: ProxyId, boot: BootId) -> JoinedHealth;
    /// All hints that count now.
    fn live(&self) -> Vec<Arc<Hint>>;
    fn reported(&self, proxy: ProxyId, states: Vec<KeyModelReport>);
}

/// Why nothing was lent; the proxy asks again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LenderError(pub Box<dyn std::error::Error + Send + Sync>);

/// Lends from budgets.
#[async_trait]
pub trait BudgetLender: Send + Sync + 'static {
    /// The borrower lives. Of which budgets it should give back what it does not use.
    async fn renew(&self, borrower: &Borrower) -> Result<Vec<BudgetKey>, LenderError>;
    /// What earlier starts of the borrower's proxy borrowed and did not spend, nobody will spend.
    async fn settle_earlier_starts(&self, borrower: &Borrower) -> Result<(), LenderError>;
    /// Answers asks in their order; each is of another budget.
    async fn lend(&self, borrower: &Borrower, asks: &[Ask]) -> Result<Vec<Grant>, LenderError>;
    /// What others lack from now on, as far as this replica learns of it.
    fn recalls(&self) -> broadcast::Receiver<Recall>;
}

/// What the streams work with.
pub struct Dependencies {
    pub published: Arc<Published>,
    pub proxies: Arc<dyn ProxyRegistry>,
    pub usage: Arc<dyn UsageIntake>,
    pub health: Arc<dyn HealthRelay>,
    pub lender: Arc<dyn BudgetLender>,
    pub join_token: Secret,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    /// Cancelled to end every stream.
    pub stop: CancellationToken,
    /// Owns the streams' tasks.
    pub tasks: TaskTracker,
}

/// All services on one router; the caller binds and serves it.
pub fn router(mut server: tonic::transport::Server, dependencies: Dependencies) -> Router {
    let require = RequireJoinToken::new(&dependencies.join_token);
    let Dependencies { published, proxies, usage, health, lender, clock, stop, tasks, metrics, join_token: _ } =
        dependencies;
    let watch = WatchService::new(published, proxies, metrics, stop.clone(), tasks.clone());
    let health = HealthService::new(health, clock.clone(), stop.clone(), tasks.clone());
    let lease = LeaseService::new(lender, stop.clone(), tasks.clone());
    let ingest = IngestService::new(usage, clock, stop, tasks);
    let watch = ConfigDiscoveryServer::new(watch)
        .max_decoding_message_size(LARGEST_MESSAGE_IN_BYTES)
        .max_encoding_message_size(LARGEST_MESSAGE_OUT_BYTES);
    let health = HealthExchangeServer::new(health).max_decoding_message_size(LARGEST_MESSAGE_IN_BYTES);
    let ingest = UsageIngestServer::new(ingest).max_decoding_message_size(LARGEST_MESSAGE_IN_BYTES);
    server = server
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_INTERVAL))
        .tcp_nodelay(true)
        .max_concurrent_streams(STREAMS_PER_CONNECTION);
    server
        .add_service(InterceptedService::new(watch, require.clone()))
        .add_service(InterceptedService::new(health, require.clone()))
        .add_service(InterceptedService::new(BudgetLeaseServer::new(lease), require.clone()))
        .add_service(InterceptedService::new(ingest, require))
}

/// How long a stream that begins now may last.
fn stream_age() -> Duration {
    LONGEST_AGE.mul_f64(1.0 - AGE_JITTER * fastrand::f64())
}
