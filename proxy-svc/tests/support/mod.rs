//! A proxy as it ships, between a simulated control plane and a simulated provider, each on a free port.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a test's ground: each binary uses a part, and what fails fails the test"
)]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::Stream;
use loadtest::{Options, Running, SimulatedProvider};
use parking_lot::Mutex;
use prost::Message;
use ring::{digest, rand::SystemRandom};
use tempfile::TempDir;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tollgate_proto::{
    AccessKey, KeyPool, Provider, ProviderKind, ReportRequest, ReportResponse, Resource, Route, Service, Settings,
    Snapshot, SnapshotChunk, Strategy, Target, UpstreamKey, UsageEvent, WatchRequest, WatchResponse,
    config_discovery_server::{ConfigDiscovery, ConfigDiscoveryServer},
    report_request, resource,
    usage_ingest_server::{UsageIngest, UsageIngestServer},
    watch_response,
};
use tollgate_shared::access_key::{self, Pepper};
use tonic::{Request, Response, Status, Streaming, transport::Server};
use uuid::Uuid;

const PEPPER: [u8; 32] = [7; 32];

/// Everything that a test needs; all of it ends when this is dropped.
pub(crate) struct Ground {
    pub(crate) provider: Running,
    pub(crate) proxy: Proxy,
    pub(crate) access_key: String,
    /// What the proxy reported.
    pub(crate) events: Arc<Mutex<Vec<UsageEvent>>>,
    _admin: tokio::task::JoinHandle<()>,
}

/// What may differ between tests.
pub(crate) struct Setup {
    /// Secrets of the pool's keys, in the order in which round robin starts somewhere.
    pub(crate) keys: Vec<&'static str>,
    pub(crate) timeouts: tollgate_proto::Timeouts,
    pub(crate) max_attempts: u32,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    pub(crate) provider: Options,
    /// Instead of the simulated provider's.
    pub(crate) base_url: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            keys: vec!["upstream-key-one-0123456789", "upstream-key-two-0123456789"],
            timeouts: tollgate_proto::Timeouts::default(),
            max_attempts: 3,
            environment: Vec::new(),
            provider: Options::default(),
            base_url: None,
        }
    }
}

impl Setup {
    pub(crate) async fn start(self) -> Ground {
        let provider = SimulatedProvider::start(self.provider.clone()).unwrap();
        let access_key = access_key::generate(&SystemRandom::new()).unwrap().expose().to_owned();
        let base_url = self.base_url.clone().unwrap_or_else(|| provider.base_url());
        let snapshot = Snapshot { resources: self.resources(&base_url, &access_key) };
        let events = Arc::default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let admin_address = listener.local_addr().unwrap();
        let admin = Admin { snapshot: Arc::new(snapshot), events: Arc::clone(&events) };
        let served = Server::builder()
            .add_service(ConfigDiscoveryServer::new(admin.clone()))
            .add_service(UsageIngestServer::new(admin))
            .serve_with_incoming(TcpListenerStream::new(listener));
        #[expect(clippy::disallowed_methods, reason = "the test owns it, and ends with it")]
        let admin = tokio::spawn(async move { served.await.unwrap() });
        let proxy = Proxy::start(admin_address, &self.environment).await;
        Ground { provider, proxy, access_key, events, _admin: admin }
    }

