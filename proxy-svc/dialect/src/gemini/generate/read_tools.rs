//! `tools` and `toolConfig` of a caller's request.

use super::members::{list, members, settle};
use crate::canonical::{Tool, ToolChoice};
use crate::json::Value;
use crate::translate::{How, Note, Rejected, read};

/// The functions of one tool.
pub(super) fn read<'a>(tool: Value<'a>, notes: &mut Vec<Note>) -> Result<Vec<Tool<'a>>, Rejected> {
    let mut tools = Vec::new();
    for (name, value) in members("tools", tool)? {
        match &*name {
            "functionDeclarations" => tools = list(&name, value, |declaration| function(declaration, notes))?,
            _ => settle("tools", &name, value, notes)?,
        }
    }
    Ok(tools)
}

fn function<'a>(declaration: Value<'a>, notes: &mut Vec<Note>) -> Result<Tool<'a>, Rejected> {
    let (mut tool, mut description, mut parameters, mut is_openapi) = (None, None, None, false);
    for (name, value) in members("functionDeclarations", declaration)? {
        match &*name {
            "name" => tool = Some(read::text(&name, value)?),
            "description" => description = Some(read::text(&name, value)?),
            "parameters" => (parameters, is_openapi) = (Some(read::object(&name, value)?), true),
            "parametersJsonSchema" => (parameters, is_openapi) = (Some(read::object(&name, value)?), false),
            _ => settle("tools.functionDeclarations", &name, value, notes)?,
        }
    }
    let name = tool.filter(|name| !name.is_empty()).ok_or_else(|| Rejected::missing("name"))?;
    Ok(Tool { name, description, parameters, is_openapi, strict: None, is_custom: false, cache: None })
}

pub(super) fn choice<'a>(config: Value<'a>, notes: &mut Vec<Note>) -> Result<Option<ToolChoice<'a>>, Rejected> {
    let mut found = None;
    for (name, value) in members("", config)? {
        match &*name {
            "functionCallingConfig" => {
                found = calling(value, notes).map_err(|rejected| rejected.inside(&name))?;
            }
            _ => settle("toolConfig", &name, value, notes)?,
        }
    }
    Ok(found)
}

fn calling<'a>(config: Value<'a>, notes: &mut Vec<Note>) -> Result<Option<ToolChoice<'a>>, Rejected> {
    let (mut mode, mut names) = (None, Vec::new());
    for (name, value) in members("", config)? {
        match &*name {
            "mode" => mode = Some(read::string(&name, value)?.to_ascii_uppercase()),
            "allowedFunctionNames" => names = read::list(&name, value, |element| read::text("", element))?,
            _ => settle("toolConfig.functionCallingConfig", &name, value, notes)?,
        }
    }
    let only = |names: Vec<_>, required| match names.len() {
        0 if required => ToolChoice::Required,
        0 => ToolChoice::Auto,
        1 if required => names.into_iter().next().map_or(ToolChoice::Required, ToolChoice::Named),
        _ => ToolChoice::Allowed { names, required },
    };
    match mode.as_deref() {
        None if names.is_empty() => Ok(None),
        None | Some("AUTO" | "MODE_UNSPECIFIED") => Ok(Some(only(names, false))),
        Some("NONE") => Ok(Some(ToolChoice::None)),
        Some("ANY") => Ok(Some(only(names, true))),
        // As `AUTO`, and held to the schemas.
        Some("VALIDATED") => {
            notes.push(Note::new("toolConfig.functionCallingConfig.mode", How::Approximated));
            Ok(Some(only(names, false)))
        }
        Some(_) => Err(Rejected::new("mode", "`mode` must be `AUTO`, `ANY`, `NONE` or `VALIDATED`")),
    }
}
