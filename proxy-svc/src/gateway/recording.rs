//! What is known of a request so far; reported when it ends, however it ends.

use std::time::Instant;

use tollgate_dialect::Protocol;
use tollgate_shared::{
    clock::{Clock, UnixMicros},
    ids::RequestId,
    money::Cost,
};
use uuid::{Builder, fmt::Hyphenated};

use super::Inquiry;
use crate::{
    authenticate::Principal,
    budget::Reservation,
    limits::{Dimension, Ledger, Limiter, Scope},
    meter::{Observation, bound::CostBound},
    report::{
        Attempt, CacheUse, Event, Intent, JournalError, OpenIntent, Outcome, Reporter, Reserved, Tokens, UsageSource,
    },
    respond::Refusal,
    route::Plan,
    snapshot::Snapshots,
    telemetry::{FinishedRequest, Metrics},
};

/// Bytes of a request body that count as one token where the provider told no figures: the usual rule of thumb.
const BYTES_PER_TOKEN: u64 = 4;

/// Marks a usage event of a request that its limits would have refused were they enforced.
const SHADOW_LIMIT: &str = "rate_limit_shadow";

/// Fills one [`Event`]. Dropped before its end, which happens only when the process stops under it, the request is
/// reported as interrupted.
pub(crate) struct Recording<'a> {
    reporter: &'a Reporter,
    metrics: &'a Metrics,
    begun: Instant,
    event: Event,
    /// The id in the form that the client gets.
    request_id: [u8; Hyphenated::LENGTH],
    intent: Option<OpenIntent>,
    estimated_input: u64,
    ledger: Ledger<'a>,
    /// Prices are looked up where a request ends.
    snapshots: &'a Snapshots,
    cost_bound: &'a CostBound,
    reservation: Reservation,
    /// The caller is known, so there is somebody to report this to.
    reportable: bool,
    ended: bool,
}

