//! kill -9 of the proxy at any moment loses no request and counts none twice.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use tollgate_tests::{
    Call, Dialect, Trio,
    eventually::{START, eventually},
    requests::client,
};

const KILLS: usize = 30;
const CLIENTS: usize = 6;

/// What the clients share. Each request asks for a model of its own, which is how it is found again on both sides:
/// nothing that tells callers apart goes upstream.
#[derive(Debug)]
struct Load {
    proxy: std::net::SocketAddr,
    access_key: String,
    next: AtomicU64,
    over: AtomicBool,
}

impl Load {
    /// Sends until it is over; the request ids of the answers that came whole.
    async fn run(self: Arc<Self>) -> anyhow::Result<Vec<String>> {
        let client = client()?;
        let mut ids = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let model = format!("gpt-crash-{number}");
            let call = Call::chat(Dialect::OpenAi, &self.access_key, &model, number.is_multiple_of(2));
            match call.send_with(&client, self.proxy).await {
                Ok(answer) => ids.push(answer.request_id()?.to_owned()),
                // The proxy is dead, or died in the middle.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        Ok(ids)
    }
}

#[tokio::test]
async fn killed_at_random_moments_every_request_has_exactly_one_event() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let load = Arc::new(Load {
        proxy: trio.addresses.proxy,
        access_key: application.secret.clone(),
        next: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(Arc::clone(&load).run());
    }
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..400))).await;
        trio.kill_proxy()?;
        trio.start_proxy().await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    load.over.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    while let Some(ids) = clients.join_next().await {
        answered.extend(ids??);
    }
    ensure!(answered.len() > KILLS, "only {} requests were answered", answered.len());

    let received = trio.simulator.requests(0).await?;
    let events = settled(&trio, received.len()).await?;
    let count = |field: &str| -> anyhow::Result<HashMap<String, usize>> {
        let mut counts = HashMap::new();
        for event in &events {
            let value = event[field].as_str().with_context(|| format!("an event without {field}: {event}"))?;
            *counts.entry(value.to_owned()).or_default() += 1;
        }
        Ok(counts)
    };
    let (by_id, by_model) = (count("request_id")?, count("model_requested")?);
    let twice: Vec<_> = by_model.iter().chain(&by_id).filter(|(_, count)| **count != 1).collect();
    ensure!(twice.is_empty(), "counted more than once: {twice:?}");
    let lost: Vec<_> = answered.iter().filter(|id| !by_id.contains_key(*id)).collect();
    ensure!(lost.is_empty(), "{} of {} answered requests have no event: {lost:?}", lost.len(), answered.len());
    // One that was cut in its header names no model; its event is among the others, or there are too few of them.
    let named = received.iter().map(|request| &request.model).filter(|model| !model.is_empty());
    let unseen: Vec<_> = named.filter(|model| !by_model.contains_key(*model)).collect();
    ensure!(unseen.is_empty(), "{} of {} requests at the provider have no event", unseen.len(), received.len());

    let unsettled: Vec<_> = events
        .iter()
        .filter(|event| answered.iter().any(|id| event["request_id"] == **id))
        .filter(|event| event["outcome"] != "ok" || event["usage"]["source"] != "provider")
        .collect();
    ensure!(unsettled.is_empty(), "answered whole, and not counted by the provider's figures: {unsettled:?}");

    let interrupted = events.iter().filter(|event| event["outcome"] == "interrupted").count();
    eprintln!("{} answered, {} events, {interrupted} of them interrupted", answered.len(), events.len());
    Ok(())
}

/// All events, as soon as there are at least as many as expected and no more come.
async fn settled(trio: &Trio, expected: usize) -> anyhow::Result<Vec<Value>> {
    let mut before = 0;
    eventually("the events have arrived", START, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let events = trio.rest.events().await?;
        let quiet = events.len() == std::mem::replace(&mut before, events.len());
        ensure!(events.len() >= expected, "{} events for {expected} requests at the provider", events.len());
        Ok(quiet.then_some(events))
    })
    .await
}
