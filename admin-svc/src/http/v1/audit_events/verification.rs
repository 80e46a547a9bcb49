//! Whether the audit log is as it was written.

use axum::{Json, extract::State};

use crate::{
    app::{App, AuditVerification, caller::ReadAudit},
    http::{extract::Signed, problem::Problem},
};

/// Walks the audit log's chain of hashes.
#[utoipa::path(
    get,
    path = "/api/v1/audit-events/verification",
    tag = "audit events",
    responses((status = 200, body = AuditVerification))
)]
pub(super) async fn verify_audit_events(
    State(app): State<App>,
    Signed(_): Signed<ReadAudit>,
) -> Result<Json<AuditVerification>, Problem> {
    Ok(Json(app.verify_audit_chain().await?))
}
