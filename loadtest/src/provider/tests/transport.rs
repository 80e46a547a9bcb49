//! HTTP/1.1 itself: framing, keep-alive, pipelining, refusals.

use std::io::Write;
use std::time::{Duration, Instant};

use super::super::options::Options;
use super::super::running::SimulatedProvider;
use super::wire::{OPENAI, connect, read, request, start};

const BODY: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const CHAT: &str = "/v1/chat/completions";

#[test]
fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let provider = start();
    let mut socket = connect(&provider);
    let mut text = Vec::new();
    for word in ["one", "two", "three"] {
        let body = String::from_utf8_lossy(BODY).replace("\"x\"", &format!("\"{word}\""));
        text.extend(request("POST", CHAT, OPENAI, body.as_bytes()));
    }
    // In two writes that split a head.
    socket.write_all(&text[..40]).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    socket.write_all(&text[40..]).unwrap();
    let mut rest = Vec::new();
    for word in ["one", "two", "three"] {
        let reply = read(&mut socket, &mut rest).unwrap();
        assert!(reply.text().contains(&format!("Echo: {word} ")), "{}", reply.text());
    }
    let requests = provider.requests();
    assert!(requests.iter().all(|request| request.connection_id == requests[0].connection_id));
}

#[test]
fn chunked_bodies_are_put_together() {
    let provider = start();
    let mut socket = connect(&provider);
    let mut text =
        format!("POST {CHAT} HTTP/1.1\r\nAuthorization: Bearer k\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for part in BODY.chunks(7) {
        text.extend(format!("{:X};ext=1\r\n", part.len()).into_bytes());
        text.extend(part);
        text.extend(b"\r\n");
    }
    text.extend(b"0\r\nTrailer: x\r\n\r\n");
    for byte in text.chunks(11) {
        socket.write_all(byte).unwrap();
    }
    assert_eq!(read(&mut socket, &mut Vec::new()).unwrap().status, 200);
    assert_eq!(provider.requests()[0].body, BODY);
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let provider = start();
    let mut socket = connect(&provider);
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nAuthorization: Bearer k\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut rest = Vec::new();
    assert_eq!(read(&mut socket, &mut rest).unwrap().status, 100);
    socket.write_all(BODY).unwrap();
    assert_eq!(read(&mut socket, &mut rest).unwrap().status, 200);
}

#[test]
fn ambiguous_or_broken_requests_are_refused() {
    let provider = start();
    for text in [
        "POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /v1/x HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        "POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut socket = connect(&provider);
        socket.write_all(text.as_bytes()).unwrap();
        let reply = read(&mut socket, &mut Vec::new()).unwrap();
        assert_eq!((reply.status, reply.header("connection")), (400, Some("close")), "{text}");
    }
}

#[test]
fn a_connection_closes_when_it_is_asked_to() {
    let provider = start();
    let mut socket = connect(&provider);
    let mut headers = OPENAI.to_vec();
    headers.push(("Connection", "close"));
    socket.write_all(&request("POST", CHAT, &headers, BODY)).unwrap();
    let mut rest = Vec::new();
    assert_eq!(read(&mut socket, &mut rest).unwrap().status, 200);
    assert!(read(&mut socket, &mut rest).is_err());
}

#[test]
fn several_threads_share_one_port_and_one_log() {
    let provider = SimulatedProvider::start(Options { threads: 3, ..Options::default() }).unwrap();
    for _ in 0..12 {
        let mut socket = connect(&provider);
        socket.write_all(&request("POST", CHAT, OPENAI, BODY)).unwrap();
        assert_eq!(read(&mut socket, &mut Vec::new()).unwrap().status, 200);
    }
    assert_eq!(provider.requests().len(), 12);
}

#[test]
fn chunks_keep_their_pace() {
    let provider = start();
    let body = br#"{"model":"sim-chunks-20-gap-5","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let mut socket = connect(&provider);
    let begin = Instant::now();
    socket.write_all(&request("POST", CHAT, OPENAI, body)).unwrap();
    read(&mut socket, &mut Vec::new()).unwrap();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(took < Duration::from_secs(1), "gaps are measured from the start, not from each other: {took:?}");
}

#[test]
fn a_dropped_provider_lets_go_of_its_port_and_its_clients() {
    let provider = start();
    let address = provider.address();
    let mut socket = connect(&provider);
    socket.write_all(&request("POST", CHAT, OPENAI, BODY)).unwrap();
    let mut rest = Vec::new();
    read(&mut socket, &mut rest).unwrap();
    drop(provider);
    assert!(read(&mut socket, &mut rest).is_err());
    SimulatedProvider::start(Options { listen: address, ..Options::default() }).unwrap();
}
