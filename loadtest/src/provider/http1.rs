//! Reading HTTP/1.1 requests: heads by `httparse`, framing by RFC 9112, strictly.
//!
//! Strict because the other side is a gateway under test: a request with two framings is a
//! smuggling attempt and is answered 400, never guessed at. Bytes after a request stay in the
//! buffer and are the next one.

use std::io;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::incoming::{Incoming, Span};
use super::socket::Socket;

const MAX_HEAD_BYTES: usize = 128 << 10;
const MAX_HEADERS: usize = 128;
const MAX_BODY_BYTES: u64 = 1 << 30;
const READ_BYTES: usize = 8 << 10;
/// Never reserve more than this on the word of a `Content-Length` alone.
const MAX_RESERVE_BYTES: u64 = 8 << 20;

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the client closed the connection or sent half a request")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Answered with this status, and the connection closed.
    #[error("{1}")]
    Refused(u16, &'static str),
}

/// A head that was parsed, and how its body is framed.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) incoming: Incoming,
    pub(crate) keep_alive: bool,
    framing: Framing,
    expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// A socket and the bytes that were read from it but not used yet.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    pub(crate) socket: S,
    pub(crate) buffer: BytesMut,
}

impl<S: Socket> Reader<S> {
    /// Reads once; `Closed` at the end.
    pub(crate) async fn fill(&mut self) -> Result<(), ReadError> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
            self.buffer.reserve(READ_BYTES);
        }
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(ReadError::Closed),
            _ => Ok(()),
        }
    }

    /// The next head, or `None` when the client closed between requests. A connection that waits
    /// here holds no buffer.
    pub(crate) async fn head(&mut self, connection_id: u64) -> Result<Option<Head>, ReadError> {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.socket.wait_readable().await?;
        }
        loop {
            if !self.buffer.is_empty()
                && let Some(head) = parse(&mut self.buffer, connection_id)?
            {
                return Ok(Some(head));
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(ReadError::Refused(431, "request head too large"));
            }
            match self.fill().await {
                Err(ReadError::Closed) if self.buffer.is_empty() => return Ok(None),
                other => other?,
            }
        }
    }

    /// Reads the body of `head` into it.
    pub(crate) async fn body(&mut self, head: &mut Head) -> Result<(), ReadError> {
        if head.expects_continue && self.buffer.is_empty() && head.framing != Framing::None {
            self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        head.incoming.body = match head.framing {
            Framing::None => Bytes::new(),
            Framing::Length(length) => self.exactly(length).await?,
            Framing::Chunked => self.chunked().await?,
        };
        Ok(())
    }

    async fn exactly(&mut self, length: u64) -> Result<Bytes, ReadError> {
        let missing = length.saturating_sub(self.buffer.len() as u64);
        let length = usize::try_from(length).map_err(|_| ReadError::Refused(413, "body too large"))?;
        if missing > 0 {
            self.buffer.reserve(usize::try_from(missing.min(MAX_RESERVE_BYTES)).unwrap_or(0));
        }
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn line(&mut self) -> Result<BytesMut, ReadError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let mut line = self.buffer.split_to(end + 1);
                if end == 0 || line[end - 1] != b'\r' {
                    return Err(ReadError::Refused(400, "bare line feed in chunked body"));
                }
                line.truncate(end - 1);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(ReadError::Refused(400, "line too long in chunked body"));
            }
            self.fill().await?;
        }
    }

    async fn chunked(&mut self) -> Result<Bytes, ReadError> {
        let mut body = BytesMut::new();
        loop {
            let size = chunk_size(&self.line().await?)?;
            if size == 0 {
                break;
            }
            if body.len() as u64 + size > MAX_BODY_BYTES {
                return Err(ReadError::Refused(413, "body too large"));
            }
            body.extend_from_slice(&self.exactly(size).await?);
            if !self.line().await?.is_empty() {
                return Err(ReadError::Refused(400, "chunk longer than announced"));
            }
        }
        // Trailers, up to the empty line.
        while !self.line().await?.is_empty() {}
        Ok(body.freeze())
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, ReadError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    let valid = !digits.is_empty() && digits.len() <= 15 && digits.iter().all(u8::is_ascii_hexdigit);
    valid
        .then(|| std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok()))
        .flatten()
        .ok_or(ReadError::Refused(400, "invalid chunk size"))
}

fn parse(buffer: &mut BytesMut, connection_id: u64) -> Result<Option<Head>, ReadError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(buffer, &mut headers) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ReadError::Refused(431, "too many headers")),
        Err(_) => return Err(ReadError::Refused(400, "malformed request")),
    };
    let base = buffer.as_ptr().addr();
    let span = |bytes: &[u8]| -> Span {
        let start = bytes.as_ptr().addr() - base;
        // A head is at most `MAX_HEAD_BYTES` long, give or take one read.
        Span { start: u32::try_from(start).unwrap_or(0), end: u32::try_from(start + bytes.len()).unwrap_or(0) }
    };
    let method = span(request.method.unwrap_or_default().as_bytes());
    let target = span(request.path.unwrap_or_default().as_bytes());
    let fields = request.headers.iter().map(|header| (span(header.name.as_bytes()), span(header.value))).collect();
    let semantics = Semantics::of(&request)?;
    let head = buffer.split_to(length).freeze();
    let incoming = Incoming { head, method, target, fields, body: Bytes::new(), connection_id };
    let Semantics { framing, keep_alive, expects_continue } = semantics;
    Ok(Some(Head { incoming, keep_alive, framing, expects_continue }))
}

/// What the headers say about the message itself.
struct Semantics {
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

impl Semantics {
    fn of(request: &httparse::Request<'_, '_>) -> Result<Self, ReadError> {
        let mut this = Self { framing: Framing::None, keep_alive: request.version == Some(1), expects_continue: false };
        let mut length = None;
        for header in request.headers.iter() {
            let (name, value) = (header.name, header.value.trim_ascii());
            if name.eq_ignore_ascii_case("content-length") {
                if length.is_some_and(|seen| Some(seen) != decimal(value)) {
                    return Err(ReadError::Refused(400, "two content lengths"));
                }
                length = Some(decimal(value).ok_or(ReadError::Refused(400, "invalid content length"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") || this.framing == Framing::Chunked {
                    return Err(ReadError::Refused(400, "transfer encoding not understood"));
                }
                this.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    if token.eq_ignore_ascii_case(b"close") {
                        this.keep_alive = false;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") {
                        this.keep_alive = true;
                    }
                }
            } else if name.eq_ignore_ascii_case("expect") {
                this.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
        }
        match (this.framing, length) {
            (Framing::Chunked, Some(_)) => Err(ReadError::Refused(400, "both content length and transfer encoding")),
            (Framing::None, Some(length)) if length > MAX_BODY_BYTES => Err(ReadError::Refused(413, "body too large")),
            (Framing::None, Some(length)) if length > 0 => Ok(Self { framing: Framing::Length(length), ..this }),
            _ => Ok(this),
        }
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let valid = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    valid.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}
