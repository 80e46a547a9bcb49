//! Tollgate as a contender: both services, set up through the public API as an operator would.

use std::fmt;
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
/// Limits of the proxy itself, for [`Extent::Everything`].
const OF_THE_PROXY: [(&str, &str); 5] = [
    ("TOLLGATE_PROXY_LIMITS__REQUESTS_PER_MINUTE", "100000000"),
    ("TOLLGATE_PROXY_LIMITS__REQUESTS_PER_DAY", "10000000000"),
    ("TOLLGATE_PROXY_LIMITS__TOKENS_PER_MINUTE", "1000000000000"),
    ("TOLLGATE_PROXY_PROTECTION__REQUESTS_PER_SECOND_PER_ADDRESS", "100000"),
    ("TOLLGATE_PROXY_PROTECTION__CONNECTIONS_PER_ADDRESS", "10000"),
];

/// What stands beside the proxy, and the access key that it takes.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) credential: String,
    pub(super) helpers: Vec<Process>,
}

/// What of Tollgate takes part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What is always on: authentication, routing, health, the journal, metrics.
    Usual,
    /// Besides, limits at every scope, budgets with prices, health-best scheduling, sessions, lists of addresses and rates
    /// of addresses: all far from their bounds, because a refusal is no answer.
    Everything,
}

/// `None` when the two programs have not been built.
pub(super) async fn launch(
    extent: Extent,
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
        ("TOLLGATE_ADMIN_DATA_DIR", scratch.directory(&format!("admin-{extent}"))?.display().to_string()),
        ("TOLLGATE_ADMIN_SETUP_TOKEN", setup_token.clone()),
    ];
    variables.extend(common.clone());
    let admin = Launch {
        program: admin_program,
        arguments: Vec::new(),
        variables,
        core: settings.load_core,
        output: scratch.file(&format!("admin-svc-{extent}.log")),
    };
    let mut variables = vec![
        ("TOLLGATE_PROXY_LISTEN", address.to_string()),
        ("TOLLGATE_PROXY_OPS_LISTEN", proxy_ops?.to_string()),
        ("TOLLGATE_PROXY_DATA_DIR", scratch.directory(&format!("proxy-{extent}"))?.display().to_string()),
        ("TOLLGATE_PROXY_ADMIN_ENDPOINT", format!("http://{grpc}")),
    ];
    if extent == Extent::Everything {
        variables.extend(OF_THE_PROXY.map(|(name, value)| (name, value.to_owned())));
    }
    variables.extend(common);
    let proxy = Launch {
        program: proxy_program,
        arguments: Vec::new(),
        variables,
        core: settings.proxy_core,
        output: scratch.file(&format!("proxy-svc-{extent}.log")),
    };
    let mut admin = admin.start()?;
    let credential =
        seed(extent, rest, upstream, &setup_token, &mut admin).await.context("setting up through the API")?;
    Ok(Some((address, proxy, Some(Ready { credential, helpers: vec![admin] }))))
}

/// First administrator, two providers, a pool with two keys for each, service, access key; gives the key's secret.
async fn seed(
    extent: Extent,
    rest: SocketAddr,
    upstream: SocketAddr,
    setup_token: &str,
    admin: &mut Process,
) -> Result<String> {
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
            let key = json!({"pool_id": pool, "name": secret, "secret": secret, "limits": extent.limits(UPSTREAM)});
            create("/api/v1/upstream-keys", key).await?;
        }
        routes.push(json!({"models": [models], "targets": [{"pool_id": pool}]}));
    }
    let mut service = json!({"name": "bench", "slug": "bench", "strategy": "round_robin", "routes": routes});
    let mut key = json!({"name": "bench"});
    if extent == Extent::Everything {
        let price = json!({"model": "*", "input": "0.10", "output": "0.40"});
        create("/api/v1/prices", price).await?;
        let budget = json!({"amount": "1000000.00", "currency": "USD", "period": "day", "hard": true});
        let user = format!("/api/v1/users/{}", text(&session["user"], "id")?);
        let limited = json!({"limits": extent.limits(CALLERS), "budget": budget});
        Client::call(rest, "PATCH", &user, Some(&token), &limited).await?;
        let (allow, deny) = (["127.0.0.0/8", "::1/128"], ["10.0.0.0/8", "192.168.0.0/16"]);
        extend(
            &mut service,
            json!({
                "strategy": "health_best",
                "affinity": {"by": ["prompt_cache_key", "metadata.user_id", "header"]},
                "limits": extent.limits(CALLERS),
                "budget": budget,
                "security": {"ip_allow": allow, "ip_deny": deny},
            }),
        );
        extend(&mut key, json!({"limits": extent.limits(CALLERS), "budget": budget, "ip_allow": allow}));
    }
    let service = create("/api/v1/services", service).await?;
    extend(&mut key, json!({"service_id": text(&service, "id")?}));
    text(&create("/api/v1/access-keys", key).await?, "secret")
}

const CALLERS: [&str; 4] = ["rpm", "tpm", "rpd", "concurrency"];
/// Of a provider's key.
const UPSTREAM: [&str; 3] = ["rpm", "tpm", "rpd"];

impl Extent {
    /// Limits of these kinds that no benchmark reaches.
    fn limits<const N: usize>(self, kinds: [&str; N]) -> Value {
        match self {
            Self::Usual => json!({}),
            Self::Everything => kinds.into_iter().map(|kind| (kind.to_owned(), json!(1_000_000_000))).collect(),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Usual => "usual",
            Self::Everything => "everything",
        })
    }
}

fn extend(object: &mut Value, further: Value) {
    if let (Value::Object(object), Value::Object(further)) = (object, further) {
        object.extend(further);
    }
}

fn text(answer: &Value, field: &str) -> Result<String> {
    match answer.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => bail!("no `{field}` in {answer}"),
    }
}
