//! The names of the gateway's own headers, made once.

use http::HeaderName;

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The name that Anthropic gives it.
pub(crate) static ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(crate) static ADAPTED: HeaderName = HeaderName::from_static("x-tollgate-adapted");
pub(crate) static ATTEMPTS: HeaderName = HeaderName::from_static("x-tollgate-attempts");
pub(crate) static CACHE: HeaderName = HeaderName::from_static("x-tollgate-cache");
pub(crate) static COST: HeaderName = HeaderName::from_static("x-tollgate-cost");
pub(crate) static MODEL: HeaderName = HeaderName::from_static("x-tollgate-model");
pub(crate) static PROVIDER: HeaderName = HeaderName::from_static("x-tollgate-provider");
