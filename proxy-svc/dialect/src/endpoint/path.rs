//! A path, cut at its slashes.

use std::ops::Range;

/// More segments than this has no path of any protocol.
const SEGMENTS: usize = 8;

/// Which version of the protocol the path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V1Beta,
}

/// A path that reads the same to everybody: no escapes, no empty segments, no dots.
#[derive(Debug)]
pub(crate) struct Path<'p> {
    pub(crate) version: Option<Version>,
    pub(crate) version_prefix: &'p str,
    pub(crate) rest: &'p str,
    whole: &'p str,
    segments: [&'p str; SEGMENTS],
    starts: [usize; SEGMENTS],
    count: usize,
}

impl<'p> Path<'p> {
    pub(crate) fn parse(path: &'p str) -> Result<Self, &'static str> {
        let Some(below) = path.strip_prefix('/') else {
            return Err("it does not start with a slash");
        };
        if path.contains('%') {
            return Err("percent-encoding is not accepted");
        }
        if path.bytes().any(|byte| !(0x21..=0x7e).contains(&byte) || matches!(byte, b'\\' | b'?' | b'#')) {
            return Err("it has a character that does not belong in a path");
        }
        let mut parsed = Self::unversioned(path);
        if below.is_empty() {
            // The root has no segments: there is nothing in it to read in another way.
            return Ok(parsed);
        }
        for (index, segment) in below.split('/').enumerate() {
            match segment {
                "" => return Err("it has an empty segment"),
                "." | ".." => return Err("it has a dot segment"),
                _ if index == 0 => parsed.version(segment),
                _ => parsed.push(segment)?,
            }
        }
        Ok(parsed)
    }

    fn unversioned(whole: &'p str) -> Self {
        Self {
            version: None,
            version_prefix: "",
            rest: whole,
            whole,
            segments: [""; SEGMENTS],
            starts: [0; SEGMENTS],
            count: 0,
        }
    }

    fn version(&mut self, segment: &str) {
        self.version = match segment {
            "v1" => Some(Version::V1),
            "v1beta" => Some(Version::V1Beta),
            _ => None,
        };
        if self.version.is_some() {
            let (prefix, rest) = self.whole.split_at(segment.len() + 1);
            self.version_prefix = prefix;
            self.rest = rest;
        }
    }

    fn push(&mut self, segment: &'p str) -> Result<(), &'static str> {
        let start = match self.count.checked_sub(1) {
            Some(last) => self.range(last).end + 1,
            None => self.whole.len() - self.rest.len() + 1,
        };
        let (Some(slot), Some(begin)) = (self.segments.get_mut(self.count), self.starts.get_mut(self.count)) else {
            return Err("it has too many segments");
        };
        *slot = segment;
        *begin = start;
        self.count += 1;
        Ok(())
    }

    /// The segments behind the version.
    pub(crate) fn segments(&self) -> &[&'p str] {
        self.segments.get(..self.count).unwrap_or_default()
    }

    /// Where a segment stands in the whole path.
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let start = self.starts.get(index).copied().unwrap_or_default();
        start..start + self.segments.get(index).map_or(0, |segment| segment.len())
    }

    /// From a segment to the path's end.
    pub(crate) fn range_from(&self, index: usize) -> Range<usize> {
        self.range(index).start..self.whole.len()
    }
}
