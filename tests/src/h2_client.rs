//! HTTP/2 without TLS and without asking first (prior knowledge): one request on a connection of its own.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use tokio::{net::TcpStream, time::timeout};

const PATIENCE: Duration = Duration::from_mins(1);

/// The answer with its whole body; an error when the stream is reset or the connection ends before that.
pub async fn exchange(address: SocketAddr, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(8 << 20)
        .initial_connection_window_size(8 << 20)
        .handshake(stream)
        .await?;
    let exchange = async {
        let mut sender = sender.ready().await?;
        let (head, body) = request.into_parts();
        let (response, mut upload) = sender.send_request(Request::from_parts(head, ()), body.is_empty())?;
        if !body.is_empty() {
            upload.send_data(body, true)?;
        }
        let (head, mut incoming) = response.await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(piece) = incoming.data().await {
            let piece = piece?;
            incoming.flow_control().release_capacity(piece.len())?;
            body.extend_from_slice(&piece);
        }
        anyhow::Ok(Response::from_parts(head, body.freeze()))
    };
    timeout(PATIENCE, async {
        tokio::select! {
            biased;
            answer = exchange => answer,
            ended = connection => bail!("the connection ended first: {ended:?}"),
        }
    })
    .await
    .context("no answer")?
}
