//! Why a request is not served, in words that a caller can act on.

use std::{borrow::Cow, time::Duration};

use tollgate_dialect::{Protocol, endpoint::Unrecognised, error::ErrorKind, translate::Rejected};

use crate::limits::{Dimension, Scope};

/// Why a request is not served, as the caller is told. The text never holds a cause from inside.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(super) message: Cow<'static, str>,
    pub(super) param: Option<Cow<'static, str>>,
    /// Waiting helps, and how long.
    pub(super) retry_after: Option<Duration>,
    /// The methods that a path takes, when the request's is not among them.
    pub(super) allow: Option<String>,
    /// Trying again is of no use, whatever the kind usually means.
    pub(super) hopeless: bool,
    closes_connection: bool,
}

impl Refusal {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            allow: None,
            hopeless: false,
            closes_connection: false,
        }
    }

    fn about(mut self, param: &'static str) -> Self {
        self.param = Some(Cow::Borrowed(param));
        self
    }

    /// The same for a name that the caller wrote.
    fn about_member(self, param: &str) -> Self {
        Self { param: Some(Cow::Owned(printable(param, 200))), ..self }
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The connection is not to be used again.
    pub(crate) fn closing(mut self) -> Self {
        self.closes_connection = true;
        self
    }

    pub(crate) const fn closes_connection(&self) -> bool {
        self.closes_connection
    }

    #[cfg(test)]
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn unrecognised(unrecognised: &Unrecognised) -> Self {
        let refusal = Self::new(unrecognised.kind(), format!("{unrecognised}."));
        match unrecognised {
            Unrecognised::MethodNotAllowed { allowed, .. } => Self { allow: Some(allowed.header_value()), ..refusal },
            Unrecognised::BadPath { .. } | Unrecognised::UnknownPath { .. } => refusal,
        }
    }

    pub(crate) fn missing_access_key() -> Self {
        let message =
            "No access key was presented. Send it as `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.";
        Self::new(ErrorKind::MissingCredential, message)
    }

    pub(crate) fn invalid_access_key() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access key is not valid.")
    }

    pub(crate) fn revoked_access_key() -> Self {
        Self::new(ErrorKind::RevokedCredential, "The access key was revoked.")
    }

    pub(crate) fn disabled_user() -> Self {
        Self::new(ErrorKind::RevokedCredential, "The user whom the access key belongs to is disabled.")
    }

    pub(crate) fn expired_access_key() -> Self {
        Self::new(ErrorKind::ExpiredCredential, "The access key has expired.")
    }

    pub(crate) fn invalid_access_token() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access token is not valid.")
    }

    pub(crate) fn early_access_token() -> Self {
        Self::new(ErrorKind::InvalidCredential, "The access token is not valid yet.")
    }

    pub(crate) fn expired_access_token() -> Self {
        Self::new(ErrorKind::ExpiredCredential, "The access token has expired.")
    }

    /// Said in the place of "not valid": the same key will not do a moment later either.
    pub(crate) fn too_many_bad_keys(wait: Duration) -> Self {
        let message = "Too many invalid access keys came from your address.";
        Self { hopeless: true, ..Self::new(ErrorKind::RateLimited, message).after(wait) }
    }

    pub(crate) fn access_token_unverified(wait: Duration) -> Self {
        let message = "Too many invalid access keys came from your address, so this new token was not looked at yet.";
        Self::new(ErrorKind::RateLimited, message).after(wait)
    }

    pub(crate) fn address_too_fast(wait: Duration) -> Self {
        Self::new(ErrorKind::RateLimited, "Too many requests came from your address.").after(wait)
    }

    pub(crate) fn address_too_many_connections() -> Self {
        let message = "Too many connections are open from your address.";
        Self::new(ErrorKind::RateLimited, message).after(Duration::from_secs(1))
    }

    pub(crate) fn memory_short() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway is short of memory.").after(Duration::from_secs(1))
    }

    pub(crate) fn nonces_full() -> Self {
        let message = "The gateway cannot take more signed requests at present.";
        Self::new(ErrorKind::Overloaded, message).after(Duration::from_secs(5))
    }

    pub(crate) fn service_disabled() -> Self {
        Self::new(ErrorKind::PermissionDenied, "The service of this access key is disabled.")
    }

    pub(crate) fn address_not_allowed() -> Self {
        Self::new(ErrorKind::PermissionDenied, "This access key may not be used from your address.")
    }

    pub(crate) fn not_ready() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway has no configuration yet.").after(Duration::from_secs(1))
    }

    pub(crate) fn too_many_requests_in_flight() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway is busy.").after(Duration::from_secs(1))
    }

    /// Says whose limit and which, and nothing of who the scope is.
    pub(crate) fn limit_reached(scope: Scope, dimension: Dimension, wait: Duration) -> Self {
        let message = format!("The {scope}'s limit on {dimension} is reached.");
        Self::new(ErrorKind::RateLimited, message).after(wait)
    }

    pub(crate) fn journal_full() -> Self {
        Self::new(ErrorKind::Overloaded, "The gateway cannot record usage at present.").after(Duration::from_secs(5))
    }

    pub(crate) fn model_missing() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request names no model.").about("model")
    }

    pub(crate) fn model_not_found(model: &str) -> Self {
        let message =
            format!("The model `{}` does not exist or is not offered to this access key.", printable(model, 100));
        Self::new(ErrorKind::ModelNotFound, message).about("model")
    }

    pub(crate) fn batch_not_allowed() -> Self {
        let message = "This access key is limited to some models, and what a batch file names cannot be checked.";
        Self::new(ErrorKind::PermissionDenied, message)
    }

    /// Its tag is of another service, or was changed.
    pub(crate) fn stored_object_not_found(field: &str) -> Self {
        let message = format!("There is no stored object of the id in `{field}`.", field = printable(field, 100));
        Self::new(ErrorKind::NotFound, message).about_member(field)
    }

    pub(crate) fn several_upstream_keys(first: &str, field: &str) -> Self {
        let (first, shown) = (printable(first, 100), printable(field, 100));
        let message = format!(
            "The objects in `{first}` and `{shown}` belong to different upstream keys: no provider's account has both."
        );
        Self::new(ErrorKind::InvalidRequest, message).about_member(field)
    }

    pub(crate) fn upstream_key_gone(field: &str) -> Self {
        let message = format!(
            "The stored object in `{field}` belongs to an upstream key that is gone, or no longer in use here.",
            field = printable(field, 100)
        );
        Self::new(ErrorKind::UpstreamKeyGone, message).about_member(field)
    }

    pub(crate) fn stored_elsewhere(field: &str) -> Self {
        let message = format!(
            "The stored object in `{field}` is at a provider that does not serve this request.",
            field = printable(field, 100)
        );
        Self::new(ErrorKind::InvalidRequest, message).about_member(field)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(ErrorKind::NotFound, "The service of this access key has no route for this request.")
    }

    pub(crate) fn other_protocol(protocol: Protocol) -> Self {
        let message = format!("No target of this model speaks the {} protocol.", protocol.as_str());
        Self::new(ErrorKind::InvalidRequest, message).about("model")
    }

    /// No target's protocol can say what the request says.
    pub(crate) fn rejected(rejected: &Rejected) -> Self {
        let refusal = Self::new(ErrorKind::InvalidRequest, format!("{}.", printable(&rejected.message, 400)));
        let param = (!rejected.param.is_empty()).then(|| Cow::Owned(printable(&rejected.param, 200)));
        Self { param, ..refusal }
    }

    pub(crate) fn no_upstream_key() -> Self {
        let message = "No enabled upstream key can serve this request.";
        Self::new(ErrorKind::UpstreamUnavailable, message)
    }

    pub(crate) fn malformed_body(what: &dyn std::fmt::Display) -> Self {
        Self::new(ErrorKind::MalformedBody, format!("The request body is not valid: {what}."))
    }

    /// Where the body ends nobody can say, so nothing behind it is taken for a request.
    pub(crate) fn malformed_framing() -> Self {
        Self::new(ErrorKind::MalformedBody, "The request body's chunks are not valid.").closing()
    }

    pub(crate) fn mistyped(field: &'static str) -> Self {
        Self::new(ErrorKind::InvalidRequest, format!("`{field}` has the wrong type.")).about(field)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        Self::new(ErrorKind::RequestTooLarge, message)
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::new(ErrorKind::RequestTimeout, "The request body did not arrive in time.")
    }

    pub(crate) fn invalid_request_timeout(header: &'static str) -> Self {
        let message = format!("`{header}` must be seconds (`30`, `2.5`) or milliseconds (`500ms`), once, above 0.");
        Self::new(ErrorKind::InvalidRequest, message).about(header)
    }

    /// `of`: `service`, `user` or `access_key`, as the next ones.
    pub(crate) fn budget_spent(of: &str) -> Self {
        let message = format!("The budget of this {} is spent, or does not cover this request.", named(of));
        Self::new(ErrorKind::InsufficientQuota, message)
    }

    pub(crate) fn budget_busy(of: &str) -> Self {
        let message =
            format!("The rest of the budget of this {} is held elsewhere at present, for other requests.", named(of));
        Self::new(ErrorKind::RateLimited, message).after(Duration::from_secs(1))
    }

    pub(crate) fn budget_unknown(of: &str) -> Self {
        let message = format!("What is left of the budget of this {} is not known at present.", named(of));
        Self::new(ErrorKind::Overloaded, message).after(Duration::from_secs(1))
    }

    /// `model`: empty where the request names none and leaves it to the provider.
    pub(crate) fn price_missing(model: &str, provider: &str) -> Self {
        let (model, provider) = (printable(model, 100), printable(provider, 100));
        let message = if model.is_empty() {
            format!(
                "The request names no model, so what `{provider}` bills is not known and a hard budget cannot be kept."
            )
        } else {
            format!("The model `{model}` of `{provider}` has no price, so that a hard budget cannot be kept.")
        };
        Self::new(ErrorKind::PriceMissing, message).about("model")
    }

    pub(crate) fn background_under_budget() -> Self {
        let message = "What a response in the background costs is not told here, so a hard budget allows none.";
        Self::new(ErrorKind::PermissionDenied, message).about("background")
    }

    pub(crate) fn batch_under_budget() -> Self {
        let message = "What a batch costs is not known before it is made, so a hard budget allows none.";
        Self::new(ErrorKind::PermissionDenied, message)
    }

    pub(crate) fn media_type(expected: &'static str) -> Self {
        let message = format!("The content type of this request must be {expected}.");
        Self::new(ErrorKind::UnsupportedMediaType, message).about("content-type")
    }

    pub(crate) fn header_too_large() -> Self {
        Self::new(ErrorKind::HeaderFieldsTooLarge, "The request's header fields are too many or too large.")
    }

    pub(crate) fn target_too_long() -> Self {
        Self::new(ErrorKind::TargetTooLong, "The request's target is too long.")
    }

    pub(crate) fn host_missing() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request does not say in `host` whom it is for.")
            .about("host")
            .closing()
    }

    pub(crate) fn malformed_host() -> Self {
        let message = "`host` must be one name or address, with a port or without.";
        Self::new(ErrorKind::InvalidRequest, message).about("host").closing()
    }

    pub(crate) fn other_scheme() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request's target is neither `http` nor `https`.").closing()
    }

    pub(crate) fn malformed_transfer_encoding() -> Self {
        let message = "`transfer-encoding` must be `chunked`, once.";
        Self::new(ErrorKind::InvalidRequest, message).about("transfer-encoding").closing()
    }

    pub(crate) fn transfer_coding_unsupported() -> Self {
        let message = "The only transfer coding that is understood here is `chunked`.";
        Self::new(ErrorKind::TransferCodingUnsupported, message).about("transfer-encoding").closing()
    }

    pub(crate) fn version_unsupported() -> Self {
        Self::new(ErrorKind::VersionUnsupported, "The version in a request line must be `HTTP/1.1` or `HTTP/1.0`.")
    }

    pub(crate) fn malformed_head() -> Self {
        Self::new(ErrorKind::InvalidRequest, "The request is not valid HTTP.")
    }

    pub(crate) fn head_too_slow() -> Self {
        Self::new(ErrorKind::RequestTimeout, "The request's header fields did not arrive in time.")
    }
}

fn named(scope: &str) -> &str {
    if scope == "access_key" { "access key" } else { scope }
}

/// What a caller wrote, safe to show it again: no control characters, and not at length.
fn printable(text: &str, limit: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(limit).collect()
}
