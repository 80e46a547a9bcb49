//! What the operating system says.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that stop a process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Whether to be patient: a balancer that sent SIGTERM's cause has to notice first; a person at the keyboard
    /// (SIGINT) has no balancer.
    pub(super) async fn stop(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => false,
        }
    }
}
