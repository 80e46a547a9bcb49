//! Services. What no statement asks for by itself is one document (`definition`).

use sqlx::any::AnyRow;
use tollgate_shared::ids::ServiceId;

use super::{AnyConnection, Fields, StoreError, fields::to_document};
use crate::domain::{
    page::{Page, PageRequest},
    service::{Service, ServiceDefinition, ServiceSpec},
};

const TABLE: &str = "services";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, slug, status, strategy, definition, created_at, updated_at, version FROM services ",
            $rest
        )
    };
}

pub async fn all(connection: &mut AnyConnection) -> Result<Vec<Service>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

pub async fn page(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<Service>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(request.after_id())
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |service: &Service| service.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: ServiceId) -> Result<Option<Service>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

pub async fn insert(connection: &mut AnyConnection, service: &Service) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO services (id, name, slug, status, strategy, definition, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(service.id.to_string())
    .bind(&service.spec.name)
    .bind(&service.spec.slug)
    .bind(service.spec.status.as_str())
    .bind(service.spec.strategy.as_str())
    .bind(to_document(TABLE, "definition", &ServiceDefinition::from(&service.spec))?)
    .bind(service.stamp.created_at.micros())
    .bind(service.stamp.updated_at.micros())
    .bind(service.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, service: &Service) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE services SET name = $2, slug = $3, status = $4, strategy = $5, definition = $6, updated_at = $7, \
         version = $8 WHERE id = $1",
    )
    .bind(service.id.to_string())
    .bind(&service.spec.name)
    .bind(&service.spec.slug)
    .bind(service.spec.status.as_str())
    .bind(service.spec.strategy.as_str())
    .bind(to_document(TABLE, "definition", &ServiceDefinition::from(&service.spec))?)
    .bind(service.stamp.updated_at.micros())
    .bind(service.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: ServiceId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM services WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<Service, StoreError> {
    let fields = Fields::new(TABLE, row);
    let ServiceDefinition {
        routes,
        retry,
        timeouts,
        limits,
        limits_mode,
        budget,
        security,
        hidden_headers,
        affinity,
        response_cache,
    } = fields.document("definition")?;
    Ok(Service {
        id: fields.parsed("id")?,
        spec: ServiceSpec {
            name: fields.text("name")?,
            slug: fields.text("slug")?,
            status: fields.parsed("status")?,
            strategy: fields.parsed("strategy")?,
            routes,
            retry,
            timeouts,
            limits,
            limits_mode,
            budget,
            security,
            hidden_headers,
            affinity,
            response_cache,
        },
        stamp: fields.stamp()?,
    })
}
