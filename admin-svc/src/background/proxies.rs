//! Writes what proxies said to the database: at once when something changed, and every few seconds as a sign of life.
//! Reads how many are connected to all replicas, for the limits that proxies divide among themselves.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::app::{App, proxies::ConnectedProxies};

/// A third of the time after which a proxy is taken as gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(6);
/// Waits for the acknowledgements of other proxies: a change is acknowledged by all of them at nearly the same time.
const GATHER: Duration = Duration::from_millis(100);
/// Between two tries while the database does not take them.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until `stop`, and writes one last time then.
pub async fn run(app: App, proxies: Arc<ConnectedProxies>, stop: CancellationToken) {
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = proxies.changed() => {
                tokio::time::sleep(GATHER).await;
                false
            }
            () = tokio::time::sleep(SIGN_OF_LIFE) => false,
        };
        let rows = proxies.to_write();
        if !rows.is_empty()
            && let Err(error) = app.record_proxies(&rows).await
        {
            tracing::warn!(%error, "the proxies' state is not written");
            proxies.not_written(rows);
            if !stopping {
                tokio::time::sleep(RETRY).await;
            }
        }
        if stopping {
            return;
        }
        // While the database is away, the last known count stays.
        if let Ok(count) = app.live_proxies().await {
            proxies.note_live(count);
        }
    }
}
