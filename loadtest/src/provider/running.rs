//! Threads and sockets of a simulated provider, and the handle that tests hold.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fault::FaultRule;
use super::log::RecordedRequest;
use super::options::Options;
use super::shared::Shared;
use super::tls::{self, TlsError};
use super::usage::Stats;
use super::{connection, http2};

const BACKLOG: u32 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("listening on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("event loop: {0}")]
    EventLoop(io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Starts simulated providers; see [`Running`] for what one can do.
#[derive(Debug)]
pub struct SimulatedProvider;

impl SimulatedProvider {
    /// Listens and serves on threads of its own, so it may be called with or without a runtime.
    /// Requests are answered from the moment this returns.
    pub fn start(options: Options) -> Result<Running, StartError> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let (acceptor, ca_pem) = tls.map_or((None, None), |(acceptor, pem)| (Some(acceptor), Some(pem)));
        let threads = options.threads.max(1);
        let mut address = options.listen;
        let shared = Arc::new(Shared::new(options));
        let stop = CancellationToken::new();
        let mut running =
            Running { address, ca_pem, shared: Arc::clone(&shared), stop: stop.clone(), threads: Vec::new() };
        for index in 0..threads {
            let (shared, acceptor, stop) = (Arc::clone(&shared), acceptor.clone(), stop.clone());
            let (bound, listening) = mpsc::sync_channel(1);
            let thread = std::thread::Builder::new()
                .name(format!("simulated-{index}"))
                .spawn(move || serve(address, threads > 1, &bound, acceptor, shared, stop))
                .map_err(StartError::EventLoop)?;
            running.threads.push(thread);
            address = match listening.recv() {
                Ok(bound) => bound?,
                Err(_) => return Err(StartError::EventLoop(io::Error::other("the thread died"))),
            };
            running.address = address;
        }
        Ok(running)
    }
}

/// A thread's whole life. The runtime is made and dropped here, because the starting thread may be
/// one that must not block on a runtime.
fn serve(
    address: SocketAddr,
    shared_port: bool,
    bound: &mpsc::SyncSender<Result<SocketAddr, StartError>>,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // The starter waits for exactly one message.
            let _ = bound.send(Err(StartError::EventLoop(error)));
            return;
        }
    };
    runtime.block_on(async {
        let listening = listen(address, shared_port).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match listening {
            Ok((address, listener)) => {
                let _ = bound.send(Ok(address));
                accept(listener, acceptor, shared, stop).await;
            }
            Err(source) => {
                let _ = bound.send(Err(StartError::Listen { address, source }));
            }
        }
    });
    // Whatever is still being answered ends with its runtime.
    runtime.shutdown_background();
}

fn listen(address: SocketAddr, shared_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if shared_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, _)) => {
                // Only a socket that is gone already refuses it.
                let _ = socket.set_nodelay(true);
                let shared = Arc::clone(&shared);
                match acceptor.clone() {
                    None => drop(connections.spawn(connection::serve(socket, shared))),
                    Some(acceptor) => drop(connections.spawn(secure(acceptor, socket, shared))),
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: they come back when connections end.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn secure(acceptor: TlsAcceptor, socket: TcpStream, shared: Arc<Shared>) {
    match acceptor.accept(socket).await {
        Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            let id = shared.counters.connection();
            http2::serve(stream, shared, id).await;
        }
        Ok(stream) => connection::serve(stream, shared).await,
        Err(error) => tracing::debug!(%error, "TLS handshake failed"),
    }
}

/// A simulated provider at work; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    ca_pem: Option<String>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin, e.g. `http://127.0.0.1:40123`: what a provider's `base_url` wants.
    pub fn base_url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The authority that signed the certificate, when TLS is on.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Puts a fault in force; the oldest rule that meets a request is its only one.
    pub fn add_fault(&self, rule: FaultRule) {
        self.shared.faults.add(rule);
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The credentials that are refused from now on, instead of those before.
    pub fn set_bad_keys<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) {
        *self.shared.bad_keys.write() = keys.into_iter().map(Into::into).collect();
    }

    /// Everything that is remembered, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests_after(0)
    }

    pub fn requests_after(&self, n: u64) -> Vec<RecordedRequest> {
        self.shared.log.after(n)
    }

    /// Waits until a request above `n` fulfils the condition; `None` when the time is up.
    pub fn wait_for_request(
        &self,
        n: u64,
        patience: Duration,
        condition: impl Fn(&RecordedRequest) -> bool,
    ) -> Option<RecordedRequest> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = self.requests_after(n).into_iter().find(&condition) {
                return Some(found);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Forgets the requests and the sums; numbers go on.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
        self.shared.counters.reset();
    }

    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// Blocks until the threads have ended, which they do only on a stop.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}
