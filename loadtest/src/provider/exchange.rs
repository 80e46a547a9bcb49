//! From a request to the script of its answer: control endpoint, credential, plan, fault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::error::{ApiError, fault_draft, last_words, rate_limited};
use super::fault::{Fault, Subject, milliseconds};
use super::incoming::Incoming;
use super::log::RecordedRequest;
use super::plan::{Body, Chunk, Draft, Plan, Protocol};
use super::profile::Profile;
use super::script::{Break, Player, Script, Stop};
use super::shared::Shared;
use super::template::{Template, owner_tag};
use super::usage::{Generated, Usage};
use super::{anthropic, control, gemini, headers, openai};

/// What a planner knows besides the request.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: u32,
    /// Set by a fault: so much text, in one chunk.
    pub(crate) oversized_bytes: Option<usize>,
    /// Set by a fault: the provider's policy forbids the prompt.
    pub(crate) blocked: bool,
}

impl Context {
    pub(crate) fn profile(&self, model: &str) -> Profile {
        let mut profile = Profile::of(model, &self.shared.options);
        if let Some(bytes) = self.oversized_bytes {
            profile.text_bytes = bytes;
            profile.chunks = 1;
        }
        profile.blocked |= self.blocked;
        profile
    }

    /// Plans through the memo, or afresh where the answer is not what it usually is.
    pub(crate) fn planned(
        &self,
        protocol: Protocol,
        incoming: &Incoming,
        make: impl FnOnce() -> Result<Draft, ApiError>,
    ) -> Arc<Plan> {
        let make = || make().unwrap_or_else(|error| error.draft(protocol)).plan();
        if self.oversized_bytes.is_some() || self.blocked {
            return Arc::new(make());
        }
        self.shared.memo.plan(protocol, self.owner, incoming, make)
    }
}

/// The record of one exchange; written when it ends, however it ends.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    /// Control endpoints are not recorded at all.
    recorded: bool,
    number: Option<u64>,
    ended: bool,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    ClientGone,
    /// By a fault.
    Broken,
}

impl Ticket {
    pub(crate) fn head_sent(&self, player: &Player) {
        let Some(number) = self.number else { return };
        let plan = &player.script().plan;
        self.shared.log.update(number, |entry| entry.status = Some(plan.status));
    }

    pub(crate) fn chunk_sent(&self) {
        if let Some(number) = self.number {
            self.shared.log.update(number, |entry| entry.chunks_sent += 1);
        }
    }

    /// Call it right before the last write, so that whoever has read the answer finds the record
    /// complete; then [`Ticket::failed`] if that write fails.
    pub(crate) fn end(&mut self, player: &Player, ending: Ending, head_sent: bool) {
        if self.ended || !self.recorded {
            return;
        }
        self.ended = true;
        let completed = ending == Ending::Completed;
        let generated = if head_sent { player.generated(completed) } else { Usage::default() };
        self.shared.counters.ended(&generated, completed, ending == Ending::ClientGone);
        if let Some(number) = self.number {
            let status = head_sent.then_some(player.script().plan.status);
            self.shared.log.update(number, |entry| {
                entry.status = status;
                entry.generated = generated;
                entry.completed = completed;
                entry.client_gone = ending == Ending::ClientGone;
            });
        }
    }

    /// The last write did not succeed after all.
    pub(crate) fn failed(&self) {
        if let Some(number) = self.number {
            self.shared.log.update(number, |entry| (entry.completed, entry.client_gone) = (false, true));
        }
    }
}

/// Decides what happens to a request, and opens its record.
pub(crate) fn decide(shared: &Arc<Shared>, incoming: &Incoming) -> (Player, Ticket) {
    if incoming.target().starts_with("/__sim/") {
        let plan = Arc::new(control::answer(shared, incoming).plan());
        let ticket = Ticket { shared: Arc::clone(shared), recorded: false, number: None, ended: false };
        return (Player::new(Script::plain(plan), shared.stamp(0)), ticket);
    }
    let credential = incoming.credential().map(|credential| credential.value);
    let owner = credential.map_or(0, owner_tag);
    let context = Context { shared: Arc::clone(shared), owner, oversized_bytes: None, blocked: false };
    let script = script(&context, incoming, credential);
    shared.counters.request();
    let stamp = shared.stamp(owner);
    if shared.log.is_enabled() && incoming.target() == "/v1/responses" {
        shared.stored.put_response(&script.plan, &stamp);
    }
    let number = shared.log.is_enabled().then(|| {
        let (stream, model) = (script.plan.is_stream(), script.plan.model.clone());
        shared.log.begin(RecordedRequest { stream, model, ..RecordedRequest::of(incoming) })
    });
    let ticket = Ticket { shared: Arc::clone(shared), recorded: true, number, ended: false };
    (Player::new(script, stamp), ticket)
}

