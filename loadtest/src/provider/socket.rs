//! What a connection needs of its socket besides reading and writing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Waits until a read would say something, without a buffer. May return early.
    fn wait_readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Makes the coming close a reset (RST) instead of an orderly end.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    async fn wait_readable(&self) -> io::Result<()> {
        self.readable().await
    }

    fn reset_on_close(&self) {
        // It fails only on a socket that is gone already.
        let _ = self.set_zero_linger();
    }
}

impl Socket for TlsStream<TcpStream> {
    async fn wait_readable(&self) -> io::Result<()> {
        // Plain text may wait inside the session, which the socket's readiness does not show.
        Ok(())
    }

    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

/// A socket some of whose bytes were read already: they come first.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    pub(crate) prefix: Bytes,
    pub(crate) socket: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
