//! Probes upstream keys by a call that costs nothing: those that nobody uses now and then, so that a dead one is known
//! before it is needed, and those that failed often, so that proxies use them again as soon as the provider is back.
//!
//! When each is due stands in the database, where a replica claims a key before it probes it: the others leave it alone.
//! What follows from what is found is decided in `app::health`.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, AppError},
    domain::key_probe::{DueProbe, ProbePace},
    store::StoreError,
};

/// How often it is looked whether something is due; more often where the pace demands it.
const LOOK: Duration = Duration::from_secs(2);
/// Probes under way: a provider that does not answer must not keep the others' keys waiting.
const AT_A_TIME: usize = 64;
/// Keys looked at in one go. Most are in use and put off, so these are more than are probed.
const LOOKED_AT: usize = 128;
/// Longer than a probe takes.
const LEASE: Duration = Duration::from_secs(40);

/// Runs until `stop`. A key that is being probed then is probed again when its claim is over.
pub async fn run(app: App, pace: ProbePace, stop: CancellationToken) {
    let every = LOOK.min(pace.trouble.0 / 2).min(pace.idle.0 / 2);
    // Tasks of their own: one that holds the way to write goes on while this one waits for it.
    let mut running = JoinSet::new();
    let mut failing = false;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep_until(look_at) => {
                let claimed = claim(&app, &pace, AT_A_TIME - running.len()).await;
                // Once per outage.
                if let Err(error) = &claimed
                    && !failing
                {
                    tracing::warn!(%error, "upstream keys are not probed");
                }
                failing = claimed.is_err();
                for due in claimed.unwrap_or_default() {
                    running.spawn(probe(app.clone(), due, pace));
                }
                look_at = Instant::now() + every;
            }
        }
    }
}

/// Takes over what is due, `most` at most.
async fn claim(app: &App, pace: &ProbePace, most: usize) -> Result<Vec<DueProbe>, StoreError> {
    let expected = app.health_board().take_expected();
    if !expected.is_empty() {
        app.reschedule_key_probes(&expected, pace).await?;
    }
    if most == 0 {
        return Ok(Vec::new());
    }
    let due = app.due_key_probes(pace, LOOKED_AT).await?;
    if due.is_empty() { Ok(due) } else { app.claim_key_probes(due, pace, LEASE, most).await }
}

async fn probe(app: App, due: DueProbe, pace: ProbePace) {
    let id = due.upstream_key_id;
    let before = due.last.map(|(outcome, _)| outcome);
    match app.probe_key(&due, &pace).await {
        // Said once, when it changes.
        Ok(found) if before != Some(found.outcome) => {
            tracing::info!(
                upstream_key.id = %id, outcome = %found.outcome, detail = found.detail, latency_ms = found.latency_ms,
                "an upstream key was probed"
            );
        }
        Ok(_) | Err(AppError::NotFound(_)) => {}
        Err(error) => tracing::warn!(upstream_key.id = %id, %error, "an upstream key was not probed"),
    }
}
