//! The exchange of keys' health from its outside: a real gRPC connection, a control plane of ours at its other end, and
//! a health of keys that says what a test tells it to.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use parking_lot::Mutex;
use proxy_svc::health_exchange::{
    ExchangeOptions, HealthRecord, KeyHint, KeyModelReport, KeyState, OutcomeCounts, Verdict, run,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    HealthHint, HealthReport, HealthVerdict, KeyModelState,
    health_exchange_server::{HealthExchange, HealthExchangeServer},
    health_report::Message,
};
use tollgate_shared::{
    ids::{BootId, ProxyId, UpstreamKeyId},
    secret::Secret,
};
use tonic::{Request, Response, Status, Streaming, transport::Endpoint};

const JOIN_TOKEN: &str = "join-token";
const PATIENCE: Duration = Duration::from_secs(20);

/// Says what it was told to say, once, and remembers what it was told.
#[derive(Default)]
struct Fake {
    reports: Mutex<Vec<KeyModelReport>>,
    hints: Mutex<Vec<KeyHint>>,
    hinted: Notify,
    asked: Mutex<u32>,
}

impl HealthRecord for Fake {
    fn report(&self) -> Vec<KeyModelReport> {
        *self.asked.lock() += 1;
        std::mem::take(&mut self.reports.lock())
    }

    fn hint(&self, hint: KeyHint) {
        self.hints.lock().push(hint);
        self.hinted.notify_one();
    }
}

/// One proxy's stream at the control plane.
struct AdminStream {
    requests: Streaming<HealthReport>,
    hints: mpsc::Sender<Result<HealthHint, Status>>,
}

struct Service(mpsc::Sender<AdminStream>);

#[tonic::async_trait]
impl HealthExchange for Service {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<HealthHint, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<HealthReport>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if bearer != Some(&format!("Bearer {JOIN_TOKEN}")) {
            return Err(Status::unauthenticated("unknown join token"));
        }
        let (hints, receiver) = mpsc::channel(16);
        let _ = self.0.send(AdminStream { requests: request.into_inner(), hints }).await;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

struct Admin {
    address: SocketAddr,
    streams: mpsc::Receiver<AdminStream>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Admin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = mpsc::channel(4);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = tonic::transport::Server::builder()
            .add_service(HealthExchangeServer::new(Service(sender)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                served = server => served.unwrap(),
            }
        });
        Self { address, streams, stop, tasks }
    }

    async fn stream(&mut self) -> AdminStream {
        tokio::time::timeout(PATIENCE, self.streams.recv()).await.expect("a stream comes").unwrap()
    }
}

impl AdminStream {
    async fn next(&mut self) -> Option<Message> {
        let message = tokio::time::timeout(PATIENCE, self.requests.message()).await.expect("a message comes");
        message.ok().flatten().and_then(|report| report.message)
    }

    async fn hello(&mut self) -> (String, String) {
        match self.next().await {
            Some(Message::Hello(hello)) => (hello.proxy_id, hello.boot_id),
            other => unreachable!("a hello was expected, but {other:?} came"),
        }
    }

    async fn states(&mut self) -> Vec<KeyModelState> {
        match self.next().await {
            Some(Message::States(states)) => states.states,
            other => unreachable!("states were expected, but {other:?} came"),
        }
    }
}

struct Proxy {
    health: Arc<Fake>,
    options: ExchangeOptions,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn proxy(address: SocketAddr, join_token: &str) -> Proxy {
    let options = ExchangeOptions {
        endpoint: Endpoint::from_shared(format!("http://{address}")).unwrap(),
        join_token: Secret::new(join_token.to_owned()),
        proxy_id: ProxyId::generate(),
        boot_id: BootId::generate(),
        every: Duration::from_millis(20),
    };
    let (health, stop, tasks) = (Arc::new(Fake::default()), CancellationToken::new(), TaskTracker::new());
    tasks.spawn(run(Arc::clone(&health) as Arc<dyn HealthRecord>, options.clone(), stop.clone()));
    Proxy { health, options, stop, tasks }
}

impl Proxy {
    async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("it stops");
    }
}

fn report(key: UpstreamKeyId) -> KeyModelReport {
    KeyModelReport {
        upstream_key_id: key,
        model: Some("gpt-4o".into()),
        state: KeyState::Cooling,
        reason: "rate limited".into(),
        until: Some(42),
        outcomes: OutcomeCounts { rate_limited: 1, ..OutcomeCounts::default() },
        ttft: None,
        in_flight: 0,
    }
}

#[tokio::test]
async fn reports_go_out_and_hints_come_in() {
    let mut admin = Admin::start().await;
    let proxy = proxy(admin.address, JOIN_TOKEN);
    let mut stream = admin.stream().await;
    assert_eq!(stream.hello().await, (proxy.options.proxy_id.to_string(), proxy.options.boot_id.to_string()));
    let key = UpstreamKeyId::generate();
    proxy.health.reports.lock().push(report(key));
    let states = stream.states().await;
    assert_eq!((states.len(), states[0].upstream_key_id.as_str()), (1, key.to_string().as_str()));
    assert_eq!(states[0].outcomes.unwrap().rate_limited, 1);

    let hint = HealthHint {
        upstream_key_id: key.to_string(),
        model: None,
        verdict: HealthVerdict::Recovered.into(),
        until_unix_us: None,
        ttl_ms: 60_000,
        reason: String::new(),
    };
    // One that it does not understand is left out.
    stream.hints.send(Ok(HealthHint { verdict: 77, ..hint.clone() })).await.unwrap();
    stream.hints.send(Ok(hint)).await.unwrap();
    tokio::time::timeout(PATIENCE, proxy.health.hinted.notified()).await.expect("the hint comes");
    let hints = proxy.health.hints.lock().clone();
    assert_eq!(hints.len(), 1);
    assert_eq!((hints[0].upstream_key_id, hints[0].verdict), (key, Verdict::Recovered));
    assert_eq!(hints[0].ttl, Duration::from_mins(1));
    proxy.stop().await;
    admin.stop.cancel();
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_anew() {
    let mut admin = Admin::start().await;
    let proxy = proxy(admin.address, JOIN_TOKEN);
    let mut first = admin.stream().await;
    let hello = first.hello().await;
    drop(first);
    let mut second = admin.stream().await;
    assert_eq!(second.hello().await, hello, "the same proxy");
    let key = UpstreamKeyId::generate();
    proxy.health.reports.lock().push(report(key));
    assert_eq!(second.states().await[0].upstream_key_id, key.to_string());
    proxy.stop().await;
    admin.stop.cancel();
}

#[tokio::test]
async fn nothing_is_taken_from_the_health_while_nobody_listens() {
    let mut admin = Admin::start().await;
    let proxy = proxy(admin.address, "another");
    proxy.health.reports.lock().push(report(UpstreamKeyId::generate()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(*proxy.health.asked.lock(), 0);
    assert_eq!(proxy.health.reports.lock().len(), 1);
    assert!(admin.streams.try_recv().is_err());
    proxy.stop().await;
    admin.stop.cancel();
    admin.tasks.close();
}
