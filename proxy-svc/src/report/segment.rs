//! A segment: one file of records, filled from its start and never changed behind its end.
//!
//! A frame is `length (u32) | checksum (u32) | kind (u8) | payload`, little-endian; the length counts kind and
//! payload, the checksum is their CRC-32 xor the segment's salt. The salt is drawn when the segment is made and stands
//! in its name, so that a text in a damaged record cannot pass for a record: who chose the text did not know the salt.
//!
//! A file is filled with zeros when it is made. So a record that fits has its room for certain, also on a disk that
//! is full by now, and the end of the records is where zeros begin.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::record::{ACCOUNTING_BYTES, Kind};

#[cfg(test)]
mod tests;

/// Bytes of a frame before its payload.
pub(super) const FRAME_BYTES: usize = 9;
/// The room that every open request has for its final, whatever happens.
pub(super) const FINAL_RESERVE: u64 = (ACCOUNTING_BYTES + FRAME_BYTES) as u64;
/// No frame is longer: the bounds in `record` see to it.
pub(super) const MAX_FRAME: usize = 64 << 10;

const VERSION: &str = "v1";
const EXTENSION: &str = "segment";

/// A place in the journal. Later places are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// What a segment's file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) id: u64,
    pub(super) salt: u32,
    pub(super) path: PathBuf,
}

/// What a file in the journal's directory is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Segment(Name),
    /// A segment of another version of this program.
    Foreign,
    Other,
}

impl Name {
    pub(super) fn new(directory: &Path, id: u64, salt: u32) -> Self {
        Self { id, salt, path: directory.join(format!("{id:016x}-{salt:08x}.{VERSION}.{EXTENSION}")) }
    }

    pub(super) fn parse(path: PathBuf) -> Entry {
        let Some(stem) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.'))
        else {
            return Entry::Other;
        };
        let parsed = stem.strip_suffix(VERSION).and_then(|stem| {
            let (id, salt) = stem.strip_suffix('.')?.split_once('-')?;
            Some((u64::from_str_radix(id, 16).ok()?, u32::from_str_radix(salt, 16).ok()?))
        });
        parsed.map_or(Entry::Foreign, |(id, salt)| Entry::Segment(Self { id, salt, path }))
    }
}

/// Makes a segment's file, filled with zeros; at `durable` also on the disk for certain. Nothing is left when it fails.
pub(super) fn create(name: &Name, size: u64, durable: bool) -> io::Result<File> {
    let filled = fill(name, size, durable);
    if filled.is_err() {
        // What remains, if that fails as well, is an empty segment, which the next start removes.
        let _ = fs::remove_file(&name.path);
    }
    filled
}

fn fill(name: &Name, size: u64, durable: bool) -> io::Result<File> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut file = private().read(true).write(true).create_new(true).open(&name.path)?;
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all(&ZEROS[..part])?;
        left -= part as u64;
    }
    if durable {
        file.sync_all()?;
        name.path.parent().map(File::open).transpose()?.map(|directory| directory.sync_all()).transpose()?;
    }
    Ok(file)
}

/// Files of the journal are nobody else's to read: they say who asked for what.
pub(super) fn private() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

/// Starts a frame in `out`, which is emptied; the payload follows, then [`seal_frame`].
pub(super) fn start_frame(kind: Kind, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; FRAME_BYTES - 1]);
    out.push(kind as u8);
}

/// Puts length and checksum in their places; `false` when the record is longer than any may be.
pub(super) fn seal_frame(frame: &mut [u8]) -> bool {
    let body = &frame[FRAME_BYTES - 1..];
    let checksum = crc32fast::hash(body);
    let Ok(length) = u32::try_from(body.len()) else { return false };
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    frame.len() <= MAX_FRAME
}

/// Turns the checksum of a sealed frame into that of a segment; a second time turns it back.
pub(super) fn salt_frame(frame: &mut [u8], salt: u32) {
    for (byte, salt) in frame[4..8].iter_mut().zip(salt.to_le_bytes()) {
        *byte ^= salt;
    }
}

/// A record in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Of the frame's first byte, counted as [`Scanner::new`]'s `offset`.
    pub(super) offset: u64,
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
}

