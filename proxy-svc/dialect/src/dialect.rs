//! What a protocol has to say for itself; the rest of the crate is the same for all of them.

use crate::classify::{Class, Dimension, Fault, Headers};
use crate::endpoint::{Operation, Route};
use crate::error::{ErrorBody, ErrorKind, Shape};
use crate::headers::Side;
use crate::json::walk::{Kept, Select};
use crate::models::InvalidParameter;
use crate::stored::{Place, Places};
use crate::usage::{Progress, ProviderError, Reported, Usage};

/// One protocol. Implementations hold no state.
pub(crate) trait Dialect: Sync {
    /// What is at a path below its version prefix; `None` when this protocol has nothing there.
    fn route(&self, path: &crate::endpoint::Path<'_>) -> Option<Route>;

    /// The status of a refusal.
    fn status(&self, kind: ErrorKind) -> u16;

    /// The body of a refusal.
    fn error_body(&self, error: &ErrorBody<'_>) -> Vec<u8>;

    /// What a status at or above 400 means for the key that was used, when the general rules do not say it.
    fn classify(&self, status: u16, headers: Headers<'_, '_>, body: Option<&[u8]>) -> Option<Class>;

    /// Which of the faults of its own a refused request has, where another provider may see it in another way.
    fn fault(&self, error: &ProviderError) -> Fault;

    /// How an operation's stream is framed; `events` is whether server-sent events were asked for where there is
    /// something else.
    fn framing(&self, operation: Operation, events: bool) -> Shape;

    /// What tells this protocol's signatures from others' when they are sealed. It must not change: callers hold them.
    fn signature_code(&self) -> u8;

    /// How long to wait, where the body says it in this protocol's own way.
    fn wait_ms(&self, body: Option<&[u8]>) -> Option<u64>;

    /// What its headers tell of rate limits.
    fn dimensions(&self) -> &'static [Dimension];

    /// Which values of an answer or a stream's event are worth keeping.
    fn select(&self) -> Select;

    /// Whether a whole event can hold anything new once the model's output has begun. A wrong yes costs time, a wrong
    /// no loses usage.
    fn is_interesting(&self, payload: &[u8]) -> bool;

    /// Whether a payload that is not JSON ends the stream.
    fn is_end_marker(&self, payload: &[u8]) -> bool;

    /// Takes from one event, or from a whole answer, what it says; the error, if there is one, was taken already.
    fn observe(&self, kept: &mut Kept, progress: &mut Progress);

    /// The provider's figures in the gateway's terms.
    fn settle(&self, reported: &Reported) -> Usage;

    /// One page of a list of models.
    fn models(&self, names: &[&str], query: &str) -> Result<Vec<u8>, InvalidParameter>;

    /// One model.
    fn model(&self, name: &str) -> Vec<u8>;

    /// Where the ids of stored objects stand in an answer; `rest` is the path behind the version, `store` what the
    /// request says of it. `None` for an answer that has none.
    fn stored_ids(&self, operation: Operation, rest: &str, store: Option<bool>) -> Option<Places>;

    /// What a member of a request's body holds, by its name.
    fn place(&self, name: &[u8]) -> Place;

    /// Names that cross the gateway besides those of every protocol, ordered by length, then by letters.
    fn headers(&self, side: Side) -> &'static [&'static str];
}
