//! The life of an HTTP/1.1 connection: read, decide, play, again.
//!
//! While an answer is under way the socket is also read, so that a client that leaves is noticed
//! at once. What it sends meanwhile (pipelining) is kept for the next round.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep_until};

use super::exchange::{Ending, Ticket, decide, record_half};
use super::http1::{Head, ReadError, Reader};
use super::http2;
use super::plan::Body;
use super::script::{Action, Break, Player};
use super::shared::Shared;
use super::socket::{Rewound, Socket};

/// A client that sends more than this while it is being answered is not read any further.
const MAX_PIPELINED_BYTES: usize = 1 << 20;
/// Unpaced chunks leave together up to this size.
const FLUSH_BYTES: usize = 32 << 10;
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

#[derive(Debug)]
struct Connection<S> {
    reader: Reader<S>,
    shared: Arc<Shared>,
}

/// The client closed, or a fault wants the connection gone.
struct Gone;

pub(crate) async fn serve<S: Socket>(socket: S, shared: Arc<Shared>) {
    let id = shared.counters.connection();
    let reader = Reader { socket, buffer: bytes::BytesMut::new() };
    let mut connection = Connection { reader, shared };
    loop {
        match connection.reader.head(id).await {
            Ok(Some(head)) => {
                // Boxed, so that a waiting connection does not carry the state of an answer.
                if Box::pin(connection.exchange(head)).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(ReadError::Refused(..)) if connection.reader.buffer.starts_with(H2_PREFACE) => {
                let Reader { socket, buffer } = connection.reader;
                return http2::serve(Rewound { prefix: buffer.freeze(), socket }, connection.shared, id).await;
            }
            Err(error) => return connection.refuse(&error).await,
        }
    }
}

impl<S: Socket> Connection<S> {
    async fn refuse(&mut self, error: &ReadError) {
        if let ReadError::Refused(status, why) = error {
            let text = format!(
                "HTTP/1.1 {status} Refused\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{why}",
                why.len()
            );
            // The connection ends here in any case.
            let _ = self.reader.socket.write_all(text.as_bytes()).await;
            let _ = self.reader.socket.shutdown().await;
        }
    }

    async fn exchange(&mut self, mut head: Head) -> Result<(), Gone> {
        if let Err(error) = self.reader.body(&mut head).await {
            record_half(&self.shared, &head.incoming);
            self.refuse(&error).await;
            return Err(Gone);
        }
        let keep_alive = head.keep_alive;
        let (player, ticket) = decide(&self.shared, &head.incoming);
        drop(head);
        self.play(player, ticket).await?;
        if keep_alive {
            return Ok(());
        }
        let _ = self.reader.socket.shutdown().await;
        Err(Gone)
    }

    async fn play(&mut self, player: Player, mut ticket: Ticket) -> Result<(), Gone> {
        let delay = player.script().delay;
        if !delay.is_zero() && self.pause(Instant::now() + delay).await.is_err() {
            ticket.end(&player, Ending::ClientGone, false);
            return Err(Gone);
        }
        if let Some(instead) = player.script().instead.clone() {
            return self.give_up(&instead, &player, &mut ticket, false).await;
        }
        let plan = Arc::clone(&player.script().plan);
        let mut out = Vec::with_capacity(plan.head.len() + FLUSH_BYTES / 16);
        plan.head.render(&mut out, player.stamp());
        if let (true, Body::Whole(body)) = (player.script().is_simple(), &plan.body) {
            body.render(&mut out, player.stamp());
            ticket.end(&player, Ending::Completed, true);
            return self.write(&out).await.inspect_err(|_| ticket.failed());
        }
        ticket.head_sent(&player);
        self.play_slowly(player, ticket, out).await
    }

    async fn play_slowly(&mut self, mut player: Player, mut ticket: Ticket, mut out: Vec<u8>) -> Result<(), Gone> {
        let start = Instant::now();
        let is_stream = player.script().plan.is_stream();
        let pieces = player.script().split_bytes.is_some();
        let mut sent_until = Duration::ZERO;
        loop {
            match player.next() {
                Action::Send { due, payload } => {
                    if due > sent_until || out.len() > FLUSH_BYTES || pieces {
                        sent_until = due;
                        let flushed = self.write(&out).await;
                        out.clear();
                        if flushed.is_err() || self.pause(start + due).await.is_err() {
                            ticket.end(&player, Ending::ClientGone, true);
                            return Err(Gone);
                        }
                        if pieces {
                            tokio::task::yield_now().await;
                        }
                    }
                    frame(&mut out, &payload, is_stream);
                    ticket.chunk_sent();
                }
                Action::Break(how) => {
                    if self.write(&out).await.is_err() {
                        ticket.end(&player, Ending::ClientGone, true);
                        return Err(Gone);
                    }
                    return self.give_up(&how, &player, &mut ticket, true).await;
                }
                Action::Done => {
                    if is_stream {
                        out.extend_from_slice(b"0\r\n\r\n");
                    }
                    ticket.end(&player, Ending::Completed, true);
                    return self.write(&out).await.inspect_err(|_| ticket.failed());
                }
            }
        }
    }

    async fn give_up(
        &mut self,
        how: &Break,
        player: &Player,
        ticket: &mut Ticket,
        head_sent: bool,
    ) -> Result<(), Gone> {
        match how {
            Break::Hang => {
                // Nothing comes any more; only the client can end this.
                self.gone().await;
                ticket.end(player, Ending::ClientGone, head_sent);
            }
            Break::Close | Break::LastWords(_) => {
                ticket.end(player, Ending::Broken, head_sent);
                let _ = self.reader.socket.shutdown().await;
            }
            Break::Reset => {
                ticket.end(player, Ending::Broken, head_sent);
                self.reader.socket.reset_on_close();
            }
        }
        Err(Gone)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.reader.socket.write_all(bytes).await.map_err(|_| Gone)?;
        self.reader.socket.flush().await.map_err(|_| Gone)
    }

    /// Waits for a moment, or for the client to leave.
    async fn pause(&mut self, until: Instant) -> Result<(), Gone> {
        if until <= Instant::now() {
            return Ok(());
        }
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.gone() => Err(Gone),
        }
    }

    /// Returns when the client has left.
    async fn gone(&mut self) {
        while self.reader.buffer.len() < MAX_PIPELINED_BYTES {
            if self.reader.fill().await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

/// A stream's event is one HTTP chunk, as the real providers send it.
fn frame(out: &mut Vec<u8>, payload: &[u8], is_stream: bool) {
    if is_stream {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let length = payload.len();
        let width = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..width).rev() {
            out.push(DIGITS[(length >> (digit * 4)) & 15]);
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(payload);
    if is_stream {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for (length, size) in [(1, "1"), (15, "f"), (16, "10"), (4096, "1000"), (70_000, "11170")] {
            let mut out = Vec::new();
            frame(&mut out, &vec![b'x'; length], true);
            assert!(out.starts_with(format!("{size}\r\nx").as_bytes()), "{length}");
            assert_eq!(out.len(), size.len() + length + 4);
        }
    }
}
