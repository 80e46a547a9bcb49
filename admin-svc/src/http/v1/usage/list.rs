//! Lists usage events, newest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::{AccessKeyId, ProviderId, ServiceId, UpstreamKeyId, UserId};

use super::{
    event_body::UsageEventBody,
    parameters::{number, storable},
};
use crate::{
    app::{App, caller::ReadUsage},
    domain::{
        page::Page,
        timestamp::Timestamp,
        usage::{EventFilter, EventPosition, Outcome},
    },
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
};

/// Which usage events a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// From this time on.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    to: Option<Timestamp>,
    #[serde(default)]
    service_id: Option<ServiceId>,
    #[serde(default)]
    access_key_id: Option<AccessKeyId>,
    #[serde(default)]
    user_id: Option<UserId>,
    /// Asked for or served.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    provider_id: Option<ProviderId>,
    #[serde(default)]
    upstream_key_id: Option<UpstreamKeyId>,
    /// HTTP status that the client got.
    #[serde(default, deserialize_with = "number")]
    #[param(value_type = Option<u16>)]
    status: Option<u16>,
    #[serde(default)]
    outcome: Option<Outcome>,
}

impl Filter for ListFilter {
    fn is_cursor(text: &str) -> bool {
        text.parse::<EventPosition>().is_ok()
    }
}

impl From<ListFilter> for EventFilter {
    fn from(filter: ListFilter) -> Self {
        let ListFilter {
            from,
            to,
            service_id,
            access_key_id,
            user_id,
            model,
            provider_id,
            upstream_key_id,
            status,
            outcome,
        } = filter;
        Self {
            from: from.map(Timestamp::micros),
            to: to.map(Timestamp::micros),
            service_id,
            access_key_id,
            user_id,
            model: model.map(storable),
            provider_id,
            upstream_key_id,
            status,
            outcome,
        }
    }
}

/// Lists usage events, newest first. A member gets their own.
#[utoipa::path(
    get,
    path = "/api/v1/usage/events",
    tag = "usage",
    params(PageParams, ListFilter),
    responses((status = 200, body = Page<UsageEventBody>))
)]
pub(super) async fn list_usage_events(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsage>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<UsageEventBody>>, Problem> {
    let Page { items, next } = app.usage_events(&caller, &query.page, query.filter.into()).await?;
    Ok(Json(Page { items: items.into_iter().map(UsageEventBody::from).collect(), next }))
}
