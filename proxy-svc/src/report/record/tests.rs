use proptest::prelude::*;

use std::time::Duration;

use tollgate_shared::money::Cost;

use super::*;
use crate::report::{
    event::{Attempt, Event, Intent, Outcome, Reserved, Tokens, UsageSource},
    samples::{self, enormous_event, intent_of},
    segment::{FRAME_BYTES, MAX_FRAME},
};

fn open_with(usage: Option<Tokens>, attempts: Vec<Attempt>) -> Open {
    open_of(&intent_of(RequestId::generate()), usage, None, attempts)
}

fn open_of(intent: &Intent<'_>, usage: Option<Tokens>, cost: Option<Cost>, attempts: Vec<Attempt>) -> Open {
    let mut bytes = Vec::new();
    encode_intent(intent, &mut bytes);
    let mut open = decode_open(&bytes).unwrap();
    (open.usage, open.cost, open.attempts, open.elapsed) = (usage, cost, attempts, Duration::from_secs(3));
    open
}

fn event_in(bytes: &[u8]) -> Result<Event, Malformed> {
    decode_final(bytes)?.into_event()
}

proptest! {
    #[test]
    fn event_is_read_as_it_was_written(event in samples::event()) {
        let mut bytes = Vec::new();
        encode_final(&event, Detail::Everything, &mut bytes);
        prop_assert_eq!(request_id(&bytes).unwrap(), event.request_id);
        prop_assert_eq!(event_in(&bytes).unwrap(), event);
    }

    #[test]
    fn open_request_is_read_as_it_was_written(
        usage in proptest::option::of(samples::tokens()),
        reserved in samples::reserved(),
        cost in proptest::option::of(samples::cost()),
        attempts in proptest::collection::vec(samples::attempt(), 0..4),
    ) {
        let open = open_of(&Intent { reserved, ..intent_of(RequestId::generate()) }, usage, cost, attempts);
        let mut bytes = Vec::new();
        open.encode(&mut bytes);
        prop_assert_eq!(decode_open(&bytes).unwrap(), open);
    }

    #[test]
    fn accounting_keeps_figures_ids_and_outcome(event in samples::event()) {
        let mut bytes = Vec::new();
        encode_final(&event, Detail::Accounting, &mut bytes);
        prop_assert!(bytes.len() <= ACCOUNTING_BYTES);
        let kept = event_in(&bytes).unwrap();
        prop_assert!(kept.attempts.iter().all(|attempt| attempt.reason.is_empty()));
        let wanted = Event {
            attempts: kept.attempts.clone(),
            usage: event.usage.clone().map(|usage| Tokens { raw: None, ..usage }),
            path: kept.path.clone(),
            model_requested: kept.model_requested.clone(),
            model_served: kept.model_served.clone(),
            error_code: kept.error_code.clone(),
            ..event
        };
        prop_assert_eq!(kept, wanted);
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = event_in(&bytes);
        let _ = decode_open(&bytes);
    }

    #[test]
    fn half_a_record_is_refused(event in samples::event(), at in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode_final(&event, Detail::Everything, &mut bytes);
        prop_assert_eq!(event_in(&bytes[..at.index(bytes.len())]), Err(Malformed));
    }
}

#[test]
fn longest_records_fit_their_bounds() {
    let event = enormous_event();
    let mut bytes = Vec::new();
    encode_final(&event, Detail::Everything, &mut bytes);
    assert!(bytes.len() + FRAME_BYTES <= MAX_FRAME, "{}", bytes.len());
    assert_eq!(event_in(&bytes).unwrap().attempts.len(), MAX_ATTEMPTS);

    bytes.clear();
    encode_final(&event, Detail::Accounting, &mut bytes);
    assert!(bytes.len() <= ACCOUNTING_BYTES, "{}", bytes.len());
    assert!(!event_in(&bytes).unwrap().attempts.is_empty());

    bytes.clear();
    open_with(event.usage, event.attempts).encode(&mut bytes);
    assert!(bytes.len() + FRAME_BYTES <= MAX_FRAME, "{}", bytes.len());
}

#[test]
fn accounting_event_without_attempts_leaves_room_for_one() {
    let event = Event { attempts: Vec::new(), ..enormous_event() };
    let mut bytes = Vec::new();
    encode_final(&event, Detail::Accounting, &mut bytes);
    assert!(bytes.len() + 220 <= ACCOUNTING_BYTES, "{}", bytes.len());
}

#[test]
fn raw_usage_that_is_too_long_is_left_out_and_not_cut() {
    let mut event = enormous_event();
    event.usage = Some(Tokens { raw: Some("1".repeat((8 << 10) + 1).into()), ..Tokens::default() });
    let mut bytes = Vec::new();
    encode_final(&event, Detail::Everything, &mut bytes);
    assert_eq!(event_in(&bytes).unwrap().usage.unwrap().raw, None);
}

#[test]
fn interrupted_request_has_estimated_usage_until_a_checkpoint_told_more() {
    let estimated = open_with(None, Vec::new()).interrupted();
    assert_eq!(estimated.outcome, Outcome::Interrupted);
    assert_eq!(estimated.duration, Duration::from_secs(3));
    let usage = estimated.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.source), (77, UsageSource::Estimated));

    let told = Tokens { output: 5, source: UsageSource::Partial, ..Tokens::default() };
    let partial = open_with(Some(told.clone()), Vec::new()).interrupted();
    assert_eq!(partial.usage, Some(told));
}

#[test]
fn what_a_request_had_reserved_is_known_of_it_from_its_intent_to_its_end() {
    for reserved in [
        None,
        Some(Reserved::default()),
        Some(Reserved { access_key: true, ..Reserved::default() }),
        Some(Reserved { service: true, user: true, access_key: true }),
    ] {
        let intent = Intent { reserved, ..intent_of(RequestId::generate()) };
        let event = open_of(&intent, None, None, Vec::new()).interrupted();
        assert_eq!(event.reserved, reserved);
        let mut bytes = Vec::new();
        encode_final(&event, Detail::Accounting, &mut bytes);
        assert_eq!(event_in(&bytes).unwrap().reserved, reserved);
    }
}
