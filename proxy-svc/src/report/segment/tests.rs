use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;

use super::*;

type Record = (Kind, Vec<u8>);

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Open), Just(Kind::Final)]
}

fn framed(records: &[Record], salt: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = Vec::new();
    for (kind, payload) in records {
        start_frame(*kind, &mut frame);
        frame.extend_from_slice(payload);
        assert!(seal_frame(&mut frame));
        salt_frame(&mut frame, salt);
        bytes.extend_from_slice(&frame);
    }
    bytes
}

fn scan(bytes: &[u8], salt: u32) -> (Vec<Record>, u64) {
    let mut scanner = Scanner::new(bytes, salt, 0, true);
    let records = scanner.by_ref().map(|frame| (frame.kind, frame.payload.to_vec())).collect();
    (records, scanner.damaged())
}

/// As delivery reads: part after part, each beginning where the last one said.
fn scan_in_parts(bytes: &[u8], salt: u32, part: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + part);
        let mut scanner = Scanner::new(&bytes[at..end], salt, at as u64, end == bytes.len());
        records.extend(scanner.by_ref().map(|frame| (frame.kind, frame.payload.to_vec())));
        let next = usize::try_from(scanner.resume_at()).unwrap();
        assert!(next > at, "a part brings reading forward");
        at = next;
    }
    records
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    vec((kind(), vec(prop_oneof![Just(0), any::<u8>()], 0..200)), 0..12)
}

proptest! {
    #[test]
    fn records_are_found_before_any_number_of_zeros(records in records(), salt: u32, zeros in 0_usize..10_000) {
        let mut bytes = framed(&records, salt);
        let end = bytes.len() as u64;
        bytes.resize(bytes.len() + zeros, 0);
        let mut scanner = Scanner::new(&bytes, salt, 0, true);
        let found: Vec<Record> = scanner.by_ref().map(|frame| (frame.kind, frame.payload.to_vec())).collect();
        prop_assert_eq!(found, records);
        prop_assert_eq!((scanner.end_of_records(), scanner.damaged()), (end, 0));
    }

    #[test]
    fn reading_in_parts_finds_the_same(records in records(), salt: u32, part in 209_usize..600, zeros in 0_usize..999) {
        let mut bytes = framed(&records, salt);
        bytes.resize(bytes.len() + zeros, 0);
        prop_assert_eq!(scan_in_parts(&bytes, salt, part), records);
    }

    #[test]
    fn any_bytes_end(bytes in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..400), salt: u32) {
        let _ = scan(&bytes, salt);
        let _ = scan_in_parts(&bytes, salt, MAX_FRAME);
    }

    #[test]
    fn damage_costs_the_records_that_it_hits_and_no_others(
        records in vec((kind(), vec(any::<u8>(), 1..200)), 1..12),
        salt: u32,
        at in any::<prop::sample::Index>(),
        noise in vec(any::<u8>(), 1..40),
    ) {
        let mut bytes = framed(&records, salt);
        let from = at.index(bytes.len());
        let to = bytes.len().min(from + noise.len());
        let changed = bytes[from..to] != noise[..to - from];
        bytes[from..to].copy_from_slice(&noise[..to - from]);
        let mut end = 0;
        let mut sound = records;
        sound.retain(|(_, payload)| {
            let begin = end;
            end += FRAME_BYTES + payload.len();
            end <= from || begin >= to
        });
        let (found, damaged) = scan(&bytes, salt);
        if changed {
            prop_assert!(damaged >= 1);
        }
        // What was hit may be the same bytes again, and then is found.
        let mut found = found.into_iter();
        prop_assert!(sound.iter().all(|record| found.by_ref().any(|other| other == *record)));
    }
}

#[test]
fn cut_at_every_byte_keeps_every_record_before_it() {
    let records: Vec<Record> = (1..7_u8).map(|number| (Kind::Final, vec![number; 40])).collect();
    let bytes = framed(&records, 7);
    let frame = bytes.len() / records.len();
    for length in 0..bytes.len() {
        let mut torn = bytes[..length].to_vec();
        assert_eq!(scan(&torn, 7).0, records[..length / frame], "cut at {length}");
        torn.resize(bytes.len() + 5000, 0);
        assert_eq!(scan(&torn, 7).0, records[..length / frame], "cut at {length}, zeros follow");
    }
}

#[test]
fn every_byte_of_the_last_record_wrong_keeps_every_record_before_it() {
    let records: Vec<Record> = (1..5_u8).map(|number| (Kind::Open, vec![number; 30])).collect();
    let bytes = framed(&records, 9);
    let frame = bytes.len() / records.len();
    for at in bytes.len() - frame..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let (found, places) = scan(&damaged, 9);
            assert_eq!(found, records[..3], "byte {at} xor {flip}");
            assert!(places >= 1);
        }
    }
}

#[test]
fn text_that_looks_like_a_record_is_none_without_the_salt() {
    let forged = framed(&[(Kind::Final, b"forged".to_vec())], 0);
    let mut bytes = framed(&[(Kind::Open, forged)], 0xdead_beef);
    bytes[5] ^= 1;
    let (found, damaged) = scan(&bytes, 0xdead_beef);
    assert!(found.is_empty());
    assert!(damaged >= 1);
}

#[test]
fn created_segment_is_private_and_has_its_room() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let directory = TempDir::new().unwrap();
    let name = Name::new(directory.path(), 3, 0xabc);
    create(&name, 100_000, true).unwrap();
    let metadata = fs::metadata(&name.path).unwrap();
    assert_eq!(metadata.len(), 100_000);
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(metadata.blocks() * 512 >= 100_000, "the room is allocated, not promised");
    assert_eq!(Name::parse(name.path.clone()), Entry::Segment(name));
}

#[test]
fn names_tell_segments_from_others() {
    assert_eq!(Name::parse("/j/0000000000000001-000000ff.v2.segment".into()), Entry::Foreign);
    assert_eq!(Name::parse("/j/nonsense.segment".into()), Entry::Foreign);
    assert_eq!(Name::parse("/j/cursor".into()), Entry::Other);
    assert_eq!(Name::parse("/j/lock".into()), Entry::Other);
}
