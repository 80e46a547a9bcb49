//! A proxy, as far as the protocol goes: it answers only when a test says so.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use ring::digest;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    Ack, Delta, Heartbeat, Hello, Nack, ReportHello, ReportRequest, ReportResponse, Resource, ResourceError, Snapshot,
    SnapshotChunk, UsageBatch, UsageEvent, WatchRequest, WatchResponse, config_discovery_client::ConfigDiscoveryClient,
    report_request, resource, usage_ingest_client::UsageIngestClient, watch_request, watch_response,
};
use tonic::{Request, Status, Streaming, transport::Channel};
use uuid::Uuid;

use crate::control_plane::{ControlPlane, JOIN_TOKEN};

/// Longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn authorised<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) async fn channel(plane: &ControlPlane) -> Channel {
    Channel::from_shared(plane.grpc_url()).unwrap().connect().await.unwrap()
}

pub(crate) fn hello(epoch: &str, revision: u64) -> Hello {
    Hello {
        proxy_id: Uuid::now_v7().to_string(),
        boot_id: Uuid::now_v7().to_string(),
        version: "0.1.0".to_owned(),
        schema: 1,
        epoch: epoch.to_owned(),
        revision,
        hostname: "proxy-of-the-tests".to_owned(),
    }
}

/// A whole snapshot, put together and checked.
pub(crate) struct Whole {
    pub(crate) epoch: String,
    pub(crate) revision: u64,
    pub(crate) nonce: u64,
    pub(crate) compressed: Vec<u8>,
    pub(crate) resources: Vec<Resource>,
}

/// A watch stream.
pub(crate) struct Watch {
    requests: mpsc::Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
    pub(crate) heartbeats: Vec<Heartbeat>,
}

impl Watch {
    pub(crate) async fn open(plane: &ControlPlane, hello: Hello) -> Self {
        Self::try_open(plane, watch_request::Message::Hello(hello), JOIN_TOKEN).await.unwrap()
    }

    pub(crate) async fn try_open(
        plane: &ControlPlane,
        first: watch_request::Message,
        token: &str,
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(16);
        requests.send(WatchRequest { message: Some(first) }).await.unwrap();
        let mut client = ConfigDiscoveryClient::new(channel(plane).await);
        let responses = client.watch(authorised(ReceiverStream::new(receiver), token)).await?.into_inner();
        Ok(Self { requests, responses, heartbeats: Vec::new() })
    }

    /// The next message that is no heartbeat.
    pub(crate) async fn next(&mut self) -> Result<watch_response::Message, Status> {
        loop {
            let message = timeout(PATIENCE, self.responses.message()).await.expect("a message comes")?;
            match message.ok_or_else(|| Status::cancelled("the stream ended"))?.message.unwrap() {
                watch_response::Message::Heartbeat(heartbeat) => self.heartbeats.push(heartbeat),
                other => return Ok(other),
            }
        }
    }

    /// Waits, and fails when anything but a heartbeat comes.
    pub(crate) async fn quiet(&mut self, time: Duration) {
        if let Ok(message) = timeout(time, self.next()).await {
            panic!("nothing was expected, but {message:?} came");
        }
    }

    pub(crate) async fn delta(&mut self) -> Delta {
        match self.next().await.unwrap() {
            watch_response::Message::Delta(delta) => delta,
            other => panic!("a delta was expected, but {other:?} came"),
        }
    }

    pub(crate) async fn whole(&mut self) -> Whole {
        let mut chunks: Vec<SnapshotChunk> = Vec::new();
        loop {
            match self.next().await.unwrap() {
                watch_response::Message::Snapshot(chunk) => chunks.push(chunk),
                other => panic!("a snapshot was expected, but {other:?} came"),
            }
            let first = &chunks[0];
            let last = chunks.last().unwrap();
            assert_eq!((last.nonce, last.revision, last.count), (first.nonce, first.revision, first.count));
            assert_eq!(last.index as usize, chunks.len() - 1);
            assert!(last.data.len() <= 1024 * 1024);
            if last.index + 1 == last.count {
                break;
            }
        }
        let compressed = chunks.iter().flat_map(|chunk| chunk.data.iter().copied()).collect::<Vec<u8>>();
        let encoded = zstd::stream::decode_all(compressed.as_slice()).unwrap();
        assert_eq!(digest::digest(&digest::SHA256, &encoded).as_ref(), chunks[0].sha256.as_ref());
        let Snapshot { resources } = Snapshot::decode(encoded.as_slice()).unwrap();
        let SnapshotChunk { epoch, revision, nonce, .. } = chunks.remove(0);
        Whole { epoch, revision, nonce, compressed, resources }
    }

