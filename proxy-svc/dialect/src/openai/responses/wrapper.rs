//! Calls that a model wrapped into one: it sometimes answers with a call of a tool `parallel`
//! (`multi_tool_use.parallel`) that nobody offered, with the real calls in its arguments.

use crate::canonical::{Arguments, Text, ToolCall};
use crate::json::Value;

/// Whether a call's name is that of the wrapper. What it is in the end is told by its arguments.
pub(super) fn may_be(name: &Text<'_>) -> bool {
    matches!(&*name.decode(), "parallel" | "multi_tool_use.parallel")
}

/// The calls inside; `None` when it is a tool's own call.
pub(super) fn calls_in(id: Option<&Text<'_>>, arguments: &Text<'_>) -> Option<Vec<ToolCall<'static>>> {
    let decoded = arguments.decode();
    let arguments = Value::parse(decoded.as_bytes()).ok()?;
    let mut calls = Vec::new();
    for (index, inner) in arguments.get("tool_uses")?.elements().enumerate() {
        let name = inner.get("recipient_name")?.string()?;
        let name = name.strip_prefix("functions.")?;
        let parameters = inner.get("parameters").unwrap_or(Value::EMPTY_OBJECT);
        calls.push(ToolCall {
            id: id.map(|id| Text::from(format!("{}_{index}", id.decode()))),
            name: Text::from(name.to_owned()),
            arguments: Arguments::Written(Text::from(parameters.raw().to_owned())),
            is_custom: false,
            signature: None,
            cache: None,
        });
    }
    (!calls.is_empty()).then_some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_inside_are_found() {
        let written =
            r#"{"tool_uses":[{"recipient_name":"functions.a","parameters":{"x":1}},{"recipient_name":"functions.b"}]}"#;
        let id = Text::from("call_1");
        let calls = calls_in(Some(&id), &Text::from(written)).unwrap();
        let names: Vec<_> = calls.iter().map(|call| call.name.decode().into_owned()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(calls[1].id, Some(Text::from("call_1_1")));
        assert_eq!(calls[0].arguments, Arguments::Written(Text::from(r#"{"x":1}"#)));
    }

    #[test]
    fn a_tool_of_that_name_stays_what_it_is() {
        for written in ["", "{}", r#"{"tool_uses":[]}"#, r#"{"tool_uses":[{"recipient_name":"mine"}]}"#] {
            assert_eq!(calls_in(None, &Text::from(written)), None, "{written}");
        }
    }
}
