//! Which members an object may have, and of what kind, for requests that are read strictly.
//!
//! Each protocol keeps its own table of shapes: every member that the official SDK's types know. The walk here finds
//! the first thing that the table does not know; how that is said is the protocol's.

use std::fmt::Write as _;

use serde_json::Value;

/// What a value may be. `null` stands for "not given" everywhere.
#[derive(Debug)]
pub(crate) enum Shape {
    Any,
    Text,
    Whole,
    Number,
    Flag,
    /// An object with members of anybody's choice.
    Map,
    Word(&'static [&'static str]),
    List(&'static Shape),
    Object(&'static [(&'static str, &'static Shape)]),
    /// An object whose kind stands in one of its members, and what it is without that.
    Tagged(&'static str, &'static [(&'static str, &'static Shape)], &'static Shape),
    /// The first of these that starts with the same kind of JSON.
    Either(&'static [&'static Shape]),
}

/// Objects with their members, one a line: `NAME { member: SHAPE, … }`. A shape is an expression.
macro_rules! members {
    ($($name:ident { $($member:tt : $shape:expr),* $(,)? })*) => {
        $(static $name: $crate::provider::members::Shape =
            $crate::provider::members::Shape::Object(&[$((stringify!($member), &$shape)),*]);)*
    };
}

pub(crate) use members;

/// How members are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Exact,
    /// In camel or snake case, and numbers may be strings, as protobuf's JSON allows.
    Protobuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
    /// The kind of a tagged object; no place in the JSON.
    Kind(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrong {
    Unknown(String),
    /// What it should have been.
    Type(&'static str),
    Word(&'static [&'static str]),
    /// A kind that no tag knows.
    Kind(String, Vec<&'static str>),
}

/// The first thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) path: Vec<Step>,
    pub(crate) wrong: Wrong,
}

impl Finding {
    /// `a.0.b`, with the kinds of tagged objects where `kinds` says so.
    pub(crate) fn dotted(&self) -> String {
        let step = |step: &Step| match step {
            Step::Member(name) => name.clone(),
            Step::Item(index) => index.to_string(),
            Step::Kind(kind) => (*kind).to_owned(),
        };
        self.path.iter().map(step).collect::<Vec<_>>().join(".")
    }

    /// `a[0].b`.
    pub(crate) fn bracketed(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if out.is_empty() => out.push_str(name),
                // Writing to a string cannot fail.
                Step::Member(name) => drop(write!(out, ".{name}")),
                Step::Item(index) => drop(write!(out, "[{index}]")),
                Step::Kind(_) => {}
            }
        }
        out
    }
}

pub(crate) fn check(shape: &'static Shape, value: &Value, naming: Naming) -> Option<Finding> {
    let mut walk = Walk { naming, path: Vec::new() };
    walk.value(shape, value).err().map(|wrong| Finding { path: walk.path, wrong })
}

struct Walk {
    naming: Naming,
    /// Where the walk is; after a finding, where it stopped.
    path: Vec<Step>,
}

impl Walk {
    fn value(&mut self, shape: &'static Shape, value: &Value) -> Result<(), Wrong> {
        if value.is_null() {
            return Ok(());
        }
        match shape {
            Shape::List(item) => match value {
                Value::Array(items) => {
                    items.iter().enumerate().try_for_each(|(index, one)| self.at(Step::Item(index), item, one))
                }
                // One where many may be.
                one if self.naming == Naming::Protobuf => self.value(item, one),
                _ => Err(Wrong::Type("array")),
            },
            Shape::Object(members) => self.object(members, value),
            Shape::Tagged(tag, kinds, otherwise) => self.tagged(tag, kinds, otherwise, value),
            Shape::Either(shapes) => match shapes.iter().find(|shape| self.starts(shape, value)) {
                Some(shape) => self.value(shape, value),
                None => Err(Wrong::Type(shapes.last().map_or("value", |shape| name(shape)))),
            },
            Shape::Word(words) => match value.as_str() {
                Some(word) if words.iter().any(|known| self.is_word(known, word)) => Ok(()),
                Some(_) => Err(Wrong::Word(words)),
                None if self.starts(shape, value) => Ok(()),
                None => Err(Wrong::Type("string")),
            },
            leaf if self.starts(leaf, value) => Ok(()),
            leaf => Err(Wrong::Type(name(leaf))),
        }
    }

    fn at(&mut self, step: Step, shape: &'static Shape, value: &Value) -> Result<(), Wrong> {
        self.path.push(step);
        self.value(shape, value)?;
        self.path.pop();
        Ok(())
    }

