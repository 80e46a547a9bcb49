//! What handlers take out of a request. Whatever is wrong with it is refused here, as a [`super::problem::Problem`].

mod body;
mod caller;
mod conditions;
mod document;
mod list;
mod path;

pub use body::{CreateBody, JsonBody, OptionalJsonBody, PatchBody};
pub use caller::{ClientSource, Signed};
pub use conditions::IfMatch;
pub use list::{Filter, ListQuery, NoFilter, PageParams, QueryOf};
pub use path::PathId;
