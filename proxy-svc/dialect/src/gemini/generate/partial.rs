//! Arguments of a call that come in pieces, each with the way to where it belongs: `$.rows[0].name`.
//!
//! The Developer API sends calls whole unless it is asked not to, which the gateway never does; some routes to Gemini
//! do so by themselves. It is rare, so that a tree is built here and nowhere else.

use serde_json::{Map, Value as Json};

use crate::json::Value;

/// Elements come in their order, more or less: one further behind the last would take the memory of all between.
const GAP_LIMIT: usize = 64;
const DEPTH_LIMIT: usize = 64;

#[derive(Default)]
pub(super) struct Partial {
    root: Map<String, Json>,
}

enum Step {
    Name(String),
    Index(usize),
}

impl Partial {
    /// All members of an object.
    pub(super) fn whole(&mut self, arguments: Value<'_>) {
        if let Ok(Json::Object(members)) = serde_json::from_str(arguments.raw()) {
            self.root.extend(members);
        }
    }

    /// Elements of `partialArgs`. What has no place is left out.
    pub(super) fn add(&mut self, pieces: Value<'_>) {
        for piece in pieces.elements() {
            let path = piece.get("jsonPath").and_then(Value::string);
            if let Some(steps) = path.and_then(|path| steps(&path)) {
                self.set(&steps, piece);
            }
        }
    }

    fn set(&mut self, steps: &[Step], piece: Value<'_>) {
        let Some((Step::Name(first), rest)) = steps.split_first() else { return };
        let mut place = self.root.entry(first.as_str()).or_insert(Json::Null);
        for step in rest {
            match step {
                Step::Name(name) => {
                    if !place.is_object() {
                        *place = Json::Object(Map::new());
                    }
                    let Some(object) = place.as_object_mut() else { return };
                    place = object.entry(name.as_str()).or_insert(Json::Null);
                }
                Step::Index(index) => {
                    if !place.is_array() {
                        *place = Json::Array(Vec::new());
                    }
                    let Some(list) = place.as_array_mut() else { return };
                    if *index > list.len().saturating_add(GAP_LIMIT) {
                        return;
                    }
                    if list.len() <= *index {
                        list.resize(index + 1, Json::Null);
                    }
                    let Some(element) = list.get_mut(*index) else { return };
                    place = element;
                }
            }
        }
        put(place, piece);
    }

    pub(super) fn into_json(self) -> String {
        Json::Object(self.root).to_string()
    }
}

/// A text goes on where it stopped; anything else comes at once.
fn put(place: &mut Json, piece: Value<'_>) {
    for (name, value) in piece.members() {
        match &*name {
            "stringValue" => {
                let more = value.text().map(|text| text.decode().into_owned()).unwrap_or_default();
                match place {
                    Json::String(text) => text.push_str(&more),
                    _ => *place = Json::String(more),
                }
            }
            "numberValue" | "boolValue" => *place = serde_json::from_str(value.raw()).unwrap_or_default(),
            "nullValue" => *place = Json::Null,
            _ => {}
        }
    }
}

/// `$.a.b[0]['c']`; `None` for anything else.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            step = Step::Name(name.get(..end)?.to_owned());
            rest = name.get(end..)?;
        } else {
            let inner = rest.strip_prefix('[')?;
            let quote = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
            if let Some(quote) = quote {
                let (name, behind) = inner.get(1..)?.split_once([quote])?;
                step = Step::Name(name.to_owned());
                rest = behind.strip_prefix(']')?;
            } else {
                let (index, behind) = inner.split_once(']')?;
                step = Step::Index(index.parse().ok()?);
                rest = behind;
            }
        }
        steps.push(step);
        if steps.len() > DEPTH_LIMIT {
            return None;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_find_their_places() {
        let mut partial = Partial::default();
        for pieces in [
            r#"[{"jsonPath":"$.id","stringValue":"A","willContinue":true},{"jsonPath":"$.rows[1].n","numberValue":2.5}]"#,
            r#"[{"jsonPath":"$.id","stringValue":"\u00df"},{"jsonPath":"$['a.b']","boolValue":true}]"#,
            r#"[{"jsonPath":"$.rows[0]","nullValue":"NULL_VALUE"},{"jsonPath":"$.id","stringValue":""}]"#,
            r#"[{"jsonPath":"$.far[99999999]","boolValue":true},{"jsonPath":"x"},{"jsonPath":"$"},{},7]"#,
        ] {
            partial.add(Value::parse(pieces.as_bytes()).unwrap());
        }
        let json: Json = serde_json::from_str(&partial.into_json()).unwrap();
        assert_eq!(json, serde_json::json!({"id": "Aß", "rows": [null, {"n": 2.5}], "a.b": true, "far": []}));
    }
}
