//! Waiting for what takes a moment.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often the condition is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// How long a process may take to start, on a machine that does other things as well.
pub const START: Duration = Duration::from_mins(1);

/// Asks until there is an answer; fails with the last reason when there was none in time.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        let reason = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "not yet".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() > within {
            bail!("{what}: not within {within:?} ({reason})");
        }
        tokio::time::sleep(PERIOD).await;
    }
}