impl<'a> Recording<'a> {
    pub(crate) fn begin(
        reporter: &'a Reporter,
        metrics: &'a Metrics,
        limiter: &'a Limiter,
        snapshots: &'a Snapshots,
        cost_bound: &'a CostBound,
        clock: &Clock,
    ) -> Self {
        let started_at = clock.now();
        let id = request_id(started_at);
        let mut text = [0; Hyphenated::LENGTH];
        id.as_uuid().as_hyphenated().encode_lower(&mut text);
        let event = Event {
            request_id: id,
            started_at,
            duration: std::time::Duration::ZERO,
            ttft: None,
            status: None,
            outcome: Outcome::Interrupted,
            protocol: crate::report::Protocol::OpenAi,
            stream: false,
            service_id: None,
            access_key_id: None,
            user_id: None,
            model_requested: None,
            model_served: None,
            provider_id: None,
            upstream_key_id: None,
            attempts: Vec::new(),
            usage: None,
            cost: None,
            path: Box::default(),
            error_code: None,
            cache: None,
            reserved: Some(Reserved::default()),
        };
        Self {
            reporter,
            metrics,
            begun: Instant::now(),
            event,
            request_id: text,
            intent: None,
            estimated_input: 0,
            ledger: Ledger::new(limiter),
            snapshots,
            cost_bound,
            reservation: Reservation::default(),
            reportable: false,
            ended: false,
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }

    pub(crate) fn started_at(&self) -> UnixMicros {
        self.event.started_at
    }

    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    pub(crate) fn caller(&mut self, principal: &Principal, protocol: Protocol, path: &str) {
        self.event.protocol = reported(protocol);
        self.event.path = path.into();
        self.event.service_id = Some(principal.key.service.id);
        self.event.access_key_id = Some(principal.key.id);
        self.event.user_id = Some(principal.key.user_id);
        self.reportable = true;
    }

    pub(crate) fn asked(&mut self, inquiry: &Inquiry<'_>) {
        self.event.stream = inquiry.stream();
        self.event.model_requested = inquiry.model().map(Into::into);
        self.estimated_input = inquiry.body_bytes() as u64 / BYTES_PER_TOKEN;
    }

    /// What its input costs where it goes first, in case that nobody sees its end.
    fn estimated_cost(&self, plan: &Plan) -> Option<Cost> {
        let first = plan.destinations().next()?;
        let model = first.model.or(self.event.model_requested.as_deref())?;
        let input = Tokens { input_uncached: self.estimated_input, ..Tokens::default() };
        self.snapshots.load().prices().of(first.provider.id, model).map(|price| price.cost(&input))
    }

    /// It is settled when the request ends, however it does.
    pub(crate) fn reserved(&mut self, reservation: Reservation) {
        self.event.reserved = Some(reservation.scopes());
        self.reservation = reservation;
    }

    /// What usage costs at the provider that serves the request; `None` while its model has no price there, or one by
    /// which it would be more than can be.
    pub(crate) fn cost_of(&self, tokens: &Tokens) -> Option<Cost> {
        let last = self.event.attempts.last();
        let provider = self.event.provider_id.or(last.map(|attempt| attempt.provider_id))?;
        let model = self.event.model_served.as_deref().or(last.map(|attempt| &*attempt.model))?;
        let cost = self.snapshots.load().prices().of(provider, model).map(|price| price.cost(tokens))?;
        self.cost_bound.within(provider, model, cost)
    }

    /// What the request costs by what is known of its usage.
    fn cost(&self) -> Option<Cost> {
        self.cost_of(self.event.usage.as_ref()?)
    }

    /// Writes the intent: from here on the request is on record, whatever happens to this process.
    pub(crate) fn intend(&mut self, plan: &Plan) -> Result<(), JournalError> {
        let (Some(service_id), Some(access_key_id), Some(user_id)) =
            (self.event.service_id, self.event.access_key_id, self.event.user_id)
        else {
            return Ok(());
        };
        let intent = Intent {
            request_id: self.event.request_id,
            started_at: self.event.started_at,
            service_id,
            access_key_id,
            user_id,
            protocol: self.event.protocol,
            stream: self.event.stream,
            model_requested: self.event.model_requested.as_deref().unwrap_or_default(),
            path: &self.event.path,
            estimated_input: self.estimated_input,
            estimated_cost: self.estimated_cost(plan),
            reserved: self.event.reserved,
        };
        self.intent = Some(self.reporter.begin(&intent)?);
        Ok(())
    }

    /// An attempt that is over; one that is followed by another is on record at once.
    pub(crate) fn attempt(&mut self, attempt: Attempt, followed: bool) {
        if followed && let Some(intent) = &self.intent {
            intent.attempt(&attempt);
        }
        self.metrics.attempt_finished(attempt.outcome.into());
        self.event.attempts.push(attempt);
    }

    /// The attempt that the client's answer comes from.
    pub(crate) fn served_by_last_attempt(&mut self, status: u16) {
        self.event.status = Some(status);
        if let Some(attempt) = self.event.attempts.last() {
            self.event.model_served = Some(attempt.model.clone());
            self.event.provider_id = Some(attempt.provider_id);
            self.event.upstream_key_id = Some(attempt.upstream_key_id);
        }
    }

    pub(crate) fn attempts(&mut self) -> &mut Vec<Attempt> {
        &mut self.event.attempts
    }

    pub(crate) fn attempt_count(&self) -> usize {
        self.event.attempts.len()
    }

    pub(crate) fn first_byte_sent(&mut self) {
        if self.event.ttft.is_none() {
            self.event.ttft = Some(self.begun.elapsed());
        }
    }

    /// The request's accounts with its limits.
    pub(crate) fn ledger(&mut self) -> &mut Ledger<'a> {
        &mut self.ledger
    }

