//! Writes what this process's proxies say of upstream keys to the database, where every replica reads it, and passes on
//! what other replicas tell their proxies.
//!
//! At once when something changed, and every second besides: the figures change all the time, and other replicas' hints
//! raise no signal here.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{app::App, store::StoreError};

const LOOK: Duration = Duration::from_secs(1);
/// Waits for the reports of other proxies: trouble at a provider is seen by all of them at nearly the same time.
const GATHER: Duration = Duration::from_millis(100);
const PRUNE: Duration = Duration::from_mins(1);
/// Between two tries while the database does not take anything.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until `stop`. What was not written then is reported again by the proxies.
pub async fn run(app: App, stop: CancellationToken) {
    let (mut failing, mut prune_at) = (false, Instant::now() + PRUNE);
    while stop.run_until_cancelled(turn(&app)).await.is_some() {
        let done = exchange(&app, &mut prune_at).await;
        if let Err(error) = &done {
            // Once per outage.
            if !failing {
                tracing::warn!(%error, "the health of upstream keys is not shared");
            }
            if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                return;
            }
        }
        failing = done.is_err();
    }
}

async fn turn(app: &App) {
    tokio::select! {
        () = app.health_board().changed() => tokio::time::sleep(GATHER).await,
        () = tokio::time::sleep(LOOK) => {}
    }
}

async fn exchange(app: &App, prune_at: &mut Instant) -> Result<(), StoreError> {
    app.record_key_health().await?;
    app.share_hints().await?;
    if *prune_at <= Instant::now() {
        app.prune_key_health().await?;
        *prune_at = Instant::now() + PRUNE;
    }
    Ok(())
}
