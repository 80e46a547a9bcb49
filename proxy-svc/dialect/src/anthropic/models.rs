//! Anthropic's list of models, with its pages in both directions.

use crate::error::to_json;
use crate::models::{self, InvalidParameter};

const USUAL_PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;
/// What the protocol says of a model whose date is unknown.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00Z";

#[derive(serde::Serialize)]
struct Page<'a> {
    data: Vec<Model<'a>>,
    first_id: Option<&'a str>,
    has_more: bool,
    last_id: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Members that are always there; null where nothing is known.
#[derive(Default, serde::Serialize)]
struct Unknown {
    capabilities: Option<()>,
    deprecated_at: Option<()>,
    line: Option<()>,
    max_input_tokens: Option<()>,
    max_tokens: Option<()>,
    retires_at: Option<()>,
}

pub(super) fn list(names: &[&str], query: &str) -> Result<Vec<u8>, InvalidParameter> {
    let limit = models::number(query, "limit")?.unwrap_or(USUAL_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(InvalidParameter { name: "limit", what: "must be from 1 to 1000" });
    }
    let (page, has_more) = match (models::text(query, "after_id"), models::text(query, "before_id")) {
        (Some(_), Some(_)) => {
            return Err(InvalidParameter { name: "before_id", what: "cannot go with `after_id`" });
        }
        (None, Some(id)) => {
            let before = models::before(names, &id);
            let start = before.len().saturating_sub(limit);
            (&before[start..], start > 0)
        }
        (after, None) => {
            let rest = after.map_or(names, |id| models::after(names, &id));
            (&rest[..limit.min(rest.len())], rest.len() > limit)
        }
    };
    let (first_id, last_id) = (page.first().copied(), page.last().copied());
    Ok(to_json(&Page { data: page.iter().map(|name| model(name)).collect(), first_id, has_more, last_id }))
}

pub(super) fn one(name: &str) -> Vec<u8> {
    to_json(&model(name))
}

fn model(name: &str) -> Model<'_> {
    Model {
        kind: "model",
        id: name,
        display_name: name,
        created_at: UNKNOWN_DATE,
        lifecycle: "active",
        unknown: Unknown::default(),
    }
}