/// Records a request whose body never came whole.
pub(crate) fn record_half(shared: &Arc<Shared>, incoming: &Incoming) {
    shared.counters.request();
    shared.counters.ended(&Usage::default(), false, true);
    if shared.log.is_enabled() {
        shared.log.begin(RecordedRequest { client_gone: true, ..RecordedRequest::of(incoming) });
    }
}

fn protocol_of(incoming: &Incoming) -> Protocol {
    let path = incoming.path();
    if path.starts_with("/v1/messages") {
        return Protocol::Anthropic;
    }
    if path.starts_with("/v1beta/") || path.starts_with("/v1/models/") && path.contains(':') {
        return Protocol::Gemini;
    }
    if path.starts_with("/v1/models") {
        if incoming.header("x-goog-api-key").is_some() || incoming.parameter("key").is_some() {
            return Protocol::Gemini;
        }
        if incoming.header("anthropic-version").is_some() || incoming.header("x-api-key").is_some() {
            return Protocol::Anthropic;
        }
    }
    Protocol::OpenAi
}

fn respond(context: &Context, incoming: &Incoming, protocol: Protocol) -> Arc<Plan> {
    match protocol {
        Protocol::OpenAi => openai::respond(context, incoming),
        Protocol::Anthropic => anthropic::respond(context, incoming),
        Protocol::Gemini => gemini::respond(context, incoming),
    }
}

fn script(context: &Context, incoming: &Incoming, credential: Option<&str>) -> Script {
    let (shared, protocol) = (&context.shared, protocol_of(incoming));
    let fault = if shared.faults.is_empty() {
        None
    } else {
        let model = model_of(incoming, protocol);
        shared.faults.meet(&Subject { key: credential, model: &model, path: incoming.path() })
    };
    let refused = credential.is_none_or(|key| shared.bad_keys.read().contains(key));
    let responses_api = incoming.path() == "/v1/responses";
    let failing = |error: &ApiError, body: Option<&Value>| {
        let model = model_of(incoming, protocol);
        Arc::new(fault_draft(protocol, error, body).costing(Usage::default(), &model).plan())
    };
    let plan = match &fault {
        Some(Fault::RateLimited { says, seconds }) => {
            let model = model_of(incoming, protocol);
            Arc::new(rate_limited(protocol, *says, *seconds).costing(Usage::default(), &model).plan())
        }
        Some(Fault::Status { status, retry_after, body }) => {
            failing(&ApiError::of_status(*status, retry_after.clone()), body.as_ref())
        }
        Some(Fault::AccountSpent) => {
            let (error, body) = ApiError::account_spent(protocol);
            failing(&error, body.as_ref())
        }
        _ if refused => Arc::new(ApiError::credential(protocol, credential).draft(protocol).plan()),
        Some(Fault::Oversized { bytes }) => {
            let context = Context { oversized_bytes: Some(*bytes), ..context.clone() };
            respond(&context, incoming, protocol)
        }
        Some(Fault::ContextWindow) => failing(&ApiError::context_window(protocol, responses_api), None),
        Some(Fault::ContentPolicy) if protocol == Protocol::Gemini => {
            let context = Context { blocked: true, ..context.clone() };
            respond(&context, incoming, protocol)
        }
        Some(Fault::ContentPolicy) => failing(&ApiError::content_policy(protocol), None),
        Some(Fault::NothingLeft { seconds }) => {
            let plan = respond(context, incoming, protocol);
            Arc::new(plan.with_headers(&headers::nothing_left(protocol, *seconds)))
        }
        _ => respond(context, incoming, protocol),
    };
    let profile = Profile::of(&plan.model, &shared.options);
    let script = Script {
        delay: profile.latency,
        gap: profile.gap,
        split_bytes: profile.split_bytes,
        ..Script::plain(Arc::clone(&plan))
    };
    match fault {
        Some(fault) => broken(script, &fault, responses_api),
        None => script,
    }
}

