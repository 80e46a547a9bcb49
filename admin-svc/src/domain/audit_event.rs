//! Who changed what, when, from where: one record of the audit log.

use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_shared::ids::{AuditEventId, UserId};

use super::timestamp::Timestamp;

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEvent {
    /// Counts up without gaps.
    pub sequence: i64,
    pub id: AuditEventId,
    pub at: Timestamp,
    /// Absent: the system itself, or nobody who is known.
    pub actor_id: Option<UserId>,
    /// The actor's address, or `system`.
    pub actor: String,
    /// Such as `upstream_key.create`.
    pub action: String,
    pub target_kind: String,
    pub target_id: String,
    /// The target before the change, without secrets; kept as the text that the hash covers.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Box<RawValue>>,
    /// The target after the change, without secrets.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Box<RawValue>>,
    /// The IP address that the request came from.
    pub address: String,
    pub request_id: String,
    pub previous_hash: String,
    /// HMAC-SHA256 of this record and the previous hash.
    pub hash: String,
}
