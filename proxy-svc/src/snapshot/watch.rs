//! Keeps the configuration in force equal to the control plane's: one stream, for as long as the proxy lives.
//!
//! The order for each message is: check, build, **put in force**, store, acknowledge. In force comes before stored, so
//! that a revoked key is out at once even while the disk is slow or full; a stored copy that could not be written is
//! logged and counted, `config_not_stored` says that a restart would bring the older one back, and the acknowledgement
//! goes out all the same, because what the control plane asks is what the proxy serves. Storing runs beside the stream
//! and takes the newest state each time, so a burst of changes is written once.
//!
//! A stream that ends, is silent or says what cannot follow is opened anew, after a wait that grows and is drawn at
//! random. Nothing that the control plane does or fails to do takes the snapshot in force away.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tollgate_proto::config_discovery_client::ConfigDiscoveryClient;
use tollgate_shared::{backoff::Backoff, clock::Clock, secret::Secret};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{
    Snapshots,
    apply::Applier,
    identity::Identity,
    store::{Store, StoreError},
};
use crate::{config::AdminEndpoint, telemetry::Metrics};

mod assembly;
mod persist;
mod session;

use persist::Persister;
use session::{End, Session};

/// How long to wait for what; tests use shorter times.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// A stream without a message for this long is dead.
    pub silence: Duration,
    /// Before a stream is opened anew: the first upper bound, and the highest.
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(15),
        }
    }
}

/// Why the watcher could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("join_token: cannot be sent in a header")]
    JoinToken,
    #[error("admin_endpoint: {0}")]
    Endpoint(#[source] tonic::transport::Error),
    #[error("the stored snapshot's key: {0}")]
    Store(#[from] StoreError),
}

/// What the watcher works with.
#[derive(Debug)]
pub struct WatcherParts<'a> {
    pub snapshots: Arc<Snapshots>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub identity: Identity,
    pub admin: &'a AdminEndpoint,
    pub join_token: &'a Secret,
    pub data_dir: &'a Path,
    pub pace: Pace,
}

/// The one writer of [`Snapshots`].
#[derive(Debug)]
pub struct Watcher {
    endpoint: Endpoint,
    authorization: MetadataValue<Ascii>,
    identity: Identity,
    hostname: String,
    pace: Pace,
    snapshots: Arc<Snapshots>,
    metrics: Arc<Metrics>,
    clock: Clock,
    applier: Applier,
    persister: Persister,
}

impl Watcher {
    /// Puts the stored snapshot in force, when there is one: blocks for as long as it takes to read it, so that the
    /// proxy is ready before it binds. Opens no connection.
    pub fn start(parts: WatcherParts<'_>) -> Result<Self, WatchError> {
        let WatcherParts { snapshots, metrics, clock, identity, admin, join_token, data_dir, pace } = parts;
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {}", join_token.expose()).parse().map_err(|_| WatchError::JoinToken)?;
        authorization.set_sensitive(true);
        let mut store = Store::new(data_dir, join_token)?;
        let mut applier = Applier::new(Arc::clone(&snapshots));
        restore(&mut store, &mut applier, &metrics);
        Ok(Self {
            endpoint: endpoint(admin, &pace)?,
            authorization,
            identity,
            hostname: hostname(),
            pace,
            snapshots,
            clock,
            applier,
            persister: Persister::new(store, Arc::clone(&metrics)),
            metrics,
        })
    }

    /// Follows the control plane until told to stop, and then until what is in force is stored.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.pace.first_wait, self.pace.longest_wait);
        while let Some(end) = stop.run_until_cancelled(self.follow(&mut backoff)).await {
            self.metrics.configuration.connected.set(0);
            self.metrics.configuration.reconnects.add(1);
            let wait = backoff.next(fastrand::f64());
            tracing::warn!(error = %end, wait_ms = wait.as_millis(), "the stream to the control plane ended");
            if stop.run_until_cancelled(self.wait(wait)).await.is_none() {
                break;
            }
        }
        self.metrics.configuration.connected.set(0);
        if let Err(error) = self.finish_storing().await {
            tracing::error!(%error, "the snapshot in force was not stored");
        }
    }

    /// Between two streams. What came in force with the last one is still stored.
    async fn wait(&mut self, time: Duration) {
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                () = self.persister.written() => {
                    if let Err(error) = self.catch_up().await {
                        tracing::error!(%error, "the snapshot in force was not stored");
                    }
                }
            }
        }
    }

    /// One stream, from its opening to its end.
    async fn follow(&mut self, backoff: &mut Backoff) -> End {
        let channel = match self.endpoint.connect().await {
            Ok(channel) => channel,
            Err(error) => return End::Unreachable(describe(&error)),
        };
        // Configuration is bounded by `frame::MAX_BYTES`; a delta in one message by this.
        let client: ConfigDiscoveryClient<Channel> =
            ConfigDiscoveryClient::new(channel).max_decoding_message_size(64 << 20);
        match Session::open(self, client).await {
            Ok(mut session) => session.run(self, backoff).await,
            Err(end) => end,
        }
    }
}

fn restore(store: &mut Store, applier: &mut Applier, metrics: &Metrics) {
    match store.load() {
        Ok(None) => tracing::info!("no stored snapshot: waiting for the control plane"),
        Ok(Some(stored)) => {
            metrics.configuration.current_at.set(stored.written_at_unix_us);
            metrics.configuration.revision.set_unsigned(stored.revision);
            tracing::info!(revision = stored.revision, epoch = stored.epoch, "serving from the stored snapshot");
            applier.restore(stored);
        }
        Err(error @ StoreError::Damaged) => {
            tracing::error!(%error, "the stored snapshot was set aside: waiting for the control plane");
        }
        Err(error) => tracing::error!(%error, "the stored snapshot cannot be read: waiting for the control plane"),
    }
}

/// The control plane's gRPC port, with TLS where it is not on this host.
pub(crate) fn endpoint(admin: &AdminEndpoint, pace: &Pace) -> Result<Endpoint, WatchError> {
    let endpoint = Endpoint::from(admin.uri.clone()).connect_timeout(pace.connect);
    if admin.uri.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new();
    let tls = match &admin.authorities_pem {
        Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
        None => tls.with_webpki_roots(),
    };
    endpoint.tls_config(tls.timeout(pace.connect)).map_err(WatchError::Endpoint)
}

/// For people to recognise the proxy; an empty one is as good.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// An error with its causes: tonic's own text stops at "transport error".
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
