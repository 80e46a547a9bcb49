//! Everything that the gateway refuses or fails for.

/// Why a caller does not get an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    InvalidRequest,
    /// The body is not what its content type says.
    MalformedBody,
    MissingCredential,
    InvalidCredential,
    ExpiredCredential,
    RevokedCredential,
    /// A signature is demanded, and there is none.
    SignatureMissing,
    /// A signature that cannot be read, leaves something out, or is of another kind than is understood.
    SignatureUnsupported,
    /// The signature is not that of this request.
    SignatureMismatch,
    /// The body is not the one that was signed.
    DigestMismatch,
    /// Signed too long ago, or in the future.
    SignatureNotCurrent,
    SignatureExpired,
    NonceReused,
    PermissionDenied,
    NotFound,
    ModelNotFound,
    /// A stored object whose upstream key is gone.
    UpstreamKeyGone,
    /// The request does not fit the model's context.
    ContextWindowExceeded,
    /// The provider refuses what was asked for.
    ContentPolicy,
    MethodNotAllowed,
    /// The client was too slow to send its request.
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
    HeaderFieldsTooLarge,
    TargetTooLong,
    /// The body is sent in a way that is not understood.
    TransferCodingUnsupported,
    /// The request is of a version of HTTP that is not spoken.
    VersionUnsupported,
    RateLimited,
    /// A budget is spent.
    InsufficientQuota,
    /// A budget cannot be kept, because nobody said what the model costs.
    PriceMissing,
    Overloaded,
    UpstreamUnavailable,
    /// The upstream refused the pool's keys: the caller's own key is fine.
    UpstreamCredentialsExhausted,
    UpstreamTimeout,
    Internal,
}

impl ErrorKind {
    pub const ALL: [Self; 35] = [
        Self::InvalidRequest,
        Self::MalformedBody,
        Self::MissingCredential,
        Self::InvalidCredential,
        Self::ExpiredCredential,
        Self::RevokedCredential,
        Self::SignatureMissing,
        Self::SignatureUnsupported,
        Self::SignatureMismatch,
        Self::DigestMismatch,
        Self::SignatureNotCurrent,
        Self::SignatureExpired,
        Self::NonceReused,
        Self::PermissionDenied,
        Self::NotFound,
        Self::ModelNotFound,
        Self::UpstreamKeyGone,
        Self::ContextWindowExceeded,
        Self::ContentPolicy,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::RequestTooLarge,
        Self::UnsupportedMediaType,
        Self::HeaderFieldsTooLarge,
        Self::TargetTooLong,
        Self::TransferCodingUnsupported,
        Self::VersionUnsupported,
        Self::RateLimited,
        Self::InsufficientQuota,
        Self::PriceMissing,
        Self::Overloaded,
        Self::UpstreamUnavailable,
        Self::UpstreamCredentialsExhausted,
        Self::UpstreamTimeout,
        Self::Internal,
    ];

    /// The machine-readable code, the same in every protocol that has room for one, and in usage events.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::MalformedBody => "malformed_body",
            Self::MissingCredential => "missing_api_key",
            Self::InvalidCredential => "invalid_api_key",
            Self::ExpiredCredential => "expired_api_key",
            Self::RevokedCredential => "revoked_api_key",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureUnsupported => "signature_unsupported",
            Self::SignatureMismatch => "signature_mismatch",
            Self::DigestMismatch => "content_digest_mismatch",
            Self::SignatureNotCurrent => "signature_not_current",
            Self::SignatureExpired => "signature_expired",
            Self::NonceReused => "nonce_reused",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::ModelNotFound => "model_not_found",
            Self::UpstreamKeyGone => "upstream_key_gone",
            Self::ContextWindowExceeded => "context_length_exceeded",
            Self::ContentPolicy => "content_policy_violation",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::RequestTooLarge => "request_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::HeaderFieldsTooLarge => "header_fields_too_large",
            Self::TargetTooLong => "request_target_too_long",
            Self::TransferCodingUnsupported => "transfer_coding_unsupported",
            Self::VersionUnsupported => "http_version_unsupported",
            Self::RateLimited => "rate_limit_exceeded",
            Self::InsufficientQuota => "insufficient_quota",
            Self::PriceMissing => "price_missing",
            Self::Overloaded => "overloaded",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamCredentialsExhausted => "upstream_credentials_exhausted",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Internal => "internal_error",
        }
    }

    /// The status where a protocol has none of its own for it.
    pub(crate) const fn general_status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::MalformedBody | Self::ContextWindowExceeded | Self::ContentPolicy => 400,
            Self::MissingCredential
            | Self::InvalidCredential
            | Self::ExpiredCredential
            | Self::RevokedCredential
            | Self::SignatureMissing
            | Self::SignatureUnsupported
            | Self::SignatureMismatch
            | Self::DigestMismatch
            | Self::SignatureNotCurrent
            | Self::SignatureExpired
            | Self::NonceReused => 401,
            Self::PermissionDenied | Self::PriceMissing => 403,
            Self::NotFound | Self::ModelNotFound | Self::UpstreamKeyGone => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::RequestTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited | Self::InsufficientQuota => 429,
            Self::HeaderFieldsTooLarge => 431,
            Self::Internal => 500,
            Self::TransferCodingUnsupported => 501,
            Self::UpstreamUnavailable | Self::UpstreamCredentialsExhausted => 502,
            Self::Overloaded => 503,
            Self::UpstreamTimeout => 504,
            Self::VersionUnsupported => 505,
        }
    }

    /// Whether the same request may succeed a little later. Where it does not, `x-should-retry: false` keeps the
    /// official SDKs from trying: they retry these statuses by default.
    pub const fn retry_helps(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::RateLimited
                | Self::Overloaded
                | Self::UpstreamUnavailable
                | Self::UpstreamTimeout
                | Self::Internal
        )
    }
}
