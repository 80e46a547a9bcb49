//! Requests of callers, and answers and streams of upstreams, in the shapes that each protocol's own clients and
//! providers send.

use std::fs;
use std::path::{Path, PathBuf};

use tollgate_dialect::translate::Format;

/// The folder of a format.
pub(crate) const fn folder(format: Format) -> &'static str {
    match format {
        Format::Chat => "chat",
        Format::Responses => "responses",
        Format::Messages => "messages",
        Format::Generate => "generate",
    }
}

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Of one folder, by their names.
pub(crate) fn all(folder: &str) -> Vec<Fixture> {
    let folder = root().join("fixtures").join(folder);
    let mut found: Vec<Fixture> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| Fixture {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            bytes: fs::read(&path).unwrap(),
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

pub(crate) fn of(format: Format, kind: &str) -> Vec<Fixture> {
    all(&format!("{}/{kind}", folder(format)))
}
