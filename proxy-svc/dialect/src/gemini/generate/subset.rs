//! JSON Schema in the subset that Gemini's early models take: references put in place, alternatives and parts joined,
//! nulls and constants in other words, and what they do not know left out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::json::write::Object;
use crate::json::{Kind, Text, Value};
use crate::translate::Rejected;

mod words;

use words::{CONSTRAINTS, HANDLED, HARMLESS, Types, implied};

/// References to definitions that refer to others can grow without end.
const NODE_LIMIT: usize = 5_000;
/// And lead further in than any value is nested.
const DEPTH_LIMIT: usize = 128;
/// Each reference is looked for in the whole schema.
const SEARCH_LIMIT_BYTES: usize = 64 << 20;

/// Writes a schema under `name`. Returns whether something of it was left out.
pub(super) fn write(object: &mut Object<'_>, name: &str, schema: Value<'_>) -> Result<bool, Rejected> {
    let mut writer =
        Writer { root: schema, active: Vec::new(), nodes: 0, depth: 0, searched_bytes: 0, is_approximated: false };
    writer.node(&[schema], object.slot(name))?;
    Ok(writer.is_approximated)
}

/// Whether it is an object of which no property is said: early models take none as arguments but say so by silence.
pub(super) fn is_empty_object(schema: Value<'_>) -> bool {
    let has_properties = schema.get("properties").is_some_and(|map| map.members().next().is_some());
    !has_properties && ["$ref", "allOf", "anyOf", "oneOf"].iter().all(|name| schema.get(name).is_none())
}

fn too_large() -> Rejected {
    Rejected::new("", "the schema is too large with its references put in place")
}

struct Writer<'a> {
    root: Value<'a>,
    /// References that are being followed.
    active: Vec<String>,
    nodes: usize,
    depth: usize,
    searched_bytes: usize,
    is_approximated: bool,
}

