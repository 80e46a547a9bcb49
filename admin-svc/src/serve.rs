//! The process's life: opens the state, binds the listeners, runs until it is told to stop, and stops in order.
//!
//! Stopping: not ready any more → streams to proxies end, HTTP requests in flight finish → what runs beside is stopped
//! when nothing needs it any more → the database is closed. A second signal ends the process at once; nothing is lost
//! by that, only redelivered.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_shared::{clock::Clock, secret::Secret, telemetry::LogLevel};

use crate::{
    app::{App, AppOptions, budgets::Lender, proxies::ConnectedProxies, publish::PublishedRows},
    background,
    config::{Configuration, Sources},
    crypto::random_bytes,
    grpc,
    metrics::Metrics,
    publish::{Published, Reconciler},
};

mod connections;
mod listeners;
pub(crate) mod master_key;
mod ops;

pub use listeners::{Addresses, Bound};

/// How long HTTP requests and streams may take to finish after the signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what runs beside may take after that.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT.
pub async fn serve(configuration: Configuration, sources: Sources, log_level: LogLevel) -> anyhow::Result<()> {
    let mut signals = Signals::install()?;
    let app = open(&configuration).await?;
    let bound = Bound::bind(&configuration.listeners).await?;
    let running = Running::start(app.clone(), configuration.join_token()?.clone(), bound).await?;
    if let Some(pace) = configuration.probes {
        running.spawn(|stop| background::health_probes::run(app, pace, stop));
    }
    running.spawn(|stop| background::reload::run(sources, log_level, stop));
    signals.received().await;
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = running.stop() => tracing::info!("stopped"),
        () = signals.received() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// Opens the state, and says how the first administrator is made while there is none.
pub(crate) async fn open(configuration: &Configuration) -> anyhow::Result<App> {
    let master_key = master_key::load(configuration)?;
    let generated = configuration.setup_token.is_none();
    let setup_token = match &configuration.setup_token {
        Some(token) => token.clone(),
        None => Secret::new(hex(&random_bytes::<16>()?)),
    };
    let app = App::open(AppOptions {
        database_url: configuration.database_url.expose().to_owned(),
        master_key,
        setup_token: setup_token.clone(),
        address_policy: configuration.upstream_addresses.clone(),
        clock: Clock::system(),
        registration_open: configuration.registration_open,
        secure_cookies: configuration.secure_cookies,
        currency: configuration.currency,
    })
    .await
    .context("the control plane's state cannot be opened")?;
    if app.needs_setup().await? {
        if generated {
            tracing::warn!(setup_token = setup_token.expose(), "no administrator yet: set one up with this token");
        } else {
            tracing::warn!("no administrator yet: set one up with the configured setup token");
        }
    }
    Ok(app)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Everything that was started, and how to stop it.
pub struct Running {
    app: App,
    addresses: Addresses,
    health: Arc<ops::Health>,
    /// Ends listeners and streams.
    serving: CancellationToken,
    listeners: TaskTracker,
    streams: TaskTracker,
    /// Ends what the streams need.
    beside: CancellationToken,
    background: TaskTracker,
    /// Ends the ops listener, which answers to the last.
    ops: CancellationToken,
}

impl Running {
    /// Starts everything on listeners that are bound. `join_token`: what proxies prove themselves with.
    pub async fn start(app: App, join_token: Secret, bound: Bound) -> anyhow::Result<Self> {
        let (serving, beside, ops) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let (listeners, streams, background) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());
        let metrics = Arc::new(Metrics::default());
        let published = Arc::new(Published::default());
        let proxies = Arc::new(ConnectedProxies::new(app.clock().clone()));
        let health = Arc::new(ops::Health::new(Arc::clone(&metrics), Arc::clone(&published), Arc::clone(&proxies)));

        let rows = PublishedRows::new(app.clone(), app.access_key_pepper().await?);
        let reconciler = Reconciler::new(rows, Arc::clone(&published));
        background.spawn(reconciler.run(app.store().changes(), beside.clone()));
        let (ingest, queue) = background::ingest::ingest(app.clone(), Arc::clone(&metrics));
        background.spawn(ingest.run(beside.clone()));
        background.spawn(background::provider_models::run(app.clone(), beside.clone()));
        background.spawn(background::key_health::run(app.clone(), beside.clone()));
        background.spawn(background::budgets::run(app.clone(), beside.clone()));
        background.spawn(background::proxies::run(app.clone(), Arc::clone(&proxies), beside.clone()));

        let dependencies = grpc::Dependencies {
            published,
            proxies,
            usage: Arc::new(queue),
            health: Arc::clone(app.health_board()) as Arc<dyn grpc::HealthRelay>,
            lender: Arc::new(Lender::new(app.clone(), Arc::clone(&metrics))),
            join_token,
            clock: app.clock().clone(),
            metrics,
            stop: serving.clone(),
            tasks: streams.clone(),
        };
        let addresses = bound.addresses()?;
        let Bound { http, grpc, ops: ops_listener } = bound;
        listeners.spawn(listeners::serve_http(http, app.clone(), serving.clone()));
        listeners.spawn(grpc.serve(dependencies, serving.clone()));
        background.spawn(listeners::serve_ops(ops_listener, Arc::clone(&health), ops.clone()));
        Ok(Self { app, addresses, health, serving, listeners, streams, beside, background, ops })
    }

    /// Where the listeners are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Runs a task beside the others; its token is cancelled when it is to end.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: impl FnOnce(CancellationToken) -> F) {
        self.background.spawn(task(self.beside.clone()));
    }

    /// Stops in order; a few seconds at most.
    pub async fn stop(self) {
        self.health.drain();
        self.serving.cancel();
        self.listeners.close();
        self.streams.close();
        let drained = async {
            self.streams.wait().await;
            self.listeners.wait().await;
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("connections were still open after {DRAIN_TIMEOUT:?}");
        }
        self.beside.cancel();
        self.ops.cancel();
        self.background.close();
        let finished = async {
            self.background.wait().await;
            self.app.store().close().await;
        };
        if tokio::time::timeout(BACKGROUND_TIMEOUT, finished).await.is_err() {
            tracing::warn!("a background task was still at work");
        }
    }
}

impl Drop for Running {
    /// Nothing outlives its owner, also when it was not stopped in order.
    fn drop(&mut self) {
        self.serving.cancel();
        self.beside.cancel();
        self.ops.cancel();
    }
}
