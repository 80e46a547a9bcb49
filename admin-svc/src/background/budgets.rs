//! Takes back what was lent to proxies that are not heard of any more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::{App, budgets::LEASE_TTL};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until `stop`. Nothing is taken back before proxies have had the time to come back to this process: while no
/// control plane ran none of them could give a sign of life.
pub async fn run(app: App, stop: CancellationToken) {
    let mut wait = LEASE_TTL;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = EVERY;
        match app.lapse_leases().await {
            Ok(0) => {}
            Ok(proxies) => tracing::warn!(proxies, "leases of proxies that are not heard of were taken back"),
            Err(error) => tracing::warn!(%error, "leases are not looked through"),
        }
    }
}