impl<'a> Writer<'a> {
    /// Writes what several schemas say together.
    fn node(&mut self, schemas: &[Value<'a>], out: &mut Vec<u8>) -> Result<(), Rejected> {
        self.enter()?;
        let followed = self.active.len();
        let mut parts = Vec::new();
        for schema in schemas {
            self.flatten(*schema, followed, &mut parts)?;
        }
        let mut alternatives = self.alternatives(&parts);
        let mut types = Types::of(&parts, &mut alternatives);
        if let [only] = *alternatives {
            // One alternative besides null is no alternative.
            self.flatten(only, followed, &mut parts)?;
            alternatives.clear();
            let together = Types::of(&parts, &mut alternatives);
            types = Types { is_nullable: types.is_nullable || together.is_nullable, ..together };
        }
        let mut object = Object::begin(out);
        self.members(&parts, &types, &alternatives, &mut object)?;
        drop(object);
        self.active.truncate(followed);
        self.depth -= 1;
        Ok(())
    }

    /// Counts one more schema, and one more level; who leaves it takes the level back.
    fn enter(&mut self) -> Result<(), Rejected> {
        self.nodes += 1;
        self.depth += 1;
        if self.nodes > NODE_LIMIT || self.depth > DEPTH_LIMIT {
            return Err(too_large());
        }
        Ok(())
    }

    /// The schemas that hold together in one: itself, what it refers to, and what is joined by `allOf`. What was
    /// followed before `own` belongs to schemas around this one.
    fn flatten(&mut self, schema: Value<'a>, own: usize, parts: &mut Vec<Value<'a>>) -> Result<(), Rejected> {
        if schema.kind() != Kind::Object {
            self.is_approximated |= schema.boolean() != Some(true);
            return Ok(());
        }
        self.enter()?;
        parts.push(schema);
        if let Some(reference) = schema.get("$ref").and_then(Value::string)
            && let Some(target) = self.follow(reference, own)?
        {
            self.flatten(target, own, parts)?;
        }
        for part in schema.get("allOf").into_iter().flat_map(Value::elements) {
            self.flatten(part, own, parts)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// What a reference leads to; nothing when this very schema followed it before.
    fn follow(&mut self, reference: Cow<'a, str>, own: usize) -> Result<Option<Value<'a>>, Rejected> {
        match self.active.iter().position(|active| *active == *reference) {
            Some(at) if at >= own => return Ok(None),
            Some(_) => return Err(Rejected::new("", "the schema refers to itself, which this model does not take")),
            None => {}
        }
        self.searched_bytes = self.searched_bytes.saturating_add(self.root.raw().len());
        if self.searched_bytes > SEARCH_LIMIT_BYTES {
            return Err(too_large());
        }
        let target = self.resolve(&reference);
        let target = target.ok_or_else(|| Rejected::new("", "the schema refers to what is not in it"))?;
        self.active.push(reference.into_owned());
        Ok(Some(target))
    }

    /// Where a JSON pointer into the same document leads.
    fn resolve(&self, reference: &str) -> Option<Value<'a>> {
        let pointer = reference.strip_prefix('#')?;
        pointer.split('/').skip(1).try_fold(self.root, |value, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match value.kind() {
                Kind::Array => value.elements().nth(step.parse().ok()?),
                _ => value.get(&step),
            }
        })
    }

    /// Of `anyOf` or `oneOf`, without those that are null alone.
    fn alternatives(&mut self, parts: &[Value<'a>]) -> Vec<Value<'a>> {
        let mut lists = parts.iter().filter_map(|part| part.get("anyOf").or_else(|| part.get("oneOf")));
        let first = lists.next();
        self.is_approximated |= lists.next().is_some();
        first.into_iter().flat_map(Value::elements).collect()
    }

    fn members(
        &mut self,
        parts: &[Value<'a>],
        types: &Types,
        alternatives: &[Value<'a>],
        object: &mut Object<'_>,
    ) -> Result<(), Rejected> {
        let first = |name: &str| parts.iter().find_map(|part| part.get(name));
        let (mut enumeration, is_constant) = match (first("enum"), first("const")) {
            (Some(list), _) => (list.elements().collect::<Vec<_>>(), false),
            (None, Some(value)) => (vec![value], true),
            (None, None) => (Vec::new(), false),
        };
        let is_nullable = types.is_nullable || enumeration.iter().any(|value| value.is_null());
        enumeration.retain(|value| !value.is_null());
        let word = match *types.words {
            [word] => Some(word),
            [] if !alternatives.is_empty() => None,
            [] => implied(parts, &enumeration),
            _ => None,
        };
        if let Some(word) = word {
            object.string("type", word);
        }
        if is_nullable {
            object.boolean("nullable", true);
        }
        for name in ["title", "description"] {
            if let Some(text) = first(name).and_then(Value::text) {
                object.text(name, &text);
            }
        }
        self.enumeration(&enumeration, is_constant, word, object);
        self.format(first("format"), word, object);
        if alternatives.is_empty() && types.words.len() > 1 {
            let mut list = object.array("anyOf");
            types.words.iter().for_each(|word| _ = list.object().string("type", word));
        } else if !alternatives.is_empty() {
            let mut list = object.array("anyOf");
            for alternative in alternatives {
                self.node(&[*alternative], list.slot())?;
            }
        }
        match word {
            Some("OBJECT") => self.properties(parts, object)?,
            Some("ARRAY") => self.items(parts, object)?,
            _ => {}
        }
        self.constraints(parts, object);
        Ok(())
    }

    /// Only texts can be enumerated.
    fn enumeration(&mut self, values: &[Value<'a>], is_constant: bool, word: Option<&str>, object: &mut Object<'_>) {
        if values.is_empty() {
            return;
        }
        let texts: Vec<_> = values.iter().filter_map(|value| value.text()).filter(|text| !text.is_empty()).collect();
        self.is_approximated |= texts.len() != values.len();
        if word != Some("STRING") || texts.is_empty() {
            self.is_approximated = true;
            return;
        }
        if !is_constant {
            object.string("format", "enum");
        }
        let mut list = object.array("enum");
        for text in &texts {
            list.text(text);
        }
    }

    fn format(&mut self, format: Option<Value<'a>>, word: Option<&str>, object: &mut Object<'_>) {
        let Some(format) = format.and_then(Value::string) else { return };
        match (word, &*format) {
            (Some("STRING"), "date-time")
            | (Some("INTEGER"), "int32" | "int64")
            | (Some("NUMBER"), "float" | "double") => _ = object.string("format", &format),
            _ => self.is_approximated = true,
        }
    }

    fn properties(&mut self, parts: &[Value<'a>], object: &mut Object<'_>) -> Result<(), Rejected> {
        let mut properties: Vec<(Cow<'a, str>, Vec<Value<'a>>)> = Vec::new();
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        for (name, schema) in parts.iter().filter_map(|part| part.get("properties")).flat_map(Value::members) {
            match places.entry(name.clone()) {
                Entry::Occupied(place) => {
                    properties.get_mut(*place.get()).into_iter().for_each(|(_, schemas)| schemas.push(schema));
                }
                Entry::Vacant(place) => {
                    place.insert(properties.len());
                    properties.push((name, vec![schema]));
                }
            }
        }
        if properties.is_empty() {
            return Ok(());
        }
        let mut map = object.object("properties");
        for (name, schemas) in &properties {
            self.node(schemas, map.slot(name)).map_err(|rejected| rejected.inside(name))?;
        }
        drop(map);
        let mut required: Vec<Cow<'a, str>> = Vec::new();
        for name in parts.iter().filter_map(|part| part.get("required")).flat_map(Value::elements) {
            let Some(name) = name.string() else { continue };
            // Once each.
            if places.remove(&name).is_some() {
                required.push(name);
            }
        }
        if !required.is_empty() {
            let mut list = object.array("required");
            for name in required {
                list.text(&Text::plain(name));
            }
        }
        Ok(())
    }

    fn items(&mut self, parts: &[Value<'a>], object: &mut Object<'_>) -> Result<(), Rejected> {
        let found = parts.iter().find_map(|part| part.get("items"));
        let schema = found.filter(|items| items.kind() == Kind::Object).or_else(|| {
            // Elements by their place, or of any kind, are not known.
            self.is_approximated = true;
            let places = found.or_else(|| parts.iter().find_map(|part| part.get("prefixItems")));
            places.and_then(|places| places.elements().next())
        });
        if let Some(schema) = schema {
            return self.node(&[schema], object.slot("items"));
        }
        object.object("items").string("type", "STRING");
        Ok(())
    }

    /// What is taken as it is, and what is not known.
    fn constraints(&mut self, parts: &[Value<'a>], object: &mut Object<'_>) {
        let mut written: Vec<&'static str> = Vec::new();
        for (name, value) in parts.iter().flat_map(|part| part.members()).filter(|(_, value)| !value.is_null()) {
            let known = CONSTRAINTS.iter().find(|known| **known == name);
            match (known, &*name) {
                (Some(known), _) if !written.contains(known) => {
                    written.push(known);
                    object.value(known, value);
                }
                (None, name) if HANDLED.contains(&name) || HARMLESS.contains(&name) => {}
                (None, "additionalProperties") if value.kind() == Kind::Boolean => {}
                _ => self.is_approximated = true,
            }
        }
    }
}
