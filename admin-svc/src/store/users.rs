//! Users.

use sqlx::{Row, any::AnyRow};
use tollgate_shared::{clock::UnixMicros, ids::UserId, limits::Limits};

use super::{AnyConnection, Fields, StoreError, fields::to_document};
use crate::domain::{
    page::{Page, PageRequest},
    timestamp::Timestamp,
    user::{User, UserSpec},
};

const TABLE: &str = "users";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, email, name, role, status, password_hash, limits, budget, created_at, updated_at, version, \
             last_login_at FROM users ",
            $rest
        )
    };
}

/// Those that proxies need to know of.
pub async fn published(connection: &mut AnyConnection) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query(select!("WHERE limits IS NOT NULL OR budget IS NOT NULL OR status <> 'active' ORDER BY id"))
        .fetch_all(connection)
        .await?;
    rows.iter().map(from_row).collect()
}

pub async fn page(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<User>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(request.after_id())
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |user: &User| user.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: UserId) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// `email` in lower case.
pub async fn by_email(connection: &mut AnyConnection, email: &str) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(select!("WHERE email = $1")).bind(email).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// How many administrators there are, whatever their status.
pub async fn count_administrators(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM users WHERE role = 'admin'").fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// Whether an active administrator other than this one exists.
pub async fn another_administrator(connection: &mut AnyConnection, id: UserId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM users WHERE role = 'admin' AND status = 'active' AND id <> $1")
        .bind(id.to_string())
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

pub async fn insert(connection: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, email, name, role, status, password_hash, created_at, updated_at, version, \
         last_login_at, limits, budget) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(user.id.to_string())
    .bind(&user.spec.email)
    .bind(&user.spec.name)
    .bind(user.spec.role.as_str())
    .bind(user.spec.status.as_str())
    .bind(&user.password_hash)
    .bind(user.stamp.created_at.micros())
    .bind(user.stamp.updated_at.micros())
    .bind(user.stamp.version)
    .bind(user.last_login_at.map(Timestamp::micros))
    .bind(limits_document(user)?)
    .bind(budget_document(user)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE users SET email = $2, name = $3, role = $4, status = $5, password_hash = $6, updated_at = $7, \
         version = $8, limits = $9, budget = $10 WHERE id = $1",
    )
    .bind(user.id.to_string())
    .bind(&user.spec.email)
    .bind(&user.spec.name)
    .bind(user.spec.role.as_str())
    .bind(user.spec.status.as_str())
    .bind(&user.password_hash)
    .bind(user.stamp.updated_at.micros())
    .bind(user.stamp.version)
    .bind(limits_document(user)?)
    .bind(budget_document(user)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Not a change of the user: version and `updated_at` stay.
pub async fn record_login(connection: &mut AnyConnection, id: UserId, now: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET last_login_at = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: UserId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM users WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

/// Absent where there are none, so that [`published`] finds the others.
fn limits_document(user: &User) -> Result<Option<String>, StoreError> {
    let limits = &user.spec.limits;
    (*limits != Limits::default()).then(|| to_document(TABLE, "limits", limits)).transpose()
}

fn budget_document(user: &User) -> Result<Option<String>, StoreError> {
    user.spec.budget.as_ref().map(|budget| to_document(TABLE, "budget", budget)).transpose()
}

fn from_row(row: &AnyRow) -> Result<User, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(User {
        id: fields.parsed("id")?,
        spec: UserSpec {
            email: fields.text("email")?,
            name: fields.text("name")?,
            role: fields.parsed("role")?,
            status: fields.parsed("status")?,
            limits: fields.optional_document("limits")?.unwrap_or_default(),
            budget: fields.optional_document("budget")?,
        },
        last_login_at: fields.optional_timestamp("last_login_at")?,
        stamp: fields.stamp()?,
        password_hash: fields.text("password_hash")?,
    })
}
