//! A lean HTTP/1.1 client that says when each byte came.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(super) struct Client {
    socket: TcpStream,
    buffer: BytesMut,
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) content_type: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

/// The bytes of a request.
pub(super) fn request(method: &str, path: &str, credential: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut out =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n").into_bytes();
    if let Some(credential) = credential {
        out.extend(format!("Authorization: Bearer {credential}\r\n").into_bytes());
    }
    out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    out.extend(body);
    out
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: BytesMut::new() })
    }

    /// Sends a request and reads its answer. `on_data` hears of every piece of a body, as it came.
    pub(super) async fn exchange(&mut self, request: &[u8], mut on_data: impl FnMut(&[u8], Instant)) -> Result<Answer> {
        self.socket.write_all(request).await?;
        let (mut answer, framing) = self.head().await?;
        match framing {
            Framing::Length(length) => {
                while self.buffer.len() < length {
                    self.fill().await?;
                }
                let body = self.buffer.split_to(length);
                on_data(&body, Instant::now());
                answer.body.extend_from_slice(&body);
            }
            Framing::Chunked => self.chunked(&mut answer, on_data).await?,
        }
        if self.buffer.is_empty() {
            // Thousands of idle connections must not cost us memory either.
            self.buffer = BytesMut::new();
        }
        Ok(answer)
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(4096);
        if self.socket.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection ended in the middle of an answer");
        }
        Ok(())
    }

    async fn head(&mut self) -> Result<(Answer, Framing)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = response.parse(&self.buffer)? {
                let find = |name: &str| {
                    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    header.map(|header| String::from_utf8_lossy(header.value).into_owned())
                };
                let framing = match (find("content-length"), find("transfer-encoding")) {
                    (Some(length), None) => Framing::Length(length.parse()?),
                    (None, Some(_)) => Framing::Chunked,
                    _ => bail!("an answer without framing"),
                };
                let status = response.code.unwrap_or_default();
                let answer =
                    Answer { status, content_type: find("content-type").unwrap_or_default(), body: Vec::new() };
                self.buffer.advance(length);
                return Ok((answer, framing));
            }
            self.fill().await?;
        }
    }

    async fn chunked(&mut self, answer: &mut Answer, mut on_data: impl FnMut(&[u8], Instant)) -> Result<()> {
        loop {
            while let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..end])?.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).context("chunk size")?;
                if self.buffer.len() < end + 4 + size {
                    break;
                }
                self.buffer.advance(end + 2);
                let data = self.buffer.split_to(size);
                self.buffer.advance(2);
                if size == 0 {
                    return Ok(());
                }
                on_data(&data, Instant::now());
                answer.body.extend_from_slice(&data);
            }
            self.fill().await?;
        }
    }

    /// A call of a JSON API on a connection of its own; any answer but a success is an error.
    pub(super) async fn call(
        address: SocketAddr,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: &Value,
    ) -> Result<Value> {
        let mut client = Self::connect(address).await?;
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = client.exchange(&request(method, path, credential, text.as_bytes()), |_, _| ()).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }
}