    pub(crate) async fn ack(&self, nonce: u64, revision: u64) {
        self.send(watch_request::Message::Ack(Ack { nonce, revision })).await;
    }

    pub(crate) async fn nack(&self, nonce: u64, applied: u64, errors: Vec<ResourceError>) {
        self.send(watch_request::Message::Nack(Nack { nonce, applied, errors })).await;
    }

    pub(crate) async fn send(&self, message: watch_request::Message) {
        self.requests.send(WatchRequest { message: Some(message) }).await.unwrap();
    }

    /// Opens a stream with nothing held, takes what comes, and acknowledges it.
    pub(crate) async fn in_sync(plane: &ControlPlane) -> (Self, Whole) {
        let mut watch = Self::open(plane, hello("", 0)).await;
        let whole = watch.whole().await;
        watch.ack(whole.nonce, whole.revision).await;
        (watch, whole)
    }
}

/// Kind and id of each resource.
pub(crate) fn ids(resources: &[Resource]) -> BTreeMap<String, &'static str> {
    let id = |resource: &Resource| match resource.resource.as_ref().unwrap() {
        resource::Resource::Settings(_) => ("settings".to_owned(), "settings"),
        resource::Resource::Provider(it) => (it.id.clone(), "provider"),
        resource::Resource::KeyPool(it) => (it.id.clone(), "key_pool"),
        resource::Resource::UpstreamKey(it) => (it.id.clone(), "upstream_key"),
        resource::Resource::Service(it) => (it.id.clone(), "service"),
        resource::Resource::User(it) => (it.id.clone(), "user"),
        resource::Resource::AccessKey(it) => (it.id.clone(), "access_key"),
        resource::Resource::Price(it) => (it.id.clone(), "price"),
    };
    resources.iter().map(id).collect()
}

/// A usage stream.
pub(crate) struct Report {
    requests: mpsc::Sender<ReportRequest>,
    responses: Streaming<ReportResponse>,
    pub(crate) window: u32,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

impl Report {
    pub(crate) async fn open(url: String) -> Self {
        let (requests, receiver) = mpsc::channel(64);
        let hello = ReportHello { proxy_id: Uuid::now_v7().to_string(), boot_id: Uuid::now_v7().to_string() };
        requests.send(ReportRequest { message: Some(report_request::Message::Hello(hello)) }).await.unwrap();
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = UsageIngestClient::new(channel);
        let responses = client.report(authorised(ReceiverStream::new(receiver), JOIN_TOKEN)).await.unwrap();
        let mut this = Self { requests, responses: responses.into_inner(), window: 0, sent: 0, acknowledged: 0 };
        this.acknowledgement().await.unwrap();
        this
    }

    pub(crate) async fn send(&mut self, events: Vec<UsageEvent>) {
        self.sent += 1;
        self.send_as(self.sent, events).await;
    }

    pub(crate) async fn send_as(&mut self, sequence: u64, events: Vec<UsageEvent>) {
        let message = report_request::Message::Batch(UsageBatch { sequence, events });
        self.requests.send(ReportRequest { message: Some(message) }).await.unwrap();
    }

    pub(crate) async fn acknowledgement(&mut self) -> Result<(), Status> {
        let message = timeout(PATIENCE, self.responses.message()).await.expect("an acknowledgement comes")?;
        let response = message.ok_or_else(|| Status::cancelled("the stream ended"))?;
        self.window = response.window;
        self.acknowledged = response.acknowledged_sequence;
        Ok(())
    }

    /// Waits until everything that was sent is committed.
    pub(crate) async fn settled(&mut self) {
        while self.acknowledged < self.sent {
            self.acknowledgement().await.unwrap();
        }
    }
}
