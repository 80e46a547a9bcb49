//! What a request asks for, read from its head and its body: everything that routing and forwarding need to know.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;
use tollgate_dialect::{
    Protocol,
    endpoint::{BodyKind, Endpoint, Operation, query},
    request::{self, Form, RequestScan},
    rewrite::{self, Edits},
    stored::{self, Places},
    translate::Task,
};

use tollgate_shared::{access_key, access_token};

use super::patience;
use crate::{
    respond::Refusal,
    route::Session,
    snapshot::{Affinity, AffinitySource, BaseUrl},
    stored::{Pin, Tags, origin},
};

/// A request's head, understood as far as this is needed.
pub(crate) struct Head<'p> {
    method: Method,
    /// Without the tag of the stored object's id in it.
    path: Cow<'p, str>,
    endpoint: Endpoint<'p>,
    /// Without what could be an access key, and without tags; absent when nothing is left.
    query: Option<Box<str>>,
    content_type: Option<Box<str>>,
    /// Where the client reached the gateway, where an answer may tell it.
    origin: Option<Box<str>>,
    patience: Option<Duration>,
}

/// A request: its head, and what its body says. The body itself stays as it is.
pub(crate) struct Inquiry<'a> {
    head: Head<'a>,
    body: &'a Bytes,
    content: Content<'a>,
    pin: Option<Pin>,
}

