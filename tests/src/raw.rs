//! HTTP/1.1 by hand: what goes over the wire is exactly what the test wrote, and what comes back is seen as it came.
//!
//! A client library would tidy up both sides: merge headers, add its own, hide a stream that was cut.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No test waits longer than this for bytes.
const PATIENCE: Duration = Duration::from_mins(1);
const MAX_HEAD_BYTES: usize = 1 << 20;

/// The first lines of an answer; header names as they came.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct RawAnswer {
    pub head: Head,
    /// Without the chunks' framing.
    pub body: Vec<u8>,
    /// Whether the body ended as HTTP says it must, and not by a cut.
    pub complete: bool,
}

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new(), framing: Framing::None })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(timeout(PATIENCE, self.stream.write_all(bytes)).await??)
    }

    /// Says that nothing more will be sent, and goes on listening.
    pub async fn finish_sending(&mut self) -> anyhow::Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Reads the answer's head, and passes over interim ones (`100 Continue`).
    pub async fn head(&mut self) -> anyhow::Result<Head> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                if head.status >= 200 {
                    self.framing = framing(&head)?;
                    return Ok(head);
                }
            } else {
                ensure!(self.buffer.len() < MAX_HEAD_BYTES, "the answer's head has no end");
                ensure!(self.fill().await? > 0, "closed before the end of the answer's head");
            }
        }
    }

    /// The next piece of the body, without framing; `None` after its proper end.
    pub async fn piece(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::None | Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                if self.buffer.is_empty() {
                    ensure!(self.fill().await? > 0, "cut {left} bytes before the body's end");
                }
                let piece: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
                self.framing = Framing::Length(left - piece.len());
                Ok(Some(piece))
            }
            Framing::Chunked => self.chunk().await,
            Framing::UntilClosed => {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
        }
    }

    /// The whole answer.
    pub async fn answer(&mut self) -> anyhow::Result<RawAnswer> {
        let head = self.head().await?;
        let mut body = Vec::new();
        let complete = loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Ok(RawAnswer { head, body, complete })
    }

    async fn chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        loop {
            if let httparse::Status::Complete((start, size)) =
                httparse::parse_chunk_size(&self.buffer).map_err(|_| anyhow::anyhow!("a chunk's size is malformed"))?
            {
                let end = start + usize::try_from(size)?;
                if self.buffer.len() >= end + 2 {
                    ensure!(&self.buffer[end..end + 2] == b"\r\n", "a chunk does not end with a line break");
                    let piece = self.buffer[start..end].to_vec();
                    self.buffer.drain(..end + 2);
                    if size == 0 {
                        self.framing = Framing::None;
                        return Ok(None);
                    }
                    return Ok(Some(piece));
                }
            }
            ensure!(self.fill().await? > 0, "cut within a chunked body");
        }
    }

    async fn fill(&mut self) -> anyhow::Result<usize> {
        let mut bytes = vec![0; 64 << 10];
        let count = timeout(PATIENCE, self.stream.read(&mut bytes)).await.context("nothing came")??;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// One request on a connection of its own.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<RawAnswer> {
    let mut connection = Connection::open(address).await?;
    // A refusal may come, and the connection be closed, before all was written: the answer is what counts.
    let sent = connection.send(request).await;
    match connection.answer().await {
        Ok(answer) => Ok(answer),
        Err(error) => bail!("no answer: {error:#}; sending: {sent:?}"),
    }
}

/// A request's bytes; `content-length` and `host` are added, and nothing else.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: gateway.test\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if method != "GET" || !body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The head at the beginning of some bytes, and its length; `None` when it is not there whole.
pub fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    let headers = response
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    Ok(Some((Head { status: response.code.context("no status")?, headers }, length)))
}

fn framing(head: &Head) -> anyhow::Result<Framing> {
    if matches!(head.status, 204 | 304) {
        return Ok(Framing::None);
    }
    if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        ensure!(head.header("content-length").is_none(), "both transfer-encoding and content-length");
        return Ok(Framing::Chunked);
    }
    Ok(match head.header("content-length") {
        Some(length) => Framing::Length(length.parse()?),
        None => Framing::UntilClosed,
    })
}
