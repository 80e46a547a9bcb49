//! A disk that refuses what is written, or loses it.

use std::fs::File;

use super::*;
use crate::report::event::Outcome;

/// Writes go to a device that answers ENOSPC to each.
fn break_active_segment(journal: &Journal) {
    let mut state = journal.state.lock();
    state.active = Some(Arc::new(File::options().read(true).write(true).open("/dev/full").unwrap()));
}

#[test]
fn a_final_that_the_disk_refuses_goes_into_another_segment() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let slot = journal.begin(&intent_of(id(0))).unwrap();
    break_active_segment(&journal);
    assert!(journal.finish(slot, &final_of(id(0), 6)).is_some());
    let (events, ..) = read_all(&journal);
    assert_eq!(events, [final_of(id(0), 6)]);
}

#[test]
fn a_final_that_no_segment_takes_waits_and_intents_are_refused_meanwhile() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory);
    let slot = journal.begin(&intent_of(id(0))).unwrap();
    break_active_segment(&journal);
    while journal.state.lock().space.take().is_some() {}
    let away = directory.path().with_extension("away");
    fs::rename(directory.path(), &away).unwrap();

    assert_eq!(journal.finish(slot, &final_of(id(0), 6)), None);
    assert!(matches!(journal.begin(&intent_of(id(1))), Err(JournalError::Full)));

    fs::rename(&away, directory.path()).unwrap();
    journal.do_chores();
    assert_eq!(read_all(&journal).0, [final_of(id(0), 6)]);
    assert_eq!(journal.gauges().open(), 0);
    journal.begin(&intent_of(id(1))).unwrap();
}

#[test]
fn a_device_that_cannot_synchronise_makes_the_records_go_into_another_segment() {
    let directory = TempDir::new().unwrap();
    let host = JournalOptions { level: Level::Host, ..options(&directory) };
    let (journal, _) = Journal::open(host).unwrap();
    journal.begin(&intent_of(id(9))).unwrap();
    journal.synchronise_once();
    // Takes every byte, keeps none, and fails to synchronise: what a failed write-back does to the page cache.
    journal.state.lock().active = Some(Arc::new(File::options().read(true).write(true).open("/dev/null").unwrap()));
    let first = journal.begin(&intent_of(id(0))).unwrap();
    let appended = journal.finish(first, &final_of(id(0), 6)).unwrap();
    journal.begin(&intent_of(id(1))).unwrap();

    let synchronised = journal.synchronised.subscribe();
    assert!(!journal.synchronise_once(), "the device refuses");
    assert!(*synchronised.borrow() < appended);
    assert!(journal.synchronise_once(), "the new segment takes it");
    assert!(*synchronised.borrow() >= appended);

    let journal = reopen(journal, &directory);
    let mut events = acknowledge_everything(&journal);
    events.sort_by_key(|event| event.request_id);
    let outcomes: Vec<_> = events.iter().map(|event| (event.request_id, event.outcome)).collect();
    let interrupted = Outcome::Interrupted;
    assert_eq!(outcomes, [(id(0), Outcome::Ok), (id(1), interrupted), (id(9), interrupted)]);
}
