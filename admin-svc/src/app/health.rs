//! The health of upstream keys: what proxies see and what probes find is put together, shown, and told to all proxies.
//!
//! Three parts: [`Board`], in memory and without waiting, takes the proxies' reports and hands hints out; `probes` says
//! which key is to be probed when and what follows from what was found; `read` is what people see. None of it is
//! configuration, and nothing waits for it.

mod board;
mod probes;
mod read;

pub use board::{Board, Expected};
pub use probes::{Finding, classify};
pub use read::{HealthFilter, KeyHealth};

use std::sync::Arc;

use tollgate_shared::clock::UnixMicros;

use super::App;
use crate::{
    domain::key_health::Hint,
    store::{StoreError, health_hints, key_health},
};

/// Rows that nobody renews are kept for so long; they are not shown.
const FORGOTTEN_AFTER_US: i64 = 3_600 * 1_000_000;

impl App {
    /// What this process's proxies say, and what they are told.
    pub fn health_board(&self) -> &Arc<Board> {
        &self.0.health
    }

    /// Writes what this process's proxies said since the last time, and the hints that were made.
    pub async fn record_key_health(&self) -> Result<(), StoreError> {
        let board = self.health_board();
        let (rows, hints) = (board.to_write(), board.hints_to_write());
        if rows.is_empty() && hints.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut tx = self.store().begin_append().await?;
            key_health::upsert(&mut tx, board.replica(), self.now(), &rows).await?;
            health_hints::upsert(&mut tx, &hints).await?;
            tx.commit().await
        }
        .await;
        if written.is_err() {
            // The state is written anew by itself; hints are made once.
            board.not_written(hints);
        }
        written
    }

    /// Hands on what other replicas tell their proxies.
    pub async fn share_hints(&self) -> Result<(), StoreError> {
        let hints = health_hints::live(&mut *self.store().reader().await?, self.now()).await?;
        self.health_board().learn(hints);
        Ok(())
    }

    /// Removes what counts for nothing any more.
    pub async fn prune_key_health(&self) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.store().begin_append().await?;
        key_health::prune(&mut tx, now.saturating_sub(FORGOTTEN_AFTER_US)).await?;
        health_hints::prune(&mut tx, now).await?;
        tx.commit().await
    }

    /// Tells all proxies, of this replica at once and of the others in a moment.
    fn tell(&self, hint: Hint) {
        self.health_board().tell(hint);
    }
}

/// A time from now on.
fn later(now: UnixMicros, wait: std::time::Duration) -> UnixMicros {
    now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}
