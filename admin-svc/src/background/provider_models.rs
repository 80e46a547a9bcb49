//! Keeps the providers' lists of models up to date: proxies tell callers from them which models there are.
//!
//! A provider is asked soon after it can be (it has an active key), every few hours from then on, and at growing
//! intervals while it does not answer. When each is due stands in the database, where a replica claims a provider before
//! it asks: the others leave it alone. A change of the configuration makes a look quick, a timer makes it certain.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, AppError},
    domain::model_refresh::ModelRefresh,
    store::StoreError,
};

/// Without a signal; other replicas' changes raise none here.
const LOOK: Duration = Duration::from_secs(5);
/// After a signal: a provider, its pool and its keys are often made one right after the other.
const GATHER: Duration = Duration::from_millis(200);
/// Of providers: those that do not answer must not keep the others waiting.
const AT_A_TIME: usize = 8;
/// Longer than a provider with its keys is asked.
const LEASE: Duration = Duration::from_mins(2);
const INTERVAL: Duration = Duration::from_hours(6);
const FIRST_RETRY: Duration = Duration::from_mins(1);
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// Runs until `stop`. A provider that is being asked then is asked again by whoever comes next.
pub async fn run(app: App, stop: CancellationToken) {
    let mut signal = app.store().changes();
    let mut running = FuturesUnordered::new();
    let mut failing = false;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = running.next() => look_at = look_at.min(Instant::now() + GATHER),
            changed = signal.changed() => match changed {
                Ok(()) => look_at = look_at.min(Instant::now() + GATHER),
                Err(_) => return,
            },
            () = tokio::time::sleep_until(look_at) => {
                let mut claimed = Vec::new();
                let under_way = running.len();
                let looked = beside(&mut running, claim(&app, AT_A_TIME - under_way, &mut claimed)).await;
                // Where one ended meanwhile there is room for another.
                let next_look = if running.len() < under_way { GATHER } else { LOOK };
                running.extend(claimed.into_iter().map(|due| refresh(&app, due)));
                // Once per outage.
                if let Err(error) = &looked
                    && !failing
                {
                    tracing::warn!(%error, "lists of models are not refreshed");
                }
                failing = looked.is_err();
                look_at = Instant::now() + next_look;
            }
        }
    }
}

/// Awaits `other` while what is under way goes on: one of them may hold the only connection that writes, which `other`
/// waits for.
async fn beside<T>(running: &mut FuturesUnordered<impl Future<Output = ()>>, other: impl Future<Output = T>) -> T {
    tokio::pin!(other);
    loop {
        tokio::select! {
            biased;
            output = &mut other => return output,
            Some(()) = running.next() => (),
        }
    }
}

/// Takes over what is due, `most` at most. What was claimed before an error stays claimed.
async fn claim(app: &App, most: usize, claimed: &mut Vec<ModelRefresh>) -> Result<(), StoreError> {
    if most == 0 {
        return Ok(());
    }
    for due in app.due_model_refreshes().await?.into_iter().take(most) {
        if app.claim_model_refresh(&due, LEASE).await? {
            claimed.push(due);
        }
    }
    Ok(())
}

async fn refresh(app: &App, due: ModelRefresh) {
    let (id, before) = (due.provider_id, due.failures);
    let (failures, wait) = match app.refresh_models_unasked(id).await {
        Ok(provider) => {
            let models = provider.models.len();
            if before > 0 {
                tracing::info!(provider.id = %id, models, "the provider gives its list of models again");
            }
            (0, interval(fastrand::f64()))
        }
        Err(AppError::NotFound(_)) => return,
        Err(error) => {
            if before == 0 {
                tracing::warn!(provider.id = %id, %error, "the provider gives no list of its models; it is asked again");
            }
            (before.saturating_add(1), retry(before, fastrand::f64()))
        }
    };
    if let Err(error) = app.settle_model_refresh(id, failures, wait).await {
        tracing::warn!(provider.id = %id, %error, "a refresh of a list of models is not noted");
    }
}

/// A tenth more or less, so that providers that came together do not stay together. `random`: from 0 to 1.
fn interval(random: f64) -> Duration {
    INTERVAL.mul_f64(0.9 + 0.2 * random)
}

/// Doubles with every failure before this one; a quarter more at most.
fn retry(failures: u32, random: f64) -> Duration {
    let wait = FIRST_RETRY.saturating_mul(1 << failures.min(10)).min(LONGEST_RETRY);
    wait.mul_f64(1.0 + 0.25 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_from_a_minute_to_an_hour_apart() {
        let minutes = |failures| retry(failures, 0.0).as_secs() / 60;
        assert_eq!([0, 1, 2, 5, 6, 7, u32::MAX].map(minutes), [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(retry(0, 1.0), Duration::from_secs(75));
    }

    #[tokio::test]
    async fn what_is_under_way_goes_on_meanwhile() {
        let connection = tokio::sync::Mutex::new(());
        let mut running = FuturesUnordered::new();
        running.push(async {
            let _held = connection.lock().await;
            tokio::task::yield_now().await;
        });
        // It holds the connection from here on.
        assert!(futures::poll!(running.next()).is_pending());
        let claimed = beside(&mut running, async { drop(connection.lock().await) });
        tokio::time::timeout(Duration::from_secs(5), claimed).await.unwrap();
    }

    #[test]
    fn intervals_are_spread_around_six_hours() {
        assert_eq!(interval(0.5), INTERVAL);
        assert!(interval(0.0) < interval(0.999) && interval(0.999) < Duration::from_hours(7));
    }
}
