//! What an answer used: read from the bytes that pass by, never altering them.
//!
//! The provider's own figures are kept as they came, and the gateway's terms are derived from them once, here. The
//! invariant of [`Usage`]: uncached, read and written input add up to the prompt, and `output` includes `reasoning`.

mod figures;
mod lines;
mod progress;
mod tap;

pub use figures::Usage;
pub(crate) use figures::{Reported, update};
pub(crate) use progress::Progress;
pub use progress::{Observed, ProviderError};
pub use tap::Tap;

use lines::{Lines, PENDING_LIMIT, Piece};

#[cfg(test)]
mod tests;
