//! The h2 side: hyper's server, playing the same scripts.
//!
//! A close or a reset by a fault ends the stream (`RST_STREAM`), not the connection: in h2 that is
//! what a broken answer looks like, and the other streams must not suffer.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming as HyperBody};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::exchange::{Ending, Ticket, decide, record_half};
use super::incoming::{HeadBuilder, Incoming};
use super::script::{Action, Break, Player};
use super::shared::Shared;

pub(crate) async fn serve<S>(socket: S, shared: Arc<Shared>, connection_id: u64)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, shared, connection_id).await }
    });
    let served = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(10_000)
        .serve_connection(TokioIo::new(socket), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "h2 connection ended");
    }
}

async fn receive(request: Request<HyperBody>, connection_id: u64) -> (Incoming, bool) {
    let (parts, body) = request.into_parts();
    let mut head = HeadBuilder::default();
    if let Some(authority) = parts.uri.authority() {
        head.field(":authority", authority.as_str().as_bytes());
    }
    for (name, value) in &parts.headers {
        head.field(name.as_str(), value.as_bytes());
    }
    let collected = body.collect().await;
    let whole = collected.is_ok();
    let body = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    (head.build(parts.method.as_str(), target, body, connection_id), whole)
}

/// An exchange whose client may vanish at any await: dropping it writes the record.
#[derive(Debug)]
struct Playing {
    player: Player,
    ticket: Ticket,
    head_sent: bool,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.ticket.end(&self.player, Ending::ClientGone, self.head_sent);
    }
}

async fn answer(
    request: Request<HyperBody>,
    shared: Arc<Shared>,
    connection_id: u64,
) -> Result<Response<ScriptBody>, io::Error> {
    let (incoming, whole) = receive(request, connection_id).await;
    if !whole {
        record_half(&shared, &incoming);
        return Err(io::Error::other("request body was cut"));
    }
    let (player, ticket) = decide(&shared, &incoming);
    let mut playing = Playing { player, ticket, head_sent: false };
    let delay = playing.player.script().delay;
    if !delay.is_zero() {
        sleep(delay).await;
    }
    match playing.player.script().instead {
        Some(Break::Hang) => match std::future::pending::<Infallible>().await {},
        Some(_) => {
            playing.ticket.end(&playing.player, Ending::Broken, false);
            return Err(io::Error::other("broken by a fault"));
        }
        None => {}
    }
    playing.head_sent = true;
    playing.ticket.head_sent(&playing.player);
    let plan = Arc::clone(&playing.player.script().plan);
    let headers = plan.headers(playing.player.stamp());
    let mut response = Response::new(ScriptBody { playing, start: Instant::now(), state: State::Next });
    *response.status_mut() = StatusCode::from_u16(plan.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

#[derive(Debug)]
struct ScriptBody {
    playing: Playing,
    start: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Next,
    Waiting(Pin<Box<Sleep>>, Bytes),
    Hanging,
    Done,
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let Playing { player, ticket, .. } = &mut this.playing;
        loop {
            match &mut this.state {
                State::Done => return Poll::Ready(None),
                State::Hanging => return Poll::Pending,
                State::Waiting(sleep, payload) => {
                    ready!(sleep.as_mut().poll(cx));
                    let payload = std::mem::take(payload);
                    this.state = State::Next;
                    ticket.chunk_sent();
                    return Poll::Ready(Some(Ok(Frame::data(payload))));
                }
                State::Next => match player.next() {
                    Action::Send { due, payload } => {
                        this.state = State::Waiting(Box::pin(sleep_until(this.start + due)), payload);
                    }
                    Action::Break(Break::Hang) => this.state = State::Hanging,
                    Action::Break(_) => {
                        ticket.end(player, Ending::Broken, true);
                        this.state = State::Done;
                        return Poll::Ready(Some(Err(io::Error::other("broken by a fault"))));
                    }
                    Action::Done => {
                        ticket.end(player, Ending::Completed, true);
                        this.state = State::Done;
                    }
                },
            }
        }
    }
}
