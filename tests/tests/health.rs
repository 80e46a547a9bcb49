//! What the proxy remembers of its upstream keys: who rests and for how long, who comes back, and who is chosen.
//!
//! Each in the three protocols, against the provider's scripted faults, with the exact number of calls that each key got.

#[path = "health/choosing.rs"]
mod choosing;
#[path = "health/failures.rs"]
mod failures;
#[path = "health/limits.rs"]
mod limits;
#[path = "health/patience.rs"]
mod patience;

use std::collections::HashMap;

use anyhow::ensure;
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Dialect, Trio,
    eventually::{START, eventually},
};

/// A service with keys of its own that does not wait long.
async fn application(trio: &Trio, name: &str, keys: u32) -> anyhow::Result<Application> {
    let service = json!({"timeouts": {"first_byte_ms": 700, "idle_ms": 700}});
    trio.seed.application_with(&trio.rest, &name.replace('_', "-"), keys, &service).await
}

/// How often each key of an application's protocol was called since the request with this number.
async fn calls(trio: &Trio, application: &Application, dialect: Dialect, after: u64) -> anyhow::Result<Vec<usize>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for received in trio.simulator.requests(after).await? {
        *counts.entry(received.credential.unwrap_or_default()).or_default() += 1;
    }
    Ok(application.keys(dialect).iter().map(|key| counts.get(&key.secret).copied().unwrap_or(0)).collect())
}

/// One request, which must be answered, and how often it called each key.
async fn served(trio: &Trio, application: &Application, dialect: Dialect) -> anyhow::Result<(Answer, Vec<usize>)> {
    let before = trio.simulator.newest().await?;
    let answer = trio.send(&application.chat(dialect, false)).await?;
    ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
    // The provider notes a request when it has answered it, which may be a moment after the caller has the answer.
    let attempts: usize = answer.header("x-tollgate-attempts").unwrap_or("1").parse()?;
    let counts = eventually("the provider has noted the requests", START, async || {
        let counts = calls(trio, application, dialect, before).await?;
        Ok((counts.iter().sum::<usize>() >= attempts).then_some(counts))
    })
    .await?;
    Ok((answer, counts))
}

/// The attempts of an answer's event: reason and detail.
async fn attempts(trio: &Trio, answer: &Answer) -> anyhow::Result<Vec<(String, String)>> {
    let event = trio.rest.event(answer.request_id()?, START).await?;
    let text = |attempt: &Value, field: &str| attempt[field].as_str().unwrap_or_default().to_owned();
    let attempts = event["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(attempts.iter().map(|attempt| (text(attempt, "reason"), text(attempt, "detail"))).collect())
}

/// What `/metrics` says of a key: `model` and `state` of each of its lines.
async fn states(trio: &Trio, key_id: &str) -> anyhow::Result<Vec<String>> {
    let page = reqwest::get(format!("http://{}/metrics", trio.addresses.proxy_ops)).await?.text().await?;
    let of_key = format!("upstream_key_state{{upstream_key_id=\"{key_id}\"");
    Ok(page.lines().filter(|line| line.contains(&of_key)).map(str::to_owned).collect())
}
