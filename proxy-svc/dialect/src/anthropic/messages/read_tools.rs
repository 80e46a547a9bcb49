//! The tools that a caller defines, and its choice among them.

use crate::canonical::{Request, Tool, ToolChoice};
use crate::json::{Kind, Value};
use crate::translate::{Rejected, read};

use super::read_blocks::required;
use super::read_request::{Reader, cache_control, members, shown};

impl Reader<'_> {
    pub(super) fn tools<'a>(&mut self, value: Value<'a>) -> Result<Vec<Tool<'a>>, Rejected> {
        read::list("tools", value, |element| self.tool(element))
    }

    fn tool<'a>(&mut self, value: Value<'a>) -> Result<Tool<'a>, Rejected> {
        if value.kind() != Kind::Object {
            return Err(Rejected::new("", "a tool must be an object"));
        }
        if let Some(kind) = value.get("type") {
            let kind = read::string("type", kind)?;
            if kind != "custom" {
                let message = format!(
                    "`type`: the tool `{}` cannot be translated for this model's provider: Anthropic runs or defines it",
                    shown(&kind)
                );
                return Err(Rejected::new("type", message));
            }
        }
        let mut tool = Tool {
            name: required(value, "name")?,
            description: None,
            parameters: None,
            is_openapi: false,
            strict: None,
            is_custom: false,
            cache: None,
        };
        for (name, value) in members(value) {
            match &*name {
                "type" | "name" => {}
                "description" => tool.description = Some(read::text(&name, value)?),
                "input_schema" => tool.parameters = Some(read::object(&name, value)?),
                "strict" => tool.strict = Some(read::boolean(&name, value)?),
                "cache_control" => tool.cache = Some(cache_control(value)),
                _ => self.settle("tools", &name, value)?,
            }
        }
        Ok(tool)
    }

    pub(super) fn tool_choice<'a>(&mut self, value: Value<'a>, request: &mut Request<'a>) -> Result<(), Rejected> {
        let value = read::object("", value)?;
        let kind = required(value, "type")?;
        request.tool_choice = Some(match &*kind.decode() {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            "tool" => ToolChoice::Named(required(value, "name")?),
            other => return Err(Rejected::new("type", format!("`type` cannot be `{}`", shown(other)))),
        });
        if let Some(off) = value.get("disable_parallel_tool_use") {
            request.parallel_tool_calls = Some(!read::boolean("disable_parallel_tool_use", off)?);
        }
        self.others(value, "tool_choice", &["type", "name", "disable_parallel_tool_use"])
    }
}
