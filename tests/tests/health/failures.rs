//! Failures in a row, and the way back.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tollgate_tests::{Dialect, Trio, eventually::eventually, ports, rest::text};

use super::{application, attempts, calls, served, states};

fn faults() -> [(&'static str, Value); 6] {
    [
        ("500", json!({"kind": "status", "status": 500})),
        ("503", json!({"kind": "status", "status": 503})),
        ("529", json!({"kind": "status", "status": 529})),
        ("reset", json!({"kind": "reset"})),
        ("silent", json!({"kind": "hang_before_headers"})),
        ("cut", json!({"kind": "cut_mid_stream", "after_chunks": 5})),
    ]
}

#[tokio::test]
async fn the_third_failure_in_a_row_ejects_and_a_provider_that_is_back_is_found() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let mut applications = Vec::new();
    for dialect in Dialect::ALL {
        for (name, fault) in faults() {
            let application = application(&trio, &format!("{name}-{}", dialect.name()), 2).await?;
            trio.simulator.fault(json!({"key": application.keys(dialect)[0].secret}), None, fault).await?;
            applications.push((name, dialect, application));
        }
    }
    trio.in_force().await?;
    for (name, dialect, application) in &applications {
        let before = trio.simulator.newest().await?;
        for _ in 0..3 {
            let call = application.chat(*dialect, *name == "cut");
            match trio.send(&call).await {
                Ok(answer) => ensure!(answer.status == 200, "{name}, {dialect:?}: {}", answer.text()),
                // What was begun ends visibly.
                Err(error) => ensure!(*name == "cut", "{name}, {dialect:?}: {error:#}"),
            }
        }
        let counts = calls(&trio, application, *dialect, before).await?;
        let second = if *name == "cut" { 0 } else { 3 };
        // A reset on a kept connection may only mean that it was closed while it was idle: the attempt is made once more.
        let of_first = if *name == "reset" { 3..=6 } else { 3..=3 };
        ensure!(of_first.contains(&counts[0]) && counts[1] == second, "{name}, {dialect:?}: {counts:?}");
        let (_, counts) = served(&trio, application, *dialect).await?;
        ensure!(counts == [0, 1], "{name}, {dialect:?}: not ejected: {counts:?}");
        let states = states(&trio, &application.keys(*dialect)[0].id).await?;
        let is_out = |line: &String| line.contains("state=\"ejected\"") || line.contains("state=\"half_open\"");
        ensure!(states.iter().any(is_out), "{name}, {dialect:?}: {states:?}");
    }
    trio.simulator.clear_faults().await?;
    let back = Instant::now();
    for (name, dialect, application) in &applications {
        eventually(&format!("{name}, {dialect:?}: the key serves again"), Duration::from_secs(30), async || {
            let (_, counts) = served(&trio, application, *dialect).await?;
            Ok((counts == [1, 0]).then_some(()))
        })
        .await?;
    }
    ensure!(back.elapsed() < Duration::from_secs(30), "{:?}", back.elapsed());
    // And from then on it has all requests again: it is the first in its pool.
    for (name, dialect, application) in &applications {
        let (_, counts) = served(&trio, application, *dialect).await?;
        ensure!(counts == [1, 0], "{name}, {dialect:?}: {counts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_blip_does_not_eject() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let application = application(&trio, &format!("blip-{}", dialect.name()), 2).await?;
        trio.in_force().await?;
        for _ in 0..3 {
            let fault = json!({"kind": "status", "status": 500});
            let key = &application.keys(dialect)[0].secret;
            trio.simulator.fault(json!({"key": key, "model": dialect.model()}), Some(2), fault).await?;
            for expected in [[1, 1], [1, 1], [1, 0]] {
                let (_, counts) = served(&trio, &application, dialect).await?;
                ensure!(counts == expected, "{dialect:?}: {counts:?}");
            }
            trio.simulator.clear_faults().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_is_one_request_and_says_so() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let application = application(&trio, "trial", 2).await?;
    trio.in_force().await?;
    let fault = json!({"kind": "status", "status": 500});
    trio.simulator.fault(json!({"key": application.keys(Dialect::OpenAi)[0].secret}), None, fault).await?;
    for _ in 0..3 {
        served(&trio, &application, Dialect::OpenAi).await?;
    }
    let before = trio.simulator.newest().await?;
    let until = Instant::now() + Duration::from_secs(9);
    let mut trials = Vec::new();
    while Instant::now() < until {
        let (answer, counts) = served(&trio, &application, Dialect::OpenAi).await?;
        if counts[0] > 0 {
            trials.push(attempts(&trio, &answer).await?);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // After 4 to 5 s, and the next 8 to 10 s after that.
    ensure!(calls(&trio, &application, Dialect::OpenAi, before).await?[0] == 1, "{trials:?}");
    ensure!(trials.len() == 1 && trials[0][0].0 == "half_open", "{trials:?}");
    ensure!(trials[0][0].1 == "the provider failed with 500" && trials[0][1].0 == "next_key", "{trials:?}");
    Ok(())
}

#[tokio::test]
async fn a_provider_that_nobody_can_reach_is_left_out() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    let good = trio.application("good", 1).await?;
    for dialect in Dialect::ALL {
        let name = format!("unreachable-{}", dialect.name());
        let nobody = format!("http://{}", ports::free()?);
        let provider = json!({"name": name, "kind": dialect.name(), "base_url": nobody});
        let provider = trio.rest.create("providers", &provider).await?;
        let pool = trio.rest.create("key-pools", &json!({"name": name, "provider_id": text(&provider, "id")?})).await?;
        let pool_id = text(&pool, "id")?;
        let secret = tollgate_tests::seed::secret("sk", "nobody");
        trio.rest.create("upstream-keys", &json!({"pool_id": pool_id, "name": name, "secret": secret})).await?;
        let targets =
            json!([{"pool_id": pool_id, "priority": 0}, {"pool_id": good.keys(dialect)[0].pool_id, "priority": 1}]);
        let service = json!({"name": name, "slug": name, "routes": [{"models": ["*"], "targets": targets}]});
        let service = trio.rest.create("services", &service).await?;
        let key = json!({"service_id": text(&service, "id")?, "name": name});
        let mut application = good.clone();
        text(&trio.rest.create("access-keys", &key).await?, "secret")?.clone_into(&mut application.secret);
        trio.in_force().await?;
        for round in 0..4 {
            let answer = trio.send(&application.chat(dialect, false)).await?;
            ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
            let attempts = attempts(&trio, &answer).await?;
            let reasons: Vec<&str> = attempts.iter().map(|(reason, _)| reason.as_str()).collect();
            let expected = if round < 3 { vec!["first", "next_target"] } else { vec!["first"] };
            ensure!(reasons == expected, "{dialect:?}, round {round}: {attempts:?}");
        }
        // The right address is in force at once.
        let path = format!("/api/v1/providers/{}", text(&provider, "id")?);
        let right = json!({"base_url": trio.simulator.origin()});
        trio.rest.expect(200, reqwest::Method::PATCH, &path, Some(&right)).await?;
        trio.in_force().await?;
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&application.chat(dialect, false)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {}", answer.text());
        ensure!(trio.simulator.only_request(before).await?.credential == Some(secret), "{dialect:?}");
    }
    Ok(())
}
