//! Exchanging a few bytes of a body while all the others stay as they came.
//!
//! A body is never written anew: unknown members, the order of members, spaces and number formats are the caller's,
//! and prompt caches at the provider depend on them.

use std::borrow::Cow;
use std::ops::Range;

use crate::endpoint::Endpoint;
use crate::request::{OptionsShape, RequestScan, Spans};

/// One place in a body and what stands there afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub at: Range<usize>,
    pub with: Cow<'static, [u8]>,
}

/// Edits in the order of their places, none inside another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

impl Edits {
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an edit. One that reaches into another's place is left out: two writers cannot both be right.
    pub fn push(&mut self, edit: Edit) {
        let index = self.0.partition_point(|other| other.at.start < edit.at.start);
        let before = index.checked_sub(1).and_then(|before| self.0.get(before));
        let overlaps = before.is_some_and(|before| before.at.end > edit.at.start)
            || self.0.get(index).is_some_and(|after| after.at.start < edit.at.end);
        if !overlaps {
            self.0.insert(index, edit);
        }
    }

    /// Puts a model's name at every place of the old one, as a JSON string. Nothing changes when it stands there
    /// already, so that this is called for every request: it also settles which model a body means that names two.
    pub fn rename_model(&mut self, scan: &RequestScan<'_>, name: &str) {
        if scan.has_several_models || scan.model.as_deref() != Some(name) {
            self.rename(&scan.model_spans, &quoted(name));
        }
    }

    /// The same for Gemini's bodies, which name the model of the path again: at the top and inside, with its
    /// collection before it.
    pub fn rename_inner_models(&mut self, scan: &RequestScan<'_>, name: &str) {
        let name = resource_name(name);
        self.rename_model(scan, &name);
        self.rename(&scan.inner_model_spans, &quoted(&name));
    }

    /// The same for a field of a form, where a name stands as it is. A line break would end the field: such a name
    /// belongs to no model and changes nothing.
    pub fn rename_form_model(&mut self, spans: &Spans, name: &str) {
        if !name.contains(['\r', '\n']) {
            self.rename(spans, name.as_bytes());
        }
    }

    fn rename(&mut self, spans: &Spans, with: &[u8]) {
        for span in spans.iter() {
            self.push(Edit { at: span.clone(), with: Cow::Owned(with.to_vec()) });
        }
    }

    /// Makes the provider tell the usage in the stream. Nothing changes when the caller asked for it already, or when
    /// its `stream_options` are nothing that the provider would accept.
    pub fn ask_usage(&mut self, scan: &RequestScan<'_>) {
        const OPTIONS: &[u8] = br#"{"include_usage":true}"#;
        let Some(options) = &scan.stream_options else {
            let member: &'static [u8] = if scan.is_empty {
                br#""stream_options":{"include_usage":true}"#
            } else {
                br#""stream_options":{"include_usage":true},"#
            };
            self.push(Edit { at: scan.insert_at..scan.insert_at, with: Cow::Borrowed(member) });
            return;
        };
        let (at, with): (_, &'static [u8]) = match &options.shape {
            OptionsShape::Other => return,
            OptionsShape::Object { .. } if options.include_usage == Some(true) => return,
            OptionsShape::Null | OptionsShape::Object { is_empty: true, .. } => (options.span.clone(), OPTIONS),
            OptionsShape::Object { include_usage: Some(value), .. } => (value.clone(), b"true"),
            OptionsShape::Object { include_usage: None, .. } => {
                let inside = options.span.start + 1;
                (inside..inside, br#""include_usage":true,"#)
            }
        };
        self.push(Edit { at, with: Cow::Borrowed(with) });
    }

    /// How long the body is afterwards.
    pub fn length(&self, body_length: usize) -> usize {
        self.0
            .iter()
            .fold(body_length, |length, edit| (length + edit.with.len()).saturating_sub(edit.at.end - edit.at.start))
    }

    /// The body afterwards, as slices of the old one and of what is new: for writing without a copy.
    pub fn slices<'s>(&'s self, body: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        let starts = std::iter::once(0).chain(self.0.iter().map(|edit| edit.at.end));
        let ends = self.0.iter().map(|edit| edit.at.start).chain(std::iter::once(body.len()));
        let kept = starts.zip(ends).map(move |(start, end)| body.get(start..end).unwrap_or_default());
        let new = self.0.iter().map(|edit| &*edit.with).chain(std::iter::once(&b""[..]));
        kept.zip(new).flat_map(|(kept, new)| [kept, new]).filter(|slice| !slice.is_empty())
    }
}

/// The body with the edits made, in one copy.
pub fn replace(body: &[u8], edits: &Edits) -> Vec<u8> {
    let mut out = Vec::with_capacity(edits.length(body.len()));
    for slice in edits.slices(body) {
        out.extend_from_slice(slice);
    }
    out
}

/// The path with another model's name, where the path has one. `path` is the one that `endpoint` was recognised from.
pub fn rename_model_in_path<'p>(path: &'p str, endpoint: &Endpoint<'_>, name: &str) -> Cow<'p, str> {
    let Some(at) = endpoint.model_in_path.clone() else { return Cow::Borrowed(path) };
    let (Some(before), Some(old), Some(behind)) = (path.get(..at.start), path.get(at.clone()), path.get(at.end..))
    else {
        return Cow::Borrowed(path);
    };
    if old == name {
        return Cow::Borrowed(path);
    }
    // The collection is part of a tuned model's name, and not of the others'.
    let before = before.strip_suffix("models/").unwrap_or(before);
    let name = if endpoint.protocol == crate::Protocol::Gemini || before.len() < at.start {
        resource_name(name)
    } else {
        Cow::Borrowed(name)
    };
    Cow::Owned([before, &name, behind].concat())
}

/// A model's name with its collection.
pub(crate) fn resource_name(name: &str) -> Cow<'_, str> {
    if name.starts_with("models/") || name.starts_with("tunedModels/") {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("models/{name}"))
    }
}

fn quoted(name: &str) -> Vec<u8> {
    crate::error::to_json(&name)
}

#[cfg(test)]
mod tests;
