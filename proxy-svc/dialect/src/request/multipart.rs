//! The fields of a `multipart/form-data` body: its files are passed over, not read.
//!
//! Servers differ in what they make of escaped quotes, repeated names and folded headers. What another could read in
//! another way is refused here: a caller who may use one model must not be able to show the gateway that one and the
//! provider a different one.

use std::ops::Range;

use memchr::memmem::{self, Finder};

use super::{Malformed, Spans};

/// What a form says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form<'a> {
    pub model: Option<&'a str>,
    /// The place of its value.
    pub model_spans: Spans,
    pub stream: Option<bool>,
}

/// Finds the `model` and `stream` fields of a form. A form that ends without its closing boundary is malformed, and so
/// is one with two models.
pub fn multipart_model<'a>(content_type: &str, body: &'a [u8]) -> Result<Form<'a>, Malformed> {
    let boundary = boundary(content_type).ok_or(Malformed { at: 0, what: "the content type has no boundary" })?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let finder = Finder::new(&delimiter);
    let mut at = opening(body, &delimiter, &finder)?;
    let mut form = Form::default();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(form);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let head = at + padding;
        if body.get(head..head + 2) != Some(b"\r\n") {
            return Err(Malformed { at: head, what: "a boundary is not followed by a line end" });
        }
        let start = head + 2;
        let part = body.get(start..).unwrap_or_default();
        let length = finder.find(part).ok_or(Malformed { at: body.len(), what: "the form does not end" })?;
        field(&mut form, body, start..start + length)?;
        at = start + length + delimiter.len();
    }
}

/// Behind the first boundary; what stands before it is no part of the form.
fn opening(body: &[u8], delimiter: &[u8], finder: &Finder<'_>) -> Result<usize, Malformed> {
    let first = delimiter.get(2..).unwrap_or_default();
    if body.starts_with(first) {
        return Ok(first.len());
    }
    finder
        .find(body)
        .map(|at| at + delimiter.len())
        .ok_or(Malformed { at: 0, what: "the form does not start with its boundary" })
}

fn field<'a>(form: &mut Form<'a>, body: &'a [u8], part: Range<usize>) -> Result<(), Malformed> {
    let bytes = body.get(part.clone()).unwrap_or_default();
    // A part without headers starts with the blank line itself, and has no name.
    if bytes.starts_with(b"\r\n") {
        return Ok(());
    }
    let headers_end =
        memmem::find(bytes, b"\r\n\r\n").ok_or(Malformed { at: part.start, what: "a part's headers do not end" })?;
    let (head, value_from) = (bytes.get(..headers_end).unwrap_or_default(), headers_end + 4);
    let refused = |what| Malformed { at: part.start, what };
    let name = field_name(head).map_err(refused)?;
    let (Some(name), Some(value)) = (name, bytes.get(value_from..)) else { return Ok(()) };
    match name {
        "model" => {
            if form.model.is_some() {
                return Err(refused("the form has more than one model"));
            }
            form.model = Some(std::str::from_utf8(value).map_err(|error| Malformed {
                at: part.start + value_from + error.valid_up_to(),
                what: "invalid UTF-8",
            })?);
            form.model_spans.push(part.start + value_from..part.end);
        }
        "stream" => {
            form.stream = match value {
                b"true" | b"True" | b"1" => Some(true),
                b"false" | b"False" | b"0" => Some(false),
                _ => None,
            }
        }
        _ => {}
    }
    Ok(())
}

/// The `name` in a part's `content-disposition`.
fn field_name(head: &[u8]) -> Result<Option<&str>, &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| "a part's headers are not UTF-8")?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a part has a line that is no header")?;
        if name.starts_with([' ', '\t']) || line.contains(['\r', '\n']) {
            return Err("a part has a folded header");
        }
        if name.trim().eq_ignore_ascii_case("content-disposition") && disposition.replace(value).is_some() {
            return Err("a part has more than one disposition");
        }
    }
    disposition.map_or(Ok(None), |disposition| parameter(disposition, "name"))
}

fn boundary(content_type: &str) -> Option<&str> {
    let (essence, _) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    // At most 70 characters, says RFC 2046; none at all would match anything.
    parameter(content_type, "boundary").ok()?.filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// A parameter behind the first `;`, quoted or not. Semicolons in quotes separate nothing.
fn parameter<'a>(header: &'a str, wanted: &str) -> Result<Option<&'a str>, &'static str> {
    if header.contains('\\') {
        return Err("escapes in a parameter are not accepted");
    }
    let mut found = None;
    let mut rest = header.split_once(';').map(|(_, rest)| rest);
    while let Some((name, behind)) = rest.and_then(|rest| rest.split_once('=')) {
        let behind = behind.trim_start();
        let (value, next) = if let Some(quoted) = behind.strip_prefix('"') {
            quoted.split_once('"').ok_or("a quoted parameter does not end")?
        } else {
            let (value, next) = behind.split_at(behind.find(';').unwrap_or(behind.len()));
            (value.trim_end(), next)
        };
        // A parameter without a value may stand before the name.
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let is_wanted = name.strip_suffix('*').unwrap_or(name).eq_ignore_ascii_case(wanted);
        if is_wanted && (name.ends_with('*') || found.replace(value).is_some()) {
            return Err("a parameter is ambiguous");
        }
        rest = next.split_once(';').map(|(_, next)| next);
    }
    Ok(found)
}
