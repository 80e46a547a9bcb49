//! Any order of requests, deliveries, chores and crashes, against what ought to be delivered.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{super::state::State, *};
use crate::report::{
    event::{Outcome, UsageSource},
    segment::FINAL_RESERVE,
};

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
}
