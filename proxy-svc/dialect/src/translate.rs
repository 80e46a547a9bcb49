//! From one protocol into another, by way of [`crate::canonical`].
//!
//! A request is read once ([`read_request`]) and written for each target that is tried ([`write_request`]), because a
//! route may lead to several protocols. What comes back is read by the target's codec and written by the caller's:
//! whole ([`write_answer`]), as it comes ([`StreamTranslator`]), or as an error ([`write_error`]). Same protocol in and
//! out never comes here: those bytes are left alone.
//!
//! Nothing is dropped in silence: what a target cannot say is decided field by field in [`policy`], and what is
//! approximated is noted and named to the caller in `x-tollgate-adapted`.

mod answer;
pub(crate) mod calls;
mod codec;
pub(crate) mod conversation;
mod format;
mod frames;
mod names;
mod note;
pub mod policy;
pub(crate) mod read;
mod request;
mod seal;
mod stream;

pub use answer::{Unreadable, write_answer, write_error};
pub(crate) use codec::{Codec, StreamReader, StreamWriter};
pub use format::Format;
pub(crate) use frames::Frame;
pub use names::Names;
pub(crate) use names::{NameRule, hash};
pub use note::{How, Note, Notes, header_value};
pub use request::{Caller, Rejected, Target, Written, read_request, write_request};
pub use seal::{NoSeal, Seal};
pub(crate) use seal::{open_signature, open_text, seal_text, sealed_base64};
pub use stream::{StreamTranslator, Terms};
