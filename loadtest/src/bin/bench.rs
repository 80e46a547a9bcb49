//! The comparison as a program; `make bench` runs it.

use clap::Parser;
use loadtest::bench::{Settings, run};
use tokio::signal::unix::{SignalKind, signal};

/// One thread: its core is known, and a signal drops the run together with its children.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse().resolved();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = run(&settings) => done,
        _ = terminated.recv() => anyhow::bail!("terminated"),
        _ = interrupted.recv() => anyhow::bail!("interrupted"),
    }
}
