//! A whole control plane on ports of its own, and an administrator who is signed in.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use admin_svc::{
    app::{App, AppOptions},
    config::Listeners,
    crypto::envelope::MasterKey,
    serve::{Bound, Running},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_shared::{address::AddressPolicy, clock::Clock, secret::Secret};

use crate::database::Database;

pub(crate) const JOIN_TOKEN: &str = "join-token-of-the-tests";
const SETUP_TOKEN: &str = "setup-token-of-the-tests";
const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct ControlPlane {
    pub(crate) app: App,
    pub(crate) running: Running,
    pub(crate) database: Arc<Database>,
    client: reqwest::Client,
    token: String,
}

pub(crate) async fn open(database: &Database) -> App {
    open_at(database, Clock::system()).await
}

pub(crate) async fn open_at(database: &Database, clock: Clock) -> App {
    App::open(AppOptions {
        database_url: database.url(),
        master_key: MasterKey::from_bytes([7; 32]),
        setup_token: Secret::new(SETUP_TOKEN.to_owned()),
        address_policy: AddressPolicy::parse("127.0.0.0/8").unwrap(),
        clock,
        registration_open: false,
        secure_cookies: false,
        currency: tollgate_shared::money::Currency::USD,
    })
    .await
    .unwrap()
}

impl ControlPlane {
    pub(crate) async fn start(database: Database) -> Self {
        let app = open(&database).await;
        Self::start_with(app, database).await
    }

    /// Starts with a state that was opened otherwise, on its database.
    pub(crate) async fn start_with(app: App, database: impl Into<Arc<Database>>) -> Self {
        Self::start_on(app, database.into()).await
    }

    /// Another one on the same database, beside this one.
    pub(crate) async fn replica(&self) -> Self {
        Self::start_on(open(&self.database).await, Arc::clone(&self.database)).await
    }

    async fn start_on(app: App, database: Arc<Database>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners { http: any, grpc: any, grpc_tls: None, ops: any };
        let bound = Bound::bind(&listeners).await.unwrap();
        let running = Running::start(app.clone(), Secret::new(JOIN_TOKEN.to_owned()), bound).await.unwrap();
        let mut this = Self { app, running, database, client: reqwest::Client::new(), token: String::new() };
        if this.app.needs_setup().await.unwrap() {
            let setup = json!({"token": SETUP_TOKEN, "email": "admin@example.com", "password": PASSWORD});
            this.call(Method::POST, "/api/v1/setup", Some(&setup), StatusCode::CREATED).await;
        }
        this.token = this.sign_in("admin@example.com").await;
        this
    }

    /// Stops it and starts another one on the same database.
    pub(crate) async fn restart(self) -> Self {
        let Self { running, database, .. } = self;
        running.stop().await;
        Self::start_on(open(&database).await, database).await
    }

    pub(crate) fn grpc_url(&self) -> String {
        format!("http://{}", self.running.addresses().grpc)
    }

    pub(crate) async fn ops(&self, path: &str) -> (StatusCode, String) {
        let url = format!("http://{}{path}", self.running.addresses().ops);
        let response = self.client.get(url).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Waits until the publisher has what was committed.
    pub(crate) async fn published(&self) {
        let mut reader = self.app.store().reader().await.unwrap();
        let head = admin_svc::store::configuration::head(&mut reader).await.unwrap();
        let sample = format!("tollgate_admin_head_revision {}", head.revision);
        while !self.ops("/metrics").await.1.lines().any(|line| line == sample) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn sign_in(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.call(Method::POST, "/api/v1/auth/login", Some(&body), StatusCode::OK).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>, status: StatusCode) -> Value {
        self.call_as(&self.token, method, path, body, status).await
    }

    async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        status: StatusCode,
    ) -> Value {
        let url = format!("http://{}{path}", self.running.addresses().http);
        let mut request = self.client.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (got, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(got, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None, StatusCode::OK).await
    }

    pub(crate) async fn create(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body), StatusCode::CREATED).await
    }

    /// At an address that does not exist: a control plane asks providers for their models.
    pub(crate) async fn provider(&self, name: &str) -> String {
        let body = json!({"name": name, "kind": "openai", "base_url": "https://provider.invalid"});
        id(&self.create("/api/v1/providers", &body).await)
    }

    /// A service and an access key for it.
    pub(crate) async fn access_key(&self, name: &str) -> (String, String) {
        let provider = self.provider(name).await;
        let pool = self.create("/api/v1/key-pools", &json!({"name": name, "provider_id": provider})).await;
        let routes = json!([{"models": ["*"], "targets": [{"pool_id": pool["id"]}]}]);
        let service = self.create("/api/v1/services", &json!({"name": name, "slug": name, "routes": routes})).await;
        let key = self.create("/api/v1/access-keys", &json!({"service_id": service["id"], "name": name})).await;
        (id(&service), id(&key))
    }

    /// Another user who is signed in: what they get at a path, and their id.
    pub(crate) async fn user(&self, role: &str) -> User<'_> {
        let email = format!("{role}@example.com");
        let user = self.create("/api/v1/users", &json!({"email": email, "role": role, "password": PASSWORD})).await;
        User { plane: self, id: id(&user), token: self.sign_in(&email).await }
    }
}

pub(crate) struct User<'a> {
    plane: &'a ControlPlane,
    pub(crate) id: String,
    token: String,
}

impl User<'_> {
    pub(crate) async fn get(&self, path: &str, status: StatusCode) -> Value {
        self.plane.call_as(&self.token, Method::GET, path, None, status).await
    }
}

pub(crate) fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}
