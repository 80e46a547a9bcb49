//! A proxy's health stream: it reports when a test says so.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    HealthHello, HealthHint, HealthReport, KeyModelState, KeyState, KeyStates, OutcomeCounts,
    health_exchange_client::HealthExchangeClient, health_report::Message,
};
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::{
    control_plane::{ControlPlane, JOIN_TOKEN},
    proxy::{authorised, channel},
};

/// Longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct HealthStream {
    pub(crate) proxy_id: String,
    requests: mpsc::Sender<HealthReport>,
    hints: Streaming<HealthHint>,
}

impl HealthStream {
    pub(crate) async fn open(plane: &ControlPlane) -> Self {
        Self::try_open(plane, JOIN_TOKEN).await.unwrap()
    }

    pub(crate) async fn try_open(plane: &ControlPlane, token: &str) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(16);
        let proxy_id = Uuid::now_v7().to_string();
        requests.send(hello(&proxy_id)).await.unwrap();
        let mut client = HealthExchangeClient::new(channel(plane).await);
        let hints = client.exchange(authorised(ReceiverStream::new(receiver), token)).await?.into_inner();
        // Until it has joined, what others say is not passed on to it but told when it does.
        Ok(Self { proxy_id, requests, hints })
    }

    pub(crate) async fn report(&self, states: Vec<KeyModelState>) {
        let message = Some(Message::States(KeyStates { states }));
        self.requests.send(HealthReport { message }).await.unwrap();
    }

    pub(crate) async fn hello_again(&self) {
        self.requests.send(hello(&self.proxy_id)).await.unwrap();
    }

    pub(crate) async fn hint(&mut self) -> HealthHint {
        timeout(PATIENCE, self.hints.message()).await.expect("a hint comes").unwrap().unwrap()
    }

    pub(crate) async fn ended(&mut self) -> Status {
        timeout(PATIENCE, self.hints.message()).await.expect("the stream ends").unwrap_err()
    }

    /// Waits, and fails when a hint comes.
    pub(crate) async fn quiet(&mut self, time: Duration) {
        if let Ok(hint) = timeout(time, self.hints.message()).await {
            panic!("nothing was expected, but {hint:?} came");
        }
    }
}

fn hello(proxy_id: &str) -> HealthReport {
    let hello = HealthHello { proxy_id: proxy_id.to_owned(), boot_id: Uuid::now_v7().to_string() };
    HealthReport { message: Some(Message::Hello(hello)) }
}

pub(crate) fn state(key: &str, model: Option<&str>, state: KeyState, outcomes: OutcomeCounts) -> KeyModelState {
    KeyModelState {
        upstream_key_id: key.to_owned(),
        model: model.map(str::to_owned),
        state: state.into(),
        reason: String::new(),
        until_unix_us: None,
        outcomes: Some(outcomes),
        ttft_us: None,
        in_flight: 0,
    }
}
