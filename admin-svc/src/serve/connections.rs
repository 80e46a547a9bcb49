//! HTTP connections: accepted while there is room, given up when a client dawdles over a request's head, and ended in
//! order.
//!
//! `axum::serve` has no time-outs and no bound: a few thousand silent connections would take every descriptor.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// From the first byte of a request (or the last answer's end) to the end of its head; also how long an idle
/// connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at a time. Browsers hold a handful each; when it is full, new ones wait in the system's queue.
const CONNECTIONS: usize = 4_096;
/// After a failure to accept, which is nearly always a want of descriptors: trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Serves until `stop`, then until the requests in flight are answered.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let builder = Arc::new(builder());
    let (tasks, room) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = serve_connection(Arc::clone(&builder), stream, peer, router.clone(), stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_INTERVAL);
    builder
}

async fn serve_connection(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    // Answers are small and written at once: nothing is gained by waiting for more.
    drop(stream.set_nodelay(true));
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    // How a client's connection ends is the client's business.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}
