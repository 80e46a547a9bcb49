//! Lists of models: what an access key may call, of all providers, in the caller's own shape, from the proxy alone.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tollgate_tests::{Answer, Dialect, Trio, eventually::eventually, requests, usage::expect};

const VISIBLE_WITHIN: Duration = Duration::from_secs(2);
/// The simulated provider lists these besides others.
const LISTED: [&str; 4] = ["claude-opus-5", "gemini-2.5-flash", "gemini-embedding-001", "gpt-4.1"];

async fn get(trio: &Trio, dialect: Dialect, key: &str, path: &str) -> anyhow::Result<Answer> {
    let (name, value) = dialect.credential(key);
    let mut request = requests::client()?.get(format!("http://{}{path}", trio.addresses.proxy)).header(name, value);
    if dialect == Dialect::Anthropic {
        request = request.header("anthropic-version", "2023-06-01");
    }
    let response = request.send().await?;
    let (status, headers): (u16, HeaderMap) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await? })
}

async fn found(trio: &Trio, dialect: Dialect, key: &str, path: &str) -> anyhow::Result<Value> {
    let answer = get(trio, dialect, key, path).await?;
    ensure!(answer.status == 200, "{dialect:?} {path}: {} {}", answer.status, answer.text());
    ensure!(answer.header("content-type") == Some("application/json"), "{:?}", answer.headers);
    answer.json()
}

/// The names of a page in a protocol's shape, and what asks for the next page.
fn page(dialect: Dialect, list: &Value) -> anyhow::Result<(Vec<String>, Option<String>)> {
    let (member, id, next) = match dialect {
        Dialect::Anthropic if list["has_more"] == true => ("data", "id", list["last_id"].clone()),
        Dialect::OpenAi | Dialect::Anthropic => ("data", "id", Value::Null),
        Dialect::Gemini => ("models", "name", list["nextPageToken"].clone()),
    };
    let models = list[member].as_array().with_context(|| format!("no `{member}` in {list}"))?;
    let name = |model: &Value| {
        let name = model[id].as_str().with_context(|| format!("no `{id}` in {model}"))?;
        Ok(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Ok((models.iter().map(name).collect::<anyhow::Result<_>>()?, next.as_str().map(str::to_owned)))
}

/// Every page, of this size where the protocol has pages.
async fn all(trio: &Trio, dialect: Dialect, key: &str, size: usize) -> anyhow::Result<Vec<String>> {
    let (path, after) = match dialect {
        Dialect::OpenAi => ("/v1/models".to_owned(), ""),
        Dialect::Anthropic => (format!("/v1/models?limit={size}"), "&after_id="),
        Dialect::Gemini => (format!("/v1beta/models?pageSize={size}"), "&pageToken="),
    };
    let (mut names, mut next) = page(dialect, &found(trio, dialect, key, &path).await?)?;
    while let Some(token) = next {
        ensure!(names.len() % size == 0, "a page that is not full is the last one");
        let list = found(trio, dialect, key, &format!("{path}{after}{token}")).await?;
        let (more, after) = page(dialect, &list)?;
        names.extend(more);
        next = after;
    }
    Ok(names)
}

#[tokio::test]
async fn every_caller_sees_the_models_of_all_providers_in_its_own_shape() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let before = trio.simulator.newest().await?;
    let names = all(&trio, Dialect::OpenAi, &application.secret, 1).await?;
    ensure!(LISTED.iter().all(|name| names.iter().any(|listed| listed == name)), "{names:?}");
    ensure!(names.is_sorted_by(|before, after| before < after), "{names:?}");
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        for size in [1, 7, 1000] {
            assert_eq!(all(&trio, dialect, &application.secret, size).await?, names, "{dialect:?}, {size} a page");
        }
    }
    for (dialect, path, member, wanted) in [
        (Dialect::OpenAi, "/v1/models/claude-opus-5", "/id", "claude-opus-5"),
        (Dialect::Anthropic, "/v1/models/gpt-4.1", "/display_name", "gpt-4.1"),
        (Dialect::Gemini, "/v1/models/gpt-4.1", "/name", "models/gpt-4.1"),
        (Dialect::Gemini, "/v1beta/models/gemini-embedding-001", "/supportedGenerationMethods/0", "embedContent"),
        // No provider lists it, and it can be called all the same.
        (Dialect::OpenAi, "/v1/models/gpt-next", "/id", "gpt-next"),
    ] {
        let model = found(&trio, dialect, &application.secret, path).await?;
        assert_eq!(model.pointer(member), Some(&json!(wanted)), "{model}");
    }
    ensure!(trio.simulator.requests(before).await?.is_empty(), "the provider was asked");
    Ok(())
}

