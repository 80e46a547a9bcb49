//! A client connection's life: wait, serve a request, again.
//!
//! While it waits it holds nothing but its socket and one timer: bytes are read into a scratch of the thread, the
//! session and all it owns exist only from the first byte of a request to the last of its answer. HTTP/2 connections,
//! by ALPN or by prior knowledge, go Pingora's own way with the same [`Gateway`]. Whose connection it is, is settled before
//! its first request.

mod head;

use std::{
    cell::RefCell,
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    prelude::timeout,
    protocols::{
        ALPN, GetSocketDigest, SocketDigest, Stream, UniqueID,
        http::{ServerSession, v2::server},
    },
    server::ShutdownWatch,
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::task::TaskTracker;
use tollgate_dialect::Protocol;

use self::head::Unreadable;
use crate::{
    client::proxy_protocol::{self, Preface},
    config::ProxyProtocol,
    gateway::Gateway,
    message_stream::MessageStream,
    respond::{self, Refusal},
};

/// How a connection is kept.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    pub max_connections: usize,
    pub max_header_bytes: usize,
    /// For the whole of a request's header, from the connection's or the request's first byte on.
    pub header: Duration,
    /// Between two requests.
    pub keepalive: Duration,
    pub proxy_protocol: ProxyProtocol,
}

/// Serves connections; one for the process.
pub struct Connections {
    gateway: Arc<Gateway>,
    settings: ConnectionSettings,
    http2_options: HttpServerOptions,
    open: Arc<AtomicUsize>,
    tasks: TaskTracker,
}

/// The thread's, because a waiting connection must not own a buffer.
const SCRATCH_BYTES: usize = 16 * 1024;
/// What HTTP/2 clients send first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much of it no method of HTTP/1 has: `PRI`.
const HTTP2_TELLING: usize = 3;
/// How long a refused client may go on sending before its connection is closed under it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

