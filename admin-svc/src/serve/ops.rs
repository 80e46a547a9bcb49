//! `/livez`, `/readyz` and `/metrics`, on a listener of their own that operators do not expose.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use crate::{
    app::proxies::ConnectedProxies,
    metrics::{Gauges, Metrics},
    publish::Published,
};

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the process knows of itself.
pub(super) struct Health {
    metrics: Arc<Metrics>,
    published: Arc<Published>,
    proxies: Arc<ConnectedProxies>,
    draining: AtomicBool,
}

impl Health {
    pub(super) fn new(metrics: Arc<Metrics>, published: Arc<Published>, proxies: Arc<ConnectedProxies>) -> Self {
        Self { metrics, published, proxies, draining: AtomicBool::new(false) }
    }

    /// From now on not ready.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// A configuration was read from the database, and it is not stopping.
    fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.published.head().borrow().is_some()
    }
}

pub(super) fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if health.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let gauges = Gauges {
        connected_proxies: health.proxies.count(),
        head_revision: health.published.head().borrow().as_ref().map_or(0, |head| head.revision),
        ready: health.is_ready(),
    };
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], health.metrics.render(gauges))
}
