//! The upstream's side: TLS and HTTP/2, connections that go stale, and answers that come slowly or break off.

mod support;

use std::time::{Duration, Instant};

use loadtest::{Fault, FaultMatch, FaultRule, Options, TlsOptions};
use serde_json::{Value, json};
use support::{Ground, Setup};
use tollgate_proto::{AttemptOutcome, Outcome, Timeouts};

#[expect(clippy::unwrap_used, reason = "what fails fails the test")]
async fn chat(ground: &Ground, model: &str, stream: bool) -> reqwest::Response {
    let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
    let call = reqwest::Client::new().post(ground.url("/v1/chat/completions")).bearer_auth(&ground.access_key);
    call.json(&body).send().await.unwrap()
}

fn tls(directory: &tempfile::TempDir) -> (Options, String) {
    let ca_file = directory.path().join("ca.pem");
    let tls = TlsOptions { ca_file: Some(ca_file.clone()), ..TlsOptions::default() };
    (Options { tls: Some(tls), ..Options::default() }, ca_file.display().to_string())
}

#[tokio::test]
async fn https_upstreams_are_verified_and_spoken_to_in_http2() {
    let directory = tempfile::TempDir::new().unwrap();
    let (provider, ca_file) = tls(&directory);
    let ca_file: &'static str = ca_file.leak();
    let ground = Setup { provider, environment: vec![("SSL_CERT_FILE", ca_file)], ..Setup::default() }.start().await;
    for stream in [false, true, false] {
        let answer = chat(&ground, "gpt-test", stream).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("chat.completion"));
    }
    let requests = ground.provider.requests();
    assert!(requests.iter().all(|request| request.connection_id == requests[0].connection_id), "one connection");
    assert!(requests[0].headers.iter().all(|(name, _)| name.chars().all(|letter| !letter.is_ascii_uppercase())));
    assert_eq!(requests[0].header("authorization").map(|value| value.starts_with("Bearer upstream-key-")), Some(true));
}

#[tokio::test]
async fn an_upstream_without_a_trusted_certificate_is_not_spoken_to() {
    let directory = tempfile::TempDir::new().unwrap();
    let (provider, _) = tls(&directory);
    let ground = Setup { provider, ..Setup::default() }.start().await;
    let answer = chat(&ground, "gpt-test", false).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "upstream_unavailable");
    assert!(ground.provider.requests().is_empty());
    let event = ground.event(|event| event.outcome() == Outcome::UpstreamError).await;
    assert!(event.attempts.iter().all(|attempt| attempt.outcome() == AttemptOutcome::ConnectFailed));
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_closed_is_not_noticed_by_the_client() {
    let ground = Setup { keys: vec!["upstream-key-one-0123456789"], ..Setup::default() }.start().await;
    assert_eq!(chat(&ground, "gpt-test", false).await.status(), 200);
    let close = Fault::CloseBeforeHeaders;
    ground.provider.add_fault(FaultRule { matches: FaultMatch::default(), times: Some(1), fault: close });
    assert_eq!(chat(&ground, "gpt-test", false).await.status(), 200);
    let event = ground.event(|event| event.attempts.len() == 1).await;
    assert_eq!(event.outcome(), Outcome::Ok);
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_anything_of_it_went_out_gives_way_to_another() {
    let ground = Setup::default().start().await;
    let cut = Fault::CutMidStream { after_chunks: 2 };
    ground.provider.add_fault(FaultRule { matches: FaultMatch::default(), times: Some(1), fault: cut });
    let answer = chat(&ground, "gpt-test", false).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-tollgate-attempts"]), (200, &"2".parse().unwrap()));
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_billed_for_what_went_by() {
    let ground = Setup::default().start().await;
    let mut answer = chat(&ground, "sim-chunks-40-gap-20", true).await;
    for _ in 0..10 {
        answer.chunk().await.unwrap();
    }
    drop(answer);
    let event = ground.event(|event| event.outcome() == Outcome::ClientClosed).await;
    assert!(event.usage.unwrap().output >= 9);
}

#[tokio::test]
async fn a_key_that_stays_silent_gives_way_to_another_after_the_first_byte_time_out() {
    let timeouts = Timeouts { first_byte_ms: Some(300), ..Timeouts::default() };
    let ground = Setup { timeouts, ..Setup::default() }.start().await;
    let hang = Fault::HangBeforeHeaders;
    ground.provider.add_fault(FaultRule { matches: FaultMatch::default(), times: Some(1), fault: hang });
    let begun = Instant::now();
    let answer = chat(&ground, "gpt-test", false).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-tollgate-attempts"]), (200, &"2".parse().unwrap()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let event = ground.event(|event| event.attempts.len() == 2).await;
    assert_eq!(event.attempts[0].outcome(), AttemptOutcome::TimedOut);
    assert_eq!((event.attempts[0].reason.as_str(), event.attempts[1].reason.as_str()), ("first", "next_key"));
    assert_ne!(event.attempts[0].upstream_key_id, event.attempts[1].upstream_key_id);
}

#[tokio::test]
async fn pieces_of_a_stream_arrive_when_they_are_sent() {
    let ground = Setup::default().start().await;
    let mut answer = chat(&ground, "sim-chunks-5-gap-200", true).await;
    let begun = Instant::now();
    assert!(answer.chunk().await.unwrap().is_some());
    assert!(begun.elapsed() < Duration::from_millis(600), "the first piece waited for the others");
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    assert!(begun.elapsed() > Duration::from_millis(600));
    assert!(whole.ends_with(b"data: [DONE]\n\n"));
    assert!(!String::from_utf8(whole).unwrap().contains("\"usage\""), "the client did not ask for usage");
    let event = ground.event(|event| event.stream).await;
    let generated = &ground.provider.requests()[0].generated;
    let usage = event.usage.unwrap();
    assert_eq!((usage.output, usage.reasoning), (generated.output, generated.reasoning));
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_and_is_recorded_as_partial() {
    let ground = Setup::default().start().await;
    let cut = Fault::CutMidStream { after_chunks: 2 };
    ground.provider.add_fault(FaultRule { matches: FaultMatch::default(), times: Some(1), fault: cut });
    let mut answer = chat(&ground, "gpt-test", true).await;
    let mut whole = String::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        whole.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(whole.contains(r#"data: {"error":{"#), "{whole}");
    assert!(!whole.contains("[DONE]"), "{whole}");
    let event = ground.event(|event| event.stream).await;
    assert_eq!((event.outcome(), event.error_code.as_str()), (Outcome::UpstreamError, "upstream_stream_interrupted"));
}

#[tokio::test]
async fn a_renamed_model_is_the_only_thing_that_changes_in_the_body() {
    let ground = Setup::default().start().await;
    let body = "{ \"messages\" : [ ] ,\t\"model\":\"ali\\u0061s\", \"x\" : 1.50e+0 }";
    let call = reqwest::Client::new().post(ground.url("/v1/chat/completions")).bearer_auth(&ground.access_key);
    let answer = call.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.headers()["x-tollgate-model"], "gpt-renamed");
    let sent = &ground.provider.requests()[0].body;
    assert_eq!(std::str::from_utf8(sent).unwrap(), body.replace("\"ali\\u0061s\"", "\"gpt-renamed\""));
}