enum Content<'a> {
    Json(RequestScan<'a>),
    Form(Form<'a>),
    /// None, or nothing that is read here.
    Opaque,
}

impl<'p> Head<'p> {
    /// `path` is the one that `endpoint` was recognised from.
    pub(crate) fn new(
        header: &RequestHeader,
        path: &'p str,
        mut endpoint: Endpoint<'p>,
        tags: &mut Tags<'_>,
    ) -> Result<Self, Refusal> {
        let content_type = header.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        check_content_type(endpoint.body, content_type)?;
        let path = tags.path(path, &mut endpoint)?;
        let query = header.uri.query().map(without_access_keys).map(|query| tags.query(query)).transpose()?;
        let tells_origin = matches!(endpoint.operation, Operation::CreateMessageBatch | Operation::MessageBatches);
        Ok(Self {
            method: header.method.clone(),
            path,
            endpoint,
            query: query.filter(|query| !query.is_empty()).map(Into::into),
            content_type: content_type.map(Into::into),
            origin: if tells_origin { origin(header) } else { None },
            patience: patience::of(&header.headers)?,
        })
    }

    /// How long the caller waits at most, where it says so.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// The body without the tags of stored objects' ids in it.
    pub(crate) fn untagged_body(&self, body: Bytes, tags: &mut Tags<'_>) -> Result<Bytes, Refusal> {
        tags.body(&self.endpoint, body)
    }
}

impl<'a> Inquiry<'a> {
    /// Reads what the body says.
    pub(crate) fn new(head: Head<'a>, body: &'a Bytes, pin: Option<Pin>) -> Result<Self, Refusal> {
        let content = match head.endpoint.body {
            BodyKind::Json => {
                Content::Json(request::scan(body).map_err(|malformed| Refusal::malformed_body(&malformed))?)
            }
            BodyKind::Multipart => {
                let content_type = head.content_type.as_deref().unwrap_or_default();
                let form = request::multipart_model(content_type, body);
                Content::Form(form.map_err(|malformed| Refusal::malformed_body(&malformed))?)
            }
            BodyKind::None | BodyKind::Other => Content::Opaque,
        };
        if let Content::Json(RequestScan { mistyped: Some(field), .. }) = &content {
            return Err(Refusal::mistyped(field));
        }
        let inquiry = Self { head, body, content, pin };
        if inquiry.head.endpoint.model_required && inquiry.model().is_none_or(str::is_empty) {
            return Err(Refusal::model_missing());
        }
        Ok(inquiry)
    }

    /// How long the caller waits at most, where it says so.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.head.patience
    }

    /// Whether its answer is made later, and not told here.
    pub(crate) fn is_background(&self) -> bool {
        matches!(&self.content, Content::Json(scan) if scan.background == Some(true))
    }

    pub(crate) fn method(&self) -> &Method {
        &self.head.method
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.head.endpoint.protocol
    }

    pub(crate) fn operation(&self) -> Operation {
        self.head.endpoint.operation
    }

    /// What it asks for, when a target that speaks another protocol can serve it too.
    pub(crate) fn task(&self) -> Option<Task> {
        Task::of(self.protocol(), self.operation())
    }

    /// The upstream key that a stored object of the request belongs to.
    pub(crate) fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// Whether a provider stores its answer, or it goes on from one that is stored. Responses are stored unless the
    /// caller says otherwise.
    pub(crate) fn is_about_stored(&self) -> bool {
        let Content::Json(scan) = &self.content else { return false };
        let is_stored = scan.store.unwrap_or(self.operation() == Operation::Responses);
        is_stored || scan.has_previous_response_id || scan.background == Some(true)
    }

    /// Where the ids of stored objects stand in its answer.
    pub(crate) fn stored_ids(&self) -> Option<Places> {
        let store = match &self.content {
            Content::Json(scan) => scan.store,
            Content::Form(_) | Content::Opaque => None,
        };
        stored::ids(self.protocol(), self.operation(), self.head.endpoint.rest, store)
    }

    /// Where the client reached the gateway, where an answer may tell it.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.head.origin.as_deref()
    }

    /// The session that it belongs to, if it names one in the way that its service goes by.
    pub(crate) fn session(&self, affinity: &Affinity, headers: &HeaderMap) -> Option<Session> {
        let scan = match &self.content {
            Content::Json(scan) => Some(scan),
            Content::Form(_) | Content::Opaque => None,
        };
        affinity.by.iter().find_map(|source| {
            let name = match source {
                AffinitySource::PromptCacheKey => scan?.prompt_cache_key(self.body)?,
                AffinitySource::MetadataUserId => scan?.metadata_user_id(self.body)?,
                AffinitySource::Header(name) => Cow::Borrowed(headers.get(name)?.to_str().ok()?),
            };
            (!name.is_empty()).then(|| Session::named(name.as_bytes()))
        })
    }

    pub(crate) fn body(&self) -> &'a Bytes {
        self.body
    }

    pub(crate) fn stream_in_path(&self) -> bool {
        self.operation() == Operation::StreamGenerateContent
    }

    /// Whether a stream is wanted as server-sent events; Gemini's is a JSON array unless asked otherwise.
    pub(crate) fn wants_events(&self) -> bool {
        !self.stream_in_path()
            || self.head.query.as_deref().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
    }

    /// Without the tag of a stored object's id.
    pub(crate) fn path(&self) -> &str {
        &self.head.path
    }

    /// Without what could be an access key.
    pub(crate) fn query(&self) -> &str {
        self.head.query.as_deref().unwrap_or_default()
    }

    pub(crate) fn model(&self) -> Option<&str> {
        match (&self.head.endpoint.model_in_path, &self.content) {
            (Some(range), _) => self.head.path.get(range.clone()),
            (None, Content::Json(scan)) => scan.model.as_deref(),
            (None, Content::Form(form)) => form.model,
            (None, Content::Opaque) => None,
        }
    }

    /// Whether the answer is asked for as a stream.
    pub(crate) fn stream(&self) -> bool {
        let said = match &self.content {
            Content::Json(scan) => scan.stream,
            Content::Form(form) => form.stream,
            Content::Opaque => None,
        };
        self.stream_in_path() || said == Some(true)
    }

    /// Whether the upstream is asked for usage that the client did not ask for.
    pub(crate) fn adds_usage(&self) -> bool {
        self.operation().usage_on_request()
            && matches!(&self.content, Content::Json(scan) if scan.stream == Some(true) && !scan.includes_usage())
    }

    /// The limit on output tokens that the caller set, and how many answers it wants; `None` where the body is not read
    /// for that.
    pub(crate) fn output_wanted(&self) -> Option<(Option<u64>, Option<u64>)> {
        match &self.content {
            Content::Json(scan) => Some((scan.max_output_tokens, scan.choices)),
            Content::Form(_) | Content::Opaque => None,
        }
    }

    /// Bytes of the body; the start of an estimate when the provider tells nothing.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// The largest limit on output tokens that the caller set.
    pub(crate) fn max_output_tokens(&self) -> Option<u64> {
        match &self.content {
            Content::Json(scan) => scan.max_output_tokens,
            Content::Form(_) | Content::Opaque => None,
        }
    }

    /// How many answers are wanted, at least 1.
    pub(crate) fn choices(&self) -> u64 {
        match &self.content {
            Content::Json(scan) => scan.choices.unwrap_or(1).max(1),
            Content::Form(_) | Content::Opaque => 1,
        }
    }

    /// How many prompts are to be answered, at least 1.
    pub(crate) fn prompts(&self) -> u64 {
        match &self.content {
            Content::Json(scan) => prompts(scan),
            Content::Form(_) | Content::Opaque => 1,
        }
    }

    /// Whether its body is a form, which holds files.
    pub(crate) fn is_form(&self) -> bool {
        matches!(self.content, Content::Form(_))
    }

    /// The body for an upstream: as it came, but for a renamed model and a request for usage.
    pub(crate) fn body_for(&self, model: Option<&str>) -> Bytes {
        let mut edits = Edits::default();
        // A body that names a model twice gets one name: the upstream might go by the other.
        let model = model.or_else(|| self.names_twice().then(|| self.model()).flatten());
        match (&self.content, model) {
            (Content::Json(scan), Some(model)) if self.head.endpoint.model_in_path.is_none() => {
                edits.rename_model(scan, model);
            }
            (Content::Json(scan), Some(model)) => edits.rename_inner_models(scan, model),
            (Content::Form(form), Some(model)) => edits.rename_form_model(&form.model_spans, model),
            (Content::Opaque, _) | (_, None) => {}
        }
        if let Content::Json(scan) = &self.content
            && self.adds_usage()
        {
            edits.ask_usage(scan);
        }
        if edits.is_empty() { self.body.clone() } else { rewrite::replace(self.body, &edits).into() }
    }

    fn names_twice(&self) -> bool {
        matches!(&self.content, Content::Json(scan) if scan.model_spans.iter().nth(1).is_some())
    }

    /// The models that a batch names inside.
    pub(crate) fn inner_models(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let spans = match &self.content {
            Content::Json(scan) => Some(scan.inner_model_spans.iter()),
            Content::Form(_) | Content::Opaque => None,
        };
        spans.into_iter().flatten().filter_map(|span| request::model_at(self.body, span.clone()))
    }

    /// Path and query at an upstream.
    pub(crate) fn target_at(&self, base: &BaseUrl, model: Option<&str>) -> String {
        let endpoint = &self.head.endpoint;
        let path = match model {
            Some(model) => rewrite::rename_model_in_path(&self.head.path, endpoint, model),
            None => Cow::Borrowed(&*self.head.path),
        };
        let rest = path.get(endpoint.version_prefix.len()..).unwrap_or_default();
        let prefix = base.path_prefix.as_deref().unwrap_or(endpoint.version_prefix);
        let query = self.head.query.as_deref().unwrap_or_default();
        let mut target = String::with_capacity(prefix.len() + rest.len() + 1 + query.len());
        target.push_str(prefix);
        target.push_str(rest);
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        target
    }
}

