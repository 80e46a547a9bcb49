//! Sessions, and changes of the configuration under load.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{Application, Call, Dialect, Trio, eventually::eventually};

use super::calls;

/// Equals: they share one tier.
async fn equals(trio: &Trio, name: &str, keys: u32, service: &Value) -> anyhow::Result<Application> {
    let application = trio.seed.application_with(&trio.rest, name, keys, service).await?;
    for dialect in Dialect::ALL {
        for key in application.keys(dialect) {
            patch(trio, &format!("upstream-keys/{}", key.id), &json!({"priority": 0})).await?;
        }
    }
    trio.in_force().await?;
    Ok(application)
}

async fn patch(trio: &Trio, path: &str, change: &Value) -> anyhow::Result<()> {
    trio.rest.expect(200, Method::PATCH, &format!("/api/v1/{path}"), Some(change)).await.map(drop)
}

/// A request of a session, named in the protocol's own way; Gemini has none but the header.
fn of_session(application: &Application, dialect: Dialect, session: &str) -> Call {
    let mut call = application.chat(dialect, false);
    let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    match dialect {
        Dialect::OpenAi => body["prompt_cache_key"] = json!(session),
        Dialect::Anthropic => body["metadata"] = json!({"user_id": session}),
        Dialect::Gemini => call.headers.push(("x-conversation".to_owned(), session.to_owned())),
    }
    call.body = body.to_string().into();
    call
}

