//! The connections to the providers: the only opener of upstream sockets.
//!
//! Plain `http` upstreams (a local model server, a sidecar that terminates TLS) use an idle pool of our own, because
//! Pingora's spawns a task for each release; everything over TLS uses Pingora's connector, which speaks HTTP/2 when
//! the upstream does. Addresses are resolved and checked by [`super::resolve`] before anything is opened.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pingora::{
    connectors::{ConnectorOptions, TransportConnector, http::Connector},
    protocols::{
        ALPN, Stream,
        http::{client::HttpSession, v1::client::HttpSession as Http1Session},
        l4::ext::TcpKeepalive,
    },
    upstreams::peer::{HttpPeer, PeerOptions},
};

use crate::message_stream::MessageStream;

/// Idle connections kept for one upstream address.
const IDLE_PER_ADDRESS: usize = 256;
/// Shorter than the keep-alive of the common servers, so that we close first and seldom meet a closed one.
const IDLE_LIMIT: Duration = Duration::from_secs(50);
const HTTP2_STREAMS_PER_CONNECTION: usize = 100;

/// Where an attempt goes: a checked address, and what TLS has to prove there.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    /// The name that the certificate must prove; absent for plain `http`.
    pub(crate) server_name: Option<Arc<str>>,
    pub(crate) connect_timeout: Duration,
    /// Connections of one group are shared; one of its own is a new one.
    pub(crate) group: u64,
}

/// A session, in a box because it changes hands often.
pub(crate) struct Opened {
    pub(crate) session: HttpSession,
    destination: Destination,
    /// Its connection has served a request before: a failure may then only mean that the upstream closed it while it was
    /// idle.
    pub(crate) reused: bool,
}

/// Opens and keeps connections to upstreams.
pub(crate) struct Upstreams {
    plain: TransportConnector,
    tls: Connector,
    idle: Mutex<Vec<(SocketAddr, Arc<IdleConnections>)>>,
}

#[derive(Default)]
struct IdleConnections(Mutex<Vec<Idle>>);

struct Idle {
    stream: Box<MessageStream>,
    since: Instant,
}

impl Upstreams {
    pub(crate) fn new() -> Self {
        Self {
            plain: TransportConnector::new(Some(ConnectorOptions::new(1))),
            tls: Connector::new(Some(ConnectorOptions::new(IDLE_PER_ADDRESS))),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// `fresh`: never one that was used before.
    pub(crate) async fn open(&self, destination: Destination, fresh: bool) -> pingora::Result<Box<Opened>> {
        let (session, reused) = self.session(&destination, fresh).await?;
        Ok(Box::new(Opened { session, destination, reused }))
    }

    async fn session(&self, destination: &Destination, fresh: bool) -> pingora::Result<(HttpSession, bool)> {
        if let Some(server_name) = &destination.server_name {
            let peer = tls_peer(destination, server_name);
            // In a box, as all that opens or gives back a connection of Pingora's: its state is twice as large as that
            // of the rest of a request, and would be copied with it.
            return Box::pin(self.tls.get_http_session(&peer)).await;
        }
        if !fresh && let Some(stream) = self.idle_connection(destination.address) {
            return Ok((HttpSession::H1(Http1Session::new(stream)), true));
        }
        let peer = plain_peer(destination);
        let stream = Box::pin(self.plain.new_stream(&peer)).await?;
        let mut stream = MessageStream::new(stream);
        stream.begin_message();
        Ok((HttpSession::H1(Http1Session::new(stream)), false))
    }

    /// Takes a connection back whose answer was read to its end.
    pub(crate) async fn release(&self, opened: Box<Opened>) {
        let Opened { session, destination, .. } = *opened;
        if let Some(server_name) = &destination.server_name {
            let peer = tls_peer(&destination, server_name);
            return Box::pin(self.tls.release_http_session(session, &peer, Some(IDLE_LIMIT))).await;
        }
        let HttpSession::H1(mut session) = session else { return };
        session.respect_keepalive();
        if let Some(stream) = session.reuse().await
            && let Some(mut stream) = MessageStream::recover(stream)
        {
            stream.rest();
            let idle = self.idle_connections(destination.address);
            let mut idle = idle.0.lock();
            if idle.len() < IDLE_PER_ADDRESS {
                idle.push(Idle { stream, since: Instant::now() });
            }
        }
    }

    /// The one that was used last, so that those not needed grow old and are closed.
    fn idle_connection(&self, address: SocketAddr) -> Option<Stream> {
        let idle = self.idle_connections(address);
        loop {
            let Idle { mut stream, since } = idle.0.lock().pop()?;
            if since.elapsed() < IDLE_LIMIT && stream.is_quiet() {
                stream.begin_message();
                return Some(stream);
            }
        }
    }

    fn idle_connections(&self, address: SocketAddr) -> Arc<IdleConnections> {
        let mut idle = self.idle.lock();
        if let Some((_, connections)) = idle.iter().find(|(known, _)| *known == address) {
            return Arc::clone(connections);
        }
        let connections = Arc::new(IdleConnections::default());
        idle.push((address, Arc::clone(&connections)));
        connections
    }

    /// Closes what the upstream closed or nobody used for long; to be called now and then.
    pub(crate) fn close_stale(&self) {
        let all: Vec<_> = self.idle.lock().clone();
        for (_, connections) in all {
            connections.0.lock().retain_mut(|idle| idle.since.elapsed() < IDLE_LIMIT && idle.stream.is_quiet());
        }
        self.idle
            .lock()
            .retain(|(_, connections)| Arc::strong_count(connections) > 1 || !connections.0.lock().is_empty());
    }
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(10),
        count: 3,
        user_timeout: Duration::ZERO,
    }
}

fn plain_peer(destination: &Destination) -> HttpPeer {
    let mut peer = HttpPeer::new(destination.address, false, String::new());
    set_timeouts(&mut peer.options, destination);
    peer
}

/// The name is never empty: an empty one would switch verification off.
fn tls_peer(destination: &Destination, server_name: &str) -> HttpPeer {
    let mut peer = HttpPeer::new(destination.address, true, server_name.to_owned());
    set_timeouts(&mut peer.options, destination);
    peer.group_key = destination.group;
    peer.options.alpn = ALPN::H2H1;
    peer.options.max_h2_streams = HTTP2_STREAMS_PER_CONNECTION;
    peer
}

fn set_timeouts(options: &mut PeerOptions, destination: &Destination) {
    options.connection_timeout = Some(destination.connect_timeout);
    options.total_connection_timeout = Some(destination.connect_timeout);
    options.tcp_keepalive = Some(keepalive());
}
