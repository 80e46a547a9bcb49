//! Budgets: lending from them, and showing how they stand.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ServiceId, UserId},
    limits::Budget,
};

use super::{
    App, AppError, Authorised,
    caller::{ReadConfiguration, ReadUsers},
};
use crate::{
    domain::{
        access_key::AccessKeyStatus,
        budget::{Ask, Borrower, BudgetKey, BudgetScope, BudgetStatus, Grant, GrantState, Recall, elsewhere, grant},
        proxy::SILENT_AFTER_US,
    },
    grpc::{BudgetLender, LenderError},
    metrics::Metrics,
    store::{AnyConnection, StoreError, access_keys, budgets, proxies, services, users},
};

/// After so long without a sign of life, what a proxy borrowed does not count as lent any more. Six times as long as a
/// proxy waits between two of them, and long enough for its successor to report what is in its journal.
pub const LEASE_TTL: Duration = Duration::from_mins(1);
/// For so long others are told that somebody needs what they do not use.
const SHORT_FOR: Duration = Duration::from_mins(1);
/// So often they are told at once, and not with their next sign of life.
const RECALL_EVERY: Duration = Duration::from_millis(100);
/// Recalls that a stream has not passed on yet; what it misses comes with the next sign of life.
const RECALLS: usize = 64;
/// A proxy's clock is believed that far: it decides which period a request is of.
const CLOCK_SKEW: Duration = Duration::from_mins(5);
/// Events arrive up to 30 days late; a lease is kept a day longer.
const KEPT: Duration = Duration::from_hours(31 * 24);
const NO_BUDGET: AppError = AppError::NotFound("budget");

/// Lends to proxies.
pub struct Lender {
    app: App,
    metrics: Arc<Metrics>,
    recalls: broadcast::Sender<Recall>,
    /// For which amount, and until which end of a period, it was said that a budget has too little left, so that it is said
    /// once.
    told: Mutex<HashMap<BudgetKey, (UnixMicros, i64)>>,
}

impl Lender {
    pub fn new(app: App, metrics: Arc<Metrics>) -> Self {
        Self { app, metrics, recalls: broadcast::Sender::new(RECALLS), told: Mutex::default() }
    }

    fn tell(&self, ask: &Ask, grant: &Grant) {
        let BudgetKey { scope, id } = ask.budget;
        // What others hold may come back.
        if grant.state != GrantState::Spent || grant.elsewhere >= ask.least.max(1) {
            return;
        }
        let (saying, now) = ((grant.period.end, grant.amount), self.app.now());
        let mut told = self.told.lock();
        told.retain(|_, (end, _)| *end > now);
        if told.insert(ask.budget, saying) != Some(saying) {
            self.metrics.budgets_spent.add(1);
            tracing::warn!(budget.scope = %scope, budget.id = %id, "a budget has less left than a request needs");
        }
    }
}

#[async_trait]
impl BudgetLender for Lender {
    async fn renew(&self, borrower: &Borrower) -> Result<Vec<BudgetKey>, LenderError> {
        Ok(self.app.renew_leases(borrower).await?)
    }

    async fn settle_earlier_starts(&self, borrower: &Borrower) -> Result<(), LenderError> {
        Ok(self.app.settle_earlier_starts(borrower).await?)
    }

    async fn lend(&self, borrower: &Borrower, asks: &[Ask]) -> Result<Vec<Grant>, LenderError> {
        let grants = self.app.lend(borrower, asks).await?;
        for (ask, grant) in asks.iter().zip(&grants) {
            self.tell(ask, grant);
            if grant.recall {
                // Without another stream there is nobody to tell.
                let _ = self.recalls.send(Recall { budget: ask.budget, by: borrower.boot_id });
            }
        }
        Ok(grants)
    }

    fn recalls(&self) -> broadcast::Receiver<Recall> {
        self.recalls.subscribe()
    }
}

impl From<StoreError> for LenderError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

impl App {
    /// The borrower lives. Of which budgets it should give back what it does not use: somebody was refused lately.
    pub async fn renew_leases(&self, borrower: &Borrower) -> Result<Vec<BudgetKey>, StoreError> {
        let now = self.now();
        let mut tx = self.store().begin_append().await?;
        budgets::renew(&mut tx, borrower, later(now, LEASE_TTL)).await?;
        let hears = borrower.leases_outlast_periods;
        let short = if hears { budgets::short(&mut tx, earlier(now, SHORT_FOR)).await? } else { Vec::new() };
        tx.commit().await?;
        Ok(short)
    }

    /// What earlier starts of the borrower's proxy borrowed and did not spend is lent to nobody any more.
    pub async fn settle_earlier_starts(&self, borrower: &Borrower) -> Result<(), StoreError> {
        let mut tx = self.store().begin_append().await?;
        budgets::settle_earlier_starts(&mut tx, borrower).await?;
        tx.commit().await
    }

    /// Answers asks, each of another budget, in their order.
    pub async fn lend(&self, borrower: &Borrower, asks: &[Ask]) -> Result<Vec<Grant>, StoreError> {
        let now = self.now();
        let mut ordered: Vec<(usize, &Ask)> = asks.iter().enumerate().collect();
        ordered.sort_by_key(|(_, ask)| ask.budget);
        let mut tx = self.store().begin_append().await?;
        budgets::renew(&mut tx, borrower, later(now, LEASE_TTL)).await?;
        let live = i64::from(proxies::count_live(&mut tx, now.saturating_sub(SILENT_AFTER_US)).await?);
        let mut grants = Vec::with_capacity(asks.len());
        for (index, ask) in ordered {
            grants.push((index, answer(&mut tx, borrower, ask, now, live).await?));
        }
        tx.commit().await?;
        grants.sort_by_key(|(index, _)| *index);
        Ok(grants.into_iter().map(|(_, grant)| grant).collect())
    }

