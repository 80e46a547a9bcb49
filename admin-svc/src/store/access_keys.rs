//! Access keys. Only MACs of their secrets come here.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sqlx::any::AnyRow;
use tollgate_shared::{
    access_key::AccessKeyMac,
    ids::{AccessKeyId, ServiceId, UserId},
};

use super::{AnyConnection, Fields, StoreError, fields::to_document};
use crate::domain::{
    access_key::{AccessKey, AccessKeyDefinition, AccessKeySpec, AccessKeyStatus, PreviousSecret},
    page::{Page, PageRequest},
    timestamp::Timestamp,
};

const TABLE: &str = "access_keys";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, service_id, user_id, name, prefix, mac, previous_mac, previous_until, status, definition, \
             expires_at, created_at, updated_at, version FROM access_keys ",
            $rest
        )
    };
}

/// Which access keys a list has; absent = all.
#[derive(Clone, Debug, Default)]
pub struct AccessKeyFilter {
    pub service_id: Option<ServiceId>,
    pub user_id: Option<UserId>,
    pub status: Option<AccessKeyStatus>,
}

/// Revoked ones too: whoever sends them to proxies leaves those out.
pub async fn all(connection: &mut AnyConnection) -> Result<Vec<AccessKey>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

pub async fn page(
    connection: &mut AnyConnection,
    request: &PageRequest,
    filter: &AccessKeyFilter,
) -> Result<Page<AccessKey>, StoreError> {
    let rows = sqlx::query(select!(
        "WHERE id > $1 AND ($2 IS NULL OR service_id = $2) AND ($3 IS NULL OR user_id = $3) \
         AND ($4 IS NULL OR status = $4) ORDER BY id LIMIT $5"
    ))
    .bind(request.after_id())
    .bind(filter.service_id.map(|id| id.to_string()))
    .bind(filter.user_id.map(|id| id.to_string()))
    .bind(filter.status.map(AccessKeyStatus::as_str))
    .bind(request.rows())
    .fetch_all(connection)
    .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |key: &AccessKey| key.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: AccessKeyId) -> Result<Option<AccessKey>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// The keys of a service or of a user that are not revoked, by name.
pub async fn active_names(connection: &mut AnyConnection, filter: &AccessKeyFilter) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT name FROM access_keys WHERE status = 'active' AND ($1 IS NULL OR service_id = $1) \
         AND ($2 IS NULL OR user_id = $2) ORDER BY name",
    )
    .bind(filter.service_id.map(|id| id.to_string()))
    .bind(filter.user_id.map(|id| id.to_string()))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Fields::new(TABLE, row).text("name")).collect()
}

pub async fn insert(connection: &mut AnyConnection, key: &AccessKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO access_keys (id, service_id, user_id, name, prefix, mac, previous_mac, previous_until, status, \
         definition, expires_at, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(key.id.to_string())
    .bind(key.service_id.to_string())
    .bind(key.user_id.to_string())
    .bind(&key.spec.name)
    .bind(&key.prefix)
    .bind(BASE64.encode(key.mac))
    .bind(key.previous.map(|previous| BASE64.encode(previous.mac)))
    .bind(key.previous.map(|previous| previous.until.micros()))
    .bind(key.status.as_str())
    .bind(to_document(TABLE, "definition", &AccessKeyDefinition::from(&key.spec))?)
    .bind(key.spec.expires_at.map(Timestamp::micros))
    .bind(key.stamp.created_at.micros())
    .bind(key.stamp.updated_at.micros())
    .bind(key.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, key: &AccessKey) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE access_keys SET name = $2, prefix = $3, mac = $4, previous_mac = $5, previous_until = $6, status = $7, \
         definition = $8, expires_at = $9, updated_at = $10, version = $11 WHERE id = $1",
    )
    .bind(key.id.to_string())
    .bind(&key.spec.name)
    .bind(&key.prefix)
    .bind(BASE64.encode(key.mac))
    .bind(key.previous.map(|previous| BASE64.encode(previous.mac)))
    .bind(key.previous.map(|previous| previous.until.micros()))
    .bind(key.status.as_str())
    .bind(to_document(TABLE, "definition", &AccessKeyDefinition::from(&key.spec))?)
    .bind(key.spec.expires_at.map(Timestamp::micros))
    .bind(key.stamp.updated_at.micros())
    .bind(key.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets revoked keys that would keep their service or owner from being deleted.
pub async fn delete_revoked(connection: &mut AnyConnection, filter: &AccessKeyFilter) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM access_keys WHERE status = 'revoked' AND ($1 IS NULL OR service_id = $1) \
         AND ($2 IS NULL OR user_id = $2)",
    )
    .bind(filter.service_id.map(|id| id.to_string()))
    .bind(filter.user_id.map(|id| id.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<AccessKey, StoreError> {
    let fields = Fields::new(TABLE, row);
    let AccessKeyDefinition { limits, budget, models, ip_allow } = fields.document("definition")?;
    let previous = match fields.optional_text("previous_mac")?.zip(fields.optional_timestamp("previous_until")?) {
        Some((mac, until)) => Some(PreviousSecret { mac: decode_mac(&fields, "previous_mac", &mac)?, until }),
        None => None,
    };
    Ok(AccessKey {
        id: fields.parsed("id")?,
        service_id: fields.parsed("service_id")?,
        user_id: fields.parsed("user_id")?,
        spec: AccessKeySpec {
            name: fields.text("name")?,
            expires_at: fields.optional_timestamp("expires_at")?,
            limits,
            budget,
            models,
            ip_allow,
        },
        prefix: fields.text("prefix")?,
        status: fields.parsed("status")?,
        stamp: fields.stamp()?,
        mac: decode_mac(&fields, "mac", &fields.text("mac")?)?,
        previous,
    })
}

fn decode_mac(fields: &Fields<'_>, column: &str, text: &str) -> Result<AccessKeyMac, StoreError> {
    let bytes = BASE64.decode(text).map_err(|error| fields.corrupt(column, &error))?;
    bytes.as_slice().try_into().map_err(|_| fields.corrupt(column, &"not 32 bytes"))
}