    fn resources(&self, base_url: &str, access_key: &str) -> Vec<Resource> {
        let id = || Uuid::now_v7().to_string();
        let mut all = vec![resource::Resource::Settings(Settings {
            access_key_pepper: PEPPER.to_vec(),
            access_token_keys: vec![],
        })];
        let mut routes = Vec::new();
        for (kind, models) in
            [(ProviderKind::Openai, "gpt-*"), (ProviderKind::Anthropic, "claude-*"), (ProviderKind::Gemini, "gemini-*")]
        {
            let (provider_id, pool_id) = (id(), id());
            all.push(resource::Resource::Provider(Provider {
                id: provider_id.clone(),
                name: format!("simulated-{models}"),
                kind: kind.into(),
                base_url: base_url.to_owned(),
                timeouts: Some(self.timeouts),
                ..Provider::default()
            }));
            all.push(resource::Resource::KeyPool(KeyPool { id: pool_id.clone(), name: models.into(), provider_id }));
            for secret in &self.keys {
                all.push(resource::Resource::UpstreamKey(UpstreamKey {
                    id: id(),
                    pool_id: pool_id.clone(),
                    name: "key".into(),
                    secret: (*secret).into(),
                    weight: 1,
                    priority: 0,
                    limits: None,
                    enabled: true,
                    quota_group: String::new(),
                }));
            }
            let target = Target { pool_id, model: None, weight: 1, priority: 0, default_max_tokens: None };
            let renamed = Target { model: Some("gpt-renamed".into()), ..target.clone() };
            if kind == ProviderKind::Openai {
                routes.push(Route { models: vec!["alias".into()], targets: vec![renamed], fallback: None });
            }
            routes.push(Route { models: vec![models.into(), "sim-*".into()], targets: vec![target], fallback: None });
        }
        let service_id = id();
        all.push(resource::Resource::Service(Service {
            id: service_id.clone(),
            name: "test".into(),
            slug: "test".into(),
            enabled: true,
            strategy: Strategy::RoundRobin.into(),
            routes,
            max_attempts: Some(self.max_attempts),
            ..Service::default()
        }));
        all.push(resource::Resource::AccessKey(AccessKey {
            id: id(),
            service_id,
            user_id: id(),
            name: "test".into(),
            mac: Pepper::new(&PEPPER).mac(access_key).to_vec(),
            enabled: true,
            ..AccessKey::default()
        }));
        all.into_iter().map(|resource| Resource { resource: Some(resource) }).collect()
    }
}

impl Ground {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.proxy.address)
    }

    /// Waits for a reported event.
    pub(crate) async fn event(&self, condition: impl Fn(&UsageEvent) -> bool) -> UsageEvent {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(event) = self.events.lock().iter().find(|event| condition(event)) {
                return event.clone();
            }
            assert!(Instant::now() < deadline, "no such event; there are {:#?}", self.events.lock());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The binary, running.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ops: SocketAddr,
    _data: TempDir,
}

impl Proxy {
    async fn start(admin: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let data = TempDir::new().unwrap();
        let (address, ops) = (free_address(), free_address());
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxy-svc"));
        command
            .env("TOLLGATE_PROXY_LISTEN", address.to_string())
            .env("TOLLGATE_PROXY_OPS_LISTEN", ops.to_string())
            .env("TOLLGATE_PROXY_DATA_DIR", data.path())
            .env("TOLLGATE_PROXY_ADMIN_ENDPOINT", format!("http://{admin}"))
            .env("TOLLGATE_JOIN_TOKEN", "join-token-of-the-tests-0123456789")
            .env("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8")
            .env("TOLLGATE_LOG", "warn")
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let proxy = Self { child, address, ops, _data: data };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = reqwest::get(format!("http://{ops}/readyz")).await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return proxy;
            }
            assert!(Instant::now() < deadline, "the proxy does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[derive(Clone)]
struct Admin {
    snapshot: Arc<Snapshot>,
    events: Arc<Mutex<Vec<UsageEvent>>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ConfigDiscovery for Admin {
    type WatchStream = Answers<WatchResponse>;

    async fn watch(&self, _: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let encoded = self.snapshot.encode_to_vec();
        let chunk = SnapshotChunk {
            epoch: "test-epoch".into(),
            revision: 1,
            nonce: 1,
            index: 0,
            count: 1,
            data: zstd::encode_all(&*encoded, 1)?.into(),
            sha256: digest::digest(&digest::SHA256, &encoded).as_ref().to_vec().into(),
        };
        let first = WatchResponse { message: Some(watch_response::Message::Snapshot(chunk)) };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(first)).chain(tokio_stream::pending()))))
    }
}

#[tonic::async_trait]
impl UsageIngest for Admin {
    type ReportStream = Answers<ReportResponse>;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Self::ReportStream>, Status> {
        let events = Arc::clone(&self.events);
        let answers = request.into_inner().map(move |message| {
            let acknowledged_sequence = match message?.message {
                Some(report_request::Message::Batch(batch)) => {
                    events.lock().extend(batch.events);
                    batch.sequence
                }
                _ => 0,
            };
            Ok(ReportResponse { acknowledged_sequence, window: 8 })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
