//! What operators and their machines ask: `/livez`, `/readyz`, `/metrics`, and `POST /drain`. On a port of its own, so
//! that no client reaches it and no flood of clients hides it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, header};
use pingora::{
    apps::{HttpServerApp, ReusedHttpStream},
    http::ResponseHeader,
    protocols::http::ServerSession,
    server::ShutdownWatch,
};

use crate::{connection::Connections, gateway::Gateway, report::Reporter, snapshot::Snapshots, telemetry::Metrics};

/// Answers on the ops port.
pub(crate) struct Ops {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) reporter: Reporter,
    pub(crate) metrics: Arc<Metrics>,
    /// The clients' port is bound.
    pub(crate) listening: Arc<AtomicBool>,
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    /// The methods that the path takes, when the request's is not among them.
    allow: Option<&'static str>,
}

impl Answer {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into(), allow: None }
    }

    fn wrong_method(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::text(405, "method not allowed\n") }
    }
}

impl Ops {
    fn answer(&self, method: &Method, path: &str) -> Answer {
        match (method.as_str(), path) {
            ("GET" | "HEAD", "/livez") => Answer::text(200, "ok\n"),
            ("GET" | "HEAD", "/readyz") => self.readiness(),
            ("GET" | "HEAD", "/metrics") => Answer {
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                ..Answer::text(200, self.render_metrics())
            },
            ("POST", "/drain") => {
                self.gateway.drain();
                Answer::text(202, format!("{}\n", self.gateway.in_flight()))
            }
            (_, "/livez" | "/readyz" | "/metrics") => Answer::wrong_method("GET, HEAD"),
            (_, "/drain") => Answer::wrong_method("POST"),
            _ => Answer::text(404, "not found\n"),
        }
    }

    /// Never the health of the control plane, of Redis or of an upstream: this proxy can serve without them.
    fn readiness(&self) -> Answer {
        if self.gateway.is_draining() {
            Answer::text(503, "draining\n")
        } else if !self.listening.load(Ordering::Relaxed) {
            Answer::text(503, "starting\n")
        } else if self.snapshots.is_ready() {
            Answer::text(200, "ready\n")
        } else {
            Answer::text(503, "no configuration yet\n")
        }
    }

    fn render_metrics(&self) -> String {
        self.metrics.in_flight.set_unsigned(self.gateway.in_flight() as u64);
        self.metrics.connections.set_unsigned(self.connections.open() as u64);
        self.metrics.journal.events.set_unsigned(self.reporter.depth());
        self.metrics.journal.bytes.set_unsigned(self.reporter.bytes());
        let (entries, bytes) = self.gateway.kept_answers();
        self.metrics.cache.entries.set_unsigned(entries as u64);
        self.metrics.cache.bytes.set_unsigned(bytes);
        self.metrics.render() + &self.snapshots.health().render()
    }
}

#[async_trait]
impl HttpServerApp for Ops {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !matches!(session.read_request().await, Ok(true)) {
            return None;
        }
        session.set_keepalive(None);
        let answer = self.answer(&session.req_header().method, session.req_header().uri.path());
        let mut header = ResponseHeader::build_no_case(answer.status, Some(4)).ok()?;
        header.insert_header(header::CONTENT_TYPE, answer.content_type).ok()?;
        header.insert_header(header::CONTENT_LENGTH, answer.body.len()).ok()?;
        if let Some(allow) = answer.allow {
            header.insert_header(header::ALLOW, allow).ok()?;
        }
        session.write_response_header(Box::new(header)).await.ok()?;
        session.write_response_body(Bytes::from(answer.body), true).await.ok()?;
        session.finish().await.ok()?;
        None
    }
}
