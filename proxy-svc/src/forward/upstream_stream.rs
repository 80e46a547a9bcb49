//! A plain connection to an upstream: header and body leave in one write, and a connection that the upstream closed
//! while it was idle is noticed before it is used.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Skips the flush that Pingora's session does after a request's header; the one after the body sends both. What was
/// written goes through the buffer of Pingora's stream below.
#[derive(Debug)]
pub(crate) struct UpstreamStream {
    inner: Stream,
    skip_flush: bool,
}

impl UpstreamStream {
    #[expect(clippy::unnecessary_box_returns, reason = "sessions own their stream boxed, and give the box back")]
    pub(crate) fn new(inner: Stream) -> Box<Self> {
        Box::new(Self { inner, skip_flush: true })
    }

    /// Gets the stream back that a session returned, ready for the next request.
    pub(crate) fn recover(stream: Stream) -> Option<Box<Self>> {
        let mut stream = stream.into_any().downcast::<Self>().ok()?;
        stream.skip_flush = true;
        Some(stream)
    }

    /// Nothing to read and not closed: what an idle connection must be.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut probe = [0; 1];
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.inner).poll_read(&mut cx, &mut ReadBuf::new(&mut probe)).is_pending()
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.skip_flush {
            self.skip_flush = false;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for UpstreamStream {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for UpstreamStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for UpstreamStream {}

impl GetTimingDigest for UpstreamStream {
    /// Nobody asks for it; the session would copy the real one for each request.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for UpstreamStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for UpstreamStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for UpstreamStream {}
