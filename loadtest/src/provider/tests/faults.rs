//! Each fault as a client meets it.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::fault::{Fault, FaultRule};
use super::super::log::RecordedRequest;
use super::super::running::Running;
use super::ask;
use super::wire::{ANTHROPIC, GEMINI, OPENAI, Reply, call, connect, get, post, read, request, start};

const CHAT: &str = "/v1/chat/completions";

fn chat(provider: &Running, stream: bool) -> Reply {
    let body = json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
    post(provider, CHAT, OPENAI, &body)
}

/// Sends a chat request and gives what reading its answer says.
fn raw_chat(provider: &Running, stream: bool) -> std::io::Result<Reply> {
    let body =
        json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let mut socket = connect(provider);
    socket.write_all(&request("POST", CHAT, OPENAI, body.as_bytes()))?;
    read(&mut socket, &mut Vec::new())
}

fn last(provider: &Running) -> RecordedRequest {
    provider.requests().pop().unwrap()
}

fn with(fault: Fault) -> Running {
    let provider = start();
    provider.add_fault(FaultRule::always(fault).times(1));
    provider
}

#[test]
fn a_status_comes_in_the_protocol_s_own_shape() {
    let fault = |status| Fault::Status { status, retry_after: Some("3".into()), body: None };
    let reply = chat(&with(fault(429)), false);
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("3")));
    assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    let provider = with(fault(529));
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let reply = post(&provider, "/v1/messages", ANTHROPIC, &body);
    assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (529, Some("overloaded_error")));
    assert_eq!(last(&provider).generated.output, 0);
    let gemini = post(
        &with(fault(429)),
        "/v1beta/models/g:generateContent",
        GEMINI,
        &json!({"contents": [{"parts": [{"text": "x"}]}]}),
    );
    assert_eq!(gemini.json()["error"]["details"][1]["retryDelay"], "3s");
    let own = Fault::Status { status: 418, retry_after: None, body: Some(json!({"mine": 1})) };
    assert_eq!(chat(&with(own), false).json(), json!({"mine": 1}));
}

