//! Tools, which of them is to be called, and calls: in requests.

use super::read_request::foreign;
use crate::canonical::{Arguments, Text, Tool, ToolCall, ToolChoice};
use crate::json::{Kind, Value};
use crate::translate::{Note, Rejected, Seal, calls, read};

pub(super) fn tool<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Tool<'a>, Rejected> {
    let kind = read::object("", value)?.get("type").map(|kind| read::string("type", kind)).transpose()?;
    let kind = kind.as_deref().unwrap_or("function");
    if !matches!(kind, "function" | "custom") {
        let why = "is a service of one provider; only tools of the types `function` and `custom` can be translated";
        return Err(Rejected::new("type", format!("a tool of the type `{kind}` {why}")));
    }
    let mut found = None;
    let mut cache = None;
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "type" => {}
            "cache_control" => cache = super::read_parts::cached(value, "1h"),
            name if name == kind => found = Some(value),
            name => foreign("tools", name, value, notes)?,
        }
    }
    let definition = found.ok_or_else(|| Rejected::missing(kind))?;
    let tool = if kind == "custom" { custom(definition, notes) } else { function(definition, notes) };
    let tool = tool.map_err(|rejected| rejected.inside(kind))?;
    Ok(Tool { cache: tool.cache.or(cache), ..tool })
}

/// A function's definition, which stands in a tool or, as it was before there were tools, by itself.
pub(super) fn function<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Tool<'a>, Rejected> {
    let (mut found_name, mut description, mut parameters, mut strict) = (None, None, None, None);
    let mut cache = None;
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "name" => found_name = Some(read::text("name", value)?),
            "description" => description = Some(read::text("description", value)?),
            "parameters" => parameters = Some(read::object("parameters", value)?),
            "strict" => strict = Some(read::boolean("strict", value)?),
            "cache_control" => cache = super::read_parts::cached(value, "1h"),
            _ => foreign("tools.function", &name, value, notes)?,
        }
    }
    let name = named(found_name)?;
    Ok(Tool { name, description, parameters, strict, is_custom: false, is_openapi: false, cache })
}

fn custom<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Tool<'a>, Rejected> {
    let (mut found_name, mut description) = (None, None);
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "name" => found_name = Some(read::text("name", value)?),
            "description" => description = Some(read::text("description", value)?),
            // Free text is what it is without a format.
            "format" if value.get("type").and_then(Value::string).is_some_and(|kind| kind == "text") => {}
            _ => foreign("tools.custom", &name, value, notes)?,
        }
    }
    let name = named(found_name)?;
    Ok(Tool { name, description, parameters: None, strict: None, is_custom: true, is_openapi: false, cache: None })
}

fn named(name: Option<Text<'_>>) -> Result<Text<'_>, Rejected> {
    name.filter(|name| !name.is_empty()).ok_or_else(|| Rejected::missing("name"))
}

/// `tool_choice`, or the older `function_call`.
pub(super) fn choice<'a>(outer: &str, value: Value<'a>) -> Result<ToolChoice<'a>, Rejected> {
    let unknown = || Rejected::new(outer, format!("`{outer}` is none of the choices that there are"));
    if let Some(word) = value.string() {
        return match &*word {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            // Mistral's word is `any`.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(unknown()),
        };
    }
    if value.kind() != Kind::Object {
        return Err(unknown());
    }
    match value.get("type").and_then(Value::string).as_deref() {
        Some("allowed_tools") => match value.get("allowed_tools") {
            Some(allowed) => self::allowed(allowed).map_err(|rejected| rejected.inside("allowed_tools").inside(outer)),
            None => Err(Rejected::missing("allowed_tools").inside(outer)),
        },
        Some("function" | "custom") | None => {
            let name = self::chosen(value).ok_or_else(|| Rejected::missing("name").inside(outer))?;
            Ok(ToolChoice::Named(name))
        }
        Some(_) => Err(unknown()),
    }
}

fn allowed(value: Value<'_>) -> Result<ToolChoice<'_>, Rejected> {
    let required = match value.get("mode") {
        Some(mode) => read::string("mode", mode)? == "required",
        None => false,
    };
    let tools = value.get("tools").ok_or_else(|| Rejected::missing("tools"))?;
    let names = read::list("tools", tools, |tool| chosen(tool).ok_or_else(|| Rejected::missing("name")))?;
    Ok(ToolChoice::Allowed { names, required })
}

/// The name in `{type, function: {name}}`, `{type, custom: {name}}` or `{name}`.
fn chosen(value: Value<'_>) -> Option<Text<'_>> {
    let inner = value.get("function").or_else(|| value.get("custom")).unwrap_or(value);
    inner.get("name")?.text()
}

/// A call in an assistant's message.
pub(super) fn call<'a>(value: Value<'a>, seal: &dyn Seal, notes: &mut Vec<Note>) -> Result<ToolCall<'a>, Rejected> {
    let (mut id, mut function, mut custom) = (None, None, None);
    for (name, value) in read::object("", value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "type" => {}
            "id" => id = Some(read::text("id", value)?),
            "function" => function = Some(value),
            "custom" => custom = Some(value),
            _ => foreign("messages.tool_calls", &name, value, notes)?,
        }
    }
    let (id, signature) = match id {
        Some(id) => {
            let (id, signature) = calls::from_caller(seal, id);
            (Some(id), signature)
        }
        None => (None, None),
    };
    let (name, arguments) = match (function, custom) {
        (Some(function), _) => called("function", function, "arguments", notes)?,
        (None, Some(custom)) => called("custom", custom, "input", notes)?,
        (None, None) => return Err(Rejected::missing("function")),
    };
    Ok(ToolCall { id, name, arguments, is_custom: function.is_none(), signature, cache: None })
}

/// A call as it was before there were tools: it has no id.
pub(super) fn function_call(value: Value<'_>) -> Result<ToolCall<'_>, Rejected> {
    let (name, arguments) = called("", value, "arguments", &mut Vec::new())?;
    Ok(ToolCall { id: None, name, arguments, is_custom: false, signature: None, cache: None })
}

fn called<'a>(
    outer: &str,
    value: Value<'a>,
    written: &str,
    notes: &mut Vec<Note>,
) -> Result<(Text<'a>, Arguments<'a>), Rejected> {
    let inside = |rejected: Rejected| if outer.is_empty() { rejected } else { rejected.inside(outer) };
    let (mut found_name, mut arguments) = (None, Arguments::Written(Text::EMPTY));
    for (name, value) in read::object(outer, value)?.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "name" => found_name = Some(read::text("name", value).map_err(inside)?),
            name if name == written => arguments = self::arguments(name, value).map_err(inside)?,
            name if outer == "function" => foreign("messages.tool_calls.function", name, value, notes)?,
            name => foreign("messages.tool_calls.custom", name, value, notes)?,
        }
    }
    Ok((named(found_name).map_err(inside)?, arguments))
}

/// A string by the protocol; the object itself is what some clients write.
fn arguments<'a>(name: &str, value: Value<'a>) -> Result<Arguments<'a>, Rejected> {
    match value.kind() {
        Kind::Object => Ok(Arguments::Object(value)),
        _ => Ok(Arguments::Written(read::text(name, value)?)),
    }
}