    fn object(&mut self, members: &'static [(&'static str, &'static Shape)], value: &Value) -> Result<(), Wrong> {
        let Some(fields) = value.as_object() else { return Err(Wrong::Type("object")) };
        for (field, value) in fields {
            let known = members.iter().find(|(name, _)| *name == field || self.is_snake(name, field));
            let Some((_, shape)) = known else { return Err(Wrong::Unknown(field.clone())) };
            self.at(Step::Member(field.clone()), shape, value)?;
        }
        Ok(())
    }

    fn tagged(
        &mut self,
        tag: &'static str,
        kinds: &'static [(&'static str, &'static Shape)],
        otherwise: &'static Shape,
        value: &Value,
    ) -> Result<(), Wrong> {
        match value.get(tag).and_then(Value::as_str) {
            None => self.value(otherwise, value),
            Some(kind) => match kinds.iter().find(|(name, _)| *name == kind) {
                Some((name, shape)) => self.at(Step::Kind(name), shape, value),
                None => Err(Wrong::Kind(kind.to_owned(), kinds.iter().map(|(name, _)| *name).collect())),
            },
        }
    }

    fn is_snake(&self, camel: &str, field: &str) -> bool {
        self.naming == Naming::Protobuf && snake(camel) == field
    }

    fn is_word(&self, known: &str, word: &str) -> bool {
        known == word || self.naming == Naming::Protobuf && known.eq_ignore_ascii_case(word)
    }

    /// Whether the value is of the same kind of JSON.
    fn starts(&self, shape: &Shape, value: &Value) -> bool {
        let loose = self.naming == Naming::Protobuf;
        match shape {
            Shape::Any => true,
            Shape::Text => value.is_string(),
            Shape::Word(_) => value.is_string() || loose && value.is_u64(),
            Shape::Flag => value.is_boolean(),
            Shape::Whole => {
                value.is_i64()
                    || value.is_u64()
                    || value.as_f64().is_some_and(|number| loose && number.fract() == 0.0)
                    || loose && value.as_str().is_some_and(|text| text.parse::<i64>().is_ok())
            }
            Shape::Number => {
                value.is_number() || loose && value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
            }
            Shape::List(_) => value.is_array(),
            Shape::Map | Shape::Object(_) | Shape::Tagged(..) => value.is_object(),
            Shape::Either(shapes) => shapes.iter().any(|shape| self.starts(shape, value)),
        }
    }
}

fn name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any | Shape::Either(_) => "value",
        Shape::Text | Shape::Word(_) => "string",
        Shape::Whole => "integer",
        Shape::Number => "number",
        Shape::Flag => "boolean",
        Shape::List(_) => "array",
        Shape::Map | Shape::Object(_) | Shape::Tagged(..) => "object",
    }
}

/// `thinkingConfig` as `thinking_config`.
pub(crate) fn snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut name, letter| {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        name
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Shape::{Either, Flag, List, Tagged, Text, Whole};
    use super::*;

    members! {
        TEXT_PART { type: Text, text: Text }
        TOP { maxTokens: Whole, parts: List(&PART), stop: Either(&[&Text, &List(&Text)]), type: Flag }
    }

    static PART: Shape = Tagged("type", &[("text", &TEXT_PART)], &TEXT_PART);

    fn found(value: &Value, naming: Naming) -> Option<(String, Wrong)> {
        check(&TOP, value, naming).map(|finding| (finding.bracketed(), finding.wrong))
    }

    #[test]
    fn the_first_unknown_member_is_found_where_it_is() {
        let value = json!({"maxTokens": 1, "parts": [{"type": "text", "text": "a"}, {"type": "text", "foo": 1}]});
        assert_eq!(found(&value, Naming::Exact), Some(("parts[1]".to_owned(), Wrong::Unknown("foo".to_owned()))));
        let finding = check(&TOP, &value, Naming::Exact).unwrap();
        assert_eq!(finding.dotted(), "parts.1.text");
        let kind = json!({"parts": [{"type": "sound"}]});
        assert_eq!(
            found(&kind, Naming::Exact),
            Some(("parts[0]".to_owned(), Wrong::Kind("sound".to_owned(), vec!["text"])))
        );
    }

    #[test]
    fn values_are_of_their_kind() {
        assert_eq!(found(&json!({"stop": "x", "type": true}), Naming::Exact), None);
        assert_eq!(found(&json!({"stop": ["x", null]}), Naming::Exact), None);
        assert_eq!(
            found(&json!({"maxTokens": "5"}), Naming::Exact),
            Some(("maxTokens".to_owned(), Wrong::Type("integer")))
        );
        assert_eq!(found(&json!({"stop": 5}), Naming::Exact), Some(("stop".to_owned(), Wrong::Type("array"))));
    }

    #[test]
    fn protobuf_takes_either_case_and_numbers_in_strings() {
        assert_eq!(found(&json!({"max_tokens": "5", "parts": {"text": "one"}}), Naming::Protobuf), None);
        assert!(found(&json!({"max_tokens": 5}), Naming::Exact).is_some());
    }
}
