//! What an operator's command line asks the running proxy, over its ops port.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// As long as a pod may take to stop; the orchestrator's own limit ends it sooner.
const DRAIN_LIMIT: Duration = Duration::from_mins(10);

/// Whether the proxy is ready.
pub fn healthcheck(ops: SocketAddr) -> ExitCode {
    match ask(ops, "GET", "/readyz") {
        Ok(answer) if answer.status == 200 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Takes the proxy out of rotation and waits until nothing is in work.
pub fn drain(ops: SocketAddr) -> ExitCode {
    let deadline = Instant::now() + DRAIN_LIMIT;
    while Instant::now() < deadline {
        match ask(ops, "POST", "/drain") {
            Ok(answer) if answer.body.trim() == "0" => return ExitCode::SUCCESS,
            Ok(_) => thread::sleep(AGAIN_AFTER),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    ExitCode::FAILURE
}

struct Answer {
    status: u16,
    body: String,
}

fn ask(ops: SocketAddr, method: &str, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&reachable(ops), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: ops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(64 * 1024).read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    match (status, body) {
        (Some(status), Some(body)) => Ok(Answer { status, body }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A listener on every address is reached on loopback.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let host = match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, listener.port())
}
