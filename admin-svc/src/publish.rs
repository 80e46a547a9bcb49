//! What the proxies are to know: the rows of the configuration as one ordered set of resources, and how that set came
//! from revision to revision.
//!
//! [`Published`] holds the newest set in memory, so that a thousand proxies that connect cost the database nothing.
//! The reconciler brings it up to the database's revision; it takes no input and may run at any time: a signal makes it
//! quick, a timer makes it certain. Nothing here knows how a resource travels (`grpc::convert` does).

use std::sync::Arc;

mod published;
mod reconcile;

pub use published::{Changes, Published, Update, Whole};
pub use reconcile::{ConfigurationRows, ReconcileError, Reconciler, Rows};

use crate::domain::published::{Resource, ResourceKey};

/// How far back a proxy may be and still get only the changes. More would hardly be smaller than everything.
pub const CHANGES_KEPT: u64 = 10_000;

/// The newest configuration there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The database's identity: revisions of different epochs do not compare.
    pub epoch: Arc<str>,
    pub revision: u64,
}

/// One entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub revision: u64,
    pub key: ResourceKey,
}

/// A resource under its key.
pub type Entry = (ResourceKey, Arc<Resource>);