fn broken(script: Script, fault: &Fault, responses_api: bool) -> Script {
    let plan = Arc::clone(&script.plan);
    let error = ApiError::of_status(if plan.protocol == Protocol::Anthropic { 529 } else { 503 }, None);
    let after = |after_chunks, how| Some(Stop { after_chunks, how });
    let replaced = |status, content_type, body| Arc::new(plan.with_body(status, content_type, body, Usage::default()));
    let is_json = plan.headers.iter().any(|(_, value)| value.starts_with("application/json"));
    let event_stream = if plan.is_stream() && !is_json { "text/event-stream" } else { "application/json" };
    match *fault {
        Fault::RateLimited { .. }
        | Fault::Status { .. }
        | Fault::AccountSpent
        | Fault::NothingLeft { .. }
        | Fault::Oversized { .. }
        | Fault::ContextWindow
        | Fault::ContentPolicy => script,
        Fault::HangBeforeHeaders => Script { instead: Some(Break::Hang), ..script },
        Fault::CloseBeforeHeaders => Script { instead: Some(Break::Close), ..script },
        Fault::Reset { after_chunks: None } => Script { instead: Some(Break::Reset), ..script },
        Fault::Reset { after_chunks: Some(chunks) } => Script { stop: after(chunks, Break::Reset), ..script },
        Fault::HangMidStream { after_chunks } => Script { stop: after(after_chunks, Break::Hang), ..script },
        Fault::CutMidStream { after_chunks } => Script { stop: after(after_chunks, Break::Close), ..script },
        Fault::ErrorMidStream { after_chunks } if plan.is_stream() => {
            let words = last_words(&error, &plan, responses_api, after_chunks);
            Script { stop: after(after_chunks, Break::LastWords(words)), ..script }
        }
        Fault::SlowDrip { gap_ms } => {
            let gap = milliseconds(gap_ms);
            Script { gap, drip: (!plan.is_stream()).then_some(gap), ..script }
        }
        Fault::Empty200 => {
            let body = Body::Whole(Template::default());
            Script { plan: replaced(200, event_stream, body), ..script }
        }
        Fault::ErrorIn200 | Fault::ErrorMidStream { .. } => {
            let body = if plan.is_stream() {
                let payload = last_words(&error, &plan, responses_api, 0);
                Body::Stream(vec![Chunk { payload, generated: Generated::default(), paced: false }])
            } else {
                Body::Whole(Template::new(error.body(plan.protocol).to_bytes()))
            };
            Script { plan: replaced(200, event_stream, body), ..script }
        }
        Fault::MalformedSse => Script { plan: Arc::new(malformed(&plan, event_stream)), ..script },
        Fault::Latency { ms } => Script { delay: script.delay.max(Duration::ZERO) + milliseconds(ms), ..script },
    }
}

/// The first event, then half a line of JSON that never becomes whole.
fn malformed(plan: &Plan, content_type: &'static str) -> Plan {
    let nonsense =
        &b"data: {\"id\":\"broken\",\"choices\":[{\"delta\":{\"con\n\ndata: }}}not json{{{\n\n\x00\xff\xfe\n\n"[..];
    let body = match &plan.body {
        Body::Stream(chunks) => {
            let mut kept: Vec<_> = chunks.iter().take(1).cloned().collect();
            let generated = kept.last().map(|chunk| chunk.generated).unwrap_or_default();
            kept.push(Chunk::new(nonsense, generated, true));
            Body::Stream(kept)
        }
        Body::Whole(_) => Body::Whole(Template::new(&b"{\"id\":\"broken\",\"choices\":[{"[..])),
    };
    plan.with_body(200, content_type, body, plan.usage.with_output(Generated::default()))
}

#[derive(serde::Deserialize)]
struct Named {
    #[serde(default)]
    model: String,
}

/// The model as the request names it; empty where there is none.
fn model_of(incoming: &Incoming, protocol: Protocol) -> String {
    if protocol == Protocol::Gemini {
        return gemini::model_in(incoming.path()).unwrap_or_default().to_owned();
    }
    if let Ok(named) = serde_json::from_slice::<Named>(&incoming.body) {
        return named.model;
    }
    super::multipart::Form::of(incoming).and_then(|form| form.text("model")).unwrap_or_default()
}
