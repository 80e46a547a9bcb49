//! Tollgate as a contender: both services, set up through the public API as an operator would.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::client::Client;
use super::contender::UPSTREAM_KEYS;
use super::process::{Launch, Process, Scratch, free_address, sibling};
use super::scenario::stream::TRANSLATED;
use super::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(30);
const EMAIL: &str = "bench@example.com";

/// What stands beside the proxy, and the access key that it takes.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) credential: String,
    pub(super) helpers: Vec<Process>,
}

/// `None` when the two programs have not been built.
pub(super) async fn launch(
    upstream: SocketAddr,
    settings: &Settings,
    scratch: &Scratch,
) -> Result<Option<(SocketAddr, Launch, Option<Ready>)>> {
    let (admin_program, proxy_program) = (sibling("admin-svc")?, sibling("proxy-svc")?);
    if !admin_program.exists() || !proxy_program.exists() {
        return Ok(None);
    }
    let [rest, grpc, admin_ops, address, proxy_ops] = [(); 5].map(|()| free_address());
    let (rest, grpc, address) = (rest?, grpc?, address?);
    let setup_token = format!("setup-{:032x}", fastrand::u128(..));
    let common = vec![
        ("TOLLGATE_JOIN_TOKEN", format!("join-{:032x}", fastrand::u128(..))),
        ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8".to_owned()),
        ("TOLLGATE_LOG", "warn".to_owned()),
        ("TOLLGATE_LOG_FORMAT", "text".to_owned()),
    ];
    let mut variables = vec![
        ("TOLLGATE_ADMIN_LISTEN", rest.to_string()),
        ("TOLLGATE_ADMIN_GRPC_LISTEN", grpc.to_string()),
        ("TOLLGATE_ADMIN_OPS_LISTEN", admin_ops?.to_string()),
        ("TOLLGATE_ADMIN_DATA_DIR", scratch.directory("admin")?.display().to_string()),
        ("TOLLGATE_ADMIN_SETUP_TOKEN", setup_token.clone()),
    ];
    variables.extend(common.clone());
    let admin = Launch {
        program: admin_program,
        arguments: Vec::new(),
        variables,
        core: settings.load_core,
        output: scratch.file("admin-svc.log"),
    };
    let mut variables = vec![
        ("TOLLGATE_PROXY_LISTEN", address.to_string()),
        ("TOLLGATE_PROXY_OPS_LISTEN", proxy_ops?.to_string()),
        ("TOLLGATE_PROXY_DATA_DIR", scratch.directory("proxy")?.display().to_string()),
        ("TOLLGATE_PROXY_ADMIN_ENDPOINT", format!("http://{grpc}")),
    ];
    variables.extend(common);
    let proxy = Launch {
        program: proxy_program,
        arguments: Vec::new(),
        variables,
        core: settings.proxy_core,
        output: scratch.file("proxy-svc.log"),
    };
    let mut admin = admin.start()?;
    let credential = seed(rest, upstream, &setup_token, &mut admin).await.context("setting up through the API")?;
    Ok(Some((address, proxy, Some(Ready { credential, helpers: vec![admin] }))))
}

/// First administrator, two providers, a pool with two keys for each, service, access key; gives the key's secret.
async fn seed(rest: SocketAddr, upstream: SocketAddr, setup_token: &str, admin: &mut Process) -> Result<String> {
    let password = format!("Bench-{:016x}-Passw0rd!", fastrand::u64(..));
    let account = json!({"token": setup_token, "email": EMAIL, "password": password, "name": "Bench"});
    let start = Instant::now();
    loop {
        admin.check()?;
        match Client::connect(rest).await {
            Ok(_) => break,
            Err(error) if start.elapsed() > PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Client::call(rest, "POST", "/api/v1/setup", None, &account).await?;
    let login = json!({"email": EMAIL, "password": password});
    let session = Client::call(rest, "POST", "/api/v1/auth/login", None, &login).await?;
    let token = text(&session, "access_token")?;
    let create = async |path: &str, body: Value| Client::call(rest, "POST", path, Some(&token), &body).await;
    let mut routes = Vec::new();
    for (kind, models) in [("anthropic", TRANSLATED), ("openai", "*")] {
        let provider = json!({"name": kind, "kind": kind, "base_url": format!("http://{upstream}")});
        let provider = create("/api/v1/providers", provider).await?;
        let pool = json!({"name": kind, "provider_id": text(&provider, "id")?});
        let pool = text(&create("/api/v1/key-pools", pool).await?, "id")?;
        for secret in UPSTREAM_KEYS {
            create("/api/v1/upstream-keys", json!({"pool_id": pool, "name": secret, "secret": secret})).await?;
        }
        routes.push(json!({"models": [models], "targets": [{"pool_id": pool}]}));
    }
    let service = json!({"name": "bench", "slug": "bench", "strategy": "round_robin", "routes": routes});
    let service = create("/api/v1/services", service).await?;
    let key = create("/api/v1/access-keys", json!({"service_id": text(&service, "id")?, "name": "bench"})).await?;
    text(&key, "secret")
}

fn text(answer: &Value, field: &str) -> Result<String> {
    match answer.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => bail!("no `{field}` in {answer}"),
    }
}
