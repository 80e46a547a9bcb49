//! A blocking HTTP/1.1 client that hides nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::super::options::Options;
use super::super::running::{Running, SimulatedProvider};

pub(super) const OPENAI: &[(&str, &str)] = &[("Authorization", "Bearer sk-a"), ("Content-Type", "application/json")];
pub(super) const ANTHROPIC: &[(&str, &str)] = &[("x-api-key", "sk-a"), ("anthropic-version", "2023-06-01")];
pub(super) const GEMINI: &[(&str, &str)] = &[("x-goog-api-key", "sk-a")];

#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// HTTP chunks, as they were framed.
    pub(super) chunks: Vec<Vec<u8>>,
    /// The body came to its announced end.
    pub(super) complete: bool,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `(event, data)` of every event of a stream.
    pub(super) fn events(&self) -> Vec<(String, String)> {
        let text = self.text().replace("\r\n", "\n");
        let field = |event: &str, name: &str| {
            event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        text.split_terminator("\n\n").map(|event| (field(event, "event: "), field(event, "data: "))).collect()
    }

    /// The data of every event that is JSON.
    pub(super) fn data(&self) -> Vec<Value> {
        self.events().iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
    }
}

pub(super) fn start() -> Running {
    SimulatedProvider::start(Options::default()).unwrap()
}

pub(super) fn connect(provider: &Running) -> TcpStream {
    let socket = TcpStream::connect(provider.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

pub(super) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("{method} {target} HTTP/1.1\r\nHost: provider.test\r\n").into_bytes();
    for (name, value) in headers {
        out.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    out.extend(body);
    out
}

pub(super) fn call(provider: &Running, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut socket = connect(provider);
    socket.write_all(&request(method, target, headers, body)).unwrap();
    read(&mut socket, &mut Vec::new()).unwrap()
}

pub(super) fn post(provider: &Running, target: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    call(provider, "POST", target, headers, body.to_string().as_bytes())
}

pub(super) fn get(provider: &Running, target: &str, headers: &[(&str, &str)]) -> Reply {
    call(provider, "GET", target, headers, b"")
}

/// Reads one answer; what follows it stays in `rest`. An answer that ends early is not complete;
/// one whose head never comes is an error.
pub(super) fn read(socket: &mut TcpStream, rest: &mut Vec<u8>) -> std::io::Result<Reply> {
    loop {
        if let Some(end) = find(rest, b"\r\n\r\n") {
            let head: Vec<u8> = rest.drain(..end + 4).collect();
            return Ok(body(socket, rest, parse_head(&head)));
        }
        if more(socket, rest)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn parse_head(head: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Reply { status, headers, ..Reply::default() }
}

fn body(socket: &mut TcpStream, rest: &mut Vec<u8>, mut reply: Reply) -> Reply {
    if let Some(length) = reply.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
        while rest.len() < length {
            if !matches!(more(socket, rest), Ok(1..)) {
                reply.body = std::mem::take(rest);
                return reply;
            }
        }
        reply.body = rest.drain(..length).collect();
        reply.complete = true;
        return reply;
    }
    if reply.header("transfer-encoding").is_none() {
        reply.complete = true;
        return reply;
    }
    loop {
        if let Some(end) = find(rest, b"\r\n") {
            let length = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap();
            if rest.len() >= end + 2 + length + 2 {
                let chunk = rest[end + 2..end + 2 + length].to_vec();
                rest.drain(..end + 2 + length + 2);
                if length == 0 {
                    reply.complete = true;
                    return reply;
                }
                reply.body.extend(&chunk);
                reply.chunks.push(chunk);
                continue;
            }
        }
        if !matches!(more(socket, rest), Ok(1..)) {
            return reply;
        }
    }
}

fn more(socket: &mut TcpStream, rest: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut buffer = [0; 16 << 10];
    let length = socket.read(&mut buffer)?;
    rest.extend(&buffer[..length]);
    Ok(length)
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
