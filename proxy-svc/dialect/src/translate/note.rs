//! What was approximated in a translation, for the caller to know.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::policy::{Feature, Verdict};
use super::{Format, Names, Rejected};

/// One thing that the target does in another way than the caller said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The caller's field, as in `generationConfig.topK`, or the feature.
    pub field: Cow<'static, str>,
    pub how: How,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Left out: the target has nothing like it, and the answer keeps its meaning.
    Dropped,
    /// Brought into the range that the target takes.
    Clamped,
    /// Said by other means that come close.
    Approximated,
    /// Set by the gateway because the target demands it.
    Defaulted,
}

impl How {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Clamped => "clamped",
            Self::Approximated => "approximated",
            Self::Defaulted => "defaulted",
        }
    }
}

impl Note {
    pub fn new(field: impl Into<Cow<'static, str>>, how: How) -> Self {
        Self { field: field.into(), how }
    }

    /// A member that nobody knows: it is left out, and its name is shown as far as it can stand in a header.
    pub fn unknown(place: &str, name: &str) -> Self {
        let mut field = String::with_capacity(place.len() + name.len() + 1);
        field.push_str(place);
        if !place.is_empty() {
            field.push('.');
        }
        let allowed = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        field.extend(name.chars().filter(allowed).take(64));
        Self { field: Cow::Owned(field), how: How::Dropped }
    }
}

/// Collects notes while a request is written for one target.
#[derive(Debug, Clone)]
pub struct Notes {
    target: Format,
    list: Vec<Note>,
    /// Tools' names that had to be changed for the target.
    pub(crate) names: Names,
}

impl Notes {
    /// `read` is what was noted while the request was read.
    pub fn new(target: Format, read: &[Note]) -> Self {
        let mut notes = Self { target, list: Vec::new(), names: Names::default() };
        read.iter().cloned().for_each(|note| notes.push(note));
        notes
    }

    /// Whether the target has a feature that the request uses. What it has not is noted, or rejected where leaving it
    /// out would change the meaning; the table is [`super::policy`].
    pub(crate) fn allows(&mut self, feature: Feature) -> Result<bool, Rejected> {
        match feature.at(self.target) {
            Verdict::Carried(_) => Ok(true),
            Verdict::Adapted(how, _) => {
                self.push(Note::new(feature.name(), how));
                // What is approximated is written, what is dropped is not.
                Ok(how != How::Dropped)
            }
            Verdict::Refused(why) => {
                Err(Rejected::new(feature.name(), format!("{} cannot do this: {why}", self.target.as_str())))
            }
        }
    }

    /// Notes what the table leaves to the values.
    pub(crate) fn add(&mut self, field: impl Into<Cow<'static, str>>, how: How) {
        self.push(Note::new(field, how));
    }

    fn push(&mut self, note: Note) {
        if !self.list.contains(&note) {
            self.list.push(note);
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<Note>, Names) {
        (self.list, self.names)
    }
}

/// The value of `x-tollgate-adapted`, `field=how` with commas between; at most 1 KiB, the rest is counted. `None` when
/// nothing was adapted.
pub fn header_value(notes: &[Note]) -> Option<String> {
    const LIMIT: usize = 1000;
    let mut value = String::new();
    for (index, note) in notes.iter().enumerate() {
        if value.len() + note.field.len() > LIMIT {
            // Writing into a string does not fail.
            let _ = write!(value, ", and {} more", notes.len() - index);
            break;
        }
        if !value.is_empty() {
            value.push_str(", ");
        }
        let _ = write!(value, "{}={}", note.field, note.how.as_str());
    }
    (!value.is_empty()).then_some(value)
}
