//! Lists audit events, newest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::UserId;

use crate::{
    app::{App, caller::ReadAudit},
    domain::{audit_event::AuditEvent, page::Page, timestamp::Timestamp},
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
    store::audit_events::AuditFilter,
};

/// Which audit events a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// Such as `upstream_key.create`.
    #[serde(default)]
    action: Option<String>,
    /// Such as `upstream_key`.
    #[serde(default)]
    target_kind: Option<String>,
    #[serde(default)]
    target_id: Option<String>,
    /// Only what this user did.
    #[serde(default)]
    actor_id: Option<UserId>,
    /// From this time on.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    to: Option<Timestamp>,
}

impl Filter for ListFilter {
    fn is_cursor(text: &str) -> bool {
        text.parse::<i64>().is_ok()
    }
}

impl From<ListFilter> for AuditFilter {
    fn from(filter: ListFilter) -> Self {
        let ListFilter { action, target_kind, target_id, actor_id, from, to } = filter;
        // No stored text has a NUL, and PostgreSQL takes none.
        let text = |value: Option<String>| value.map(|text| text.replace('\0', "\u{fffd}"));
        Self {
            action: text(action),
            target_kind: text(target_kind),
            target_id: text(target_id),
            actor_id: actor_id.map(|id| id.to_string()),
            from: from.map(Timestamp::micros),
            to: to.map(Timestamp::micros),
        }
    }
}

/// Lists audit events, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit-events",
    tag = "audit events",
    params(PageParams, ListFilter),
    responses((status = 200, body = Page<AuditEvent>))
)]
pub(super) async fn list_audit_events(
    State(app): State<App>,
    Signed(caller): Signed<ReadAudit>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<AuditEvent>>, Problem> {
    Ok(Json(app.audit_events(&caller, &query.page, &query.filter.into()).await?))
}
