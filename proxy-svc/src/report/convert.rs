//! Events as protocol buffers: the only file of reporting that knows their fields.

use std::time::Duration;

use tollgate_proto as proto;
use tollgate_shared::ids::{BootId, ProxyId};

use super::event::{Attempt, AttemptOutcome, Event, Outcome, Protocol, Tokens, UsageSource};

pub(super) fn hello(proxy_id: ProxyId, boot_id: BootId) -> proto::ReportRequest {
    let hello = proto::ReportHello { proxy_id: proxy_id.to_string(), boot_id: boot_id.to_string() };
    proto::ReportRequest { message: Some(proto::report_request::Message::Hello(hello)) }
}

pub(super) fn batch(sequence: u64, events: Vec<Event>) -> proto::ReportRequest {
    let batch = proto::UsageBatch { sequence, events: events.into_iter().map(Into::into).collect() };
    proto::ReportRequest { message: Some(proto::report_request::Message::Batch(batch)) }
}

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
            path,
            error_code,
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
        }
    }
}

impl From<Attempt> for proto::Attempt {
    fn from(attempt: Attempt) -> Self {
        let Attempt { provider_id, upstream_key_id, model, started_at, duration, status, outcome, reason } = attempt;
        Self {
            provider_id: provider_id.to_string(),
            upstream_key_id: upstream_key_id.to_string(),
            model: model.into(),
            started_at_unix_us: started_at,
            duration_us: micros(duration),
            status: status.map_or(0, u32::from),
            outcome: proto::AttemptOutcome::from(outcome).into(),
            reason: reason.into(),
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

impl From<Protocol> for proto::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::OpenAi => Self::Openai,
            Protocol::Anthropic => Self::Anthropic,
            Protocol::Gemini => Self::Gemini,
        }
    }
}

impl From<Outcome> for proto::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::ClientError => Self::ClientError,
            Outcome::Refused => Self::Refused,
            Outcome::UpstreamError => Self::UpstreamError,
            Outcome::ClientClosed => Self::ClientClosed,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<AttemptOutcome> for proto::AttemptOutcome {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Ok => Self::Ok,
            AttemptOutcome::RateLimited => Self::RateLimited,
            AttemptOutcome::Overloaded => Self::Overloaded,
            AttemptOutcome::ServerError => Self::ServerError,
            AttemptOutcome::CredentialsRefused => Self::CredentialsRefused,
            AttemptOutcome::ClientError => Self::ClientError,
            AttemptOutcome::ConnectFailed => Self::ConnectFailed,
            AttemptOutcome::TimedOut => Self::TimedOut,
            AttemptOutcome::ConnectionLost => Self::ConnectionLost,
            AttemptOutcome::ClientClosed => Self::ClientClosed,
        }
    }
}

impl From<UsageSource> for proto::UsageSource {
    fn from(source: UsageSource) -> Self {
        match source {
            UsageSource::Provider => Self::Provider,
            UsageSource::Partial => Self::Partial,
            UsageSource::Estimated => Self::Estimated,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text<T: ToString>(id: Option<T>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
