//! Whether something may be used.

use super::text_enum::text_enum;

text_enum! {
    /// Whether a user, a service or an upstream key may be used.
    pub enum Status {
        Active = "active",
        Disabled = "disabled",
    }
}

impl Status {
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }

    pub(crate) const fn active() -> Self {
        Self::Active
    }
}
