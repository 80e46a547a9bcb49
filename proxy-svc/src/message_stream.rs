//! A connection as Pingora's HTTP sessions see it, the client's and a plain upstream's alike.
//!
//! It owns the bytes of a message that wait to be sent, so that header and body leave in one write, and the bytes that
//! were read before a session existed. It knows nothing of HTTP but the order of writes and flushes.

use std::{
    any::Any,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
    raw_connect::ProxyDigest,
    tls::{SslDigest, TlsRef},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than this is not held back: one TLS record, and the usual size of a message.
const HOLD_BYTES: usize = 16 * 1024;
/// What is held begins with this much room.
const FIRST_BYTES: usize = 2 * 1024;

/// A stream with a small write buffer that exists only while a message is under way.
#[derive(Debug)]
pub(crate) struct MessageStream {
    inner: Stream,
    /// Read before the session was made; comes first.
    prefix: BytesMut,
    held: BytesMut,
    /// Writes since the message began: the first one is the header.
    writes: u32,
    /// The flush that follows the header alone is skipped, once: the body's first bytes take the header along.
    skip_flush: bool,
    /// HTTP/2 was recognised by its first bytes.
    http2: bool,
}

impl MessageStream {
    #[expect(clippy::unnecessary_box_returns, reason = "sessions own their stream boxed, and give the box back")]
    pub(crate) fn new(inner: Stream) -> Box<Self> {
        let (prefix, held) = (BytesMut::new(), BytesMut::new());
        Box::new(Self { inner, prefix, held, writes: 0, skip_flush: false, http2: false })
    }

    /// Gets the stream back that a session returned.
    pub(crate) fn recover(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast::<Self>().ok()
    }

    /// The next write is a message's header.
    pub(crate) fn begin_message(&mut self) {
        self.writes = 0;
        self.skip_flush = true;
    }

    /// Gives back what buffers took, for a connection that is about to wait.
    pub(crate) fn rest(&mut self) {
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        self.prefix = BytesMut::new();
    }

    /// Puts bytes back in front of what comes next, and from now on says that HTTP/2 was agreed on.
    pub(crate) fn rewind_to_http2(&mut self, prefix: BytesMut) {
        self.prefix = prefix;
        self.http2 = true;
    }

    /// Nothing to read and not closed: what an idle connection must be.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut probe = [0; 1];
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.inner).poll_read(&mut cx, &mut ReadBuf::new(&mut probe)).is_pending()
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// A `1xx` header must reach its client at once: it waits for it.
    fn holds_final_header_only(&self) -> bool {
        self.writes == 1 && !self.held.starts_with(b"HTTP/1.1 1")
    }
}

impl AsyncRead for MessageStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..length]);
        self.prefix.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MessageStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.held.len() + data.len() <= HOLD_BYTES {
            if this.held.capacity() == 0 {
                // Room for header and body of a usual message, so that it need not grow in between.
                this.held.reserve(FIRST_BYTES.max(data.len()));
            }
            this.held.extend_from_slice(data);
            this.writes = this.writes.saturating_add(1);
            return Poll::Ready(Ok(data.len()));
        }
        loop {
            if this.held.is_empty() {
                let written = ready!(Pin::new(&mut this.inner).poll_write(cx, data))?;
                this.writes = this.writes.saturating_add(1);
                return Poll::Ready(Ok(written));
            }
            let both = [IoSlice::new(&this.held), IoSlice::new(data)];
            let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if written > this.held.len() {
                let of_data = written - this.held.len();
                this.held.clear();
                this.writes = this.writes.saturating_add(1);
                return Poll::Ready(Ok(of_data));
            }
            this.held.advance(written);
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.skip_flush && self.holds_final_header_only() {
            self.skip_flush = false;
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for MessageStream {
    async fn shutdown(&mut self) {
        let _ = std::future::poll_fn(|cx| self.poll_drain(cx)).await;
        self.inner.shutdown().await;
    }
}

impl UniqueID for MessageStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for MessageStream {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        if self.http2 { Some(ALPN::H2) } else { self.inner.selected_alpn_proto() }
    }
}

impl GetTimingDigest for MessageStream {
    /// Nobody asks for it; the session would copy the real one for each request.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for MessageStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for MessageStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

impl Peek for MessageStream {}

/// Keeps the type honest about what [`MessageStream::recover`] relies on.
const _: fn(Box<MessageStream>) -> Box<dyn Any> = |stream| IO::into_any(stream);