enum Parsed<'a> {
    Record(Kind, &'a [u8]),
    /// It may be a record, but its end is not among the bytes.
    Incomplete,
    Invalid,
}

fn parse(bytes: &[u8], salt: u32) -> Parsed<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Parsed::Incomplete };
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > MAX_FRAME - (FRAME_BYTES - 1) {
        return Parsed::Invalid;
    }
    let Some((checksum, rest)) = rest.split_first_chunk::<4>() else { return Parsed::Incomplete };
    let Some(body) = rest.get(..length) else { return Parsed::Incomplete };
    if crc32fast::hash(body) ^ salt != u32::from_le_bytes(*checksum) {
        return Parsed::Invalid;
    }
    match body.split_first() {
        Some((1, payload)) => Parsed::Record(Kind::Open, payload),
        Some((2, payload)) => Parsed::Record(Kind::Final, payload),
        _ => Parsed::Invalid,
    }
}

/// Walks over the records in a part of a segment, and over what is none.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    salt: u32,
    /// Where the part begins in its segment.
    offset: u64,
    at: usize,
    /// No record begins here or later: only zeros do.
    zeros_from: usize,
    /// Nothing of the segment follows this part.
    last: bool,
    damaged: u64,
    end_of_records: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], salt: u32, offset: u64, last: bool) -> Self {
        let zeros_from = bytes.len() - trailing_zeros(bytes);
        Self { bytes, salt, offset, at: 0, zeros_from, last, damaged: 0, end_of_records: 0 }
    }

    /// Places where bytes that are no record were passed over.
    pub(super) const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Where reading goes on, once there are no more records in this part.
    pub(super) const fn resume_at(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Where the last record ended.
    pub(super) const fn end_of_records(&self) -> u64 {
        self.offset + self.end_of_records as u64
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let mut in_damage = false;
        while self.at < self.zeros_from {
            match parse(&self.bytes[self.at..], self.salt) {
                Parsed::Record(kind, payload) => {
                    let offset = self.resume_at();
                    self.at += FRAME_BYTES + payload.len();
                    self.end_of_records = self.at;
                    return Some(Frame { offset, kind, payload });
                }
                Parsed::Incomplete if !self.last => return None,
                Parsed::Incomplete | Parsed::Invalid => {
                    self.damaged += u64::from(!in_damage);
                    in_damage = true;
                    self.at += 1;
                }
            }
        }
        // Only zeros are left; the last three may be the first bytes of a length.
        let undecided = if self.last { 0 } else { size_of::<u32>() - 1 };
        self.at = self.at.max(self.bytes.len().saturating_sub(undecided));
        None
    }
}

fn trailing_zeros(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let whole: usize =
        bytes.rchunks(ZEROS.len()).take_while(|chunk| **chunk == ZEROS[..chunk.len()]).map(<[u8]>::len).sum();
    let rest = &bytes[..bytes.len() - whole];
    whole + rest.iter().rev().take_while(|byte| **byte == 0).count()
}

/// Reads a part of a file; shorter than asked for only at the file's end.
pub(super) fn read(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// As [`read`]; where the disk cannot read, there are zeros.
pub(super) fn read_past_errors(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    const SECTOR: usize = 4096;
    let whole = read(file, offset, length);
    if !whole.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
        return whole;
    }
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let wanted = SECTOR.min(length - bytes.len());
        let mut sector = read(file, offset + bytes.len() as u64, wanted).unwrap_or_default();
        sector.resize(wanted, 0);
        bytes.append(&mut sector);
    }
    Ok(bytes)
}

/// Reads the record that begins at `offset`.
pub(super) fn read_record(file: &File, salt: u32, offset: u64) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let bytes = read(file, offset, 1024)?;
    match parse(&bytes, salt) {
        Parsed::Record(kind, payload) => Ok(Some((kind, payload.to_vec()))),
        Parsed::Invalid => Ok(None),
        Parsed::Incomplete => match parse(&read(file, offset, MAX_FRAME)?, salt) {
            Parsed::Record(kind, payload) => Ok(Some((kind, payload.to_vec()))),
            Parsed::Incomplete | Parsed::Invalid => Ok(None),
        },
    }
}
