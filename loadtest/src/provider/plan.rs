//! A whole answer, prepared: status, headers, body or chunks, and what it cost.

use bytes::Bytes;

use super::headers;
use super::json::Json;
use super::template::{DATE, Stamp, Template};
use super::usage::{Generated, Usage};

/// Whose wire format it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    OpenAi,
    Anthropic,
    Gemini,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) protocol: Protocol,
    pub(crate) status: u16,
    /// Without framing headers. Values may have holes.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// Of the whole answer.
    pub(crate) usage: Usage,
    pub(crate) model: String,
    /// Status line and headers with the framing, for HTTP/1.1.
    pub(crate) head: Template,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Whole(Template),
    Stream(Vec<Chunk>),
}

/// One event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) payload: Template,
    /// After this chunk; what a cut right behind it has generated.
    pub(crate) generated: Generated,
    /// Waits for its turn; the others follow the one before at once.
    pub(crate) paced: bool,
}

/// The parts from which a plan is made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) protocol: Protocol,
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) usage: Usage,
    pub(crate) model: String,
    /// Not a provider's answer: without a provider's headers.
    pub(crate) bare: bool,
}

impl Draft {
    pub(crate) fn json(protocol: Protocol, body: &Json) -> Self {
        Self::bytes(protocol, "application/json", body.to_bytes())
    }

    pub(crate) fn bytes(protocol: Protocol, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = Body::Whole(Template::new(body));
        Self {
            protocol,
            status: 200,
            content_type,
            headers: Vec::new(),
            body,
            usage: Usage::default(),
            model: String::new(),
            bare: false,
        }
    }

    pub(crate) fn stream(protocol: Protocol, content_type: &'static str, chunks: Vec<Chunk>) -> Self {
        Self { body: Body::Stream(chunks), content_type, ..Self::bytes(protocol, content_type, Bytes::new()) }
    }

    #[must_use]
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn costing(mut self, usage: Usage, model: &str) -> Self {
        self.usage = usage;
        model.clone_into(&mut self.model);
        self
    }

    pub(crate) fn plan(self) -> Plan {
        let Self { protocol, status, content_type, headers: own, body, usage, model, bare } = self;
        let mut headers = vec![("date", DATE.to_owned()), ("content-type", content_type.to_owned())];
        if !bare {
            headers.extend(headers::of(protocol));
        }
        headers.extend(own);
        let head = head(status, &headers, &framing(&body));
        Plan { protocol, status, headers, body, usage, model, head }
    }
}

fn framing(body: &Body) -> (&'static str, String) {
    match body {
        Body::Whole(template) => ("content-length", template.len().to_string()),
        Body::Stream(_) => ("transfer-encoding", "chunked".to_owned()),
    }
}

fn head(status: u16, headers: &[(&'static str, String)], framing: &(&'static str, String)) -> Template {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Unknown");
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers.iter().chain([framing]) {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    Template::new(text.into_bytes())
}

impl Plan {
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.body, Body::Stream(_))
    }

    /// Headers with their holes filled.
    pub(crate) fn headers(&self, stamp: &Stamp) -> Vec<(&'static str, String)> {
        self.headers.iter().map(|(name, value)| (*name, stamp.apply(value))).collect()
    }

    /// The same with other values of headers that it has.
    pub(crate) fn with_headers(&self, other: &[(&'static str, String)]) -> Plan {
        let mut plan = self.clone();
        for (name, value) in &mut plan.headers {
            if let Some((_, other)) = other.iter().find(|(changed, _)| changed == name) {
                value.clone_from(other);
            }
        }
        plan.head = head(plan.status, &plan.headers, &framing(&plan.body));
        plan
    }

    /// The parts again, to make another plan of them.
    pub(crate) fn with_body(&self, status: u16, content_type: &'static str, body: Body, usage: Usage) -> Plan {
        let (protocol, model) = (self.protocol, self.model.clone());
        Draft { protocol, status, content_type, headers: Vec::new(), body, usage, model, bare: false }.plan()
    }
}

impl Chunk {
    pub(crate) fn new(payload: impl Into<Bytes>, generated: Generated, paced: bool) -> Self {
        Self { payload: Template::new(payload), generated, paced }
    }
}
