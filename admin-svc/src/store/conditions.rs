//! A `WHERE` clause of the conditions that a caller gave, and only those: a condition that is switched off by a
//! parameter (`$1 IS NULL OR …`) would keep both databases from using an index.
//!
//! The text consists of constants and parameter numbers; values are bound.

use sqlx::{Any, AssertSqlSafe, query::Query};

enum Value {
    Text(String),
    Integer(i64),
}

/// A statement that grows by conditions.
pub(super) struct Conditions {
    text: String,
    values: Vec<Value>,
    joined: &'static str,
}

impl Conditions {
    /// `head`: the statement up to the `WHERE`, without it.
    pub(super) fn new(head: impl Into<String>) -> Self {
        Self { text: head.into(), values: Vec::new(), joined: " WHERE " }
    }

    /// Adds a condition with one value, e.g. `status = ` or `(a = $ OR b = $)`: each `$` stands for the value, which
    /// comes last when there is none.
    pub(super) fn text(&mut self, condition: &'static str, value: impl Into<String>) {
        self.add(condition, Value::Text(value.into()));
    }

    pub(super) fn integer(&mut self, condition: &'static str, value: i64) {
        self.add(condition, Value::Integer(value));
    }

    /// Adds a condition with two values: the first `$` is the integer, the second the text.
    pub(super) fn integer_and_text(&mut self, condition: &'static str, integer: i64, text: impl Into<String>) {
        self.join();
        let mut parts = condition.splitn(3, '$');
        self.text.push_str(parts.next().unwrap_or_default());
        self.placeholder(Value::Integer(integer));
        self.text.push_str(parts.next().unwrap_or_default());
        self.placeholder(Value::Text(text.into()));
        self.text.push_str(parts.next().unwrap_or_default());
    }

    /// Adds what comes after the conditions.
    pub(super) fn end(&mut self, tail: &str) {
        self.text.push_str(tail);
    }

    /// Adds `LIMIT`.
    pub(super) fn limit(&mut self, rows: i64) {
        self.text.push_str(" LIMIT ");
        self.placeholder(Value::Integer(rows));
    }

    pub(super) fn into_query(self) -> Query<'static, Any, sqlx::any::AnyArguments> {
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Integer(integer) => query.bind(integer),
            };
        }
        query
    }

    fn add(&mut self, condition: &'static str, value: Value) {
        self.join();
        self.values.push(value);
        let number = self.values.len().to_string();
        let mut parts = condition.split('$');
        self.text.push_str(parts.next().unwrap_or_default());
        let mut placed = false;
        for part in parts {
            self.text.push('$');
            self.text.push_str(&number);
            self.text.push_str(part);
            placed = true;
        }
        if !placed {
            self.text.push('$');
            self.text.push_str(&number);
        }
    }

    fn placeholder(&mut self, value: Value) {
        self.values.push(value);
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
    }

    fn join(&mut self) {
        self.text.push_str(self.joined);
        self.joined = " AND ";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_numbered_in_their_order() {
        let mut conditions = Conditions::new("SELECT a FROM t");
        conditions.integer("a >= ", 1);
        conditions.text("(b = $ OR c = $)", "x");
        conditions.integer_and_text("(a, b) < ($, $)", 2, "y");
        conditions.end(" ORDER BY a");
        conditions.limit(10);
        assert_eq!(
            conditions.text,
            "SELECT a FROM t WHERE a >= $1 AND (b = $2 OR c = $2) AND (a, b) < ($3, $4) ORDER BY a LIMIT $5"
        );
        assert_eq!(conditions.values.len(), 5);
    }
}
