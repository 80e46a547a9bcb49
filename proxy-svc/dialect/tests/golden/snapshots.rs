//! Files that hold what is expected, and what is said when something else came.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::fixtures;

/// Lines around a difference.
const CONTEXT: usize = 3;
/// Lines of it that are shown.
const SHOWN: usize = 40;

/// The snapshots of one folder. All of them are compared before the test fails.
pub(crate) struct Snapshots {
    folder: PathBuf,
    is_update: bool,
    seen: BTreeSet<String>,
    differences: String,
}

impl Snapshots {
    pub(crate) fn of(folder: &str) -> Self {
        let folder = fixtures::root().join("snapshots").join(folder);
        fs::create_dir_all(&folder).unwrap();
        let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
        Self { folder, is_update, seen: BTreeSet::new(), differences: String::new() }
    }

    pub(crate) fn compare(&mut self, name: &str, found: &str) {
        let name = format!("{name}.txt");
        let path = self.folder.join(&name);
        if self.is_update {
            fs::write(&path, found).unwrap();
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if expected != found {
                writeln!(self.differences, "\n{}\n{}", path.display(), difference(&expected, found)).unwrap();
            }
        }
        self.seen.insert(name);
    }

    /// Fails when anything differed, or a snapshot is left of what is no more.
    pub(crate) fn finish(mut self) {
        for entry in fs::read_dir(&self.folder).unwrap() {
            let entry = entry.unwrap();
            if self.seen.contains(entry.file_name().to_str().unwrap()) {
                continue;
            }
            if self.is_update {
                fs::remove_file(entry.path()).unwrap();
            } else {
                writeln!(self.differences, "\n{} has no fixture", entry.path().display()).unwrap();
            }
        }
        assert!(
            self.differences.is_empty(),
            "{}\nWhere this is what it should be: UPDATE_GOLDEN=1 cargo test -p tollgate-dialect --test golden, and \
             read what changed.",
            self.differences
        );
    }
}

/// The lines from the first that differs to the last.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same = |one: &mut dyn Iterator<Item = &&str>, other: &mut dyn Iterator<Item = &&str>| {
        one.zip(other).take_while(|(one, other)| one == other).count()
    };
    let before = same(&mut expected.iter(), &mut found.iter());
    let most = expected.len().min(found.len()) - before;
    let behind = same(&mut expected.iter().rev(), &mut found.iter().rev()).min(most);
    let mut text = String::new();
    let mut show = |mark: &str, lines: &[&str]| {
        for line in lines.iter().take(SHOWN) {
            writeln!(text, "{mark} {line}").unwrap();
        }
        if lines.len() > SHOWN {
            writeln!(text, "{mark} … {} more lines", lines.len() - SHOWN).unwrap();
        }
    };
    show(" ", &expected[before.saturating_sub(CONTEXT)..before]);
    show("-", &expected[before..expected.len() - behind]);
    show("+", &found[before..found.len() - behind]);
    show(" ", &expected[expected.len() - behind..(expected.len() - behind + CONTEXT).min(expected.len())]);
    text
}

#[test]
fn a_difference_is_shown_with_the_lines_around_it() {
    assert_eq!(difference("a\nb\nc\nd\ne\nf\ng", "a\nb\nc\nd\nX\nf\ng"), "  b\n  c\n  d\n- e\n+ X\n  f\n  g\n");
    assert_eq!(difference("", "a"), "+ a\n");
    assert_eq!(difference("a\na", "a"), "  a\n- a\n");
}
