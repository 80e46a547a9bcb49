//! Free ports. The services take addresses from their configuration and keep them across restarts, so a port must be
//! known beforehand: one is tried out and given back.
//!
//! They come from below the range that the system gives to outgoing connections, and each test process has a block of
//! them for itself, which it holds by its first port: nothing else takes one in between.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
};

use anyhow::Context;

const FIRST: u16 = 12_000;
const BLOCKS: u16 = 100;
const BLOCK: u16 = 200;

static OWN: OnceLock<Option<TcpListener>> = OnceLock::new();
static NEXT: AtomicU16 = AtomicU16::new(0);

pub fn free() -> anyhow::Result<SocketAddr> {
    let own = OWN.get_or_init(own_block).as_ref().context("every block of ports is held")?.local_addr()?.port();
    (0..BLOCK)
        .map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, own + 1 + NEXT.fetch_add(1, Relaxed) % (BLOCK - 1))))
        .find(|address| TcpListener::bind(address).is_ok())
        .with_context(|| format!("no free port from {own} on"))
}

/// Held until the process ends.
fn own_block() -> Option<TcpListener> {
    let from = fastrand::u16(..BLOCKS);
    let first = |index: u16| FIRST + (from + index) % BLOCKS * BLOCK;
    (0..BLOCKS).find_map(|index| TcpListener::bind((Ipv4Addr::LOCALHOST, first(index))).ok())
}
