//! Tools, which of them is to be called, and calls: for an upstream.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::canonical::{Request, Text, Tool, ToolCall, ToolChoice};
use crate::json::Value;
use crate::json::write::Object;
use crate::openai::schema::write_parameters;
use crate::translate::policy::Feature;
use crate::translate::{How, NameRule, Rejected};

use super::ids::Ids;
use super::write_messages::cached;
use super::write_request::Writing;

const NAMES: NameRule = NameRule { max_length: 64, others: "-", begins_with_letter: false };

pub(super) fn write(object: &mut Object<'_>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    let request = writing.request;
    if request.tools.is_empty() {
        // Without tools OpenAI refuses to be told how to choose.
        return Ok(());
    }
    let only = match &request.tool_choice {
        // Compatible providers do not know lists of allowed tools: the others are left out.
        Some(ToolChoice::Allowed { names, .. }) if writing.is_compatible => {
            Some(names.iter().map(Text::decode).collect::<HashSet<_>>())
        }
        _ => None,
    };
    let mut array = object.array("tools");
    for tool in &request.tools {
        if only.as_ref().is_none_or(|names| names.contains(&tool.name.decode())) {
            self::tool(&mut array.object(), tool, writing)?;
        }
    }
    drop(array);
    if let Some(choice) = &request.tool_choice {
        self::choice(object, choice, writing)?;
    }
    if request.parallel_tool_calls == Some(false) && writing.notes.allows(Feature::ParallelOff)? {
        if writing.family.refuses_parallel_control() {
            writing.notes.add(Feature::ParallelOff.name(), How::Dropped);
        } else {
            object.boolean("parallel_tool_calls", false);
        }
    }
    Ok(())
}

fn tool(object: &mut Object<'_>, tool: &Tool<'_>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    let Tool { name, description, parameters, strict, is_custom, is_openapi, cache } = tool;
    cached(*cache, writing)?;
    let kind = if *is_custom {
        if writing.is_compatible {
            let message = "the model's provider knows no tools of free text";
            return Err(Rejected::new(Feature::CustomTools.name(), message));
        }
        writing.notes.allows(Feature::CustomTools)?;
        "custom"
    } else {
        "function"
    };
    let mut definition = object.string("type", kind).object(kind);
    definition.string("name", &writing.notes.names.fit(&name.decode(), NAMES));
    if let Some(description) = description {
        definition.text("description", description);
    }
    if *is_custom {
        return Ok(());
    }
    let parameters = parameters.unwrap_or(Value::EMPTY_OBJECT);
    write_parameters(&mut definition, "parameters", parameters, *is_openapi);
    // Tools are held to their schema where the caller says so, and not by themselves.
    if let Some(asked) = strict
        && writing.notes.allows(Feature::ToolStrict)?
        && let Some(strict) = writing.strict(Feature::ToolStrict.name(), Some(*asked), parameters)
    {
        definition.boolean("strict", strict);
    }
    Ok(())
}

fn choice(object: &mut Object<'_>, choice: &ToolChoice<'_>, writing: &mut Writing<'_, '_, '_>) -> Result<(), Rejected> {
    const FIELD: &str = "tool_choice";
    let word = |required: bool| if required { "required" } else { "auto" };
    match choice {
        ToolChoice::Auto => object.string(FIELD, "auto"),
        ToolChoice::None => object.string(FIELD, "none"),
        ToolChoice::Required => object.string(FIELD, "required"),
        ToolChoice::Named(name) => {
            named(&mut object.object(FIELD), name, &custom(writing.request), writing);
            object
        }
        ToolChoice::Allowed { names, required } => {
            writing.notes.allows(Feature::AllowedTools)?;
            if writing.is_compatible {
                object.string(FIELD, word(*required))
            } else {
                let mut outer = object.object(FIELD);
                let mut allowed = outer.string("type", "allowed_tools").object("allowed_tools");
                let mut tools = allowed.string("mode", word(*required)).array("tools");
                let custom = custom(writing.request);
                for name in names {
                    named(&mut tools.object(), name, &custom, writing);
                }
                return Ok(());
            }
        }
    };
    Ok(())
}

/// The names of the custom tools.
fn custom<'r>(request: &'r Request<'_>) -> HashSet<Cow<'r, str>> {
    request.tools.iter().filter(|tool| tool.is_custom).map(|tool| tool.name.decode()).collect()
}

fn named(object: &mut Object<'_>, name: &Text<'_>, custom: &HashSet<Cow<'_, str>>, writing: &mut Writing<'_, '_, '_>) {
    let name = name.decode();
    let kind = if custom.contains(&*name) { "custom" } else { "function" };
    object.string("type", kind).object(kind).string("name", &writing.notes.names.fit(&name, NAMES));
}

/// A call that was made.
pub(super) fn call(
    object: &mut Object<'_>,
    call: &ToolCall<'_>,
    ids: &mut Ids,
    writing: &mut Writing<'_, '_, '_>,
) -> Result<(), Rejected> {
    object.text("id", &ids.of_call(call));
    let name = call.name.decode();
    let name = writing.notes.names.fit(&name, NAMES);
    if call.is_custom && writing.notes.allows(Feature::CustomTools)? {
        let mut custom = object.string("type", "custom").object("custom");
        custom.string("name", &name);
        call.arguments.write_as_string(&mut custom, "input");
        return Ok(());
    }
    let mut function = object.string("type", "function").object("function");
    function.string("name", &name);
    match &call.arguments {
        // Some providers read it as JSON, which an empty text is not.
        crate::canonical::Arguments::Written(text) if text.is_blank() => {
            function.string("arguments", "{}");
        }
        arguments => arguments.write_as_string(&mut function, "arguments"),
    }
    Ok(())
}
