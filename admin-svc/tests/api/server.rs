//! A control plane that listens on a port of its own, and a client for it.

use std::{net::SocketAddr, time::Duration};

use admin_svc::{
    app::{App, AppOptions},
    crypto::envelope::MasterKey,
    http,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tollgate_shared::{address::AddressPolicy, clock::Clock, secret::Secret};

use crate::database::Database;

pub(crate) const SETUP_TOKEN: &str = "setup-token-of-the-tests";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// 2026-11-23T00:00:00Z.
const START: i64 = 1_795_392_000_000_000;

pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    listening: Listening,
}

/// The API on a port; stops when dropped.
pub(crate) struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn options(database: &Database, clock: &Clock) -> AppOptions {
    AppOptions {
        database_url: database.url(),
        master_key: MasterKey::from_bytes([7; 32]),
        setup_token: Secret::new(SETUP_TOKEN.to_owned()),
        address_policy: AddressPolicy::parse("127.0.0.0/8").unwrap(),
        clock: clock.clone(),
        registration_open: false,
        secure_cookies: false,
        currency: tollgate_shared::money::Currency::USD,
    }
}

impl Server {
    pub(crate) async fn start(database: Database) -> Self {
        Self::start_with(database, |_| ()).await
    }

    pub(crate) async fn start_with(database: Database, change: impl FnOnce(&mut AppOptions)) -> Self {
        let clock = Clock::held_at(START);
        let mut options = options(&database, &clock);
        change(&mut options);
        let app = App::open(options).await.unwrap();
        let listening = Self::serve(app.clone()).await;
        Self { app, clock, database, listening }
    }

    /// Only the API, for a state that was opened otherwise.
    pub(crate) async fn serve(app: App) -> Listening {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = http::router(app).into_make_service_with_connect_info::<SocketAddr>();
        #[expect(clippy::disallowed_methods, reason = "aborted when the server is dropped")]
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Listening { address, task }
    }

    /// A client that is not signed in.
    pub(crate) fn anonymous(&self) -> Client {
        Client { http: reqwest::Client::new(), base: self.listening.url(), token: None }
    }

    /// The first administrator, signed in.
    pub(crate) async fn admin(&self) -> Client {
        let anonymous = self.anonymous();
        let setup = json!({"token": SETUP_TOKEN, "email": "admin@example.com", "password": PASSWORD});
        anonymous.post("/api/v1/setup", &setup).await.expect(StatusCode::CREATED);
        self.sign_in("admin@example.com").await
    }

    /// Another user, made by the administrator, signed in.
    pub(crate) async fn user(&self, admin: &Client, role: &str) -> Client {
        let email = format!("{role}@example.com");
        let user = json!({"email": email, "role": role, "password": PASSWORD});
        admin.post("/api/v1/users", &user).await.expect(StatusCode::CREATED);
        self.sign_in(&email).await
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Client {
        let mut client = self.anonymous();
        let answer = client.post("/api/v1/auth/login", &json!({"email": email, "password": PASSWORD})).await;
        client.token = answer.expect(StatusCode::OK)["access_token"].as_str().map(str::to_owned);
        client
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Client {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// Creates, and gives the new resource.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).await.expect(StatusCode::CREATED)
    }

    pub(crate) async fn provider(&self, name: &str) -> Value {
        let body = json!({"name": name, "kind": "openai", "base_url": "https://api.openai.com"});
        self.create("/api/v1/providers", &body).await
    }

    pub(crate) async fn pool(&self, name: &str) -> Value {
        let provider = self.provider(name).await;
        self.create("/api/v1/key-pools", &json!({"name": name, "provider_id": provider["id"]})).await
    }

    pub(crate) async fn service(&self, slug: &str) -> Value {
        let pool = self.pool(slug).await;
        let routes = json!([{"models": ["gpt-*"], "targets": [{"pool_id": pool["id"]}]}]);
        self.create("/api/v1/services", &json!({"name": slug, "slug": slug, "routes": routes})).await
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    assert!(headers.contains_key("x-request-id"), "every answer has a request id");
    Answer { status, headers, text, json }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts a refusal in the form of RFC 9457, and gives the names of its fields.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, slug: &str) -> Vec<String> {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["type"], format!("urn:tollgate:problem:{slug}"), "{}", self.text);
        assert_eq!(self.json["request_id"], self.header("x-request-id"));
        assert!(self.json["title"].is_string() && self.json["detail"].is_string() && self.json["instance"].is_string());
        let errors = self.json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// The path of a resource.
pub(crate) fn at(collection: &str, resource: &Value) -> String {
    format!("{collection}/{}", resource["id"].as_str().unwrap())
}