impl Connections {
    pub fn new(gateway: Arc<Gateway>, settings: ConnectionSettings, tasks: TaskTracker) -> Self {
        let mut http2_options = HttpServerOptions::default();
        http2_options.h2_idle_timeout = Some(settings.keepalive);
        Self { gateway, settings, http2_options, open: Arc::default(), tasks }
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// One connection, to its end.
    async fn keep(self: Arc<Self>, stream: Stream, mut shutdown: ShutdownWatch) {
        let Some(_open) = self.admit() else { return };
        let http2_agreed = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut peer = peer_address(&stream);
        let mut stream = MessageStream::new(stream);
        let mut begun = BytesMut::new();
        if self.settings.proxy_protocol == ProxyProtocol::On {
            let Some(proxied) = self.proxied(&mut stream, peer).await else { return };
            (peer, begun) = proxied;
        }
        let Ok(_counted) = self.gateway.guard().connected(peer) else {
            return Box::pin(self.refuse_connection(stream, begun)).await;
        };
        if http2_agreed {
            return Box::pin(self.http2(stream, begun, shutdown)).await;
        }
        let mut wait = self.settings.header;
        let mut first = true;
        loop {
            if begun.is_empty() {
                stream.rest();
                let waited = tokio::select! {
                    biased;
                    waited = timeout(wait, some_bytes(&mut stream)) => waited,
                    _ = shutdown.wait_for(|stopping| *stopping) => return,
                };
                match waited {
                    Ok(Ok(bytes)) if !bytes.is_empty() => begun = bytes,
                    _ => return,
                }
            }
            while first && begun.len() < HTTP2_TELLING && HTTP2_PREFACE.starts_with(&begun) {
                match timeout(self.settings.header, some_bytes(&mut stream)).await {
                    Ok(Ok(bytes)) if !bytes.is_empty() => begun.unsplit(bytes),
                    _ => return,
                }
            }
            if std::mem::take(&mut first) && begun.starts_with(&HTTP2_PREFACE[..HTTP2_TELLING]) {
                return Box::pin(self.http2(stream, begun, shutdown)).await;
            }
            // Boxed, so that its state is gone while the connection waits again.
            let Some(next) = Box::pin(self.request(stream, begun, peer)).await else { return };
            (stream, begun) = next;
            wait = self.settings.keepalive;
            if !begun.is_empty() {
                // Whoever pipelines takes turns with the thread's other connections.
                tokio::task::yield_now().await;
            }
        }
    }

    fn admit(&self) -> Option<OpenConnection> {
        let open = OpenConnection(Arc::clone(&self.open));
        let others = self.open.fetch_add(1, Ordering::Relaxed);
        (others < self.settings.max_connections).then_some(open)
    }

    /// Whose connection it is, as a trusted balancer says in front of it, and what came behind that. `None`: it is
    /// closed.
    async fn proxied(
        &self,
        stream: &mut Box<MessageStream>,
        peer: Option<IpAddr>,
    ) -> Option<(Option<IpAddr>, BytesMut)> {
        let mut begun = BytesMut::new();
        let header = timeout(self.settings.header, async {
            loop {
                let bytes = some_bytes(stream).await.ok()?;
                if bytes.is_empty() && begun.is_empty() {
                    // A probe that only connects.
                    return None;
                }
                let ended = bytes.is_empty();
                begun.unsplit(bytes);
                match proxy_protocol::read(&begun) {
                    Preface::Header(header) if self.gateway.guard().trusts(peer) => return Some(header),
                    Preface::Incomplete if !ended => {}
                    Preface::Incomplete | Preface::Malformed | Preface::Header(_) => {
                        self.gateway.guard().proxy_header_refused();
                        return None;
                    }
                }
            }
        });
        let header = header.await.ok()??;
        begun.advance(header.length);
        let Some(source) = header.source else { return Some((peer, begun)) };
        let digest = SocketDigest::from_raw_fd(stream.id());
        // HTTP/2 sessions ask the stream.
        let _ = digest.peer_addr.set(Some(source.into()));
        stream.set_socket_digest(digest);
        Some((Some(source.ip()), begun))
    }

    /// Answers the first request of a connection beyond what its client may have, where there is one soon.
    async fn refuse_connection(&self, mut stream: Box<MessageStream>, mut begun: BytesMut) {
        if begun.is_empty() {
            match timeout(LINGER, some_bytes(&mut stream)).await {
                Ok(Ok(bytes)) if !bytes.is_empty() => begun = bytes,
                _ => return,
            }
        }
        stream.begin_message();
        let mut session = ServerSession::new_http1(stream);
        session.set_pipelined_prefix(begun);
        session.set_write_timeout(Some(LINGER));
        if matches!(timeout(LINGER, session.read_request()).await, Ok(Ok(true))) {
            turn_away(session, Protocol::OpenAi, &Refusal::address_too_many_connections()).await;
        }
    }

    /// Serves one request of which the first bytes are here. `None`: the connection is over.
    async fn request(
        &self,
        mut stream: Box<MessageStream>,
        begun: BytesMut,
        peer: Option<IpAddr>,
    ) -> Option<(Box<MessageStream>, BytesMut)> {
        stream.begin_message();
        let mut session = ServerSession::new_http1(stream);
        session.set_pipelining_enabled(true);
        session.set_pipelined_prefix(begun);
        session.set_write_timeout(Some(self.gateway.client_write_timeout()));
        if let Err(unreadable) = head::read(&mut session, &self.settings).await {
            if let Some(Unreadable { refusal, protocol }) = unreadable {
                turn_away(session, protocol, &refusal).await;
            }
            return None;
        }
        let reuse = session.get_keepalive().is_some() && !self.gateway.is_draining();
        session.set_keepalive(reuse.then_some(self.settings.keepalive.as_secs().max(1)));
        self.gateway.serve(&mut session, peer).await.ok()?;
        if !session.is_body_done() {
            // Refused before its body was read: what is still to come must not be taken for a request.
            linger(session).await;
            return None;
        }
        let finished = timeout(self.gateway.client_write_timeout(), session.finish()).await;
        let (stream, next) = finished.ok()?.ok()??.into_parts();
        Some((MessageStream::recover(stream)?, next.unwrap_or_default()))
    }

    /// A connection on which HTTP/2 begins. Pingora has no time-out for the preface, so it is read here first.
    async fn http2(self: Arc<Self>, mut stream: Box<MessageStream>, mut begun: BytesMut, shutdown: ShutdownWatch) {
        let whole_preface = timeout(self.settings.header, async {
            while begun.len() < HTTP2_PREFACE.len() {
                match some_bytes(&mut stream).await {
                    Ok(bytes) if !bytes.is_empty() => begun.unsplit(bytes),
                    _ => return false,
                }
            }
            begun.starts_with(HTTP2_PREFACE)
        });
        if matches!(whole_preface.await, Ok(true)) {
            stream.rewind_to_http2(begun);
            ServerApp::process_new(&self, stream, &shutdown).await;
        }
    }
}

/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 256;

struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl HttpServerApp for Connections {
    fn h2_options(&self) -> Option<server::H2Options> {
        let mut options = server::default_h2_options();
        options.max_header_list_size(u32::try_from(self.settings.max_header_bytes).unwrap_or(u32::MAX));
        options.max_concurrent_streams(HTTP2_STREAMS);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.http2_options)
    }

