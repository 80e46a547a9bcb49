//! What proxies are told of upstream keys, heard as another proxy would.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    HealthHello, HealthHint, HealthReport, health_exchange_client::HealthExchangeClient, health_report::Message,
};
use tonic::{Request, Streaming, transport::Channel};
use uuid::Uuid;

/// The stream ends when it is dropped.
#[derive(Debug)]
pub struct HealthStream {
    _requests: mpsc::Sender<HealthReport>,
    hints: Streaming<HealthHint>,
}

impl HealthStream {
    pub async fn open(admin_grpc: SocketAddr, join_token: &str) -> anyhow::Result<Self> {
        let (requests, receiver) = mpsc::channel(1);
        let hello = HealthHello { proxy_id: Uuid::now_v7().to_string(), boot_id: Uuid::now_v7().to_string() };
        requests.send(HealthReport { message: Some(Message::Hello(hello)) }).await?;
        let channel = Channel::from_shared(format!("http://{admin_grpc}"))?.connect().await?;
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", format!("Bearer {join_token}").parse()?);
        let hints = HealthExchangeClient::new(channel).exchange(request).await?.into_inner();
        Ok(Self { _requests: requests, hints })
    }

    pub async fn next(&mut self, within: Duration) -> anyhow::Result<HealthHint> {
        let hint = tokio::time::timeout(within, self.hints.message()).await.context("no hint came in time")??;
        hint.context("the control plane ended the stream")
    }
}
