//! Prices.

use sqlx::any::AnyRow;
use tollgate_shared::{
    ids::{PriceId, ProviderId},
    money::Money,
};

use super::{AnyConnection, Fields, StoreError};
use crate::domain::{
    page::{Page, PageRequest},
    price::{Price, PriceSpec},
};

const TABLE: &str = "prices";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, provider_id, model, currency, input, output, cache_read, cache_write_5m, cache_write_1h, \
             input_audio, output_audio, input_image, created_at, updated_at, version FROM prices ",
            $rest
        )
    };
}

pub async fn all(connection: &mut AnyConnection) -> Result<Vec<Price>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

pub async fn page(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<Price>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(request.after_id())
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |price: &Price| price.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: PriceId) -> Result<Option<Price>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// The models that a provider has prices of its own for.
pub async fn models_of_provider(connection: &mut AnyConnection, id: ProviderId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT model FROM prices WHERE provider_id = $1 ORDER BY model")
        .bind(id.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Fields::new(TABLE, row).text("model")).collect()
}

/// Fixes the currency of all sums, unless that was done already; the one that they are in.
pub async fn accounting_currency(connection: &mut AnyConnection, currency: &str) -> Result<String, StoreError> {
    sqlx::query("INSERT INTO accounting (id, currency) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
        .bind(currency.to_owned())
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT currency FROM accounting WHERE id = 1").fetch_one(connection).await?;
    Fields::new("accounting", &row).text("currency")
}

/// The currency of all sums, once it is fixed.
pub async fn fixed_currency(connection: &mut AnyConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT currency FROM accounting WHERE id = 1").fetch_optional(connection).await?;
    row.map(|row| Fields::new("accounting", &row).text("currency")).transpose()
}

pub async fn insert(connection: &mut AnyConnection, price: &Price) -> Result<(), StoreError> {
    let Price { id, spec, stamp } = price;
    sqlx::query(
        "INSERT INTO prices (provider_id, scope, model, currency, input, output, cache_read, cache_write_5m, \
         cache_write_1h, input_audio, output_audio, input_image, updated_at, version, created_at, id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(spec.provider_id.map(|id| id.to_string()))
    .bind(scope(spec))
    .bind(&spec.model)
    .bind(spec.currency.clone().unwrap_or_default())
    .bind(spec.input.micros())
    .bind(spec.output.micros())
    .bind(spec.cache_read.map(Money::micros))
    .bind(spec.cache_write_5m.map(Money::micros))
    .bind(spec.cache_write_1h.map(Money::micros))
    .bind(spec.input_audio.map(Money::micros))
    .bind(spec.output_audio.map(Money::micros))
    .bind(spec.input_image.map(Money::micros))
    .bind(stamp.updated_at.micros())
    .bind(stamp.version)
    .bind(stamp.created_at.micros())
    .bind(id.to_string())
    .execute(connection)
    .await
    .map_err(named)?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, price: &Price) -> Result<(), StoreError> {
    let Price { id, spec, stamp } = price;
    sqlx::query(
        "UPDATE prices SET provider_id = $1, scope = $2, model = $3, currency = $4, input = $5, output = $6, \
         cache_read = $7, cache_write_5m = $8, cache_write_1h = $9, input_audio = $10, output_audio = $11, \
         input_image = $12, updated_at = $13, version = $14 WHERE id = $15",
    )
    .bind(spec.provider_id.map(|id| id.to_string()))
    .bind(scope(spec))
    .bind(&spec.model)
    .bind(spec.currency.clone().unwrap_or_default())
    .bind(spec.input.micros())
    .bind(spec.output.micros())
    .bind(spec.cache_read.map(Money::micros))
    .bind(spec.cache_write_5m.map(Money::micros))
    .bind(spec.cache_write_1h.map(Money::micros))
    .bind(spec.input_audio.map(Money::micros))
    .bind(spec.output_audio.map(Money::micros))
    .bind(spec.input_image.map(Money::micros))
    .bind(stamp.updated_at.micros())
    .bind(stamp.version)
    .bind(id.to_string())
    .execute(connection)
    .await
    .map_err(named)?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: PriceId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM prices WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

/// What is the same twice is the model, at one provider or at any.
fn named(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        StoreError::Duplicate { field } if field != "id" => StoreError::Duplicate { field: "model".to_owned() },
        other => other,
    }
}

fn scope(spec: &PriceSpec) -> String {
    spec.provider_id.map(|id| id.to_string()).unwrap_or_default()
}

fn from_row(row: &AnyRow) -> Result<Price, StoreError> {
    let fields = Fields::new(TABLE, row);
    let optional = |column| Ok::<_, StoreError>(fields.optional_integer(column)?.map(Money::from_micros));
    let provider_id = match fields.optional_text("provider_id")? {
        Some(_) => Some(fields.parsed("provider_id")?),
        None => None,
    };
    Ok(Price {
        id: fields.parsed("id")?,
        spec: PriceSpec {
            provider_id,
            model: fields.text("model")?,
            currency: Some(fields.text("currency")?),
            input: Money::from_micros(fields.integer("input")?),
            output: Money::from_micros(fields.integer("output")?),
            cache_read: optional("cache_read")?,
            cache_write_5m: optional("cache_write_5m")?,
            cache_write_1h: optional("cache_write_1h")?,
            input_audio: optional("input_audio")?,
            output_audio: optional("output_audio")?,
            input_image: optional("input_image")?,
        },
        stamp: fields.stamp()?,
    })
}