/// Neither the parameter in which a key may be presented, nor a key that somebody put elsewhere.
fn without_access_keys(query_text: &str) -> Cow<'_, str> {
    let kept = query::without_access_key(query_text);
    // A semicolon once separated parameters, and some libraries still write it.
    let is_key = |pair: &str| pair.split(['=', ';']).any(is_credential);
    if !kept.split('&').any(is_key) {
        return kept;
    }
    Cow::Owned(kept.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&"))
}

fn prompts(scan: &RequestScan<'_>) -> u64 {
    scan.prompts.unwrap_or(1).max(1)
}

fn is_credential(value: &str) -> bool {
    access_key::is_well_formed(value) || access_token::is_well_formed(value)
}

fn check_content_type(body: BodyKind, content_type: Option<&str>) -> Result<(), Refusal> {
    let starts_with = |expected: &str| {
        content_type.is_some_and(|found| found.get(..expected.len()).is_some_and(|s| s.eq_ignore_ascii_case(expected)))
    };
    match body {
        BodyKind::Json if content_type.is_some() && !starts_with("application/json") => {
            Err(Refusal::media_type("application/json"))
        }
        BodyKind::Multipart if !starts_with("multipart/form-data") => Err(Refusal::media_type("multipart/form-data")),
        _ => Ok(()),
    }
}
