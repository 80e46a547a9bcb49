//! Plan + body → what goes to one candidate. Same protocol: the bytes that came. Another: the request in the target's
//! words, and what is needed to read the answer back.
//!
//! A request is understood once, when the first candidate needs it, and written for each candidate that is tried.

mod answer;
mod seal;

use std::sync::OnceLock;

use bytes::Bytes;
use tollgate_dialect::{
    Protocol,
    canonical::Request,
    endpoint::Operation,
    translate::{self, Caller, Format, Names, Rejected, Target, Terms},
};
use tollgate_shared::ids::{ServiceId, UpstreamKeyId};

pub(crate) use self::{answer::Passage, seal::SealingKey};
use self::{answer::Untouched, seal::ServiceSeal};
use crate::{
    gateway::Inquiry,
    meter::Meter,
    route::Candidate,
    snapshot::{ProviderKind, Snapshots},
    stored::{Owner, Tagging},
};

/// Turns one request into what its candidates are sent.
pub(crate) struct Translator<'a> {
    inquiry: &'a Inquiry<'a>,
    snapshots: &'a Snapshots,
    service: ServiceId,
    /// Only what is translated pays for it.
    understood: OnceLock<Box<Understood<'a>>>,
}

/// The request as all of its candidates have it.
struct Understood<'a> {
    request: Result<Request<'a>, Rejected>,
    seal: ServiceSeal,
}

/// What goes to one candidate.
pub(crate) struct Outgoing {
    pub(crate) body: Bytes,
    /// Path and query at the upstream.
    pub(crate) target: String,
    /// What the upstream speaks.
    pub(crate) protocol: Protocol,
    pub(crate) operation: Operation,
    /// Whose the objects are that it may store.
    upstream_key: UpstreamKeyId,
    /// Absent where the bytes are left alone.
    pub(crate) translation: Option<Translation>,
}

/// What the answer is read back with.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) from: Format,
    pub(crate) to: Format,
    pub(crate) names: Names,
    /// The value of `x-tollgate-adapted`.
    pub(crate) adapted: Option<String>,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(inquiry: &'a Inquiry<'a>, snapshots: &'a Snapshots, service: ServiceId) -> Self {
        Self { inquiry, snapshots, service, understood: OnceLock::new() }
    }

    pub(crate) fn inquiry(&self) -> &'a Inquiry<'a> {
        self.inquiry
    }

    /// What a candidate is sent. Fails when its protocol cannot say what the request says.
    pub(crate) fn outgoing(&self, candidate: &Candidate<'_>) -> Result<Outgoing, Rejected> {
        let inquiry = self.inquiry;
        let provider = &candidate.pool.provider;
        let protocol = provider.kind.protocol();
        let caller = inquiry.format().filter(|format| {
            format.protocol() != protocol || (*format == Format::Responses && !provider.responses_api)
        });
        let Some(to) = caller else {
            return Ok(Outgoing {
                body: inquiry.body_for(candidate.model),
                target: inquiry.target_at(&provider.base, candidate.model),
                protocol,
                operation: inquiry.operation(),
                upstream_key: candidate.key.id,
                translation: None,
            });
        };
        let request = self.understand(to).request.as_ref().map_err(Clone::clone)?;
        let from = upstream_format(provider.kind, provider.responses_api, request);
        let model = candidate.model.or(inquiry.model()).unwrap_or_default();
        let written = translate::write_request(
            request,
            &Target {
                format: from,
                model,
                is_compatible: provider.kind == ProviderKind::OpenaiCompatible,
                default_max_tokens: candidate.default_max_tokens.map(u64::from),
            },
        )?;
        let prefix = provider.base.path_prefix.as_deref().unwrap_or(from.version_prefix());
        Ok(Outgoing {
            body: written.body.into(),
            target: [prefix, &written.path].concat(),
            protocol,
            operation: from.operation(request.stream),
            upstream_key: candidate.key.id,
            translation: Some(Translation {
                from,
                to,
                names: written.names,
                adapted: translate::header_value(&written.notes),
            }),
        })
    }

    fn understand(&self, format: Format) -> &Understood<'a> {
        self.understood.get_or_init(|| {
            let seal = ServiceSeal::new(self.snapshots.load().sealing_key(), self.service);
            let caller = Caller { stream_in_path: self.inquiry.stream_in_path(), seal: &seal };
            let request = translate::read_request(format, self.inquiry.body(), &caller);
            Box::new(Understood { request, seal })
        })
    }

    /// What an answer's ids are tagged with, where it has any.
    fn tagging(&'a self, upstream_key: UpstreamKeyId, event_stream: bool) -> Option<Tagging<'a>> {
        let places = self.inquiry.stored_ids()?;
        let tag_key = self.snapshots.load().tag_key()?;
        let owner = Owner { tag_key, service: self.service, upstream_key, origin: self.inquiry.origin() };
        Some(Tagging::new(places, event_stream, owner))
    }

    /// How the candidate's answer goes on to the client. `created`: seconds since 1970.
    pub(crate) fn passage(&'a self, outgoing: Outgoing, meter: Meter, request_id: &str, created: u64) -> Passage<'a> {
        let Some(translation) = outgoing.translation else {
            let tagging = self.tagging(outgoing.upstream_key, meter.is_event_stream());
            return Passage::Untouched(Untouched::new(meter, tagging));
        };
        let Understood { request, seal } = self.understand(translation.to);
        let echo = translate::echo(translation.to, self.inquiry.body());
        let terms = Terms {
            id: request_id,
            created,
            model: self.inquiry.model().unwrap_or_default(),
            include_usage: request.as_ref().is_ok_and(|request| request.include_usage),
            events: self.inquiry.wants_events(),
            echo: &echo,
            seal,
        };
        Passage::translated(translation, &terms, seal, self.inquiry.stream(), meter)
    }
}

/// In which of its formats a provider is spoken to. OpenAI shows thoughts, and takes them back, in its Responses API
/// only; what that API cannot say goes to chat completions.
fn upstream_format(kind: ProviderKind, responses_api: bool, request: &Request<'_>) -> Format {
    match kind {
        ProviderKind::Anthropic => Format::Messages,
        ProviderKind::Gemini => Format::Generate,
        ProviderKind::OpenaiCompatible | ProviderKind::Openai => {
            if responses_api && translate::prefers_responses(request) { Format::Responses } else { Format::Chat }
        }
    }
}
