use bytes::Bytes;
use proptest::prelude::*;
use tollgate_proto as proto;

use super::*;
use crate::report::{
    event::{Attempt, Event},
    record::{self, Detail},
    samples::{self, enormous_event},
};

impl From<Event> for proto::UsageEvent {
    fn from(event: Event) -> Self {
        let Event {
            request_id,
            started_at,
            duration,
            ttft,
            status,
            outcome,
            protocol,
            stream,
            service_id,
            access_key_id,
            user_id,
            model_requested,
            model_served,
            provider_id,
            upstream_key_id,
            attempts,
            usage,
            cost,
            path,
            error_code,
            cache,
            reserved,
        } = event;
        Self {
            request_id: request_id.to_string(),
            started_at_unix_us: started_at,
            duration_us: micros(duration),
            ttft_us: ttft.map(micros),
            status: status.map_or(0, u32::from),
            outcome: proto::Outcome::from(outcome).into(),
            protocol: proto::Protocol::from(protocol).into(),
            stream,
            service_id: text(service_id),
            access_key_id: text(access_key_id),
            user_id: text(user_id),
            model_requested: model_requested.map(Into::into).unwrap_or_default(),
            model_served: model_served.map(Into::into).unwrap_or_default(),
            provider_id: text(provider_id),
            upstream_key_id: text(upstream_key_id),
            attempts: attempts.into_iter().map(Into::into).collect(),
            usage: usage.map(Into::into),
            path: path.into(),
            error_code: error_code.map(Into::into).unwrap_or_default(),
            cost: cost
                .map(|cost| proto::Cost { amount_micros: cost.amount.micros(), currency: cost.currency.to_string() }),
            cache: cache.map_or(proto::CacheUse::None, Into::into).into(),
            reserved: reserved.map(|Reserved { service, user, access_key }| proto::Reserved {
                service,
                user,
                access_key,
            }),
        }
    }
}

impl From<Attempt> for proto::Attempt {
    fn from(attempt: Attempt) -> Self {
        let Attempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason, detail } =
            attempt;
        Self {
            provider_id: provider_id.to_string(),
            upstream_key_id: upstream_key_id.to_string(),
            model: model.into(),
            started_at_unix_us: started_at,
            duration_us: micros(duration),
            status: status.map_or(0, u32::from),
            outcome: proto::AttemptOutcome::from(outcome).into(),
            reason: reason.into(),
            detail: detail.into(),
        }
    }
}

impl From<Tokens> for proto::Usage {
    fn from(tokens: Tokens) -> Self {
        let Tokens {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            input_image,
            source,
            raw,
        } = tokens;
        Self {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            source: proto::UsageSource::from(source).into(),
            raw: raw.map(Into::into).unwrap_or_default(),
            input_audio,
            output_audio,
            input_image,
        }
    }
}

fn text<T: ToString>(id: Option<T>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn encoded(events: &[Event]) -> (Bytes, usize) {
    let mut batch = Batch::default();
    let mut records = 0;
    for event in events {
        let mut bytes = Vec::new();
        record::encode_final(event, Detail::Everything, &mut bytes);
        records += bytes.len();
        batch.add(record::decode_final(&bytes).unwrap()).unwrap();
    }
    assert_eq!(batch.len(), events.len());
    (batch.finish(7).0, records)
}

fn decoded(request: &Bytes) -> proto::UsageBatch {
    match proto::ReportRequest::decode(request.clone()).unwrap().message {
        Some(proto::report_request::Message::Batch(batch)) => batch,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn encoded_batch_is_what_the_generated_types_make_of_it(events in prop::collection::vec(samples::event(), 0..5)) {
        let (request, records) = encoded(&events);
        let wanted = proto::UsageBatch { sequence: 7, events: events.into_iter().map(Into::into).collect() };
        prop_assert_eq!(decoded(&request), wanted.clone());
        let by_prost = proto::ReportRequest { message: Some(proto::report_request::Message::Batch(wanted)) };
        prop_assert_eq!(request.as_ref(), by_prost.encode_to_vec());
        prop_assert!(request.len() <= 3 * records + 16, "{} of {records}", request.len());
    }
}

#[test]
fn path_of_the_call_is_that_of_the_generated_service() {
    assert_eq!(REPORT_PATH, format!("/{}/Report", proto::usage_ingest_server::SERVICE_NAME));
}

#[test]
fn malformed_event_adds_nothing_to_a_batch() {
    let event = Event { model_requested: Some("m".into()), cost: None, ..enormous_event() };
    let mut bytes = Vec::new();
    record::encode_final(&event, Detail::Everything, &mut bytes);
    bytes.truncate(bytes.len() - 1);
    let mut batch = Batch::default();
    assert_eq!(batch.add(record::decode_final(&bytes).unwrap()), Err(Malformed));
    assert_eq!((batch.len(), decoded(&batch.finish(1).0).events.len()), (0, 0));
}
