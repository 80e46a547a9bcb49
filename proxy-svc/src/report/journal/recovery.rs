//! Opening the journal: what the last process left is read, cut where it is damaged, and made whole.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use tollgate_shared::ids::RequestId;

use super::{
    super::{
        record::{self, Kind},
        segment::{self, Entry, Name, Position, Scanner},
    },
    JournalError, JournalOptions, Level, Recovered,
    open_requests::OpenRequests,
    space::Space,
    state::{Segment, State},
    synchronise::Unsynchronised,
};

/// Where the first event that is not acknowledged is, as it is remembered across restarts. One that is too old, or
/// missing, costs a redelivery and nothing else.
pub(super) struct Cursor;

impl Cursor {
    const FILE: &str = "cursor";

    /// In place: a half-written one has a wrong checksum and counts as missing.
    pub(super) fn write(directory: &Path, position: Position) -> io::Result<()> {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&position.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&position.offset.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        let mut file = segment::private().write(true).create(true).truncate(false).open(directory.join(Self::FILE))?;
        file.write_all(&bytes)
    }

    fn read(directory: &Path) -> Option<Position> {
        let bytes: [u8; 20] = fs::read(directory.join(Self::FILE)).ok()?.try_into().ok()?;
        let number = |range: std::ops::Range<usize>| bytes[range].try_into().ok().map(u64::from_le_bytes);
        let checksum = bytes[16..].try_into().ok().map(u32::from_le_bytes)?;
        (crc32fast::hash(&bytes[..16]) == checksum)
            .then(|| Some(Position { segment: number(0..8)?, offset: number(8..16)? }))
            .flatten()
    }
}

/// What reading the segments brings to light.
#[derive(Default)]
struct Findings {
    segments: VecDeque<Segment>,
    /// Requests that began and did not end, and where.
    open: HashMap<RequestId, Position>,
    cursor: Position,
    recovered: Recovered,
}

pub(super) fn recover(options: &JournalOptions) -> Result<(File, State, Recovered), JournalError> {
    let failed = |action| move |source| JournalError::Io { action, source };
    DirBuilder::new().recursive(true).mode(0o700).create(&options.directory).map_err(failed("create the directory"))?;
    let lock = lock(&options.directory)?;
    let mut findings = Findings { cursor: Cursor::read(&options.directory).unwrap_or_default(), ..Findings::default() };
    let names = list(&options.directory, &mut findings.recovered).map_err(failed("list the segments"))?;
    let last_id = names.last().map_or(0, |name| name.id);
    for name in names {
        findings.examine(name).map_err(failed("read a segment"))?;
    }
    let next_id = 1 + last_id.max(findings.cursor.segment);
    let recovered = findings.summary();
    Ok((lock, findings.into_state(options, next_id), recovered))
}

/// Two processes that write to one journal would destroy it.
fn lock(directory: &Path) -> Result<File, JournalError> {
    let failed = |source| JournalError::Io { action: "lock", source };
    let path = directory.join("lock");
    let file = segment::private().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn list(directory: &Path, recovered: &mut Recovered) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match Name::parse(path.clone()) {
            Entry::Segment(name) => names.push(name),
            Entry::Foreign => {
                tracing::error!(path = %path.display(), "a journal segment of another version is left alone");
                recovered.foreign += 1;
            }
            Entry::Other => {}
        }
    }
    names.sort_unstable_by_key(|name| name.id);
    Ok(names)
}

impl Findings {
    fn examine(&mut self, name: Name) -> io::Result<()> {
        let file = File::open(&name.path)?;
        let length = file.metadata()?.len();
        let bytes = segment::read_past_errors(&file, 0, usize::try_from(length).unwrap_or(usize::MAX))?;
        let mut scanner = Scanner::new(&bytes, name.salt, 0, true);
        for frame in &mut scanner {
            let place = Position { segment: name.id, offset: frame.offset };
            let Ok(request) = record::request_id(frame.payload) else { continue };
            match frame.kind {
                Kind::Open => {
                    self.open.insert(request, place);
                }
                Kind::Final => {
                    self.open.remove(&request);
                    self.recovered.undelivered += u64::from(place >= self.cursor);
                }
            }
        }
        let (end, damaged) = (scanner.end_of_records(), scanner.damaged());
        if damaged > 0 {
            tracing::warn!(path = %name.path.display(), places = damaged, "a journal segment is damaged; its sound records are kept");
            self.recovered.damaged += damaged;
        }
        self.keep(name, end);
        Ok(())
    }

    /// Nothing is appended to an old segment, so it needs no more room than its records.
    fn keep(&mut self, name: Name, end: u64) {
        if end == 0 {
            if let Err(error) = fs::remove_file(&name.path) {
                tracing::warn!(%error, path = %name.path.display(), "an empty journal segment could not be removed");
            }
            return;
        }
        let cut = File::options().write(true).open(&name.path).and_then(|file| file.set_len(end));
        if let Err(error) = cut {
            tracing::warn!(%error, path = %name.path.display(), "a journal segment could not be cut");
        }
        self.recovered.segments += 1;
        self.segments.push_back(Segment { name, end, size: end, open: 0 });
    }

    fn summary(&self) -> Recovered {
        let interrupted = self.open.len() as u64;
        Recovered { interrupted, undelivered: self.recovered.undelivered + interrupted, ..self.recovered }
    }

    fn into_state(self, options: &JournalOptions, next_id: u64) -> State {
        let bytes = self.segments.iter().map(|segment| segment.end).sum();
        let mut open = OpenRequests::default();
        let mut segments = self.segments;
        let mut places: Vec<Position> = self.open.into_values().collect();
        places.sort_unstable();
        let orphans = places.into_iter().map(|place| {
            if let Ok(index) = segments.binary_search_by_key(&place.segment, |segment| segment.name.id) {
                segments[index].open += 1;
            }
            open.insert(place)
        });
        State {
            orphans: orphans.collect(),
            space: Space::new(options.clone(), next_id, bytes),
            segments,
            active: None,
            open,
            finals: self.recovered.undelivered,
            appended: 0,
            used: bytes,
            acknowledged: self.cursor,
            limbo: VecDeque::new(),
            refusing: false,
            failure: None,
            chores_called: false,
            cursor_is_old: false,
            unsynchronised: (options.level == Level::Host).then(Unsynchronised::default),
        }
    }
}
