//! A user's budget holds for all of their access keys together, over all services.

use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Call, Dialect, Trio,
    budgets::{CALLS, at_once, bounded, count, hard, is_final, micros, priced, single, spent},
    eventually::{START, eventually},
    raw::{exchange, request},
    rest::text,
    usage::expect,
};

/// A user, and the secrets of access keys of theirs: one for each service.
struct Owner {
    id: String,
    secrets: Vec<String>,
}

impl Owner {
    async fn new(trio: &Trio, name: &str, budget: &Value, services: &[&Application]) -> anyhow::Result<Self> {
        let email = format!("{name}@example.test");
        let user = json!({"email": email, "role": "member", "password": "a password of tests", "budget": budget});
        let id = text(&trio.rest.create("users", &user).await?, "id")?.to_owned();
        let mut secrets = Vec::new();
        for service in services {
            let key = json!({"service_id": service.service_id, "user_id": id, "name": name});
            secrets.push(text(&trio.rest.create("access-keys", &key).await?, "secret")?.to_owned());
        }
        trio.in_force().await?;
        Ok(Self { id, secrets })
    }

    async fn standing(&self, trio: &Trio) -> anyhow::Result<Value> {
        trio.rest.get(&format!("users/{}/budget", self.id)).await
    }

    async fn change(&self, trio: &Trio, change: &Value) -> anyhow::Result<Instant> {
        trio.rest.expect(200, Method::PATCH, &format!("/api/v1/users/{}", self.id), Some(change)).await?;
        Ok(Instant::now())
    }

    /// The same number of calls with each key, all at the same time.
    async fn all_at_once(&self, trio: &Trio) -> anyhow::Result<Vec<Answer>> {
        let address = [trio.addresses.proxy];
        let calls: Vec<Call> = self.secrets.iter().map(|secret| bounded(secret, "gpt-4.1")).collect();
        let each = CALLS / calls.len();
        let rounds = calls.iter().map(|call| at_once(each, call, &address));
        Ok(futures::future::try_join_all(rounds).await?.concat())
    }
}

