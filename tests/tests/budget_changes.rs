//! A hard budget whose definition changes while requests are in flight: what they cost is never lent a second time.

use std::{net::SocketAddr, time::Duration};

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_tests::{
    Answer, Application, Call, Dialect, Trio,
    budgets::{at_once, count, micros, priced, spent},
    eventually::{START, eventually},
    rest::text,
    seed::known,
};

/// As many as the budget covers, and as many as one of two proxies may be lent for.
const COVERED: usize = 10;
const OF_ONE: usize = 8;
/// Ten reservations and less than half of another: 1,000 tokens of output, and some fifty of input.
const AMOUNT: &str = "0.085";
/// Nearly all of its limit, after time enough for a change and for a control plane to start.
const MODEL: &str = "gpt-sim-bytes-3900-latency-3000";

fn budget(period: &str, amount: &str) -> Value {
    json!({"amount": amount, "currency": "USD", "period": period, "hard": true})
}

/// An access key with a budget.
struct Key {
    id: String,
    call: Call,
}

impl Key {
    async fn new(trio: &Trio, application: &Application, budget: Value) -> anyhow::Result<Self> {
        let key = json!({"service_id": application.service_id, "name": "budgeted", "budget": budget});
        let key = trio.rest.create("access-keys", &key).await?;
        trio.in_force().await?;
        let body = json!({"model": MODEL, "max_tokens": 1_000,
            "messages": [{"role": "user", "content": "How long is the coast of Norway?"}]});
        let path = "/v1/chat/completions".to_owned();
        let call = Call::post(Dialect::OpenAi, text(&key, "secret")?, path, body.to_string());
        Ok(Self { id: text(&key, "id")?.to_owned(), call })
    }

    /// Returns when the proxy knows of it.
    async fn define(&self, trio: &Trio, budget: &Value) -> anyhow::Result<()> {
        let path = format!("/api/v1/access-keys/{}", self.id);
        trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"budget": budget}))).await?;
        trio.in_force().await
    }
}

/// What happens to the budget.
#[derive(Clone, Copy, Debug)]
enum Change {
    OfPeriod,
    RemovedAndSetAgain,
}

impl Change {
    async fn make(self, trio: &Trio, key: &Key) -> anyhow::Result<()> {
        match self {
            Self::OfPeriod => key.define(trio, &budget("total", AMOUNT)).await,
            Self::RemovedAndSetAgain => {
                key.define(trio, &Value::Null).await?;
                key.define(trio, &budget("day", AMOUNT)).await
            }
        }
    }
}

type Running = JoinSet<anyhow::Result<Answer>>;

/// Returns when all of them are at the provider.
async fn in_flight(trio: &Trio, count: usize, call: &Call, address: SocketAddr) -> anyhow::Result<Running> {
    let before = trio.simulator.newest().await?;
    let mut running = Running::new();
    for _ in 0..count {
        let call = call.clone();
        running.spawn(async move {
            loop {
                let answer = call.send(address).await?;
                if answer.status != 503 {
                    return Ok(answer);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    eventually("all are at the provider", START, async || {
        let received = trio.simulator.requests(before).await?;
        Ok((received.len() == count).then_some(()))
    })
    .await?;
    Ok(running)
}

async fn ended(running: Running) -> anyhow::Result<Vec<Answer>> {
    running.join_all().await.into_iter().collect()
}

/// What was in flight was not lent again; and what is left can be spent once all events have arrived.
async fn is_kept(trio: &Trio, key: &Key, change: Change, answers: &[Answer]) -> anyhow::Result<()> {
    let statuses = || answers.iter().map(|answer| answer.status).collect::<Vec<_>>();
    let spent = spent(trio, answers).await?;
    eprintln!("{change:?}: {spent} of 85000 spent, {} served", count(answers, 200));
    ensure!(spent <= 85_000, "{change:?}: {spent} of 85000 were spent: {:?}", statuses());
    let shown = trio.rest.get(&format!("access-keys/{}/budget", key.id)).await?;
    ensure!(micros(&shown["spent"])? == spent, "{change:?}: {spent} and {shown}");
    key.define(trio, &budget("day", "0.120")).await?;
    eventually("what it was raised by is lent", START, async || {
        Ok((trio.send(&key.call).await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test]
async fn requests_in_flight_are_not_forgotten_when_their_budget_changes() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    for change in [Change::OfPeriod, Change::RemovedAndSetAgain] {
        let key = Key::new(&trio, &application, budget("day", AMOUNT)).await?;
        let mut running = in_flight(&trio, COVERED, &key.call, trio.addresses.proxy).await?;
        change.make(&trio, &key).await?;
        ensure!(running.try_join_next().is_none(), "{change:?}: the change took longer than the requests");
        let mut answers = at_once(2 * COVERED, &key.call, &[trio.addresses.proxy]).await?;
        answers.extend(ended(running).await?);
        ensure!(count(&answers, 200) == COVERED, "{change:?}: {} of {COVERED}", count(&answers, 200));
        is_kept(&trio, &key, change, &answers).await?;
    }
    Ok(())
}

#[tokio::test]
async fn events_that_have_not_arrived_are_not_forgotten_when_their_budget_changes() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let holder = trio.another_proxy("holder").await?;
    for change in [Change::OfPeriod, Change::RemovedAndSetAgain] {
        let key = Key::new(&trio, &application, budget("day", AMOUNT)).await?;
        let malformed = Call { body: "{}".into(), ..key.call.clone() };
        known(&malformed, holder.address, START).await?;
        let mut running = in_flight(&trio, OF_ONE, &key.call, holder.address).await?;
        trio.kill_admin()?;
        ensure!(running.try_join_next().is_none(), "{change:?}: requests were over before the control plane was");
        let mut answers = ended(running).await?;
        // What it has in its journal stays there.
        holder.process.signal("STOP")?;
        trio.start_admin().await?;
        change.make(&trio, &key).await?;
        loop {
            let round = at_once(2 * COVERED, &key.call, &[trio.addresses.proxy]).await?;
            let all_answered = count(&round, 503) == 0;
            answers.extend(round);
            if all_answered {
                break;
            }
        }
        holder.process.signal("CONT")?;
        is_kept(&trio, &key, change, &answers).await?;
    }
    Ok(())
}