    /// Leases of proxies that were not heard of in time; how many proxies there were.
    pub async fn lapse_leases(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let mut tx = self.store().begin_append().await?;
        let lapsed = budgets::lapse(&mut tx, now).await?;
        budgets::forget(&mut tx, earlier(now, KEPT)).await?;
        tx.commit().await?;
        Ok(lapsed)
    }

    pub async fn access_key_budget(
        &self,
        caller: &Authorised<ReadConfiguration>,
        id: AccessKeyId,
    ) -> Result<BudgetStatus, AppError> {
        let budget = self.access_key(caller, id).await?.spec.budget;
        self.budget_status(id.into(), budget.ok_or(NO_BUDGET)?).await
    }

    pub async fn service_budget(
        &self,
        caller: &Authorised<ReadConfiguration>,
        id: ServiceId,
    ) -> Result<BudgetStatus, AppError> {
        let budget = self.service(caller, id).await?.spec.budget;
        self.budget_status(id.into(), budget.ok_or(NO_BUDGET)?).await
    }

    pub async fn user_budget(&self, caller: &Authorised<ReadUsers>, id: UserId) -> Result<BudgetStatus, AppError> {
        let budget = self.user(caller, id).await?.spec.budget;
        self.budget_status(id.into(), budget.ok_or(NO_BUDGET)?).await
    }

    async fn budget_status(&self, key: BudgetKey, budget: Budget) -> Result<BudgetStatus, AppError> {
        let period = budget.period.around(self.now());
        let standing = budgets::standing(&mut *self.store().reader().await?, &key, &period, None).await?;
        Ok(BudgetStatus::new(budget, period, &standing))
    }
}

async fn answer(
    connection: &mut AnyConnection,
    borrower: &Borrower,
    ask: &Ask,
    now: UnixMicros,
    live_proxies: i64,
) -> Result<Grant, StoreError> {
    budgets::lock(connection, &ask.budget).await?;
    let told = (!ask.period.is_empty()).then(|| borrower.lease_period(&ask.period));
    let Some(budget) = budget(connection, &ask.budget).await? else {
        let granted = take_totals(connection, borrower, ask, told.as_ref()).await?;
        let (state, period) = (GrantState::NoBudget, Range::default());
        return Ok(Grant { state, period, granted, settled: 0, returned: 0, elsewhere: 0, amount: 0, recall: false });
    };
    let period = budget.period.around(ask.at.clamp(earlier(now, CLOCK_SKEW), later(now, CLOCK_SKEW)));
    let current = borrower.lease_period(&period);
    let mut lease = budgets::open_lease(connection, &ask.budget, &current, borrower.boot_id).await?;
    let before = lease;
    let mut ask = ask.clone();
    let settled = if told.as_ref() == Some(&current) {
        lease.reconcile(&ask);
        0
    } else {
        take_totals(connection, borrower, &ask, told.as_ref()).await?;
        lease.begin(&mut ask)
    };
    if lease != before {
        budgets::put_lease(connection, &ask.budget, &current, borrower.boot_id, &lease).await?;
    }
    let standing = budgets::standing(connection, &ask.budget, &period, Some(borrower.boot_id)).await?;
    let (more, state) = grant(&budget, &standing, &lease, &ask, live_proxies);
    if more > 0 {
        lease.granted += more;
        budgets::put_lease(connection, &ask.budget, &current, borrower.boot_id, &lease).await?;
    }
    let elsewhere = elsewhere(&budget, &standing, &lease);
    let others_could_help = standing.lent_to_others > 0 && (1..=elsewhere).contains(&ask.least);
    let recall = state == GrantState::Spent
        && others_could_help
        && budgets::note_shortage(connection, &ask.budget, now, earlier(now, RECALL_EVERY)).await?;
    let (granted, returned, amount) = (lease.granted, lease.returned, budget.amount.micros());
    Ok(Grant { state, period, granted, settled, returned, elsewhere, amount, recall })
}

/// Totals of a lease from which nothing is lent any more; all that was granted of it.
async fn take_totals(
    connection: &mut AnyConnection,
    borrower: &Borrower,
    ask: &Ask,
    period: Option<&Range<UnixMicros>>,
) -> Result<i64, StoreError> {
    let Some(period) = period else { return Ok(0) };
    let Some(before) = budgets::lease(connection, &ask.budget, period, borrower.boot_id).await? else { return Ok(0) };
    let mut lease = before;
    lease.reconcile(ask);
    if lease != before {
        budgets::put_lease(connection, &ask.budget, period, borrower.boot_id, &lease).await?;
    }
    Ok(lease.granted)
}

async fn budget(connection: &mut AnyConnection, key: &BudgetKey) -> Result<Option<Budget>, StoreError> {
    Ok(match key.scope {
        BudgetScope::Service => {
            let service = services::by_id(connection, ServiceId::from_uuid(key.id)).await?;
            service.and_then(|service| service.spec.budget)
        }
        BudgetScope::User => {
            let user = users::by_id(connection, UserId::from_uuid(key.id)).await?;
            user.and_then(|user| user.spec.budget)
        }
        BudgetScope::AccessKey => {
            let key = access_keys::by_id(connection, AccessKeyId::from_uuid(key.id)).await?;
            key.filter(|key| key.status == AccessKeyStatus::Active).and_then(|key| key.spec.budget)
        }
    })
}

fn later(at: UnixMicros, by: Duration) -> UnixMicros {
    at.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

fn earlier(at: UnixMicros, by: Duration) -> UnixMicros {
    at.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}