fn case(answers: &[Answer]) -> String {
    answers.iter().map(|answer| format!("{} {}", answer.status, answer.text())).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn parallel_calls_with_keys_of_two_services_stay_within_their_users_budget() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let other = trio.application("other", 1).await?;
    for (lease, slack) in [("ahead", true), ("single", false)] {
        // A few requests' reservations.
        let budget = json!({"amount": "0.012", "currency": "USD", "period": "day", "hard": true, "lease": lease});
        let owner = Owner::new(&trio, lease, &budget, &[&application, &other]).await?;
        let mut answers = Vec::new();
        let mut bound = 0;
        for _ in 0..4 {
            answers.extend(owner.all_at_once(&trio).await?);
            bound = bound.max(micros(&owner.standing(&trio).await?["overshoot_bound"])?);
        }
        let served = count(&answers, 200);
        ensure!(served > 0, "{}", case(&answers));
        ensure!(served + count(&answers, 429) + count(&answers, 503) == answers.len(), "{}", case(&answers));
        ensure!(lease == "single" || count(&answers, 429) > 0, "{}", case(&answers));
        let spent = spent(&trio, &answers).await?;
        let allowed = 12_000 + if slack { bound } else { 0 };
        eprintln!("{lease}: {spent} of 12000 spent by {served} requests, at most {bound} out in leases");
        ensure!(spent <= allowed, "{lease}: {spent} of {allowed}");
        let shown = owner.standing(&trio).await?;
        ensure!(micros(&shown["spent"])? == spent, "{spent}: {shown}");
        ensure!(micros(&shown["spent"])? + micros(&shown["leased"])? <= 12_000, "{shown}");
    }
    // Nobody else's.
    let answer = trio.send(&bounded(&application.secret, "gpt-4.1")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(())
}

#[tokio::test]
async fn one_at_a_time_holds_over_all_keys_of_a_user() -> anyhow::Result<()> {
    let (trio, application) = priced().await?;
    let other = trio.application("other", 1).await?;
    let owner = Owner::new(&trio, "single", &single("0.02"), &[&application, &other]).await?;
    let calls: Vec<Call> = owner.secrets.iter().map(|secret| bounded(secret, "gpt-4.1")).collect();
    let mut answers = Vec::new();
    for call in calls.iter().cycle() {
        let answer = trio.send(call).await?;
        match answer.status {
            200 => answers.push(answer),
            429 if is_final(&answer) => break,
            429 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
            other => anyhow::bail!("{other} {}", answer.text()),
        }
        ensure!(answers.len() < 500, "the budget is never spent");
    }
    let spent = spent(&trio, &answers).await?;
    // What is left does not cover another reservation: every byte a token, and all of the output.
    let reservation = (calls[0].body.len() as u64 * 2_500_000).div_ceil(1_000_000) + 400 * 8;
    ensure!(spent <= 20_000 && spent + reservation > 20_000, "{spent} and {reservation} of 20000");
    ensure!(micros(&owner.standing(&trio).await?["spent"])? == spent);
    Ok(())
}

async fn refusals(trio: &Trio) -> anyhow::Result<u64> {
    let answer = exchange(trio.addresses.proxy_ops, &request("GET", "/metrics", &[], b"")).await?;
    let page = String::from_utf8(answer.body)?;
    let line = "tollgate_proxy_budget_refused_total{scope=\"user\"} ";
    let found = page.lines().find_map(|found| found.strip_prefix(line));
    Ok(found.map(str::parse).transpose()?.unwrap_or_default())
}

#[tokio::test]
async fn a_users_spent_budget_is_refused_in_each_dialect_and_a_raised_one_serves_within_a_second() -> anyhow::Result<()>
{
    let (trio, application) = priced().await?;
    let owner = Owner::new(&trio, "spent", &hard("0.000010"), &[&application]).await?;
    let secret = &owner.secrets[0];
    for (dialect, status, kind) in [
        (Dialect::OpenAi, 429, "insufficient_quota"),
        (Dialect::Anthropic, 402, "billing_error"),
        (Dialect::Gemini, 429, "RESOURCE_EXHAUSTED"),
    ] {
        let answer = trio.send(&Call::chat(dialect, secret, dialect.model(), false)).await?;
        let case = format!("{dialect:?}: {} {}", answer.status, answer.text());
        ensure!(answer.status == status && answer.header("x-should-retry") == Some("false"), "{case}");
        let message = "The budget of this user is spent, or does not cover this request.";
        ensure!(dialect.error(&answer.json()?) == Some((kind.to_owned(), message.to_owned())), "{case}");
        let event = trio.rest.event(answer.request_id()?, START).await?;
        expect(&event, "/error_code", &json!("insufficient_quota"))?;
    }
    ensure!(refusals(&trio).await? == 3);
    for (budget, status) in [(hard("5.00"), 200), (hard("0.000001"), 429), (Value::Null, 200)] {
        let changed = owner.change(&trio, &json!({"budget": budget})).await?;
        eventually("the changed budget is in force", START, async || {
            Ok((trio.send(&bounded(secret, "gpt-4.1")).await?.status == status).then_some(()))
        })
        .await?;
        ensure!(changed.elapsed() < Duration::from_secs(1), "{budget}: {:?}", changed.elapsed());
    }
    trio.rest.expect(404, Method::GET, &format!("/api/v1/users/{}/budget", owner.id), None).await.map(drop)
}

#[tokio::test]
async fn a_killed_proxy_leaves_a_users_lease_that_its_events_still_fill() -> anyhow::Result<()> {
    let (mut trio, application) = priced().await?;
    let other = trio.application("other", 1).await?;
    let owner = Owner::new(&trio, "killed", &hard("0.50"), &[&application, &other]).await?;
    let answers = owner.all_at_once(&trio).await?;
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    let spent = spent(&trio, &answers).await?;
    let shown = owner.standing(&trio).await?;
    ensure!(micros(&shown["spent"])? == spent && spent > 0, "{spent}: {shown}");
    ensure!(micros(&shown["spent"])? + micros(&shown["leased"])? + micros(&shown["remaining"])? == 500_000, "{shown}");
    // A budget that is set later knows what was spent before.
    let late = Owner { secrets: Vec::new(), ..owner };
    late.change(&trio, &json!({"budget": {"amount": "7.00", "currency": "USD", "period": "total"}})).await?;
    ensure!(micros(&late.standing(&trio).await?["spent"])? == spent);
    Ok(())
}
