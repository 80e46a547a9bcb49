//! `x-request-timeout`, and how many requests may be tried again at once.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::join_all;
use serde_json::json;
use tollgate_tests::{Call, Dialect, Trio};

use super::{application, calls, served};

fn patient(call: Call, time: &str) -> Call {
    let mut call = call;
    call.headers.push(("x-request-timeout".to_owned(), time.to_owned()));
    call
}

#[tokio::test]
async fn the_callers_own_time_is_respected_and_is_no_fault_of_the_key() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let application = trio.application(&format!("hurry-{}", dialect.name()), 2).await?;
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&patient(application.chat(dialect, false), "20s")).await?;
        ensure!(answer.status == 200, "{dialect:?}: {}", answer.text());
        let received = trio.simulator.only_request(before).await?;
        ensure!(received.header("x-request-timeout").is_none(), "{:?}", received.headers);
        trio.simulator.fault(json!({}), None, json!({"kind": "hang_before_headers"})).await?;
        for (time, most) in [("0.3", 2), ("300ms", 2), ("0.3s", 2), ("0.2", 2)] {
            let began = Instant::now();
            let answer = trio.send(&patient(application.chat(dialect, true), time)).await?;
            ensure!(answer.status == 504, "{dialect:?} {time}: {} {}", answer.status, answer.text());
            ensure!(dialect.error(&answer.json()?).is_some(), "{}", answer.text());
            ensure!(began.elapsed() < Duration::from_secs(most), "{dialect:?} {time}: {:?}", began.elapsed());
        }
        trio.simulator.clear_faults().await?;
        let (_, counts) = served(&trio, &application, dialect).await?;
        ensure!(counts == [1, 0], "{dialect:?}: the key was blamed for the caller's hurry: {counts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_by_name() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        for time in ["", "0", "-1", "soon", "1e3", "NaN", "10 s"] {
            let before = trio.simulator.newest().await?;
            let answer = trio.send(&patient(application.chat(dialect, false), time)).await?;
            ensure!(answer.status == 400, "{dialect:?} {time:?}: {} {}", answer.status, answer.text());
            let (_, message) = dialect.error(&answer.json()?).with_context(|| answer.text())?;
            ensure!(message.contains("x-request-timeout"), "{message}");
            ensure!(trio.simulator.requests(before).await?.is_empty(), "{dialect:?} {time:?} reached the provider");
        }
    }
    Ok(())
}

#[tokio::test]
async fn beyond_a_fifth_of_what_is_in_work_nothing_is_tried_again() -> anyhow::Result<()> {
    let trio = Trio::start().await?;
    for dialect in Dialect::ALL {
        let application = application(&trio, &format!("storm-{}", dialect.name()), 2).await?;
        trio.in_force().await?;
        let keys = application.keys(dialect);
        trio.simulator.fault(json!({"key": keys[0].secret}), None, json!({"kind": "hang_before_headers"})).await?;
        trio.simulator.fault(json!({"key": keys[1].secret}), None, json!({"kind": "latency", "ms": 500})).await?;
        let before = trio.simulator.newest().await?;
        let call = application.chat(dialect, false);
        let answers = join_all((0..30).map(|_| trio.send(&call))).await;
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(answer?.status);
        }
        let count = |status| statuses.iter().filter(|found| **found == status).count();
        let counts = calls(&trio, &application, dialect, before).await?;
        // They do not all give up in the same instant, so the first retries may be over when the last begin.
        ensure!(counts[0] == 30 && (3..=15).contains(&counts[1]), "{dialect:?}: {counts:?} {statuses:?}");
        ensure!(count(200) == counts[1] && count(200) + count(504) == 30, "{dialect:?}: {counts:?} {statuses:?}");
    }
    let page = reqwest::get(format!("http://{}/metrics", trio.addresses.proxy_ops)).await?.text().await?;
    let refused = page.lines().find_map(|line| line.strip_prefix("tollgate_proxy_retries_refused_total "));
    ensure!(refused.is_some_and(|count| count != "0"), "{refused:?}");
    Ok(())
}
