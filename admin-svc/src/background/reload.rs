//! Takes over what may change while running (the log level) when the file changes or on SIGHUP.
//!
//! A file that is not good changes nothing and is named in the log. What cannot change is left until the next start.

use std::{path::Path, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tollgate_shared::telemetry::LogLevel;

use crate::config::{Configuration, Sources};

const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What tells one content of the file from another: time of change and length.
type Version = Option<(std::time::SystemTime, u64)>;

pub async fn run(sources: Sources, log_level: LogLevel, stop: CancellationToken) {
    let mut hang_up = match signal(SignalKind::hangup()) {
        Ok(hang_up) => hang_up,
        Err(error) => {
            tracing::warn!(%error, "configuration is not reloaded");
            return;
        }
    };
    let mut seen = version(sources.file.as_deref());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hang_up.recv() => reload(&sources, &log_level),
            () = tokio::time::sleep(LOOK_INTERVAL) => {
                let now = version(sources.file.as_deref());
                if now != seen {
                    seen = now;
                    reload(&sources, &log_level);
                }
            }
        }
    }
}

fn version(file: Option<&Path>) -> Version {
    let metadata = std::fs::metadata(file?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn reload(sources: &Sources, log_level: &LogLevel) {
    let reloaded = Configuration::load(sources).map_err(|error| error.to_string());
    let applied = reloaded.and_then(|new| log_level.set(&new.log).map(|()| new.log).map_err(|error| error.to_string()));
    match applied {
        Ok(log) => tracing::info!(%log, "configuration reloaded"),
        Err(error) => tracing::error!(%error, "the new configuration is not good; the old one stays"),
    }
}
