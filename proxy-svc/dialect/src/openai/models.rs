//! OpenAI's list of models. It has no pages.

use crate::error::to_json;

#[derive(serde::Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(serde::Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    /// Must be a number; 0 stands for an unknown date.
    created: u64,
    owned_by: &'static str,
}

pub(super) fn list(names: &[&str]) -> Vec<u8> {
    to_json(&List { object: "list", data: names.iter().map(|name| model(name)).collect() })
}

pub(super) fn one(name: &str) -> Vec<u8> {
    to_json(&model(name))
}

const fn model(name: &str) -> Model<'_> {
    Model { id: name, object: "model", created: 0, owned_by: "tollgate" }
}
