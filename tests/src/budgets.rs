//! What tests of budgets have in common: prices, calls of which is known what they cost at most, and what was spent.

use std::net::SocketAddr;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    eventually::START,
    requests::{Answer, Call, Dialect},
    rest::text,
    seed::Application,
    trio::Trio,
};

/// Per million tokens, in millionths: input, output, cache read, cache write for 5 minutes and for an hour.
pub const PRICES: [(&str, [u64; 5]); 3] = [
    ("gpt-*", [2_000_000, 8_000_000, 500_000, 2_500_000, 2_500_000]),
    ("claude-*", [3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000]),
    ("gemini-*", [300_000, 2_500_000, 75_000, 300_000, 300_000]),
];
/// As many as run at the same time.
pub const CALLS: usize = 20;

/// A decimal text as whole millionths.
pub fn micros(amount: &Value) -> anyhow::Result<u64> {
    let text = amount.as_str().with_context(|| format!("no amount: {amount}"))?;
    let (whole, fraction) = text.split_once('.').with_context(|| format!("no decimal: {text}"))?;
    Ok(whole.parse::<u64>()? * 1_000_000 + format!("{fraction:0<6}").parse::<u64>()?)
}

/// The other way round.
fn decimal(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The operator's prices of all models that the tests ask for.
async fn price(trio: &Trio) -> anyhow::Result<()> {
    for (model, [input, output, cache_read, cache_write_5m, cache_write_1h]) in
        PRICES.map(|(model, rates)| (model, rates.map(decimal)))
    {
        let price = json!({"model": model, "currency": "USD", "input": input, "output": output,
            "cache_read": cache_read, "cache_write_5m": cache_write_5m, "cache_write_1h": cache_write_1h});
        trio.rest.create("prices", &price).await?;
    }
    Ok(())
}

/// With prices, and an application with two upstream keys in each pool.
pub async fn priced() -> anyhow::Result<(Trio, Application)> {
    let trio = Trio::start().await?;
    price(&trio).await?;
    let application = trio.application("application", 2).await?;
    Ok((trio, application))
}

/// A hard budget of a day.
pub fn hard(amount: &str) -> Value {
    json!({"amount": amount, "currency": "USD", "period": "day", "hard": true})
}

/// The same, of a budget that takes one request at a time.
pub fn single(amount: &str) -> Value {
    json!({"amount": amount, "currency": "USD", "period": "day", "hard": true, "lease": "single"})
}

/// A further access key of a service, with a budget; its id and its secret.
pub async fn key(trio: &Trio, service_id: &str, budget: Value) -> anyhow::Result<(String, String)> {
    let key = json!({"service_id": service_id, "name": "budgeted", "budget": budget});
    let key = trio.rest.create("access-keys", &key).await?;
    trio.in_force().await?;
    Ok((text(&key, "id")?.to_owned(), text(&key, "secret")?.to_owned()))
}

/// With a limit on its output, so that what is reserved covers what it costs.
pub fn bounded(key: &str, model: &str) -> Call {
    let body = json!({"model": model, "max_tokens": 400,
        "messages": [{"role": "user", "content": "How long is the coast of Norway?"}]});
    Call::post(Dialect::OpenAi, key, "/v1/chat/completions".to_owned(), body.to_string())
}

/// So many calls at the same time, to the addresses in turn.
pub async fn at_once(calls: usize, call: &Call, addresses: &[SocketAddr]) -> anyhow::Result<Vec<Answer>> {
    let mut running = JoinSet::new();
    for index in 0..calls {
        let (call, address) = (call.clone(), addresses[index % addresses.len()]);
        running.spawn(async move { call.send(address).await });
    }
    let mut answers = Vec::new();
    while let Some(answer) = running.join_next().await {
        answers.push(answer??);
    }
    Ok(answers)
}

/// What the answers that came cost, once all of their events have arrived.
pub async fn spent(trio: &Trio, answers: &[Answer]) -> anyhow::Result<u64> {
    let mut spent = 0;
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        let event = trio.rest.event(answer.request_id()?, START).await?;
        spent += micros(&event["cost"]["amount"]).with_context(|| event.to_string())?;
    }
    Ok(spent)
}

/// Whether it is said that trying again does not help.
pub fn is_final(answer: &Answer) -> bool {
    answer.header("x-should-retry") == Some("false")
}

/// How many answers have the status.
pub fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}
