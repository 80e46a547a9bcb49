//! The journal's promises under random orders of events, and when the disk refuses.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use tempfile::TempDir;
use tollgate_shared::ids::RequestId;
use uuid::Uuid;

use super::{state::State, *};
use crate::report::{
    event::{AttemptOutcome, Outcome, UsageSource},
    samples::{enormous_event, final_of, intent_of},
    segment::{FINAL_RESERVE, Position},
};

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

/// Every open request has room for its final in what is allocated.
fn reserve_holds(state: &State) -> bool {
    let left = match (&state.active, state.segments.back()) {
        (Some(_), Some(segment)) => segment.size - segment.end,
        _ => 0,
    };
    left / FINAL_RESERVE + state.space.spares() * (SEGMENT / FINAL_RESERVE) >= state.open.len()
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    Finish(prop::sample::Index),
    FinishEnormously(prop::sample::Index),
    Checkpoint(prop::sample::Index, u64),
    Drop(prop::sample::Index),
    Record,
    /// Delivery up to here; acknowledged or lost on the way.
    Deliver(bool),
    Chores,
    /// The process dies and starts again.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        12 => Just(Step::Begin),
        8 => which().prop_map(Step::Finish),
        1 => which().prop_map(Step::FinishEnormously),
        3 => (which(), 1..1000_u64).prop_map(|(which, output)| Step::Checkpoint(which, output)),
        1 => which().prop_map(Step::Drop),
        1 => Just(Step::Record),
        2 => any::<bool>().prop_map(Step::Deliver),
        1 => Just(Step::Chores),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..250)
}

/// What the journal ought to know, told by the steps.
#[derive(Default)]
struct Model {
    next: u64,
    open: Vec<(RequestId, Slot)>,
    /// Output tokens of the last checkpoint.
    checkpoints: HashMap<RequestId, u64>,
    begun: HashSet<RequestId>,
    finished: HashMap<RequestId, Event>,
    delivered: HashMap<RequestId, Event>,
}

impl Model {
    fn id(&mut self) -> RequestId {
        self.next += 1;
        self.begun.insert(id(self.next));
        id(self.next)
    }

    fn take(&mut self, which: prop::sample::Index) -> Option<(RequestId, Slot)> {
        (!self.open.is_empty()).then(|| self.open.swap_remove(which.index(self.open.len())))
    }

    fn interrupted(&mut self, request: RequestId) {
        let output = self.checkpoints.get(&request).copied();
        let mut event = final_of(request, 0);
        event.outcome = Outcome::Interrupted;
        event.usage = Some(match output {
            Some(output) => Tokens { output, source: UsageSource::Partial, ..Tokens::default() },
            None => Tokens { input_uncached: 77, ..Tokens::default() },
        });
        self.finished.insert(request, event);
    }

    fn deliver(&mut self, events: Vec<Event>) {
        for event in events {
            let before = self.delivered.insert(event.request_id, event.clone());
            assert!(before.is_none_or(|before| before == event), "an event came again with another content");
        }
    }

    fn check(&self) {
        assert_eq!(self.delivered.keys().copied().collect::<HashSet<_>>(), self.begun);
        for (request, wanted) in &self.finished {
            let came = &self.delivered[request];
            assert_eq!((came.outcome, &came.usage), (wanted.outcome, &wanted.usage), "{request}");
            if wanted.outcome != Outcome::Interrupted {
                assert_eq!(came.path, wanted.path);
                assert_eq!(came.duration, wanted.duration);
            }
        }
    }
}

fn step(process: &mut Option<Arc<Journal>>, model: &mut Model, directory: &TempDir, step: &Step) {
    let journal = process.as_ref().unwrap();
    match step {
        Step::Begin => {
            let id = model.id();
            model.open.push((id, journal.begin(&intent_of(id)).unwrap()));
        }
        Step::Finish(which) => {
            if let Some((id, slot)) = model.take(*which) {
                let event = final_of(id, model.next);
                journal.finish(slot, &event);
                model.finished.insert(id, event);
            }
        }
        Step::FinishEnormously(which) => {
            if let Some((id, slot)) = model.take(*which) {
                let event = Event { request_id: id, ..enormous_event() };
                journal.finish(slot, &event);
            }
        }
        Step::Checkpoint(which, output) => {
            if let Some((id, slot)) = model.take(*which) {
                model.open.push((id, slot));
                model.checkpoints.insert(id, *output);
                let usage = Tokens { output: *output, source: UsageSource::Partial, ..Tokens::default() };
                journal.checkpoint(slot, &usage, None);
            }
        }
        Step::Drop(which) => {
            if let Some((id, slot)) = model.take(*which) {
                journal.interrupt(slot);
                model.interrupted(id);
            }
        }
        Step::Record => {
            let event = final_of(model.id(), 0);
            journal.record(&event);
            model.finished.insert(event.request_id, event);
        }
        Step::Deliver(acknowledged) => {
            let (events, end, finals) = read_all(journal);
            model.deliver(events);
            if *acknowledged {
                journal.acknowledge(end, finals, None);
                assert_eq!(journal.gauges().depth(), 0);
            }
        }
        Step::Chores => journal.do_chores(),
        Step::Crash => {
            let lost = std::mem::take(&mut model.open);
            drop(process.take());
            *process = Some(roomy(directory));
            for (id, _) in lost {
                model.interrupted(id);
            }
        }
    }
    assert!(reserve_holds(&process.as_ref().unwrap().state.lock()), "after {step:?}");
}

fn roomy(directory: &TempDir) -> Arc<Journal> {
    Journal::open(JournalOptions { max_bytes: 64 * SEGMENT, ..options(directory) }).unwrap().0
}

/// As a crash leaves it: nothing is done on the way out.
fn reopen(journal: Arc<Journal>, directory: &TempDir) -> Arc<Journal> {
    drop(journal);
    open(directory).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn delivered_events_are_the_begun_requests_whatever_happens(steps in steps()) {
        let directory = TempDir::new().unwrap();
        let mut process = Some(roomy(&directory));
        let mut model = Model::default();
        for next in &steps {
            step(&mut process, &mut model, &directory, next);
        }
        step(&mut process, &mut model, &directory, &Step::Crash);
        let journal = process.unwrap();
        let events = acknowledge_everything(&journal);
        model.deliver(events);
        model.check();
        let journal = reopen(journal, &directory);
        prop_assert_eq!(acknowledge_everything(&journal), vec![], "what is acknowledged does not come again");
    }

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

#[test]
fn bad_options_are_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let small = JournalOptions { segment_bytes: 4096, ..options(&directory) };
    assert!(matches!(Journal::open(small), Err(JournalError::Options { field: "segment_bytes", .. })));
    let tight = JournalOptions { max_bytes: 3 * SEGMENT, ..options(&directory) };
    assert!(matches!(Journal::open(tight), Err(JournalError::Options { field: "max_bytes", .. })));
}

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