#[test]
fn a_spent_account_is_told_in_each_provider_s_own_way() {
    let provider = start();
    provider.add_fault(FaultRule::always(Fault::AccountSpent));
    let openai = ask::chat(&provider, "gpt-4o", &json!({}));
    assert_eq!((openai.status, &openai.json()["error"]["code"]), (429, &json!("insufficient_quota")));
    let anthropic = ask::messages(&provider, "claude", &json!({}));
    assert_eq!((anthropic.status, &anthropic.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(anthropic.text().contains("credit balance is too low"));
    let gemini = ask::gemini(&provider, "gemini-2.0-flash", &json!({}));
    assert_eq!((gemini.status, gemini.json()["error"].get("details")), (429, None));
    assert!(gemini.text().contains("prepayment credits are depleted"));
}

#[test]
fn a_good_answer_may_say_that_nothing_is_left() {
    let provider = start();
    provider.add_fault(FaultRule::always(Fault::NothingLeft { seconds: 7 }));
    for stream in [false, true] {
        let reply = chat(&provider, stream);
        assert!(reply.complete && reply.status == 200);
        assert_eq!(reply.header("x-ratelimit-remaining-tokens"), Some("0"));
        assert_eq!(reply.header("x-ratelimit-reset-tokens"), Some("7s"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("9999"));
    }
    let reply = ask::messages(&provider, "claude", &json!({}));
    assert_eq!((reply.status, reply.header("anthropic-ratelimit-input-tokens-remaining")), (200, Some("0")));
    assert!(reply.header("anthropic-ratelimit-input-tokens-reset").unwrap() > "2026-11-23T00:00:01Z");
}

#[test]
fn a_key_that_fails_leaves_the_others_alone() {
    let provider = start();
    provider.add_fault(FaultRule::for_key("sk-b", Fault::Status { status: 500, retry_after: None, body: None }));
    assert_eq!(chat(&provider, false).status, 200);
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(post(&provider, CHAT, &[("Authorization", "Bearer sk-b")], &body).status, 500);
    provider.clear_faults();
    assert_eq!(post(&provider, CHAT, &[("Authorization", "Bearer sk-b")], &body).status, 200);
}

#[test]
fn before_the_head_a_connection_hangs_closes_or_resets() {
    let provider = with(Fault::CloseBeforeHeaders);
    assert_eq!(raw_chat(&provider, false).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!((last(&provider).status, last(&provider).completed), (None, false));

    let provider = with(Fault::Reset { after_chunks: None });
    assert_eq!(raw_chat(&provider, true).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let provider = with(Fault::HangBeforeHeaders);
    let mut socket = connect(&provider);
    socket.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    socket
        .write_all(&request("POST", CHAT, OPENAI, br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#))
        .unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(socket);
    let gone = provider.wait_for_request(0, Duration::from_secs(5), |entry| entry.client_gone).unwrap();
    assert_eq!((gone.status, gone.generated.output), (None, 0));
}

#[test]
fn a_cut_stream_has_no_end_and_generated_less() {
    let provider = with(Fault::CutMidStream { after_chunks: 4 });
    let reply = chat(&provider, true);
    assert!(!reply.complete);
    assert_eq!(reply.chunks.len(), 4);
    let cut = last(&provider);
    assert!(!cut.completed && !cut.client_gone && cut.chunks_sent == 4);
    let whole = chat(&provider, true);
    assert!(whole.complete);
    let full = last(&provider).generated;
    assert!(cut.generated.output > 0 && cut.generated.output < full.output);
    assert_eq!(cut.generated.prompt(), full.prompt());
}

#[test]
fn a_reset_in_the_middle_is_a_reset() {
    let provider = with(Fault::Reset { after_chunks: Some(2) });
    let body = br#"{"model":"gpt-4o-sim-gap-20","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let mut socket = connect(&provider);
    socket.write_all(&request("POST", CHAT, OPENAI, body)).unwrap();
    let error = loop {
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer) {
            Ok(0) => panic!("an orderly end"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_whole_answer_is_cut_in_its_middle() {
    let reply = chat(&with(Fault::CutMidStream { after_chunks: 1 }), false);
    let announced: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert!(!reply.complete);
    assert_eq!(reply.body.len(), announced / 2);
}

#[test]
fn a_hanging_stream_ends_when_the_client_leaves() {
    let provider = with(Fault::HangMidStream { after_chunks: 3 });
    let mut socket = connect(&provider);
    let body = br#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    socket.write_all(&request("POST", CHAT, OPENAI, body)).unwrap();
    provider.wait_for_request(0, Duration::from_secs(5), |entry| entry.chunks_sent == 3).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    while socket.read(&mut [0; 4096]).is_ok() {}
    drop(socket);
    let gone = provider.wait_for_request(0, Duration::from_secs(5), |entry| entry.client_gone).unwrap();
    assert_eq!((gone.status, gone.completed, gone.chunks_sent), (Some(200), false, 3));
}

#[test]
fn an_error_in_the_middle_is_the_protocol_s_own() {
    let fault = || with(Fault::ErrorMidStream { after_chunks: 3 });
    let openai = chat(&fault(), true);
    assert!(openai.complete);
    assert!(openai.data().last().unwrap()["error"]["message"].is_string());
    let body =
        json!({"model": "claude", "max_tokens": 99, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let anthropic = post(&fault(), "/v1/messages", ANTHROPIC, &body);
    let (name, data) = anthropic.events().pop().unwrap();
    assert_eq!(name, "error");
    assert!(data.contains("overloaded_error"));
    let responses = post(&fault(), "/v1/responses", OPENAI, &json!({"model": "gpt-4o", "input": "x", "stream": true}));
    let [.., error, failed] = &responses.data()[..] else { panic!("{}", responses.text()) };
    assert_eq!((&error["type"], &error["sequence_number"]), (&json!("error"), &json!(3)));
    assert_eq!((&failed["type"], &failed["sequence_number"]), (&json!("response.failed"), &json!(4)));
    assert_eq!(failed["response"]["id"], responses.data()[0]["response"]["id"]);
    assert_eq!(failed["response"]["error"]["code"], "server_error");
    let gemini = post(
        &fault(),
        "/v1beta/models/g:streamGenerateContent?alt=sse",
        GEMINI,
        &json!({"contents": [{"parts": [{"text": "x"}]}]}),
    );
    assert!(gemini.text().trim_end().rsplit("\r\n").next().unwrap().starts_with("{\"error\":{\"code\":503"));
    let array = post(
        &fault(),
        "/v1beta/models/g:streamGenerateContent",
        GEMINI,
        &json!({"contents": [{"parts": [{"text": "x"}]}]}),
    );
    assert_eq!(array.json().as_array().unwrap().last().unwrap()["error"]["code"], 503);
}

#[test]
fn a_prompt_that_is_too_long_is_refused_in_the_provider_s_own_words() {
    let provider = start();
    provider.add_fault(FaultRule::always(Fault::ContextWindow));
    for (reply, words) in [
        (ask::chat(&provider, "gpt-4o", &json!({})), "maximum context length"),
        (ask::responses(&provider, "gpt-4o", &json!({})), "context window"),
        (ask::messages(&provider, "claude", &json!({})), "prompt is too long: "),
        (ask::gemini(&provider, "gemini-2.0-flash", &json!({})), "exceeds the maximum number of tokens allowed"),
    ] {
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert_eq!(reply.status, 400);
        assert!(error.get("param").is_none() || error["code"] == "context_length_exceeded", "{error}");
    }
}

#[test]
fn a_prompt_against_the_policy_is_refused_or_blocked() {
    let provider = start();
    provider.add_fault(FaultRule::always(Fault::ContentPolicy));
    for reply in [ask::chat(&provider, "gpt-4o", &json!({})), ask::responses(&provider, "gpt-4o", &json!({}))] {
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("content_policy_violation")));
    }
    let anthropic = ask::messages(&provider, "claude", &json!({}));
    assert_eq!(anthropic.json()["error"]["message"], "Output blocked by content filtering policy");
    let gemini = ask::gemini(&provider, "gemini-2.0-flash", &json!({}));
    assert_eq!((gemini.status, &gemini.json()["promptFeedback"]["blockReason"]), (200, &json!("PROHIBITED_CONTENT")));
}

#[test]
fn errors_and_nothing_come_with_200() {
    let reply = chat(&with(Fault::Empty200), true);
    assert_eq!((reply.status, reply.body.len(), reply.complete), (200, 0, true));
    for stream in [false, true] {
        let reply = chat(&with(Fault::ErrorIn200), stream);
        let error = if stream { reply.data()[0].clone() } else { reply.json() };
        assert_eq!(reply.status, 200);
        assert!(error["error"]["message"].is_string(), "{error}");
    }
}

#[test]
fn nonsense_follows_the_first_event() {
    let reply = chat(&with(Fault::MalformedSse), true);
    assert_eq!(reply.data().len(), 1);
    assert!(reply.text().contains("}}}not json{{{"));
    let reply = chat(&with(Fault::MalformedSse), false);
    assert!(reply.complete && serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
}

#[test]
fn an_oversized_answer_is_correct_otherwise() {
    for stream in [false, true] {
        let provider = with(Fault::Oversized { bytes: 3_000_000 });
        let reply = chat(&provider, stream);
        assert!(reply.complete && reply.body.len() > 3_000_000);
        if stream {
            assert!(reply.chunks.iter().any(|chunk| chunk.len() > 3_000_000), "one event holds it");
        }
        assert_eq!(last(&provider).generated.output, 750_000);
    }
}

#[test]
fn slow_answers_are_slow() {
    let timed = |fault, stream| {
        let provider = with(fault);
        let start = Instant::now();
        assert!(chat(&provider, stream).complete);
        start.elapsed()
    };
    assert!(timed(Fault::Latency { ms: 80 }, false) >= Duration::from_millis(80));
    assert!(timed(Fault::SlowDrip { gap_ms: 10 }, true) >= Duration::from_millis(80));
    assert!(timed(Fault::SlowDrip { gap_ms: 5 }, false) >= Duration::from_millis(80));
}

#[test]
fn control_endpoints_do_the_same_and_are_not_recorded() {
    let provider = start();
    let rule = json!({"match": {"model": "gpt-*"}, "times": 1, "fault": {"kind": "status", "status": 503}});
    assert_eq!(post(&provider, "/__sim/faults", &[], &rule).status, 201);
    assert_eq!(post(&provider, "/__sim/faults", &[], &json!({"fault": {"kind": "nonsense"}})).status, 400);
    assert_eq!(get(&provider, "/__sim/faults", &[]).json()["faults"][0]["times"], 1);
    assert_eq!((chat(&provider, false).status, chat(&provider, false).status), (503, 200));
    let recorded = get(&provider, "/__sim/requests?after=1", &[]).json();
    assert_eq!(
        (recorded.as_array().unwrap().len(), &recorded[0]["n"], &recorded[0]["status"]),
        (1, &json!(2), &json!(200))
    );
    assert_eq!(get(&provider, "/__sim/stats", &[]).json()["requests"], 2);
    call(&provider, "PUT", "/__sim/bad-keys", &[], br#"{"keys":["sk-a"]}"#);
    assert_eq!(chat(&provider, false).status, 401);
    call(&provider, "DELETE", "/__sim/requests", &[], b"");
    assert_eq!(get(&provider, "/__sim/requests", &[]).json(), json!([]));
    call(&provider, "DELETE", "/__sim/faults", &[], b"");
    assert_eq!(get(&provider, "/__sim/faults", &[]).json()["faults"], json!([]));
}

#[test]
fn a_bad_key_stays_bad_under_a_fault_of_the_wire() {
    let provider = with(Fault::Latency { ms: 1 });
    provider.set_bad_keys(["sk-a"]);
    assert_eq!(chat(&provider, false).status, 401);
}
