//! A control plane of which a test has every stream in its hand.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use prost::{Message, bytes::Bytes};
use ring::digest::{SHA256, digest};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    self as proto,
    config_discovery_server::{ConfigDiscovery, ConfigDiscoveryServer},
    watch_request, watch_response,
};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};

use super::PATIENCE;
use crate::snapshot::frame;

pub(super) struct Admin {
    pub port: u16,
    streams: mpsc::Receiver<AdminStream>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One proxy's stream.
pub(super) struct AdminStream {
    pub hello: proto::Hello,
    requests: Streaming<proto::WatchRequest>,
    responses: mpsc::Sender<Result<proto::WatchResponse, Status>>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Ack {
        nonce: u64,
        revision: u64,
    },
    Nack {
        nonce: u64,
        applied: u64,
        errors: Vec<proto::ResourceError>,
    },
    /// The proxy closed the stream.
    End,
}

struct Service {
    authorization: String,
    streams: mpsc::Sender<AdminStream>,
}

#[tonic::async_trait]
impl ConfigDiscovery for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<proto::WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<proto::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if request.metadata().get("authorization").is_none_or(|value| value != self.authorization.as_str()) {
            return Err(Status::unauthenticated("join token"));
        }
        let mut requests = request.into_inner();
        let Some(proto::WatchRequest { message: Some(watch_request::Message::Hello(hello)) }) =
            requests.message().await?
        else {
            return Err(Status::invalid_argument("a stream begins with hello"));
        };
        let (responses, receiver) = mpsc::channel(64);
        let _ = self.streams.send(AdminStream { hello, requests, responses }).await;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Admin {
    pub(super) async fn start(token: &str) -> Self {
        Self::start_at(0, token).await
    }

    pub(super) async fn start_at(port: u16, token: &str) -> Self {
        Self::start_with(Server::builder(), port, token).await
    }

    /// With TLS.
    pub(super) async fn start_as(identity: Identity, token: &str) -> Self {
        let tls = ServerTlsConfig::new().identity(identity);
        Self::start_with(Server::builder().tls_config(tls).unwrap(), 0, token).await
    }

    async fn start_with(mut builder: Server, port: u16, token: &str) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, streams) = mpsc::channel(64);
        let service = Service { authorization: format!("Bearer {token}"), streams: sender };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = builder
            .add_service(ConfigDiscoveryServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(server).await });
        tasks.close();
        Self { port, streams, stop, tasks }
    }

    /// The next stream that a proxy opens.
    pub(super) async fn accept(&mut self) -> AdminStream {
        let stream = tokio::time::timeout(PATIENCE, self.streams.recv()).await;
        stream.expect("a proxy opens a stream").expect("the server runs")
    }

    /// The next stream, if one is opened soon.
    pub(super) async fn accept_within(&mut self, time: Duration) -> Option<AdminStream> {
        tokio::time::timeout(time, self.streams.recv()).await.ok().flatten()
    }

    /// Frees the port.
    pub(super) async fn stop(&self) -> u16 {
        self.stop.cancel();
        self.tasks.wait().await;
        self.port
    }
}

impl AdminStream {
    pub(super) async fn answer(&mut self) -> Answer {
        let message = tokio::time::timeout(PATIENCE, self.requests.message()).await.expect("the proxy answers");
        match message.ok().flatten().and_then(|request| request.message) {
            Some(watch_request::Message::Ack(proto::Ack { nonce, revision })) => Answer::Ack { nonce, revision },
            Some(watch_request::Message::Nack(proto::Nack { nonce, applied, errors })) => {
                Answer::Nack { nonce, applied, errors }
            }
            Some(watch_request::Message::Hello(_)) => panic!("hello comes once"),
            None => Answer::End,
        }
    }

    pub(super) async fn raw(&self, response: proto::WatchResponse) {
        // A stream that the proxy left takes nothing; the test sees it by the next stream.
        let _ = self.responses.send(Ok(response)).await;
    }

    async fn send(&self, message: watch_response::Message) {
        self.raw(proto::WatchResponse { message: Some(message) }).await;
    }

    pub(super) async fn heartbeat(&self, epoch: &str, head_revision: u64) {
        self.send(watch_response::Message::Heartbeat(proto::Heartbeat {
            epoch: epoch.into(),
            head_revision,
            live_proxies: 0,
        }))
        .await;
    }

    pub(super) async fn delta(
        &self,
        epoch: &str,
        from: u64,
        to: u64,
        nonce: u64,
        upserts: Vec<proto::Resource>,
        deletes: Vec<proto::ResourceRef>,
    ) {
        let epoch = epoch.into();
        self.send(watch_response::Message::Delta(proto::Delta { epoch, from, to, nonce, upserts, deletes })).await;
    }

    pub(super) async fn chunk(&self, chunk: proto::SnapshotChunk) {
        self.send(watch_response::Message::Snapshot(chunk)).await;
    }

    pub(super) async fn snapshot(
        &self,
        epoch: &str,
        revision: u64,
        nonce: u64,
        resources: Vec<proto::Resource>,
        chunk_bytes: usize,
    ) {
        let plain = proto::Snapshot { resources }.encode_to_vec();
        let sha256 = Bytes::copy_from_slice(digest(&SHA256, &plain).as_ref());
        let frame = Bytes::from(frame::pack(&plain).unwrap());
        let count = u32::try_from(frame.len().div_ceil(chunk_bytes)).unwrap();
        for (index, data) in (0..).zip(frame.chunks(chunk_bytes)) {
            let data = frame.slice_ref(data);
            let (epoch, sha256) = (epoch.into(), sha256.clone());
            self.chunk(proto::SnapshotChunk { epoch, revision, nonce, index, count, data, sha256 }).await;
        }
    }

    pub(super) async fn close(self, status: Status) {
        let _ = self.responses.send(Err(status)).await;
    }
}
