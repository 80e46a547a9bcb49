//! The audit log: every change writes its record in its own transaction, and each record is chained to the one before.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tollgate_shared::ids::AuditEventId;

use super::{App, AppError, Authorised, Source, caller::ReadAudit};
use crate::{
    crypto::chain::{AuditChain, START},
    domain::{
        audit_event::AuditEvent,
        change::ResourceKind,
        page::{Page, PageRequest},
        timestamp::Timestamp,
    },
    store::{
        WriteTx,
        audit_events::{self, AuditFilter},
    },
};

const VERIFIED_AT_A_TIME: i64 = 1_000;

/// What happened to what. `before` and `after` are the target as the API shows it, so they hold no secrets.
#[derive(Debug)]
pub(super) struct Record {
    action: String,
    target_kind: &'static str,
    target_id: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
}

impl Record {
    pub(super) fn new(action: impl Into<String>, target_kind: &'static str, target_id: &impl ToString) -> Self {
        Self { action: action.into(), target_kind, target_id: target_id.to_string(), before: None, after: None }
    }

    pub(super) fn before<T: Serialize>(mut self, state: &T) -> Result<Self, AppError> {
        self.before = Some(to_raw_value(state)?);
        Ok(self)
    }

    pub(super) fn after<T: Serialize>(mut self, state: &T) -> Result<Self, AppError> {
        self.after = Some(to_raw_value(state)?);
        Ok(self)
    }
}

/// A resource's states around a change; neither both absent nor a change of nothing.
#[derive(Debug)]
pub(super) enum Change<'a, T> {
    Create(&'a T),
    Update(&'a T, &'a T),
    Delete(&'a T),
}

/// Whether the chain holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AuditVerification {
    /// How many events hold, from the first on.
    pub verified: i64,
    /// The first event that was changed, or whose predecessor was removed; absent when all hold.
    pub broken_at: Option<i64>,
}

impl App {
    /// Appends a record to the chain. The transaction must be a serial one.
    pub(super) async fn audit(&self, tx: &mut WriteTx, source: &Source, record: Record) -> Result<(), AppError> {
        let last = audit_events::last(tx).await?;
        let (sequence, previous_hash) = last.map_or((1, START.to_owned()), |last| (last.sequence + 1, last.hash));
        let mut event = AuditEvent {
            sequence,
            id: AuditEventId::generate(),
            at: Timestamp::from_micros(self.now()),
            actor_id: source.actor_id,
            actor: source.actor.clone(),
            action: record.action,
            target_kind: record.target_kind.to_owned(),
            target_id: record.target_id,
            before: record.before,
            after: record.after,
            address: source.address.clone(),
            request_id: source.request_id.clone(),
            previous_hash,
            hash: String::new(),
        };
        event.hash = hash_of(&self.0.audit_chain, &event);
        Ok(audit_events::insert(tx, &event).await?)
    }

    /// Notes a configuration change for the proxies and for the audit log.
    pub(super) async fn record<T: Serialize>(
        &self,
        tx: &mut WriteTx,
        source: &Source,
        kind: ResourceKind,
        id: &impl ToString,
        change: Change<'_, T>,
    ) -> Result<(), AppError> {
        let id = id.to_string();
        let named = |verb: &str| Record::new(format!("{kind}.{verb}"), kind.as_str(), &id);
        let (record, deleted) = match change {
            Change::Create(after) => (named("create").after(after)?, false),
            Change::Update(before, after) => (named("update").before(before)?.after(after)?, false),
            Change::Delete(before) => (named("delete").before(before)?, true),
        };
        tx.record_change(kind, &id, deleted).await?;
        self.audit(tx, source, record).await
    }

    /// Newest first.
    pub async fn audit_events(
        &self,
        _caller: &Authorised<ReadAudit>,
        request: &PageRequest,
        filter: &AuditFilter,
    ) -> Result<Page<AuditEvent>, AppError> {
        Ok(audit_events::page(&mut *self.store().reader().await?, request, filter).await?)
    }

    /// Walks the whole chain.
    pub async fn verify_audit_chain(&self) -> Result<AuditVerification, AppError> {
        let mut reader = self.store().begin_read().await?;
        let (mut sequence, mut hash) = (0, START.to_owned());
        loop {
            let events = audit_events::following(&mut reader, sequence, VERIFIED_AT_A_TIME).await?;
            if events.is_empty() {
                return Ok(AuditVerification { verified: sequence, broken_at: None });
            }
            for event in events {
                let follows = event.sequence == sequence + 1 && event.previous_hash == hash;
                if !follows || event.hash != hash_of(&self.0.audit_chain, &event) {
                    return Ok(AuditVerification { verified: sequence, broken_at: Some(event.sequence) });
                }
                (sequence, hash) = (event.sequence, event.hash);
            }
        }
    }
}

fn hash_of(chain: &AuditChain, event: &AuditEvent) -> String {
    let AuditEvent {
        sequence,
        id,
        at,
        actor_id,
        actor,
        action,
        target_kind,
        target_id,
        before,
        after,
        address,
        request_id,
        previous_hash,
        hash: _,
    } = event;
    let (sequence, id, at) = (sequence.to_string(), id.to_string(), at.micros().to_string());
    let actor_id = actor_id.map(|id| id.to_string());
    let (before, after) = (before.as_deref().map(RawValue::get), after.as_deref().map(RawValue::get));
    let fields = [
        Some(sequence.as_str()),
        Some(&id),
        Some(&at),
        actor_id.as_deref(),
        Some(actor),
        Some(action),
        Some(target_kind),
        Some(target_id),
        before,
        after,
        Some(address),
        Some(request_id),
    ];
    chain.hash(previous_hash, &fields)
}
