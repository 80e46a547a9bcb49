//! Limits at every scope, in every dimension and protocol; shared by three proxies through Redis, also while Redis is
//! stopped, killed and restored; divided where there is none.

#[path = "limits/scopes.rs"]
mod scopes;
#[path = "limits/several.rs"]
mod several;
#[path = "limits/trial.rs"]
mod trial;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{Answer, Application, Call, Dialect, Trio, rest::text};

/// Where a limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    AccessKey,
    User,
    Service,
}

impl Scope {
    const ALL: [Self; 3] = [Self::AccessKey, Self::User, Self::Service];

    const fn words(self) -> &'static str {
        match self {
            Self::AccessKey => "access key's",
            Self::User => "user's",
            Self::Service => "service's",
        }
    }
}

/// An application whose access key belongs to a user of its own, with limits at one scope.
async fn limited(trio: &Trio, name: &str, scope: Scope, limits: &Value) -> anyhow::Result<(Application, String)> {
    let application = trio.application(name, 1).await?;
    let user = json!({"email": format!("{name}@example.test"), "role": "member", "password": "a password of tests"});
    let user = trio.rest.create("users", &user).await?;
    let user_id = text(&user, "id")?;
    let key = json!({"service_id": application.service_id, "user_id": user_id, "name": name});
    let key = trio.rest.create("access-keys", &key).await?;
    let path = match scope {
        Scope::AccessKey => format!("/api/v1/access-keys/{}", text(&key, "id")?),
        Scope::User => format!("/api/v1/users/{user_id}"),
        Scope::Service => format!("/api/v1/services/{}", application.service_id),
    };
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"limits": limits}))).await?;
    trio.in_force().await?;
    Ok((application, text(&key, "secret")?.to_owned()))
}

fn chat(dialect: Dialect, key: &str) -> Call {
    Call::chat(dialect, key, dialect.model(), false)
}

/// Takes its time at the provider.
fn slow(key: &str) -> Call {
    Call::chat(Dialect::OpenAi, key, "gpt-4o-sim-latency-20000", true)
}

fn whole_number(answer: &Answer, name: &str) -> anyhow::Result<u64> {
    let text = answer.header(name).with_context(|| format!("no {name} in {:?}", answer.headers))?;
    text.parse().with_context(|| format!("{name}: {text}"))
}

/// A refusal in the caller's protocol, that names scope and dimension and says when to come again.
fn ensure_refused(dialect: Dialect, answer: &Answer, scope: &str, dimension: &str) -> anyhow::Result<Duration> {
    let case = format!("{dialect:?} {scope} {dimension}: {} {:?} {}", answer.status, answer.headers, answer.text());
    ensure!(answer.status == 429, "{case}");
    let (kind, message) = dialect.error(&answer.json()?).context(case.clone())?;
    let expected = match dialect {
        Dialect::OpenAi => "rate_limit",
        Dialect::Anthropic => "rate_limit_error",
        Dialect::Gemini => "RESOURCE_EXHAUSTED",
    };
    ensure!(kind.contains(expected) || answer.text().contains(expected), "{case}");
    ensure!(message == format!("The {scope} limit on {dimension} is reached."), "{case}");
    let wait = Duration::from_millis(whole_number(answer, "retry-after-ms")?);
    ensure!(u128::from(whole_number(answer, "retry-after")?) == wait.as_millis().div_ceil(1_000), "{case}");
    let retries = answer.header("x-should-retry") != Some("false");
    ensure!(retries == (wait <= Duration::from_mins(1)), "{case}");
    Ok(wait)
}

/// With a limit on output that makes any estimate large.
fn large(dialect: Dialect, key: &str) -> Call {
    let mut body = dialect.chat_body(dialect.model(), false);
    match dialect {
        Dialect::OpenAi | Dialect::Anthropic => body["max_tokens"] = json!(1_700),
        Dialect::Gemini => body["generationConfig"] = json!({"maxOutputTokens": 1_700}),
    }
    Call::post(dialect, key, dialect.chat_path(dialect.model(), false), body.to_string())
}

async fn metrics(ops: SocketAddr) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("http://{ops}/metrics")).await?.text().await?)
}
