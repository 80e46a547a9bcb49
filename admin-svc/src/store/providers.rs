//! Providers.

use sqlx::any::AnyRow;
use tollgate_shared::ids::ProviderId;

use super::{AnyConnection, Fields, StoreError, fields::to_document};
use crate::domain::{
    page::{Page, PageRequest},
    provider::{Provider, ProviderKind, ProviderSpec},
};

const TABLE: &str = "providers";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, kind, base_url, timeouts, responses_api, models, created_at, updated_at, version \
             FROM providers ",
            $rest
        )
    };
}

pub async fn all(connection: &mut AnyConnection) -> Result<Vec<Provider>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

pub async fn page(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<Provider>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(request.after_id())
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |provider: &Provider| provider.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: ProviderId) -> Result<Option<Provider>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

pub async fn insert(connection: &mut AnyConnection, provider: &Provider) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO providers (id, name, kind, base_url, timeouts, responses_api, models, created_at, updated_at, \
         version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(provider.id.to_string())
    .bind(&provider.spec.name)
    .bind(provider.spec.kind.as_str())
    .bind(&provider.spec.base_url)
    .bind(to_document(TABLE, "timeouts", &provider.spec.timeouts)?)
    .bind(provider.spec.responses_api.map(i64::from))
    .bind(to_document(TABLE, "models", &provider.models)?)
    .bind(provider.stamp.created_at.micros())
    .bind(provider.stamp.updated_at.micros())
    .bind(provider.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, provider: &Provider) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE providers SET name = $2, kind = $3, base_url = $4, timeouts = $5, responses_api = $6, models = $7, \
         updated_at = $8, version = $9 WHERE id = $1",
    )
    .bind(provider.id.to_string())
    .bind(&provider.spec.name)
    .bind(provider.spec.kind.as_str())
    .bind(&provider.spec.base_url)
    .bind(to_document(TABLE, "timeouts", &provider.spec.timeouts)?)
    .bind(provider.spec.responses_api.map(i64::from))
    .bind(to_document(TABLE, "models", &provider.models)?)
    .bind(provider.stamp.updated_at.micros())
    .bind(provider.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: ProviderId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM providers WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<Provider, StoreError> {
    let fields = Fields::new(TABLE, row);
    let kind: ProviderKind = fields.parsed("kind")?;
    let responses_api = fields.optional_integer("responses_api")?.map(|stored| stored != 0);
    Ok(Provider {
        id: fields.parsed("id")?,
        spec: ProviderSpec {
            name: fields.text("name")?,
            kind,
            base_url: fields.text("base_url")?,
            timeouts: fields.document("timeouts")?,
            responses_api: Some(responses_api.unwrap_or(kind.offers_responses())),
        },
        models: fields.document("models")?,
        stamp: fields.stamp()?,
    })
}
