//! The request log is exact.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::super::options::{LogOptions, Options};
use super::super::running::SimulatedProvider;
use super::wire::{OPENAI, connect, post, read, start};

#[test]
fn headers_keep_order_case_and_repetition() {
    let provider = start();
    let body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\u{fc}\"}],\"unknown_field\": [1 ,2]}";
    let text = format!(
        "POST /v1/chat/completions?beta=true&x=%20 HTTP/1.1\r\nhOsT: a\r\nX-Twice: 1\r\nauthorization: bearer sk-a\r\nX-Twice: 2\r\nX-Empty:\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = connect(&provider);
    socket.write_all(text.as_bytes()).unwrap();
    assert_eq!(read(&mut socket, &mut Vec::new()).unwrap().status, 200);
    let request = &provider.requests()[0];
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let length = body.len().to_string();
    let expected = [
        ("hOsT", "a"),
        ("X-Twice", "1"),
        ("authorization", "bearer sk-a"),
        ("X-Twice", "2"),
        ("X-Empty", ""),
        ("Content-Length", &length),
    ];
    assert_eq!(headers, expected);
    assert_eq!(request.target, "/v1/chat/completions?beta=true&x=%20");
    assert_eq!(request.body, body.as_bytes());
    assert_eq!(request.credential.as_deref(), Some("sk-a"));
    assert!(request.completed && !request.client_gone && !request.stream);
}

#[test]
fn connections_are_told_apart() {
    let provider = start();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..2 {
        post(&provider, "/v1/chat/completions", OPENAI, &body);
    }
    let ids: Vec<_> = provider.requests().iter().map(|request| request.connection_id).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(provider.stats().connections, 2);
}

#[test]
fn a_client_that_leaves_in_the_middle_is_recorded() {
    let provider = start();
    let mut socket = connect(&provider);
    let body = r#"{"model":"sim-chunks-1000-gap-5","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let text = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(text.as_bytes()).unwrap();
    provider.wait_for_request(0, Duration::from_secs(5), |request| request.chunks_sent > 3).unwrap();
    drop(socket);
    let gone = provider.wait_for_request(0, Duration::from_secs(5), |request| request.client_gone).unwrap();
    assert!(!gone.completed && gone.stream && gone.status == Some(200));
    assert!(gone.generated.output > 0 && gone.chunks_sent < 500);
    assert_eq!(provider.stats().client_gone, 1);
}

#[test]
fn half_a_body_is_recorded_as_a_client_that_left() {
    let provider = start();
    let mut socket = connect(&provider);
    socket.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{").unwrap();
    drop(socket);
    let gone = provider.wait_for_request(0, Duration::from_secs(5), |request| request.client_gone).unwrap();
    assert_eq!((gone.status, gone.completed), (None, false));
}

#[test]
fn without_a_log_the_sums_are_kept() {
    let provider = SimulatedProvider::start(Options { log: LogOptions::off(), ..Options::default() }).unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let usage = post(&provider, "/v1/chat/completions", OPENAI, &body).json()["usage"].clone();
    assert!(provider.requests().is_empty());
    let stats = provider.stats();
    assert_eq!((stats.requests, stats.completed), (1, 1));
    assert_eq!(usage["completion_tokens"], stats.generated.output);
    provider.clear_requests();
    assert_eq!(provider.stats().generated.output, 0);
}
