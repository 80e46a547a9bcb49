//! Keyset paging: a page starts after the last item of the one before, so that inserts and deletes shift nothing.

use serde::Serialize;

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// The cursor of the last item that the caller has; absent = from the start.
    pub after: Option<String>,
    /// 1 to 200.
    pub limit: usize,
}

impl PageRequest {
    /// How many rows to ask for: one more than wanted tells whether there is a next page.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX - 1) + 1
    }

    /// The cursor, for a comparison with an id; every id comes after the empty text.
    pub fn after_id(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// A page of a list. `next` is the `after` of the next page; absent on the last.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From rows that were fetched with [`PageRequest::rows`].
    pub fn new(mut items: Vec<T>, request: &PageRequest, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > request.limit;
        items.truncate(request.limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}
