//! A member's value with its tag.

use super::{MARKER, Tagger};
use crate::json::walk::Slot;

/// Appends the value with a tag; false, and nothing appended, when it is to stay as it is.
pub(super) fn write(slot: Slot, value: &[u8], tagger: &dyn Tagger, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let written = match slot {
        Slot::Url => write_url(value, tagger, out),
        _ => write_id(value, tagger, out),
    };
    if written.is_none() {
        out.truncate(before);
    }
    written.is_some()
}

fn write_id(value: &[u8], tagger: &dyn Tagger, out: &mut Vec<u8>) -> Option<()> {
    let id = inside(value)?;
    out.push(b'"');
    write_tagged(id, tagger, out)?;
    out.push(b'"');
    Some(())
}

/// `results_url`: the same path at the gateway, with the tag behind the batch's id. Where the provider is reached
/// under another path, what stands before `/messages/` is that path.
fn write_url(value: &[u8], tagger: &dyn Tagger, out: &mut Vec<u8>) -> Option<()> {
    let (_, below) = inside(value)?.split_once("/messages/batches/")?;
    let (id, behind) = below.split_at(below.find(['/', '?', '#']).unwrap_or(below.len()));
    out.push(b'"');
    out.extend_from_slice(tagger.origin()?.as_bytes());
    out.extend_from_slice(b"/v1/messages/batches/");
    write_tagged(id, tagger, out)?;
    out.extend_from_slice(behind.as_bytes());
    out.push(b'"');
    Some(())
}

fn write_tagged(id: &str, tagger: &dyn Tagger, out: &mut Vec<u8>) -> Option<()> {
    if !is_id(id) {
        return None;
    }
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(MARKER.as_bytes());
    tagger.write_tag(id, out).then_some(())
}

/// A string's inside, when it is written without escapes.
fn inside(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() { None } else { std::str::from_utf8(inner).ok() }
}

/// What stands as it is in a path and in a query, so that it comes back as it was given.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%' | b'?' | b'#' | b'&' | b'+'))
}
