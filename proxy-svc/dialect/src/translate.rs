//! From one protocol into another, by way of [`crate::canonical`].
//!
//! A request is read once ([`read_request`]) and written for each target that is tried ([`write_request`]), because a
//! route may lead to several protocols. What comes back is read by the target's codec and written by the caller's:
//! whole ([`Exchange::write_answer`]), as it comes ([`StreamTranslator`]), or as an error ([`write_error`]). Same protocol in and
//! out never comes here: those bytes are left alone.
//!
//! Nothing is dropped in silence: what a target cannot say is decided field by field in [`policy`], and what is
//! approximated is noted and named to the caller in `x-tollgate-adapted`.

mod answer;
pub(crate) mod calls;
mod codec;
pub(crate) mod conversation;
mod count;
pub(crate) mod embeddings;
mod exchange;
mod format;
mod frames;
mod names;
mod note;
pub mod policy;
mod queues;
pub(crate) mod read;
mod request;
pub(crate) mod schema;
mod seal;
mod stream;

#[cfg(test)]
mod many;

#[cfg(test)]
pub(crate) use answer::write_answer;
pub use answer::{Unreadable, write_error};
pub(crate) use codec::{Codec, StreamReader, StreamWriter};
pub(crate) use count::write_only;
pub use count::{estimate_tokens, write_count, write_count_request};
pub use embeddings::{EmbeddingShape, FOREIGN as EMBEDDING_FOREIGN, write_embedding_request};
pub use exchange::{Exchange, Task};
pub use format::Format;
pub(crate) use frames::Frame;
pub use names::Names;
pub(crate) use names::{NameRule, hash};
pub use note::{How, Note, Notes, header_value};
pub(crate) use queues::Queues;
pub use request::{
    Caller, Rejected, Target, Written, echo, prefers_responses, read_count_request, read_request, write_request,
};
pub use seal::{NoSeal, Seal, may_hold_sealed};
pub(crate) use seal::{UNSIGNED, is_sealed, open_signature, open_text, seal_text, sealed_base64};
pub use stream::{StreamTranslator, Terms};
