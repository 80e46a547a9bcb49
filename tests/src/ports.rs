//! Free ports. The services take addresses from their configuration and keep them across restarts, so a port must be
//! known beforehand: one is tried out and given back.
//!
//! They come from below the range that the system gives to outgoing connections, so that nothing takes one in between
//! but another test, and each test process begins at another place.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::bail;

const RANGE: std::ops::Range<u16> = 12_000..32_000;

pub fn free() -> anyhow::Result<SocketAddr> {
    for _ in 0..1_000 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(RANGE)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port in {RANGE:?}")
}
