//! A relay in front of the simulated provider that keeps the bytes of both directions: what the proxy really wrote to
//! the wire, and what it really got back.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Relays until it is dropped.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    recorded: Recorded,
    // Ends the relaying when dropped.
    _tasks: JoinSet<()>,
}

type Recorded = Arc<Mutex<Exchange>>;

/// The bytes since the last look, of all connections together: keep to one request at a time.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub to_provider: Vec<u8>,
    pub from_provider: Vec<u8>,
}

impl Tap {
    pub async fn start(provider: SocketAddr) -> anyhow::Result<Self> {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), provider).await
    }

    /// At an address of one's own choice, such as one at which nobody was until now.
    pub async fn listen(address: SocketAddr, provider: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let recorded = Recorded::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, provider, recorded.clone()));
        Ok(Self { address, recorded, _tasks: tasks })
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What went through since the last call.
    pub fn take(&self) -> Exchange {
        std::mem::take(&mut *self.recorded.lock())
    }
}

async fn accept(listener: TcpListener, provider: SocketAddr, recorded: Recorded) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(provider).await else { continue };
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        connections.spawn(copy(client_in, server_out, recorded.clone(), |exchange| &mut exchange.to_provider));
        connections.spawn(copy(server_in, client_out, recorded.clone(), |exchange| &mut exchange.from_provider));
    }
}

/// Keeps the bytes before it passes them on, so that they are there when the other side has answered.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    recorded: Recorded,
    side: fn(&mut Exchange) -> &mut Vec<u8>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        side(&mut recorded.lock()).extend_from_slice(&bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    // The other side is told in its turn; if it has gone, there is nobody to tell.
    let _ = to.shutdown().await;
}
