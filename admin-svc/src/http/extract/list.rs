//! The query of a list: `limit`, `after`, and the list's own filters. An unknown parameter is refused, because a
//! filter that is silently ignored shows too much.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use url::form_urlencoded;
use uuid::Uuid;

use crate::{
    app::App,
    domain::{page::PageRequest, patch::from_parameters, validation::Invalid},
    http::problem::Problem,
};

const DEFAULT_LIMIT: usize = 50;
const HIGHEST_LIMIT: usize = 200;

/// For the documentation: what every list takes.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct PageParams {
    /// Items a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// A list's own filters; fields are read from texts.
pub trait Filter: DeserializeOwned + Send {
    /// Whether a text can be this list's cursor.
    fn is_cursor(text: &str) -> bool {
        Uuid::parse_str(text).is_ok()
    }
}

/// For lists without filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

impl Filter for NoFilter {}

/// Which page of a list, and of what.
#[derive(Debug)]
pub struct ListQuery<F> {
    pub page: PageRequest,
    pub filter: F,
}

/// Query parameters of something that is no list.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<F: Filter> FromRequestParts<App> for ListQuery<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map_err(Problem::bad_query)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let parameters = parameters_of(parts.uri.query().unwrap_or_default()).map_err(Problem::bad_query)?;
        from_parameters(parameters).map(Self).map_err(Problem::bad_query)
    }
}

fn parameters_of(query: &str) -> Result<Map<String, Value>, Invalid> {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if parameters.insert(name.to_string(), Value::String(value.into_owned())).is_some() {
            return Err(Invalid::field(name, "must not be repeated"));
        }
    }
    Ok(parameters)
}

fn parse<F: Filter>(query: &str) -> Result<ListQuery<F>, Invalid> {
    let mut parameters = parameters_of(query)?;
    let limit = match parameters.remove("limit").as_ref().and_then(Value::as_str) {
        None => DEFAULT_LIMIT,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=HIGHEST_LIMIT).contains(limit));
            limit.ok_or_else(|| Invalid::field("limit", "must be 1 to 200"))?
        }
    };
    let after = parameters.remove("after").as_ref().and_then(Value::as_str).map(str::to_ascii_lowercase);
    if after.as_deref().is_some_and(|after| !F::is_cursor(after)) {
        return Err(Invalid::field("after", "must be the `next` of a page of this list"));
    }
    let filter = from_parameters(parameters)?;
    Ok(ListQuery { page: PageRequest { after, limit }, filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        parse::<NoFilter>(query).unwrap_err().0[0].field.clone()
    }

    #[test]
    fn limit_and_cursor_are_read() {
        let query: ListQuery<NoFilter> = parse("limit=7&after=0190a5b8-0000-7000-8000-000000000000").unwrap();
        assert_eq!(query.page.limit, 7);
        assert_eq!(query.page.after_id(), "0190a5b8-0000-7000-8000-000000000000");
        assert_eq!(parse::<NoFilter>("").unwrap().page.limit, DEFAULT_LIMIT);
    }

    #[test]
    fn bad_parameters_are_named() {
        for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit="] {
            assert_eq!(refused(query), "limit", "{query}");
        }
        assert_eq!(refused("after=1"), "after");
        assert_eq!(refused("colour=red"), "colour");
        let unknown = parse::<NoFilter>("colour=red").unwrap_err();
        assert_eq!(unknown.0[0].message, "is not a parameter of this request");
        assert_eq!(refused("limit=1&limit=2"), "limit");
    }
}
