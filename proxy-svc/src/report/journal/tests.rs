//! The journal's promises: its bound, its reserve, and what leaves the disk when.

use std::{collections::HashSet, fs, sync::Arc};

use tempfile::TempDir;
use tollgate_shared::ids::RequestId;
use uuid::Uuid;

use super::*;
use crate::report::{
    samples::{enormous_event, final_of, intent_of},
    segment::Position,
};

mod failing_disk;
mod model;
mod reopening;

const SEGMENT: u64 = 128 << 10;

fn options(directory: &TempDir) -> JournalOptions {
    JournalOptions {
        segment_bytes: SEGMENT,
        max_bytes: 8 * SEGMENT,
        clock: Clock::held_at(1_700_000_005_000_000),
        ..JournalOptions::new(directory.path())
    }
}

fn open(directory: &TempDir) -> (Arc<Journal>, Recovered) {
    Journal::open(options(directory)).unwrap()
}

/// Everything that is not acknowledged, as delivery reads it.
fn read_all(journal: &Journal) -> (Vec<Event>, Position, u64) {
    let (mut events, mut finals): (Vec<Event>, u64) = (Vec::new(), 0);
    let mut position = journal.acknowledged_position();
    loop {
        let take = |event: record::Final<'_>| {
            events.push(event.into_event()?);
            Ok(())
        };
        let part = journal.read(position, Limits { events: 7, bytes: 4 << 10 }, take).unwrap();
        position = part.end;
        finals += part.finals;
        if part.complete.is_some() {
            return (events, position, finals);
        }
    }
}

fn acknowledge_everything(journal: &Journal) -> Vec<Event> {
    let (events, end, finals) = read_all(journal);
    journal.acknowledge(end, finals, None);
    journal.do_chores();
    events
}

fn segments_on_disk(directory: &TempDir) -> usize {
    let files = fs::read_dir(directory.path()).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "segment")).count()
}

fn id(number: u64) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

/// Begins requests until the journal refuses.
fn fill(journal: &Journal) -> Vec<(RequestId, Slot)> {
    let mut begun = Vec::new();
    for number in 0.. {
        match journal.begin(&intent_of(id(number))) {
            Ok(slot) => begun.push((id(number), slot)),
            Err(JournalError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    begun
}

/// As a crash leaves it: nothing is done on the way out.
fn reopen(journal: Arc<Journal>, directory: &TempDir) -> Arc<Journal> {
    drop(journal);
    open(directory).0
}

#[test]
fn finals_of_requests_in_flight_fit_when_the_bound_is_reached() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let begun = fill(&journal);
    assert!(begun.len() > 500, "{}", begun.len());
    assert_eq!(journal.gauges().pressure(), Pressure::Full);
    assert!(journal.gauges().bytes() <= 8 * SEGMENT);
    assert!(journal.gauges().refused() > 0);

    let mut event = enormous_event();
    for (request_id, slot) in &begun {
        event.request_id = *request_id;
        journal.finish(*slot, &event);
    }
    assert!(journal.gauges().bytes() <= 8 * SEGMENT, "the bound holds");
    let (events, ..) = read_all(&journal);
    assert_eq!(events.len(), begun.len());
    assert!(events.iter().all(|event| event.usage.as_ref().is_some_and(|usage| usage.output == u64::MAX)));
}

#[test]
fn acknowledged_segments_are_removed_and_requests_taken_again() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    for (id, slot) in fill(&journal) {
        journal.finish(slot, &final_of(id, 1));
    }
    let full = segments_on_disk(&directory);
    assert!(full >= 7, "{full}");
    acknowledge_everything(&journal);
    assert!(segments_on_disk(&directory) <= 3, "{}", segments_on_disk(&directory));
    assert!(journal.gauges().bytes() <= 3 * SEGMENT);
    assert_eq!(journal.gauges().pressure(), Pressure::Normal);
    let slot = journal.begin(&intent_of(RequestId::generate())).unwrap();
    journal.finish(slot, &final_of(RequestId::generate(), 1));
}

#[test]
fn above_95_percent_only_accounting_fields_are_kept() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let mut seen = HashSet::new();
    let mut event = final_of(RequestId::generate(), 3);
    event.usage = Some(Tokens { output: 3, raw: Some("1".repeat(2000).into()), ..Tokens::default() });
    while let Ok(slot) = journal.begin(&intent_of(event.request_id)) {
        journal.finish(slot, &event);
        seen.insert(journal.gauges().pressure() as u8);
    }
    for level in [Pressure::Normal, Pressure::High, Pressure::Critical] {
        assert!(seen.contains(&(level as u8)), "{level:?}");
    }
    let (events, ..) = read_all(&journal);
    let last = events.last().unwrap().usage.as_ref().unwrap();
    assert_eq!((last.output, last.raw.as_deref()), (3, None));
    assert!(events[0].usage.as_ref().unwrap().raw.is_some());
}

#[test]
fn an_event_without_an_intent_is_dropped_and_counted_when_there_is_no_room() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let begun = fill(&journal);
    while journal.gauges().dropped() == 0 {
        journal.record(&final_of(RequestId::generate(), 0));
    }
    for (id, slot) in begun {
        assert!(journal.finish(slot, &final_of(id, 0)).is_some(), "the reserve is not touched");
    }
}

#[test]
fn a_long_request_does_not_hold_back_the_others_segments() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let long = RequestId::generate();
    let slot = journal.begin(&intent_of(long)).unwrap();
    journal.checkpoint(slot, &Tokens { output: 9, ..Tokens::default() }, None);
    for _ in 0..20 {
        for number in 0..300 {
            let slot = journal.begin(&intent_of(id(number))).unwrap();
            journal.finish(slot, &final_of(id(number), 1));
        }
        acknowledge_everything(&journal);
    }
    assert!(segments_on_disk(&directory) <= 4, "{}", segments_on_disk(&directory));

    let journal = reopen(journal, &directory);
    let events = acknowledge_everything(&journal);
    assert_eq!(events.len(), 1, "only the long request is left");
    assert_eq!(events[0].request_id, long);
    assert_eq!(events[0].usage.as_ref().unwrap().output, 9, "its checkpoint moved with it");
}

#[test]
fn bad_options_are_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let small = JournalOptions { segment_bytes: 4096, ..options(&directory) };
    assert!(matches!(Journal::open(small), Err(JournalError::Options { field: "segment_bytes", .. })));
    let tight = JournalOptions { max_bytes: 3 * SEGMENT, ..options(&directory) };
    assert!(matches!(Journal::open(tight), Err(JournalError::Options { field: "max_bytes", .. })));
}