    /// One HTTP/2 stream.
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        session.set_write_timeout(Some(self.gateway.client_write_timeout()));
        if self.gateway.serve(&mut session, peer).await.is_ok() {
            // What a refused client still sends is taken in for a while: an abrupt end would take the answer along.
            let _ = timeout(LINGER, async { while let Ok(Some(_)) = session.read_request_body().await {} }).await;
            let _ = session.finish().await;
        } else {
            session.shutdown().await;
        }
        None
    }
}

/// What Pingora's listener calls for each connection.
pub struct Listener(pub Arc<Connections>);

#[async_trait]
impl ServerApp for Listener {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let connections = Arc::clone(&self.0);
        let shutdown = shutdown.clone();
        // A task of its own: the listener's holds the state of the TLS handshake for as long as this one runs.
        self.0.tasks.spawn(connections.keep(stream, shutdown));
        None
    }
}

fn peer_address(stream: &Stream) -> Option<IpAddr> {
    stream.get_socket_digest()?.peer_addr()?.as_inet().map(std::net::SocketAddr::ip)
}

/// The first bytes of what comes next; none when the client closed.
async fn some_bytes(stream: &mut MessageStream) -> std::io::Result<BytesMut> {
    poll_fn(|cx| poll_some_bytes(stream, cx)).await
}

fn poll_some_bytes(stream: &mut MessageStream, cx: &mut Context<'_>) -> Poll<std::io::Result<BytesMut>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|()| BytesMut::from(buffer.filled()))
    })
}

/// Answers what is not served as a request.
async fn turn_away(mut session: ServerSession, protocol: Protocol, refusal: &Refusal) {
    session.set_keepalive(None);
    let request_id = tollgate_shared::ids::RequestId::generate().to_string();
    if respond::refuse(&mut session, protocol, refusal, &request_id, None).await.is_ok() {
        linger(session).await;
    }
}

/// Closes only our side and reads on for a while: closing both with bytes unread would reset the connection, and the
/// client would lose the answer that says why.
async fn linger(session: ServerSession) {
    use tokio::io::AsyncWriteExt;
    let ServerSession::H1(session) = session else { return };
    let mut stream = session.into_inner();
    if timeout(LINGER, stream.flush()).await.is_err()
        || timeout(LINGER, AsyncWriteExt::shutdown(&mut stream)).await.is_err()
    {
        return;
    }
    let Some(mut stream) = MessageStream::recover(stream) else { return };
    let _ = timeout(LINGER, async {
        let mut read = 0;
        while let Ok(bytes) = some_bytes(&mut stream).await {
            read += bytes.len();
            if bytes.is_empty() || read > LINGER_BYTES {
                break;
            }
        }
    })
    .await;
}
