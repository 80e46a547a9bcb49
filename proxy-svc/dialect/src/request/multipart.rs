//! The fields of a `multipart/form-data` body: its files are passed over, not read.

use std::ops::Range;

use memchr::memmem::{self, Finder};

use super::{Malformed, Spans};

/// What a form says. Where a name stands twice, the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form<'a> {
    pub model: Option<&'a str>,
    /// Every value of a `model` field.
    pub model_spans: Spans,
    pub stream: Option<bool>,
}

/// Finds the `model` and `stream` fields of a form. A form that ends without its closing boundary is malformed.
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
    let (Some(name), Some(value)) = (field_name(head), bytes.get(value_from..)) else { return Ok(()) };
    match name {
        "model" => {
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
fn field_name(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    parameter(disposition, "name")
}

fn boundary(content_type: &str) -> Option<&str> {
    let (essence, _) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    // At most 70 characters, says RFC 2046; none at all would match anything.
    parameter(content_type, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// A parameter behind the first `;`, quoted or not. Semicolons in quotes separate nothing.
fn parameter<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => behind.split_at(behind.find(';').unwrap_or(behind.len())),
        };
        // A parameter without a value may stand before the name.
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim());
        }
        rest = next.split_once(';')?.1;
    }
}