    pub(crate) fn ledger_ref(&self) -> &Ledger<'a> {
        &self.ledger
    }

    /// A limit lets the request not through.
    pub(crate) fn limited(&self, scope: Scope, dimension: Dimension) {
        self.metrics.limits.refused(scope, dimension);
    }

    /// A limit that is only tried out would not have let the request through. The event says so unless the request
    /// fails for another reason.
    pub(crate) fn would_have_been_limited(&mut self, scope: Scope, dimension: Dimension) {
        self.metrics.limits.would_have_refused(scope, dimension);
        self.ledger.refuse_on_trial();
        self.error_code(SHADOW_LIMIT);
    }

    pub(crate) fn error_code(&mut self, code: &'static str) {
        self.event.error_code = Some(code.into());
    }

    /// What a stream used so far, so that a crash does not lose it.
    pub(crate) fn checkpoint(&self, tokens: &Tokens) {
        if let Some(intent) = &self.intent {
            intent.checkpoint(tokens, self.cost_of(tokens));
        }
    }

    pub(crate) fn usage(&mut self, usage: Tokens) {
        self.event.usage = Some(usage);
    }

    /// The provider told nothing; `output` tokens were seen.
    pub(crate) fn estimated_usage(&mut self, output: u64) {
        let (input_uncached, source) = (self.estimated_input, UsageSource::Estimated);
        self.event.usage = Some(Tokens { input_uncached, output, source, ..Tokens::default() });
    }

    /// What the service's cache has to do with it.
    pub(crate) fn cache(&mut self, cache: CacheUse) {
        self.metrics.cache.used(cache);
        self.event.cache = Some(cache);
    }

    pub(crate) fn cache_use(&self) -> Option<CacheUse> {
        self.event.cache
    }

    /// What is known of the answer that went on: the model's name at its provider, and what it used.
    pub(crate) fn served(&self) -> (Option<&str>, Option<&Tokens>) {
        (self.event.model_served.as_deref(), self.event.usage.as_ref())
    }

    /// A model answered this before; with what that used then. No provider and no upstream key is named, because none
    /// was asked: what they were asked for adds up to what they bill.
    pub(crate) fn answered_before(&mut self, model: &str, usage: Option<&Tokens>) {
        self.event.status = Some(200);
        self.event.model_served = Some(model.into());
        self.event.usage = usage.cloned();
    }

    /// The gateway had the whole answer itself.
    pub(crate) fn answered(&mut self, status: u16) {
        self.event.status = Some(status);
        self.end(Outcome::Ok);
    }

    /// What an answer, or its beginning, told of its usage.
    pub(crate) fn observed(&mut self, observation: Observation) {
        match observation {
            Observation::Free => {}
            Observation::Told(tokens) => self.usage(tokens),
            Observation::Untold { output } => self.estimated_usage(output),
        }
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal, status: Option<u16>) {
        self.event.status = status;
        self.event.error_code = Some(refusal.kind.code().into());
        let upstream_failed = !self.event.attempts.is_empty();
        self.end(if upstream_failed { Outcome::UpstreamError } else { Outcome::Refused });
    }

    /// The request is over; only the first call counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !self.conclude(outcome) {
            return;
        }
        match self.intent.take() {
            Some(intent) => intent.finish(&self.event),
            None if self.reportable => self.reporter.record(&self.event),
            None => {}
        }
    }

    /// As [`Recording::end`], and where the journal is to survive the machine's death, it waits for the disk.
    pub(crate) async fn end_durably(&mut self, outcome: Outcome) {
        let Some(intent) = self.intent.take() else { return self.end(outcome) };
        if self.conclude(outcome)
            && let Err(error) = intent.finish_durable(&self.event).await
        {
            tracing::error!(request.id = self.request_id(), %error, "the end of a request may not survive this machine");
        }
    }

    /// Whether this is the first time.
    fn conclude(&mut self, outcome: Outcome) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        self.event.outcome = outcome;
        self.event.duration = self.begun.elapsed();
        self.event.cost = self.cost();
        std::mem::take(&mut self.reservation).settle(self.event.cost);
        self.metrics.request_finished(&FinishedRequest {
            protocol: self.event.protocol.into(),
            status: self.event.status.unwrap_or(0),
            outcome: outcome.into(),
            duration: self.event.duration,
            time_to_first_token: self.event.ttft,
        });
        let (mut input, mut output) = (0, 0);
        // A hit used nothing.
        if let Some(usage) = &self.event.usage
            && self.event.cache != Some(CacheUse::Hit)
        {
            input = usage.input_uncached + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
            output = usage.output;
            self.metrics.tokens_used(input, output);
        }
        self.ledger.settle(input.saturating_add(output));
        true
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Interrupted);
    }
}

fn reported(protocol: Protocol) -> crate::report::Protocol {
    match protocol {
        Protocol::OpenAi => crate::report::Protocol::OpenAi,
        Protocol::Anthropic => crate::report::Protocol::Anthropic,
        Protocol::Gemini => crate::report::Protocol::Gemini,
    }
}

/// A UUIDv7 of the given moment. It names a request and protects nothing, so its random part need not be secret; that
/// saves a call of the operating system for each request.
fn request_id(now: UnixMicros) -> RequestId {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let millis = u64::try_from(now / 1000).unwrap_or(0);
    RequestId::from_uuid(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
