//! Usage: recording it once, and reading it back.

use std::collections::BTreeMap;

use tollgate_shared::ids::{RequestId, UserId};

use crate::{
    app::{App, AppError, Authorised, caller::ReadUsage},
    domain::{
        budget::Spending,
        page::{Page, PageRequest},
        usage::{EventFilter, EventPosition, QuarantinedEvent, SummaryQuery, SummaryRow, UsageEvent, merge, roll_up},
        user::Role,
        validation::Invalid,
    },
    store::{StoreError, budgets, usage},
};

/// The most rows that a summary has: above it a chart shows nothing any more.
const LARGEST_SUMMARY: u32 = 10_000;

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
        let counted = || ordered.iter().copied().filter(|event| inserted.contains(&event.request_id));
        usage::add(&mut tx, &roll_up(counted())).await?;
        let proxies = counted().filter(|event| event.cost.is_some()).filter_map(|event| event.reported_by).collect();
        let boots = budgets::boots(&mut tx, &proxies).await?;
        budgets::add(&mut tx, &Spending::of(counted(), &boots)).await?;
        usage::quarantine(&mut tx, quarantined, self.now()).await?;
        tx.commit().await?;
        Ok(Recorded { inserted: inserted.len(), duplicates: events.len() - inserted.len() })
    }

    /// Events that pass a filter, newest first. A member's own.
    pub async fn usage_events(
        &self,
        caller: &Authorised<ReadUsage>,
        request: &PageRequest,
        mut filter: EventFilter,
    ) -> Result<Page<UsageEvent>, AppError> {
        narrow(caller, &mut filter.user_id)?;
        let after = match &request.after {
            Some(cursor) => Some(cursor.parse::<EventPosition>().map_err(|_| bad_cursor())?),
            None => None,
        };
        let mut reader = self.store().reader().await?;
        let events = usage::events(&mut reader, &filter, after, request.rows()).await?;
        Ok(Page::new(events, request, |event: &UsageEvent| EventPosition::of(event).to_string()))
    }

    /// Another's event is not there for a member.
    pub async fn usage_event(&self, caller: &Authorised<ReadUsage>, id: RequestId) -> Result<UsageEvent, AppError> {
        let mut reader = self.store().reader().await?;
        let event = usage::event(&mut reader, id).await?;
        let visible = event.filter(|event| sees_all(caller) || event.user_id == Some(caller.user.id));
        visible.ok_or(AppError::NotFound("usage event"))
    }

    /// Sums by interval and group, from roll-ups. A member's own.
    pub async fn usage_summary(
        &self,
        caller: &Authorised<ReadUsage>,
        mut query: SummaryQuery,
    ) -> Result<Vec<SummaryRow>, AppError> {
        narrow(caller, &mut query.user_id)?;
        if query.intervals() > i64::from(LARGEST_SUMMARY) {
            return Err(too_large());
        }
        let mut tx = self.store().begin_read().await?;
        let mut rows = Vec::new();
        for piece in query.pieces() {
            rows.extend(usage::summary(&mut tx, &query, piece, i64::from(LARGEST_SUMMARY) + 1).await?);
            if rows.len() > 3 * LARGEST_SUMMARY as usize {
                return Err(too_large());
            }
        }
        let rows = merge(rows);
        if rows.len() > LARGEST_SUMMARY as usize { Err(too_large()) } else { Ok(rows) }
    }
}

fn sees_all(caller: &Authorised<ReadUsage>) -> bool {
    caller.user.spec.role != Role::Member
}

/// A member who asks for everybody gets their own; who asks for another is refused.
fn narrow(caller: &Authorised<ReadUsage>, user_id: &mut Option<UserId>) -> Result<(), AppError> {
    if sees_all(caller) {
        return Ok(());
    }
    let own = caller.user.id;
    if user_id.is_some_and(|wanted| wanted != own) {
        return Err(AppError::Forbidden("You see only your own usage."));
    }
    *user_id = Some(own);
    Ok(())
}

fn too_large() -> AppError {
    let message = "would give more than 10,000 rows: ask for less time, longer intervals or fewer groups";
    Invalid::field("interval", message).into()
}

fn bad_cursor() -> AppError {
    Invalid::field("after", "must be the `next` of a page of this list").into()
}
