//! Usage: recording it once, and reading it back.

use std::collections::BTreeMap;

use tollgate_shared::ids::RequestId;

use crate::{
    app::App,
    domain::usage::{
        EventFilter, EventPosition, QuarantinedEvent, SummaryQuery, SummaryRow, UsageEvent, merge, roll_up,
    },
    store::{StoreError, usage},
};

/// The most rows that a summary has: above it a chart shows nothing any more.
pub const LARGEST_SUMMARY: u32 = 10_000;

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    #[error(
        "the summary would have more than {LARGEST_SUMMARY} rows: ask for less time, longer intervals or fewer groups"
    )]
    TooLarge,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub inserted: usize,
    /// There already, or twice in the set.
    pub duplicates: usize,
}

impl App {
    /// Stores events and their sums in one transaction; events that are there already change nothing.
    pub async fn record_usage(
        &self,
        events: &[UsageEvent],
        quarantined: &[QuarantinedEvent],
    ) -> Result<Recorded, StoreError> {
        let mut by_id: BTreeMap<RequestId, &UsageEvent> = BTreeMap::new();
        for event in events {
            by_id.entry(event.request_id).or_insert(event);
        }
        let ordered: Vec<&UsageEvent> = by_id.into_values().collect();
        let mut tx = self.store().begin_append().await?;
        let inserted = usage::insert(&mut tx, &ordered).await?;
        let rollup = roll_up(ordered.into_iter().filter(|event| inserted.contains(&event.request_id)));
        usage::add(&mut tx, &rollup).await?;
        usage::quarantine(&mut tx, quarantined, self.now()).await?;
        tx.commit().await?;
        Ok(Recorded { inserted: inserted.len(), duplicates: events.len() - inserted.len() })
    }

    /// Events that pass a filter, newest first, after a position.
    pub async fn usage_events(
        &self,
        filter: &EventFilter,
        after: Option<EventPosition>,
        limit: u32,
    ) -> Result<Vec<UsageEvent>, StoreError> {
        let mut reader = self.store().reader().await?;
        usage::events(&mut reader, filter, after, limit).await
    }

    pub async fn usage_event(&self, id: RequestId) -> Result<Option<UsageEvent>, StoreError> {
        let mut reader = self.store().reader().await?;
        usage::event(&mut reader, id).await
    }

    /// Sums by interval and group, from roll-ups.
    pub async fn usage_summary(&self, query: &SummaryQuery) -> Result<Vec<SummaryRow>, SummaryError> {
        let mut tx = self.store().begin_read().await?;
        let mut rows = Vec::new();
        for piece in query.pieces() {
            let found = usage::summary(&mut tx, query, piece, LARGEST_SUMMARY + 1).await?;
            let too_large = found.len() > LARGEST_SUMMARY as usize;
            rows.extend(found);
            if too_large {
                return Err(SummaryError::TooLarge);
            }
        }
        let rows = merge(rows);
        if rows.len() > LARGEST_SUMMARY as usize {
            return Err(SummaryError::TooLarge);
        }
        Ok(rows)
    }
}
