//! What is found when a journal is opened again.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::report::event::{AttemptOutcome, Outcome};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_journal_cut_anywhere_opens_and_keeps_what_is_before(cut in any::<prop::sample::Index>(), noise: Option<u8>) {
        let directory = TempDir::new().unwrap();
        let journal = open(&directory).0;
        let slots: Vec<Slot> = (0..20).map(|number| journal.begin(&intent_of(id(number))).unwrap()).collect();
        for (number, slot) in (0..20).zip(slots) {
            journal.finish(slot, &final_of(id(number), number));
        }
        let (path, end) = {
            let state = journal.state.lock();
            let segment = state.segments.back().unwrap();
            (segment.name.path.clone(), usize::try_from(segment.end).unwrap())
        };
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let cut = cut.index(end);
        bytes.truncate(cut);
        bytes.extend(noise.into_iter().cycle().take(if noise.is_some() { 3000 } else { 0 }));
        fs::write(&path, &bytes).unwrap();

        let (journal, recovered) = open(&directory);
        let events = acknowledge_everything(&journal);
        prop_assert_eq!(recovered.undelivered, events.len() as u64);
        let ids: HashSet<RequestId> = events.iter().map(|event| event.request_id).collect();
        prop_assert_eq!(ids.len(), events.len());
        for event in &events {
            let whole = event.outcome == Outcome::Ok;
            prop_assert!(whole || event.outcome == Outcome::Interrupted);
        }
        // The intents come first, each as long as the other; whoever's is before the cut is reported.
        let intent = end_of_first_record(&bytes);
        let kept = intent.map_or(0, |length| (cut / length).min(20));
        prop_assert_eq!(events.len(), kept);
    }
}

fn end_of_first_record(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.first_chunk::<4>().copied()?);
    Some(usize::try_from(length).unwrap() + 8)
}

#[test]
fn interrupted_request_is_reported_with_its_attempts_and_once() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let slot = journal.begin(&intent_of(id(0))).unwrap();
    let attempt = Attempt { outcome: AttemptOutcome::RateLimited, ..enormous_event().attempts.remove(0) };
    journal.attempt(slot, &attempt);
    let journal = reopen(journal, &directory);
    let journal = reopen(journal, &directory);
    let events = acknowledge_everything(&journal);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].attempts.len(), 1);
    assert_eq!(events[0].attempts[0].outcome, AttemptOutcome::RateLimited);
    assert_eq!(events[0].provider_id, Some(attempt.provider_id));
    assert_eq!(events[0].duration, Duration::from_secs(5));
}

#[test]
fn a_second_process_is_refused() {
    let directory = TempDir::new().unwrap();
    let _journal = open(&directory);
    assert!(matches!(Journal::open(options(&directory)), Err(JournalError::Locked(_))));
}

#[test]
fn a_damaged_cursor_costs_a_redelivery_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let slot = journal.begin(&intent_of(id(0))).unwrap();
    journal.finish(slot, &final_of(id(0), 4));
    acknowledge_everything(&journal);
    drop(journal);
    let cursor = directory.path().join("cursor");
    let mut bytes = fs::read(&cursor).unwrap();
    bytes[3] ^= 0x40;
    fs::write(&cursor, bytes).unwrap();
    let (journal, recovered) = open(&directory);
    // Chores at the first start may have removed the segment, and then nothing is left to deliver again.
    assert_eq!(read_all(&journal).0.len() as u64, recovered.undelivered);
}

#[test]
fn segments_of_another_version_are_left_alone() {
    let directory = TempDir::new().unwrap();
    let foreign = directory.path().join("0000000000000001-00000001.v9.segment");
    fs::write(&foreign, b"from the future").unwrap();
    let (journal, recovered) = open(&directory);
    assert_eq!(recovered.foreign, 1);
    acknowledge_everything(&journal);
    assert_eq!(fs::read(&foreign).unwrap(), b"from the future");
}

#[test]
fn segment_names_do_not_fall_behind_the_cursor() {
    let directory = TempDir::new().unwrap();
    recovery::Cursor::write(directory.path(), Position { segment: 70, offset: 9 }).unwrap();
    let (journal, _) = open(&directory);
    let slot = journal.begin(&intent_of(id(0))).unwrap();
    journal.finish(slot, &final_of(id(0), 4));
    assert_eq!(read_all(&journal).0.len(), 1);
}
