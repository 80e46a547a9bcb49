//! A caller's tools, and which of them it wants to be called.

use crate::canonical::{Text, Tool, ToolChoice};
use crate::json::{Kind, Value};
use crate::translate::read::{boolean, list, object, settle_foreign, string, text};
use crate::translate::{Note, Rejected};

use super::foreign::{TABLE, refuse_tool};

pub(super) fn read<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Vec<Tool<'a>>, Rejected> {
    list("tools", value, |tool| read_tool(tool, notes))
}

fn read_tool<'a>(tool: Value<'a>, notes: &mut Vec<Note>) -> Result<Tool<'a>, Rejected> {
    if tool.kind() != Kind::Object {
        return Err(Rejected::wrong_type("", Kind::Object));
    }
    let is_custom = match &*kind_of(tool)? {
        "function" => false,
        "custom" => true,
        other => return Err(refuse_tool(other)),
    };
    let (mut found, mut description, mut parameters, mut strict) = (None, None, None, None);
    for (name, value) in tool.members().filter(|(_, value)| !value.is_null()) {
        match &*name {
            "name" => found = Some(text(&name, value)?),
            "description" => description = Some(text(&name, value)?),
            "parameters" => parameters = Some(object(&name, value)?),
            "strict" => strict = Some(boolean(&name, value)?),
            // Free text is what it is everywhere.
            "format" if value.get("type").and_then(Value::string).as_deref() == Some("text") => {}
            // Waiting for results is what every other model does.
            "async" | "defer_loading" if value.boolean() == Some(false) => {}
            _ => settle_foreign(TABLE, "tools", &name, value, notes)?,
        }
    }
    let name = found.ok_or_else(|| Rejected::missing("name"))?;
    Ok(Tool { name, description, parameters, strict, is_custom, is_openapi: false, cache: None })
}

pub(super) fn read_choice(value: Value<'_>) -> Result<ToolChoice<'_>, Rejected> {
    if let Some(word) = value.string() {
        return mode(&word).ok_or_else(|| {
            Rejected::new("tool_choice", "`tool_choice` must be one of none, auto, required, or an object")
        });
    }
    let value = object("tool_choice", value)?;
    chosen(value).map_err(|fault| fault.inside("tool_choice"))
}

fn mode(word: &str) -> Option<ToolChoice<'static>> {
    match word {
        "none" => Some(ToolChoice::None),
        "auto" => Some(ToolChoice::Auto),
        "required" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn chosen(value: Value<'_>) -> Result<ToolChoice<'_>, Rejected> {
    match &*kind_of(value)? {
        "function" | "custom" => Ok(ToolChoice::Named(name_of(value)?)),
        "allowed_tools" => {
            let word = value.get("mode").ok_or_else(|| Rejected::missing("mode"))?;
            let required = match &*string("mode", word)? {
                "auto" => false,
                "required" => true,
                _ => return Err(Rejected::new("mode", "`mode` must be auto or required")),
            };
            let tools = value.get("tools").ok_or_else(|| Rejected::missing("tools"))?;
            let names = list("tools", tools, |tool| match &*kind_of(tool)? {
                "function" | "custom" => name_of(tool),
                other => Err(refuse_tool(other)),
            })?;
            Ok(ToolChoice::Allowed { names, required })
        }
        other => Err(refuse_tool(other)),
    }
}

fn kind_of(value: Value<'_>) -> Result<std::borrow::Cow<'_, str>, Rejected> {
    string("type", value.get("type").ok_or_else(|| Rejected::missing("type"))?)
}

fn name_of(value: Value<'_>) -> Result<Text<'_>, Rejected> {
    text("name", value.get("name").ok_or_else(|| Rejected::missing("name"))?)
}
