//! Reads a row's columns into domain types, and names table and column when a value is not readable.

use std::{fmt::Display, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, any::AnyRow};

use super::StoreError;
use crate::domain::{stamp::Stamp, timestamp::Timestamp};

/// One row of one table.
#[derive(Clone, Copy)]
pub struct Fields<'r> {
    table: &'static str,
    row: &'r AnyRow,
}

impl<'r> Fields<'r> {
    pub fn new(table: &'static str, row: &'r AnyRow) -> Self {
        Self { table, row }
    }

    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub fn integer(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    /// An integer that must fit a narrower type.
    pub fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        T::try_from(self.integer(column)?).map_err(|_| self.corrupt(column, &"out of range"))
    }

    /// A text that a domain type is parsed from.
    pub fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error: T::Err| self.corrupt(column, &error))
    }

    pub fn optional_parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.optional_text(column)?;
        text.map(|text| text.parse().map_err(|error: T::Err| self.corrupt(column, &error))).transpose()
    }

    /// A JSON document.
    pub fn document<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| self.corrupt(column, &error))
    }

    pub fn optional_document<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.optional_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.corrupt(column, &error))).transpose()
    }

    /// The columns that every resource has.
    pub fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp {
            created_at: Timestamp::from_micros(self.integer("created_at")?),
            updated_at: Timestamp::from_micros(self.integer("updated_at")?),
            version: self.integer("version")?,
        })
    }

    pub fn timestamp(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.integer(column).map(Timestamp::from_micros)
    }

    pub fn optional_timestamp(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_micros))
    }

    /// The error for a value that cannot be read.
    pub fn corrupt(&self, column: &str, message: &dyn Display) -> StoreError {
        StoreError::Corrupt { table: self.table, column: column.to_owned(), message: message.to_string() }
    }
}

/// A document as its column holds it.
pub(super) fn to_document<T: Serialize>(table: &'static str, column: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt {
        table,
        column: column.to_owned(),
        message: error.to_string(),
    })
}
