//! Many rows in one statement: `INSERT INTO … VALUES ($1, $2), ($3, $4) …`.
//!
//! The text is put together from constants and numbers of parameters, never from values. There are only as many
//! different texts as [`SIZES`], so that each is prepared once a connection.
//!
//! The one thing that differs between the databases is how a parameter is written. `SQLite` takes `$1` for a name and
//! searches its list of names for each parameter of each execution: with thousands of them that is all it does. So it
//! gets `?` here, which means the same as long as parameters come in their order.

use std::sync::{Arc, OnceLock};

use sqlx::{AnyConnection, AssertSqlSafe};

/// Rows a statement, largest first. Bounded by `SQLite`'s 32,766 parameters: see [`BulkInsert::new`].
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
const MOST_PARAMETERS: usize = 32_766;

/// An `INSERT` of any number of rows.
pub(super) struct BulkInsert {
    /// Up to and with `VALUES`.
    head: &'static str,
    columns: usize,
    /// After the rows.
    tail: &'static str,
    numbered: Texts,
    unnumbered: Texts,
}

/// One for each of [`SIZES`].
type Texts = [OnceLock<Arc<str>>; SIZES.len()];

impl BulkInsert {
    pub(super) fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        assert!(columns * SIZES[0] <= MOST_PARAMETERS, "too many columns for the largest statement");
        Self { head, columns, tail, numbered: Texts::default(), unnumbered: Texts::default() }
    }

    /// Cuts rows into groups and gives each the statement that takes it on this connection.
    pub(super) fn statements<'r, T>(
        &self,
        connection: &AnyConnection,
        rows: &'r [T],
    ) -> Vec<(AssertSqlSafe<Arc<str>>, &'r [T])> {
        self.statements_with(connection.backend_name() != "SQLite", rows)
    }

    fn statements_with<'r, T>(&self, numbered: bool, mut rows: &'r [T]) -> Vec<(AssertSqlSafe<Arc<str>>, &'r [T])> {
        let mut statements = Vec::new();
        let texts = if numbered { &self.numbered } else { &self.unnumbered };
        for (size, text) in SIZES.into_iter().zip(texts) {
            while rows.len() >= size {
                let (group, rest) = rows.split_at(size);
                let text = text.get_or_init(|| self.text(size, numbered));
                statements.push((AssertSqlSafe(Arc::clone(text)), group));
                rows = rest;
            }
        }
        statements
    }

    fn text(&self, rows: usize, numbered: bool) -> Arc<str> {
        let mut text = String::from(self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { ", (" });
            for column in 0..self.columns {
                text.push_str(if column == 0 { "" } else { ", " });
                if numbered {
                    text.push('$');
                    text.push_str(&(row * self.columns + column + 1).to_string());
                } else {
                    text.push('?');
                }
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_exactly_one_statement() {
        let insert = BulkInsert::new("INSERT INTO t (a, b) VALUES", 2, "ON CONFLICT DO NOTHING");
        let rows: Vec<usize> = (0..602).collect();
        let statements = insert.statements_with(true, &rows);
        let seen: Vec<usize> = statements.iter().flat_map(|(_, group)| group.iter().copied()).collect();
        assert_eq!(seen, rows);
        assert_eq!(statements.iter().map(|(_, group)| group.len()).collect::<Vec<_>>(), [256, 256, 64, 16, 4, 4, 1, 1]);
        assert_eq!(&*statements[6].0.0, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(statements[5].0.0.contains("($7, $8)"));
        assert!(insert.statements_with::<usize>(true, &[]).is_empty());
        let unnumbered = insert.statements_with(false, &rows);
        assert!(unnumbered[5].0.0.starts_with("INSERT INTO t (a, b) VALUES (?, ?), (?, ?)"));
        assert!(!unnumbered[5].0.0.contains('$'));
    }
}
