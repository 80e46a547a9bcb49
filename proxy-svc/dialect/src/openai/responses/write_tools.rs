//! The tools of a request, and which of them is to be called.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::canonical::{Request, Text, Tool, ToolChoice};
use crate::json::Value;
use crate::json::write::{Array, Object};
use crate::openai::schema::write_parameters;
use crate::openai::strictness::is_strict;
use crate::translate::policy::Feature;
use crate::translate::{How, NameRule, Notes, Rejected};

/// OpenAI's rule for names of functions.
pub(super) const NAMES: NameRule = NameRule { max_length: 64, others: "-", begins_with_letter: false };

pub(super) fn write(request: &Request<'_>, notes: &mut Notes, body: &mut Object<'_>) -> Result<(), Rejected> {
    // Without tools OpenAI refuses to be told anything about them.
    if request.tools.is_empty() {
        return Ok(());
    }
    {
        let mut tools = body.array("tools");
        for tool in &request.tools {
            write_tool(tool, notes, &mut tools)?;
        }
    }
    match request.parallel_tool_calls {
        Some(false) if notes.allows(Feature::ParallelOff)? => _ = body.boolean("parallel_tool_calls", false),
        Some(true) => _ = body.boolean("parallel_tool_calls", true),
        _ => {}
    }
    match &request.tool_choice {
        Some(choice) => write_choice(choice, request, notes, body),
        None => Ok(()),
    }
}

fn write_tool(tool: &Tool<'_>, notes: &mut Notes, tools: &mut Array<'_>) -> Result<(), Rejected> {
    if tool.cache.is_some() {
        notes.allows(Feature::CacheControl)?;
    }
    if tool.is_custom && !notes.allows(Feature::CustomTools)? {
        return Ok(());
    }
    let mut object = tools.object();
    object.string("type", kind(tool));
    object.string("name", &notes.names.fit(&tool.name.decode(), NAMES));
    if let Some(description) = &tool.description {
        object.text("description", description);
    }
    if !tool.is_custom {
        let parameters = tool.parameters.unwrap_or(Value::EMPTY_OBJECT);
        write_parameters(&mut object, "parameters", parameters, tool.is_openapi);
        // Said always: left out, it is on, and then schemas of other protocols are refused.
        let asked = tool.strict == Some(true) && notes.allows(Feature::ToolStrict)?;
        if asked && !is_strict(parameters) {
            notes.add(Feature::ToolStrict.name(), How::Dropped);
        }
        object.boolean("strict", asked && is_strict(parameters));
    }
    Ok(())
}

const fn kind(tool: &Tool<'_>) -> &'static str {
    if tool.is_custom { "custom" } else { "function" }
}

fn write_choice(
    choice: &ToolChoice<'_>,
    request: &Request<'_>,
    notes: &mut Notes,
    body: &mut Object<'_>,
) -> Result<(), Rejected> {
    match choice {
        ToolChoice::Auto => _ = body.string("tool_choice", "auto"),
        ToolChoice::None => _ = body.string("tool_choice", "none"),
        ToolChoice::Required => _ = body.string("tool_choice", "required"),
        ToolChoice::Named(name) => write_named(name, &kinds(request), notes, &mut body.object("tool_choice")),
        ToolChoice::Allowed { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            if !notes.allows(Feature::AllowedTools)? {
                body.string("tool_choice", mode);
                return Ok(());
            }
            let mut object = body.object("tool_choice");
            object.string("type", "allowed_tools").string("mode", mode);
            let mut tools = object.array("tools");
            let kinds = kinds(request);
            for name in names {
                write_named(name, &kinds, notes, &mut tools.object());
            }
        }
    }
    Ok(())
}

/// The kinds of the tools by their names. Of two with one name, the first counts.
fn kinds<'r>(request: &'r Request<'_>) -> HashMap<Cow<'r, str>, &'static str> {
    request.tools.iter().rev().map(|tool| (tool.name.decode(), kind(tool))).collect()
}

fn write_named(
    name: &Text<'_>,
    kinds: &HashMap<Cow<'_, str>, &'static str>,
    notes: &mut Notes,
    object: &mut Object<'_>,
) {
    let name = name.decode();
    let kind = kinds.get(&*name).copied().unwrap_or("function");
    object.string("type", kind).string("name", &notes.names.fit(&name, NAMES));
}
