//! Refusals and failures in each provider's own shape.

use serde_json::{Value, json};

use super::fault::Wait;
use super::json::{Json, NULL, array, object};
use super::plan::{Body, Draft, Protocol};
use super::template::{ID, Template, http_date, rfc3339, unix_now};

mod account;
mod last_words;
mod prompt;

pub(crate) use last_words::last_words;

/// What is wrong, before it takes a provider's shape.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) code: Option<&'static str>,
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, param: None, retry_after: None }
    }

    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, message) }
    }

    #[must_use]
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn model_not_found(protocol: Protocol, model: &str) -> Self {
        match protocol {
            Protocol::OpenAi => {
                Self::new(404, format!("The model `{model}` does not exist or you do not have access to it."))
                    .code("model_not_found")
            }
            Protocol::Anthropic => Self::new(404, format!("model: {model}")),
            Protocol::Gemini => Self::new(
                404,
                format!("models/{model} is not found for API version v1beta, or is not supported for generateContent."),
            ),
        }
    }

    /// A credential that is missing or wrong, as the provider puts it.
    pub(crate) fn credential(protocol: Protocol, given: Option<&str>) -> Self {
        match (protocol, given) {
            (Protocol::OpenAi, None) => Self::new(401, "You didn't provide an API key."),
            (Protocol::OpenAi, Some(key)) => {
                let shown: String = key.chars().take(8).collect();
                Self::new(401, format!("Incorrect API key provided: {shown}***. You can find your API key at https://platform.openai.com/account/api-keys."))
                    .code("invalid_api_key")
            }
            (Protocol::Anthropic, None) => Self::new(401, "x-api-key header is required"),
            (Protocol::Anthropic, Some(_)) => Self::new(401, "invalid x-api-key"),
            (Protocol::Gemini, None) => Self::new(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
            ),
            (Protocol::Gemini, Some(_)) => {
                Self::new(400, "API key not valid. Please pass a valid API key.").code("API_KEY_INVALID")
            }
        }
    }

    /// Something plausible for a status that was asked for by a fault.
    pub(crate) fn of_status(status: u16, retry_after: Option<String>) -> Self {
        let message = match status {
            400 => "The request is invalid.",
            401 => "The credential is not valid.",
            402 => "Your credit balance is too low.",
            403 => "You are not allowed to use this resource.",
            404 => "The resource was not found.",
            408 => "The request timed out.",
            413 => "The request is too large.",
            429 => "Rate limit reached. Please slow down and try again later.",
            503 | 529 => "The service is overloaded. Please try again later.",
            504 => "The upstream took too long.",
            _ => "An internal error occurred while processing the request.",
        };
        Self { retry_after, ..Self::new(status, message) }
    }

    pub(crate) fn body(&self, protocol: Protocol) -> Json {
        match protocol {
            Protocol::OpenAi => object! { "error": self.openai() },
            Protocol::Anthropic => object! {
                "type": "error",
                "error": object! { "type": anthropic_type(self.status), "message": &self.message },
                "request_id": format!("req_{ID}"),
            },
            Protocol::Gemini => object! { "error": self.gemini() },
        }
    }

    pub(crate) fn openai(&self) -> Json {
        let kind = match self.status {
            429 if self.code == Some("insufficient_quota") => "insufficient_quota",
            429 => "requests",
            status if status >= 500 => "server_error",
            _ => "invalid_request_error",
        };
        let code = match (self.code, self.status) {
            (Some(code), _) => Json::from(code),
            (None, 429) => "rate_limit_exceeded".into(),
            (None, 401) => "invalid_api_key".into(),
            _ => NULL,
        };
        object! { "message": &self.message, "type": kind, "param": self.param.clone(), "code": code }
    }

    fn gemini(&self) -> Json {
        let mut details = Vec::new();
        if let Some(reason) = self.code {
            details.push(object! {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
                "metadata": json!({ "service": "generativelanguage.googleapis.com" }),
            });
        }
        if self.status == 429 {
            details.push(object! {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": array![object! {
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                    "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
                }],
            });
            if let Some(delay) = &self.retry_after {
                details.push(object! {
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": format!("{delay}s"),
                });
            }
        }
        let body = object! { "code": self.status, "message": &self.message, "status": gemini_status(self.status) };
        body.with_if(!details.is_empty(), "details", || details.into())
    }

    pub(crate) fn draft(&self, protocol: Protocol) -> Draft {
        let mut draft = Draft::json(protocol, &self.body(protocol)).status(self.status);
        if let Some(delay) = &self.retry_after {
            draft = draft.header("retry-after", delay.as_str());
        }
        draft
    }
}

/// A body given with a fault, or the provider's own.
pub(crate) fn fault_draft(protocol: Protocol, error: &ApiError, body: Option<&Value>) -> Draft {
    let mut draft = error.draft(protocol);
    if let Some(body) = body {
        let text = match body {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        draft.body = Body::Whole(Template::new(text.into_bytes()));
    }
    draft
}

/// A 429 that tells its end in a given way.
pub(crate) fn rate_limited(protocol: Protocol, says: Wait, seconds: u8) -> Draft {
    let error = ApiError::of_status(429, None);
    // Without the usual headers, among which are the limits.
    let draft = Draft { bare: true, ..error.draft(protocol) };
    let then = unix_now() + u64::from(seconds);
    match says {
        Wait::Nothing => draft,
        Wait::RetryAfter => draft.header("retry-after", seconds.to_string()),
        Wait::RetryAfterMs => draft.header("retry-after-ms", (u32::from(seconds) * 1000).to_string()),
        Wait::RetryAfterDate => draft.header("retry-after", http_date(then)),
        Wait::ResetTokens => draft
            .header("x-ratelimit-limit-tokens", "2000000")
            .header("x-ratelimit-remaining-tokens", "0")
            .header("x-ratelimit-reset-tokens", format!("{seconds}s")),
        Wait::ResetInputTokens => draft
            .header("anthropic-ratelimit-input-tokens-limit", "400000")
            .header("anthropic-ratelimit-input-tokens-remaining", "0")
            .header("anthropic-ratelimit-input-tokens-reset", rfc3339(then)),
        Wait::RetryInfo | Wait::Day => {
            let error = ApiError { retry_after: Some(seconds.to_string()), ..error };
            let mut body = String::from_utf8_lossy(&error.body(protocol).to_bytes()).into_owned();
            if says == Wait::Day {
                body = body.replace("PerMinute", "PerDay");
            }
            Draft { body: Body::Whole(Template::new(body.into_bytes())), ..draft }
        }
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        status if status < 500 => "invalid_request_error",
        _ => "api_error",
    }
}

fn gemini_status(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        status if status < 500 => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    }
}
