//! One form that can hold what every protocol can say in a conversation with a model: a request, a whole answer, and a
//! stream of events.
//!
//! Everything borrows from the bytes that were read: texts stay as they are escaped, schemas and arguments stay as
//! they are written, so that what is not translated is not changed either. What a target cannot express is decided in
//! [`crate::translate::policy`], not here.

mod answer;
mod content;
mod event;
mod request;

pub use answer::{Answer, Choice, Finish};
pub(crate) use content::join;
pub use content::{Arguments, Block, CacheControl, Media, Reasoning, Signature, ToolCall, ToolResult};
pub use event::{BlockStart, Delta, Event};
pub use request::{
    Effort, Message, OutputFormat, ReasoningRequest, Request, Role, Sampling, ServiceUser, Tool, ToolChoice,
};

pub use crate::json::{Text, Value};
