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
    translate::{self, Caller, Exchange, Format, Names, Rejected, Target, Task, Terms, Written},
};
use tollgate_shared::ids::{ServiceId, UpstreamKeyId};

pub(crate) use self::{answer::Passage, seal::SealingKey};
use self::{answer::Untouched, seal::ServiceSeal};
use crate::{
    gateway::Inquiry,
    meter::Meter,
    route::Candidate,
    snapshot::{Provider, ProviderKind, Snapshots},
    stored::{Owner, Tagging},
};

/// Turns one request into what its candidates are sent.
pub(crate) struct Translator<'a> {
    inquiry: &'a Inquiry<'a>,
    snapshots: &'a Snapshots,
    service: ServiceId,
    /// Only what is translated pays for it.
    understood: OnceLock<Box<Understood<'a>>>,
    holds_sealed: OnceLock<bool>,
}

/// The request as all of its candidates have it.
struct Understood<'a> {
    request: Result<Request<'a>, Rejected>,
    seal: ServiceSeal,
    /// What the caller's answers repeat of it.
    echo: Vec<u8>,
}

/// What is done about a candidate.
pub(crate) enum Step {
    Send(Outgoing),
    /// It is not asked at all: the gateway knows the answer itself.
    Answer(Bytes),
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
    pub(crate) exchange: Exchange,
    pub(crate) names: Names,
    /// The value of `x-tollgate-adapted`.
    pub(crate) adapted: Option<String>,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(inquiry: &'a Inquiry<'a>, snapshots: &'a Snapshots, service: ServiceId) -> Self {
        Self { inquiry, snapshots, service, understood: OnceLock::new(), holds_sealed: OnceLock::new() }
    }

    pub(crate) fn inquiry(&self) -> &'a Inquiry<'a> {
        self.inquiry
    }

    /// What is done about a candidate. Fails when its protocol cannot say what the request says.
    pub(crate) fn step(&self, candidate: &Candidate<'_>) -> Result<Step, Rejected> {
        let provider = &candidate.pool.provider;
        match self.inquiry.task() {
            Some(task) if !speaks(provider, task) || self.holds_sealed(task) => self.translated(task, candidate),
            _ => Ok(Step::Send(self.untouched(candidate))),
        }
    }

    /// What another provider signed in this conversation is sealed, and this one would stumble over it: the request is
    /// written anew, in its own protocol.
    fn holds_sealed(&self, task: Task) -> bool {
        matches!(task, Task::Conversation(_) | Task::TokenCount(_))
            && *self.holds_sealed.get_or_init(|| translate::may_hold_sealed(self.inquiry.body()))
    }

    fn untouched(&self, candidate: &Candidate<'_>) -> Outgoing {
        let (inquiry, provider) = (self.inquiry, &candidate.pool.provider);
        Outgoing {
            body: inquiry.body_for(candidate.model),
            target: inquiry.target_at(&provider.base, candidate.model),
            protocol: provider.kind.protocol(),
            operation: inquiry.operation(),
            upstream_key: candidate.key.id,
            translation: None,
        }
    }

    fn translated(&self, task: Task, candidate: &Candidate<'_>) -> Result<Step, Rejected> {
        let provider = &candidate.pool.provider;
        let protocol = provider.kind.protocol();
        let mut target = Target {
            format: Format::Chat,
            model: candidate.model.or(self.inquiry.model()).unwrap_or_default(),
            is_compatible: provider.kind == ProviderKind::OpenaiCompatible,
            default_max_tokens: candidate.default_max_tokens.map(u64::from),
        };
        let (exchange, written) = match task {
            Task::Conversation(to) => {
                let request = self.understand(task).request.as_ref().map_err(Clone::clone)?;
                target.format = conversation_format(provider, to, request);
                (Exchange::Conversation { from: target.format, to }, translate::write_request(request, &target)?)
            }
            Task::TokenCount(to) => {
                let request = self.understand(task).request.as_ref().map_err(Clone::clone)?;
                target.format = counting_format(provider);
                let Some(written) = translate::write_count_request(request, &target)? else {
                    let estimate = translate::write_count(to, translate::estimate_tokens(request));
                    return Ok(Step::Answer(estimate.into()));
                };
                (Exchange::TokenCount { from: target.format, to }, written)
            }
            Task::Embeddings(to) => {
                let written = translate::write_embedding_request(to, self.inquiry.body(), protocol, &target)?;
                (Exchange::Embeddings { from: protocol, to }, written)
            }
        };
        let Written { body, path, notes, names } = written;
        let prefix = provider.base.path_prefix.as_deref().unwrap_or(exchange.version_prefix());
        Ok(Step::Send(Outgoing {
            body: body.into(),
            target: [prefix, &path].concat(),
            protocol,
            operation: exchange.operation(self.inquiry.stream()),
            upstream_key: candidate.key.id,
            translation: Some(Translation { exchange, names, adapted: translate::header_value(&notes) }),
        }))
    }

    fn understand(&self, task: Task) -> &Understood<'a> {
        self.understood.get_or_init(|| {
            let seal = ServiceSeal::new(self.snapshots.load().sealing_key(), self.service);
            let caller = Caller { stream_in_path: self.inquiry.stream_in_path(), seal: &seal };
            let body = self.inquiry.body();
            let request = match task {
                Task::Conversation(format) => translate::read_request(format, body, &caller),
                Task::TokenCount(format) => translate::read_count_request(format, body, &caller),
                // Embeddings are no conversation, and are read where they are written.
                Task::Embeddings(_) => Ok(Request::default()),
            };
            Box::new(Understood { request, seal, echo: translate::echo(task, body) })
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
        let (Some(translation), Some(task)) = (outgoing.translation, self.inquiry.task()) else {
            let tagging = self.tagging(outgoing.upstream_key, meter.is_event_stream());
            return Passage::Untouched(Box::new(Untouched::new(meter, tagging)));
        };
        let Understood { request, seal, echo } = self.understand(task);
        let terms = Terms {
            id: request_id,
            created,
            model: self.inquiry.model().unwrap_or_default(),
            include_usage: request.as_ref().is_ok_and(|request| request.include_usage),
            events: self.inquiry.wants_events(),
            echo,
            seal,
        };
        Passage::translated(translation, &terms, seal, outgoing.operation, self.inquiry.stream(), meter)
    }
}

/// Whether a provider can be sent a request as it came.
fn speaks(provider: &Provider, task: Task) -> bool {
    let needs_responses = matches!(task, Task::Conversation(Format::Responses) | Task::TokenCount(Format::Responses));
    provider.kind.protocol() == task.protocol() && (provider.responses_api || !needs_responses)
}

/// In which of its formats a provider is spoken to by a caller of `to`. OpenAI shows thoughts, and takes them back, in
/// its Responses API only; a caller of chat completions expects nothing that only that API has.
fn conversation_format(provider: &Provider, to: Format, request: &Request<'_>) -> Format {
    match provider.kind.protocol() {
        Protocol::OpenAi if !provider.responses_api || to == Format::Chat => Format::Chat,
        Protocol::OpenAi if to == Format::Responses || translate::prefers_responses(request) => Format::Responses,
        Protocol::OpenAi => Format::Chat,
        Protocol::Anthropic => Format::Messages,
        Protocol::Gemini => Format::Generate,
    }
}

/// Chat completions have no question for a count.
fn counting_format(provider: &Provider) -> Format {
    match provider.kind.protocol() {
        Protocol::OpenAi if provider.responses_api => Format::Responses,
        Protocol::OpenAi => Format::Chat,
        Protocol::Anthropic => Format::Messages,
        Protocol::Gemini => Format::Generate,
    }
}
