//! `functionResponse` of a request to Gemini: an object, under the name of the function.

use super::write_tools::NAMES;
use crate::canonical::{ToolResult, join};
use crate::json::write::Object;
use crate::json::{Kind, Value};
use crate::translate::conversation::ToolNames;
use crate::translate::policy::Feature;
use crate::translate::{Notes, Rejected};

pub(super) fn write(
    result: &ToolResult<'_>,
    tools: &ToolNames<'_, '_>,
    part: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let id = result.id.as_ref().filter(|id| !id.is_empty());
    let name = id.and_then(|id| tools.get(id)).or(result.name.as_ref());
    let Some(name) = name else {
        let message = "a tool's result answers no call of the conversation, and this model's provider wants its name";
        return Err(Rejected::new("messages", message));
    };
    let mut response = part.object("functionResponse");
    if let Some(id) = id {
        response.text("id", id);
    }
    response.string("name", &notes.names.fit(&name.decode(), NAMES));
    let text = join(result.texts());
    if result.is_error && notes.allows(Feature::ToolResultError)? {
        response.object("response").text("error", &text);
        return Ok(());
    }
    let decoded = text.decode();
    match Value::parse(decoded.as_bytes()) {
        Ok(value) if value.kind() == Kind::Object && !has_long_number(&decoded) => {
            response.value("response", value);
        }
        _ => _ = response.object("response").text("result", &text),
    }
    Ok(())
}

/// Numbers in an object become doubles at Google: an id of many digits would come to the model as another one. Such an
/// object stays a text.
fn has_long_number(text: &str) -> bool {
    const EXACT_DIGITS: usize = 15;
    text.split(|character: char| !character.is_ascii_digit()).any(|digits| digits.len() > EXACT_DIGITS)
}
