//! The three listeners: bound all together, so that a port that is taken stops the start, then served until the end.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{Router, serve::ListenerExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming};

use super::ops::{self, Health};
use crate::{
    app::App,
    config::{GrpcTls, Listeners},
    grpc, http,
};

/// Listeners that were bound.
pub struct Bound {
    pub(super) http: TcpListener,
    pub(super) grpc: GrpcListener,
    pub(super) ops: TcpListener,
}

/// Where the listeners are; a port that was asked for as 0 is the one that was given.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    pub ops: SocketAddr,
}

/// The proxies' listener, with its TLS checked.
pub(super) struct GrpcListener {
    listener: TcpListener,
    server: Server,
}

impl Bound {
    pub async fn bind(listeners: &Listeners) -> anyhow::Result<Self> {
        let Listeners { http, grpc, grpc_tls, ops } = listeners;
        Ok(Self {
            http: bind("http", *http).await?,
            grpc: GrpcListener { listener: bind("grpc", *grpc).await?, server: grpc_server(grpc_tls.as_ref())? },
            ops: bind("ops", *ops).await?,
        })
    }

    pub(super) fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            http: self.http.local_addr()?,
            grpc: self.grpc.listener.local_addr()?,
            ops: self.ops.local_addr()?,
        })
    }
}

/// Says where: whoever asked for port 0 learns it from the log.
async fn bind(listener: &'static str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound =
        TcpListener::bind(address).await.with_context(|| format!("{listener}: {address} cannot be listened on"))?;
    tracing::info!(listener, address = %bound.local_addr()?, "listening");
    Ok(bound)
}

fn grpc_server(tls: Option<&GrpcTls>) -> anyhow::Result<Server> {
    let Some(GrpcTls { certificate, key, client_ca }) = tls else { return Ok(Server::builder()) };
    let mut config = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key.expose()));
    if let Some(authority) = client_ca {
        config = config.client_ca_root(Certificate::from_pem(authority));
    }
    Server::builder().tls_config(config).context("grpc: the certificate or its key cannot be used")
}

impl GrpcListener {
    pub(super) async fn serve(self, dependencies: grpc::Dependencies, stop: CancellationToken) {
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let router = grpc::router(self.server, dependencies);
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
            tracing::error!(%error, "the proxies' listener ended");
        }
    }
}

pub(super) async fn serve_http(listener: TcpListener, app: App, stop: CancellationToken) {
    serve(listener, "http", http::router(app), stop).await;
}

pub(super) async fn serve_ops(listener: TcpListener, health: Arc<Health>, stop: CancellationToken) {
    serve(listener, "ops", ops::router(health), stop).await;
}

async fn serve(listener: TcpListener, name: &'static str, router: Router, stop: CancellationToken) {
    let listener = listener.tap_io(|stream| {
        // Answers are small and written at once: nothing is gained by waiting for more.
        drop(stream.set_nodelay(true));
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(listener = name, %error, "a listener ended");
    }
}