#[tokio::test]
async fn access_key_sees_its_own_models_and_aliases_only() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let pool = |dialect| &application.keys(dialect)[0].pool_id;
    let routes = json!([
        {"models": ["smart"], "targets": [{"pool_id": pool(Dialect::OpenAi), "model": "gpt-4.1"}]},
        {"models": ["claude-*"], "targets": [{"pool_id": pool(Dialect::Anthropic)}]},
        {"models": ["gpt-*"], "targets": [{"pool_id": pool(Dialect::OpenAi), "model": "gpt-4.1"}]},
    ]);
    let service = json!({"name": "aliases", "slug": "aliases", "routes": routes});
    let service = trio.rest.create("services", &service).await?;
    let key = async |models: Value| -> anyhow::Result<String> {
        let body = json!({"service_id": service["id"], "name": models.to_string(), "models": models});
        Ok(trio.rest.create("access-keys", &body).await?["secret"].as_str().context("no secret")?.to_owned())
    };
    let (every, some) = (key(json!([])).await?, key(json!(["smart", "gpt-*", "claude-opus-*"])).await?);
    trio.in_force().await?;
    let names = all(&trio, Dialect::OpenAi, &every, 1).await?;
    ensure!(names.iter().all(|name| name == "smart" || name.starts_with("claude-")), "{names:?}");
    ensure!(names.len() > 2 && names.iter().any(|name| name == "smart"), "{names:?}");
    for dialect in Dialect::ALL {
        let names = all(&trio, dialect, &some, 1).await?;
        ensure!(names.contains(&"smart".to_owned()) && names.contains(&"claude-opus-5".to_owned()), "{names:?}");
        ensure!(names.iter().all(|name| name == "smart" || name.starts_with("claude-opus-")), "{names:?}");
        let (version, hidden) = ("v1", "claude-haiku-4-5-20251001");
        found(&trio, dialect, &every, &format!("/{version}/models/{hidden}")).await?;
        let answer = get(&trio, dialect, &some, &format!("/{version}/models/{hidden}")).await?;
        assert_eq!(answer.status, 404, "{}", answer.text());
        let body = answer.json()?;
        dialect.error(&body).with_context(|| format!("not an error of {dialect:?}: {body}"))?;
        let event = trio.rest.event(answer.request_id()?, VISIBLE_WITHIN).await?;
        expect(&event, "/outcome", &json!("refused"))?;
    }
    Ok(())
}

#[tokio::test]
async fn list_is_on_record_without_usage_and_bad_parameters_are_refused() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let answer = get(&trio, Dialect::Anthropic, &application.secret, "/v1/models/gpt-4.1").await?;
    let event = trio.rest.event(answer.request_id()?, VISIBLE_WITHIN).await?;
    for (field, wanted) in [
        ("/outcome", json!("ok")),
        ("/status", json!(200)),
        ("/protocol", json!("anthropic")),
        ("/model_requested", json!("gpt-4.1")),
        ("/access_key_id", json!(application.access_key_id)),
        ("/attempts", json!([])),
        ("/usage/source", Value::Null),
        ("/usage/output", json!(0)),
        ("/provider_id", Value::Null),
    ] {
        expect(&event, field, &wanted)?;
    }
    for (dialect, path) in [
        (Dialect::Anthropic, "/v1/models?limit=0"),
        (Dialect::Anthropic, "/v1/models?after_id=a&before_id=b"),
        (Dialect::Gemini, "/v1/models?pageSize=-1"),
        (Dialect::Gemini, "/v1beta/models?pageToken=?"),
    ] {
        let answer = get(&trio, dialect, &application.secret, path).await?;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        dialect.error(&answer.json()?).with_context(|| format!("not an error of {dialect:?}: {}", answer.text()))?;
    }
    assert_eq!(get(&trio, Dialect::OpenAi, "tg_unknown", "/v1/models").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn lists_outlive_the_provider_and_the_control_plane() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let names = all(&trio, Dialect::OpenAi, &application.secret, 1).await?;
    trio.simulator.fault(json!({}), None, json!({"kind": "status", "status": 500})).await?;
    trio.kill_admin()?;
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    assert_eq!(all(&trio, Dialect::OpenAi, &application.secret, 1).await?, names, "from the stored snapshot");
    Ok(())
}

#[tokio::test]
async fn list_comes_by_itself_soon_after_the_first_key() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let application = trio.seed.application(&trio.rest, "fresh", 1).await?;
    eventually("the list reaches callers by itself", Duration::from_secs(10), async || {
        let answer = get(&trio, Dialect::OpenAi, &application.secret, "/v1/models").await?;
        Ok((answer.status == 200 && answer.text().contains("claude-opus-5")).then_some(()))
    })
    .await
}
