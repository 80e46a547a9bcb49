//! Writes the tools and the choice among them.

use std::collections::HashSet;

use crate::canonical::{Block, Request, Text, Tool, ToolChoice};
use crate::json::Value;
use crate::json::write::{Array, Object};
use crate::translate::policy::Feature;
use crate::translate::schema::json_schema;
use crate::translate::{How, NameRule, Notes, Rejected};

use super::blocks::write_cache;
use super::models::Model;
use super::schema;

/// Anthropic's names of tools.
pub(super) const RULE: NameRule = NameRule { max_length: 128, others: "-", begins_with_letter: false };

/// What will be written of the tools.
pub(super) struct Tools<'r, 'a> {
    defined: Vec<&'r Tool<'a>>,
    /// Tools that only the history names: Anthropic wants a definition of some tool where calls are shown.
    remembered: Vec<&'r Text<'a>>,
    choice: Choice<'r, 'a>,
    parallel_off: bool,
}

enum Choice<'r, 'a> {
    Unsaid,
    Auto,
    None,
    Any,
    Named(&'r Text<'a>),
}

impl<'r, 'a> Tools<'r, 'a> {
    pub(super) fn of(request: &'r Request<'a>, notes: &mut Notes) -> Result<Self, Rejected> {
        let mut found = Self {
            defined: request.tools.iter().collect(),
            remembered: Vec::new(),
            choice: Choice::Unsaid,
            parallel_off: false,
        };
        if request.tools.is_empty() {
            found.remember(request, notes);
            return Ok(found);
        }
        found.choice = match &request.tool_choice {
            None => Choice::Unsaid,
            Some(ToolChoice::Auto) => Choice::Auto,
            Some(ToolChoice::None) => Choice::None,
            Some(ToolChoice::Required) => Choice::Any,
            Some(ToolChoice::Named(name)) => Choice::Named(name),
            Some(ToolChoice::Allowed { names, required }) => {
                notes.allows(Feature::AllowedTools)?;
                let names: HashSet<_> = names.iter().map(Text::decode).collect();
                found.defined.retain(|tool| names.contains(&tool.name.decode()));
                if found.defined.is_empty() {
                    return Err(Rejected::new("tool_choice", "`tool_choice` allows none of the tools"));
                }
                if *required { Choice::Any } else { Choice::Auto }
            }
        };
        if request.parallel_tool_calls == Some(false) {
            found.parallel_off = notes.allows(Feature::ParallelOff)?;
        }
        Ok(found)
    }

    fn remember(&mut self, request: &'r Request<'a>, notes: &mut Notes) {
        let mut known = HashSet::new();
        for block in request.messages.iter().flat_map(|message| &message.content) {
            if let Block::ToolCall(call) = block
                && known.insert(call.name.decode())
            {
                self.remembered.push(&call.name);
            }
        }
        if !self.remembered.is_empty() {
            notes.add("tools", How::Defaulted);
            self.choice = Choice::None;
        }
    }

    /// Whether the model must call one of them.
    pub(super) const fn are_forced(&self) -> bool {
        matches!(self.choice, Choice::Any | Choice::Named(_))
    }

    /// A model that thinks cannot be made to call one.
    pub(super) fn ask_only(&mut self, notes: &mut Notes) {
        notes.add("tool_choice", How::Approximated);
        self.choice = Choice::Auto;
    }

    pub(super) fn write(&self, object: &mut Object<'_>, model: &Model, notes: &mut Notes) -> Result<(), Rejected> {
        if self.defined.is_empty() && self.remembered.is_empty() {
            return Ok(());
        }
        {
            let mut array = object.array("tools");
            for (index, tool) in self.defined.iter().enumerate() {
                write_tool(tool, index, &mut array, model, notes)?;
            }
            for name in &self.remembered {
                let mut object = array.object();
                object.string("name", &notes.names.fit(&name.decode(), RULE));
                object.object("input_schema").string("type", "object").object("properties");
            }
        }
        self.write_choice(object, notes);
        Ok(())
    }

    fn write_choice(&self, object: &mut Object<'_>, notes: &mut Notes) {
        let kind = match self.choice {
            Choice::Unsaid if self.parallel_off => "auto",
            Choice::Unsaid => return,
            Choice::Auto => "auto",
            Choice::None => "none",
            Choice::Any => "any",
            Choice::Named(_) => "tool",
        };
        let mut object = object.object("tool_choice");
        object.string("type", kind);
        if let Choice::Named(name) = self.choice {
            object.string("name", &notes.names.fit(&name.decode(), RULE));
        }
        if self.parallel_off && kind != "none" {
            object.boolean("disable_parallel_tool_use", true);
        }
    }
}

fn write_tool(
    tool: &Tool<'_>,
    index: usize,
    array: &mut Array<'_>,
    model: &Model,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    if tool.is_custom {
        notes.allows(Feature::CustomTools)?;
    }
    let is_strict = tool.strict == Some(true) && notes.allows(Feature::ToolStrict)?;
    if is_strict && !model.takes_schemas {
        notes.add(Feature::ToolStrict.name(), How::Dropped);
    }
    let is_strict = is_strict && model.takes_schemas;
    let parameters = tool.parameters.map(|schema| json_schema(schema, tool.is_openapi));
    let parameters = parameters.as_ref().and_then(|text| Value::parse(text.as_bytes()).ok());
    let schema = schema::of_tool(parameters, is_strict).ok_or_else(|| {
        Rejected::new("parameters", "`parameters` must be the schema of an object").inside_element("tools", index)
    })?;
    if schema.is_looser {
        notes.add("tools.parameters", How::Approximated);
    }
    let mut object = array.object();
    object.string("name", &notes.names.fit(&tool.name.decode(), RULE));
    if let Some(description) = tool.description.as_ref().filter(|text| !text.is_empty()) {
        object.text("description", description);
    }
    object.raw("input_schema", &schema.json);
    if is_strict {
        object.boolean("strict", true);
    }
    write_cache(&mut object, tool.cache);
    Ok(())
}
