//! `tools` and `toolConfig` of a request to Gemini.

use std::collections::HashSet;

use super::models::Model;
use super::subset::is_empty_object;
use super::write_request::write_schema;
use crate::canonical::{Request, Text, Tool, ToolChoice};
use crate::json::write::Object;
use crate::translate::policy::Feature;
use crate::translate::{NameRule, Notes, Rejected};

/// What all versions of the API take.
pub(super) const NAMES: NameRule = NameRule { max_length: 64, others: "-.:", begins_with_letter: true };

pub(super) fn write(
    request: &Request<'_>,
    model: Model,
    body: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    if request.tools.is_empty() {
        return Ok(());
    }
    // Not one of them must be called, and nothing else can say that only these may.
    let only = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, required: false }) if notes.allows(Feature::AllowedTools)? => {
            Some(names.iter().map(Text::decode).collect::<HashSet<_>>())
        }
        _ => None,
    };
    {
        let mut tools = body.array("tools");
        let mut tool = tools.object();
        let mut declarations = tool.array("functionDeclarations");
        let sent = request.tools.iter().enumerate();
        for (index, tool) in
            sent.filter(|(_, tool)| only.as_ref().is_none_or(|names| names.contains(&tool.name.decode())))
        {
            if tool.is_custom {
                notes.allows(Feature::CustomTools)?;
            }
            declaration(tool, model, &mut declarations.object(), notes)
                .map_err(|rejected| rejected.inside_element("tools", index))?;
        }
    }
    if request.parallel_tool_calls == Some(false) {
        notes.allows(Feature::ParallelOff)?;
    }
    if let Some(choice) = &request.tool_choice {
        write_choice(choice, body, notes)?;
    }
    Ok(())
}

fn declaration(tool: &Tool<'_>, model: Model, declaration: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    if tool.strict == Some(true) {
        notes.allows(Feature::ToolStrict)?;
    }
    if tool.cache.is_some() {
        notes.allows(Feature::CacheControl)?;
    }
    declaration.string("name", &notes.names.fit(&tool.name.decode(), NAMES));
    if let Some(description) = &tool.description {
        declaration.text("description", description);
    }
    // A function without arguments has no schema: early models refuse an object of nothing.
    if let Some(schema) = tool.parameters
        && (model.takes_json_schema() || !is_empty_object(schema))
    {
        let names = ["parameters", "parametersJsonSchema"];
        write_schema(names, schema, tool.is_openapi, model, declaration, notes)?;
    }
    Ok(())
}

fn write_choice(choice: &ToolChoice<'_>, body: &mut Object<'_>, notes: &mut Notes) -> Result<(), Rejected> {
    let (mode, names): (_, &[Text<'_>]) = match choice {
        ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => ("AUTO", &[]),
        ToolChoice::None => ("NONE", &[]),
        ToolChoice::Required => ("ANY", &[]),
        ToolChoice::Named(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, required: true } => {
            notes.allows(Feature::AllowedTools)?;
            ("ANY", names)
        }
    };
    let mut tool_config = body.object("toolConfig");
    let mut config = tool_config.object("functionCallingConfig");
    config.string("mode", mode);
    if !names.is_empty() {
        let mut list = config.array("allowedFunctionNames");
        for name in names {
            let name = name.decode();
            list.text(&Text::plain(&*notes.names.fit(&name, NAMES)));
        }
    }
    Ok(())
}
