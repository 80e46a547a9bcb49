//! Killed while usage comes in, and started again: nothing is lost, nothing is counted twice.

use std::{collections::VecDeque, path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    Outcome, Protocol, ReportHello, ReportRequest, ReportResponse, Usage, UsageBatch, UsageEvent,
    report_request::Message, usage_ingest_client::UsageIngestClient,
};
use tonic::{Request, Streaming, transport::Channel};
use uuid::Uuid;

use crate::program::{JOIN_TOKEN, Program, SETUP_TOKEN};

const BATCHES: usize = 300;
const EVENTS_PER_BATCH: usize = 50;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_ingest_it_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = Uuid::now_v7().to_string();
    let mut journal: VecDeque<Vec<UsageEvent>> =
        (0..BATCHES).map(|_| (0..EVENTS_PER_BATCH).map(|_| event(&service)).collect()).collect();
    let mut delivered = 0;
    for round in 1..=KILLS {
        // Killed while batches are on their way, in another place each time.
        delivered += deliver_and_kill(folder.path(), &mut journal, 7 + 11 * round).await;
    }
    assert!(delivered < BATCHES, "it was killed before the end");
    let program = Program::serve(folder.path());
    deliver(&program, &mut journal, usize::MAX).await;

    let (requests, tokens) = summed(&program, &service).await;
    assert_eq!(requests, BATCHES * EVENTS_PER_BATCH);
    assert_eq!(tokens, 3 * BATCHES * EVENTS_PER_BATCH);
}

/// Delivers until so many batches were acknowledged, then kills the program with the rest of the window under way.
async fn deliver_and_kill(folder: &Path, journal: &mut VecDeque<Vec<UsageEvent>>, acknowledged: usize) -> usize {
    let mut program = Program::serve(folder);
    let done = deliver(&program, journal, acknowledged).await;
    program.kill();
    done
}

/// What a proxy does: a batch leaves the journal when it is acknowledged, and not before.
async fn deliver(program: &Program, journal: &mut VecDeque<Vec<UsageEvent>>, stop_after: usize) -> usize {
    let (requests, mut responses) = open(program).await;
    let (mut sent, mut acknowledged) = (0_usize, 0_usize);
    let mut window = 0;
    loop {
        while sent - acknowledged < window && sent - acknowledged < journal.len() {
            let events = journal[sent - acknowledged].clone();
            sent += 1;
            let batch = UsageBatch { sequence: sent as u64, events };
            requests.send(ReportRequest { message: Some(Message::Batch(batch)) }).await.unwrap();
        }
        if journal.is_empty() || acknowledged >= stop_after {
            return acknowledged;
        }
        let response = timeout(Duration::from_secs(20), responses.message()).await.unwrap().unwrap().unwrap();
        window = response.window as usize;
        let newly = usize::try_from(response.acknowledged_sequence).unwrap() - acknowledged;
        journal.drain(..newly);
        acknowledged += newly;
    }
}

async fn open(program: &Program) -> (mpsc::Sender<ReportRequest>, Streaming<ReportResponse>) {
    let channel = Channel::from_shared(program.address("grpc")).unwrap().connect().await.unwrap();
    let (requests, receiver) = mpsc::channel(64);
    let hello = ReportHello { proxy_id: Uuid::now_v7().to_string(), boot_id: Uuid::now_v7().to_string() };
    requests.send(ReportRequest { message: Some(Message::Hello(hello)) }).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", format!("Bearer {JOIN_TOKEN}").parse().unwrap());
    (requests, UsageIngestClient::new(channel).report(request).await.unwrap().into_inner())
}

async fn summed(program: &Program, service: &str) -> (usize, usize) {
    let (client, base) = (reqwest::Client::new(), program.address("http"));
    let password = "correct horse battery staple";
    let setup = json!({"token": SETUP_TOKEN, "email": "admin@example.com", "password": password});
    client.post(format!("{base}/api/v1/setup")).json(&setup).send().await.unwrap().error_for_status().unwrap();
    let login = json!({"email": "admin@example.com", "password": password});
    let answer = client.post(format!("{base}/api/v1/auth/login")).json(&login).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let url = format!("{base}/api/v1/usage/summary?service_id={service}");
    let request = client.get(url).bearer_auth(answer["access_token"].as_str().unwrap());
    let summary: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let number = |field: &str| usize::try_from(summary["total"][field].as_u64().unwrap()).unwrap();
    (number("requests"), number("input_tokens"))
}

fn event(service_id: &str) -> UsageEvent {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UsageEvent {
        request_id: Uuid::now_v7().to_string(),
        started_at_unix_us: i64::try_from(now.as_micros()).unwrap(),
        duration_us: 1_000,
        status: 200,
        outcome: Outcome::Ok.into(),
        protocol: Protocol::Openai.into(),
        service_id: service_id.to_owned(),
        usage: Some(Usage { input_uncached: 3, ..Usage::default() }),
        ..UsageEvent::default()
    }
}