#[tokio::test]
async fn a_session_stays_with_its_key_while_that_can_serve() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let affinity = json!({"by": ["prompt_cache_key", "metadata.user_id", "header"], "header": "X-Conversation"});
    let application = equals(&trio, "sessions", 3, &json!({"affinity": affinity})).await?;
    for dialect in Dialect::ALL {
        let mut homes = HashMap::new();
        for session in 0..16 {
            let call = of_session(&application, dialect, &format!("session-{session}"));
            let before = trio.simulator.newest().await?;
            for _ in 0..2 {
                let answer = trio.send(&call).await?;
                ensure!(answer.status == 200, "{dialect:?}: {}", answer.text());
            }
            let counts = calls(&trio, &application, dialect, before).await?;
            let home = counts.iter().position(|count| *count == 2);
            ensure!(home.is_some(), "{dialect:?}, session {session}: {counts:?}");
            homes.insert(session, home.unwrap_or_default());
        }
        // The keys' ids are new each time, and with them the homes: in one run of a million all are the same by chance.
        ensure!(homes.values().collect::<HashSet<_>>().len() > 1, "{dialect:?}: {homes:?}");
        // Its key cools: the session moves, and only that.
        let cooled = homes[&0];
        let fault = json!({"kind": "status", "status": 429, "retry_after": "60"});
        trio.simulator.fault(json!({"key": application.keys(dialect)[cooled].secret}), None, fault).await?;
        let answer = trio.send(&of_session(&application, dialect, "session-0")).await?;
        let reasons = super::attempts(&trio, &answer).await?;
        ensure!(reasons[0].0 == "affinity" && reasons[1].0 == "next_key", "{reasons:?}");
        for (session, home) in homes {
            let before = trio.simulator.newest().await?;
            trio.send(&of_session(&application, dialect, &format!("session-{session}"))).await?;
            let counts = calls(&trio, &application, dialect, before).await?;
            let serving = counts.iter().position(|count| *count == 1);
            let stays = if home == cooled { serving != Some(cooled) } else { serving == Some(home) };
            ensure!(stays && counts.iter().sum::<usize>() == 1, "{dialect:?}, session {session}: {counts:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_a_quota_group_rest_together() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let application = trio.seed.application(&trio.rest, "account", 3).await?;
    for dialect in Dialect::ALL {
        for key in &application.keys(dialect)[..2] {
            let group = json!({"quota_group": format!("account-{}", dialect.name())});
            patch(&trio, &format!("upstream-keys/{}", key.id), &group).await?;
        }
    }
    trio.in_force().await?;
    for dialect in Dialect::ALL {
        let fault = json!({"kind": "status", "status": 429, "retry_after": "60"});
        trio.simulator.fault(json!({"key": application.keys(dialect)[0].secret}), None, fault).await?;
        for expected in [[1, 0, 1], [0, 0, 1]] {
            let (_, counts) = super::served(&trio, &application, dialect).await?;
            ensure!(counts == expected, "{dialect:?}: {counts:?}");
        }
    }
    Ok(())
}

/// Sends in each protocol until told to stop; how many were answered otherwise than with 200.
async fn load(trio: &Trio, application: &Application, stop: &AtomicBool, sent: &AtomicUsize) -> Vec<String> {
    let client = tollgate_tests::requests::client();
    let one = async |dialect: Dialect| {
        let mut failures = Vec::new();
        while !stop.load(Relaxed) {
            let call = application.chat(dialect, false);
            let answer = match &client {
                Ok(client) => call.send_with(client, trio.addresses.proxy).await,
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            sent.fetch_add(1, Relaxed);
            match answer {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => failures.push(format!("{} {}", answer.status, answer.text())),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        failures
    };
    join_all(Dialect::ALL.into_iter().cycle().take(6).map(one)).await.concat()
}

/// The shares of the keys among what comes after now.
async fn shares(trio: &Trio, application: &Application) -> anyhow::Result<Vec<f64>> {
    let before = trio.simulator.newest().await?;
    let counts = eventually("enough requests", Duration::from_mins(1), async || {
        let counts = calls(trio, application, Dialect::OpenAi, before).await?;
        Ok((counts.iter().sum::<usize>() >= 60).then_some(counts))
    })
    .await?;
    let total = counts.iter().sum::<usize>();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let shares = counts.iter().map(|count| *count as f64 / total as f64).collect();
    Ok(shares)
}

#[tokio::test]
async fn changes_are_in_force_within_a_second_and_drop_nothing() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let application = equals(&trio, "changes", 3, &json!({"strategy": "round_robin"})).await?;
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let changes = async {
        let result = change_everything(&trio, &application).await;
        stop.store(true, Relaxed);
        result
    };
    let (failures, result) = join(load(&trio, &application, &stop, &sent), changes).await;
    result?;
    ensure!(failures.is_empty(), "{} of {} failed: {:?}", failures.len(), sent.load(Relaxed), &failures[..1]);
    ensure!(sent.load(Relaxed) > 200, "only {} requests", sent.load(Relaxed));
    Ok(())
}

async fn change_everything(trio: &Trio, application: &Application) -> anyhow::Result<()> {
    let keys = application.keys(Dialect::OpenAi);
    let close =
        |found: &[f64], wanted: [f64; 3]| found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 0.1);
    let equal = shares(trio, application).await?;
    ensure!(close(&equal, [0.33, 0.33, 0.33]), "{equal:?}");
    // Membership: a key is out at once.
    let disabled = Instant::now();
    patch(trio, &format!("upstream-keys/{}", keys[0].id), &json!({"status": "disabled"})).await?;
    let quiet = eventually("the disabled key is quiet", Duration::from_secs(5), async || {
        let before = trio.simulator.newest().await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let counts = calls(trio, application, Dialect::OpenAi, before).await?;
        Ok((counts[0] == 0 && counts[1] + counts[2] > 0)
            .then(|| disabled.elapsed().saturating_sub(Duration::from_millis(100))))
    })
    .await?;
    ensure!(quiet < Duration::from_secs(1), "it took {quiet:?}");
    // Weight and strategy.
    patch(trio, &format!("upstream-keys/{}", keys[0].id), &json!({"status": "active", "weight": 2})).await?;
    patch(trio, &format!("services/{}", application.service_id), &json!({"strategy": "weighted"})).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let weighted = shares(trio, application).await?;
    ensure!(close(&weighted, [0.5, 0.25, 0.25]), "{weighted:?}");
    patch(trio, &format!("services/{}", application.service_id), &json!({"strategy": "health_best"})).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let best = shares(trio, application).await?;
    // The worst serves the square of its share: a sixteenth, or little more than three of these.
    ensure!(best.iter().filter(|share| **share > 0.1).count() >= 2, "{best:?}");
    Ok(())
}
