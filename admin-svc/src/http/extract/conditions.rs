//! `If-Match`: a change only of what the caller saw.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::app::{App, Precondition};

/// The caller's condition; without the header there is none.
#[derive(Debug)]
pub struct IfMatch(pub Precondition);

impl FromRequestParts<App> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(Precondition::None)) };
        Ok(Self(value.to_str().map_or(Precondition::Unsatisfiable, parse)))
    }
}

/// One tag of ours, as our answers carry it; a list of tags never matches. Weak tags are
/// taken for strong ones: proxies that compress an answer weaken its tag.
fn parse(header: &str) -> Precondition {
    if header.trim() == "*" {
        return Precondition::None;
    }
    let tag = header.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    version.map_or(Precondition::Unsatisfiable, Precondition::Version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_ours_are_versions_and_others_never_match() {
        assert_eq!(parse("\"3\""), Precondition::Version(3));
        assert_eq!(parse("W/\"3\""), Precondition::Version(3));
        assert_eq!(parse("*"), Precondition::None);
        for header in ["", "3", "\"abc\"", "\"3", "\"1\", \"2\""] {
            assert_eq!(parse(header), Precondition::Unsatisfiable, "{header}");
        }
    }
}
