//! What can go wrong in the database, in terms that `app` decides upon.

use sqlx::error::{DatabaseError, ErrorKind};

/// A failure of the database. Violated constraints are told apart because they are the caller's doing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another record has the same value. Columns of a compound constraint are joined with `_`.
    #[error("another record has the same {field}")]
    Duplicate { field: String },
    /// A record is still referenced, or refers to one that is not there.
    #[error("the record is referenced or refers to one that is missing")]
    Reference,
    /// What a column holds is not what this software writes there.
    #[error("{table}.{column} holds an unreadable value: {message}")]
    Corrupt { table: &'static str, column: String, message: String },
    #[error("the database's URL must be `sqlite://path` or `postgres://…`")]
    Url,
    #[error("the database's folder cannot be made: {0}")]
    Folder(std::io::Error),
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database does not answer, or all connections are taken for too long.
    #[error("database not available: {0}")]
    Unavailable(sqlx::Error),
    #[error("database: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) {
            return Self::Unavailable(error);
        }
        let Some(violation) = error.as_database_error() else { return Self::Database(error) };
        match violation.kind() {
            ErrorKind::UniqueViolation => Self::Duplicate { field: violated_columns(violation) },
            ErrorKind::ForeignKeyViolation => Self::Reference,
            _ => Self::Database(error),
        }
    }
}

/// `SQLite` names the columns (`UNIQUE constraint failed: t.a, t.b`), `PostgreSQL` the constraint (`t_a_b_key`).
fn violated_columns(error: &dyn DatabaseError) -> String {
    if let (Some(constraint), Some(table)) = (error.constraint(), error.table()) {
        let name = constraint.strip_prefix(table).unwrap_or(constraint);
        return name.trim_start_matches('_').trim_end_matches("_key").trim_end_matches("_pkey").to_owned();
    }
    let columns = error.message().rsplit(": ").next().unwrap_or_default();
    let names: Vec<&str> = columns.split(", ").filter_map(|column| column.rsplit('.').next()).collect();
    names.join("_")
}
