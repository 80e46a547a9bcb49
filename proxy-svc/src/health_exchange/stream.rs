//! The stream to the control plane: reports go out while there is something to say, hints come in.
//!
//! Nothing is kept for a stream that is broken: while there is none, nobody is asked for a report, so that outcomes wait
//! where they are counted, and the first report of the next stream has them all.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollgate_proto::{HealthHint, HealthReport, health_exchange_client::HealthExchangeClient};
use tollgate_shared::{
    backoff::Backoff,
    ids::{BootId, ProxyId},
    secret::Secret,
};
use tonic::{Request, Status, Streaming, metadata::MetadataValue, transport::Endpoint};

use super::{HealthRecord, convert};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection that does not answer a ping in this time is dead; hints are too rare to tell by.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A stream that lived so long went well, also when nothing was said on it.
const WENT_WELL_AFTER: Duration = Duration::from_secs(10);

/// Where reports go.
#[derive(Clone, Debug)]
pub struct ExchangeOptions {
    /// With its TLS and time-outs.
    pub endpoint: Endpoint,
    pub join_token: Secret,
    pub proxy_id: ProxyId,
    pub boot_id: BootId,
    /// Between two reports; up to twice as long, drawn at random, so that proxies do not report at the same time.
    pub every: Duration,
}

impl ExchangeOptions {
    pub const EVERY: Duration = Duration::from_secs(1);
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("refused: {} ({:?})", .0.message(), .0.code())]
    Refused(#[from] Status),
    #[error("the join token cannot be sent as a header")]
    Token,
    #[error("closed by the control plane")]
    Closed,
    #[error("no answer in time")]
    Silent,
}

/// Exchanges until `stop`.
pub async fn run(health: Arc<dyn HealthRecord>, options: ExchangeOptions, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
    let mut told = false;
    loop {
        let started = tokio::time::Instant::now();
        let Some(Err(error)) = stop.run_until_cancelled(exchange(&*health, &options)).await else { return };
        if started.elapsed() >= WENT_WELL_AFTER {
            backoff.reset();
            told = false;
        }
        // While the control plane is away, once is enough.
        if told {
            tracing::debug!(%error, "the health of upstream keys is not exchanged");
        } else {
            tracing::warn!(%error, "the health of upstream keys is not exchanged; this proxy goes by what it sees itself");
        }
        told = true;
        if stop.run_until_cancelled(tokio::time::sleep(backoff.next(fastrand::f64()))).await.is_none() {
            return;
        }
    }
}

/// One stream, from hello to its end. Never ends well.
async fn exchange(health: &dyn HealthRecord, options: &ExchangeOptions) -> Result<std::convert::Infallible, Broken> {
    // One report under way: a control plane that does not read gets fewer of them.
    let (requests, receiver) = mpsc::channel(1);
    // The channel has room for one, so this does not wait.
    let _ = requests.try_send(convert::hello(options.proxy_id, options.boot_id));
    let mut hints = open(options, receiver).await?;
    tracing::info!("the health of upstream keys is being exchanged");
    tokio::select! {
        ended = send(health, options.every, &requests) => ended,
        ended = receive(health, &mut hints) => ended,
    }
}

async fn open(
    options: &ExchangeOptions,
    receiver: mpsc::Receiver<HealthReport>,
) -> Result<Streaming<HealthHint>, Broken> {
    let bearer = format!("Bearer {}", options.join_token.expose());
    let mut bearer = MetadataValue::try_from(bearer).map_err(|_| Broken::Token)?;
    bearer.set_sensitive(true);
    let endpoint = options.endpoint.clone().http2_keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_INTERVAL);
    let channel = within(CONNECT_WITHIN, endpoint.connect()).await??;
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", bearer);
    let mut client = HealthExchangeClient::new(channel);
    Ok(within(CONNECT_WITHIN, client.exchange(request)).await??.into_inner())
}

async fn send(
    health: &dyn HealthRecord,
    every: Duration,
    requests: &mpsc::Sender<HealthReport>,
) -> Result<std::convert::Infallible, Broken> {
    loop {
        for report in convert::reports(health.report()) {
            requests.send(report).await.map_err(|_| Broken::Closed)?;
        }
        tokio::time::sleep(every.mul_f64(1.0 + fastrand::f64())).await;
    }
}

async fn receive(
    health: &dyn HealthRecord,
    hints: &mut Streaming<HealthHint>,
) -> Result<std::convert::Infallible, Broken> {
    loop {
        let hint = hints.message().await?.ok_or(Broken::Closed)?;
        if let Some(hint) = convert::hint(hint) {
            health.hint(hint);
        }
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Result<T, Broken> {
    tokio::time::timeout(time, future).await.map_err(|_| Broken::Silent)
}
