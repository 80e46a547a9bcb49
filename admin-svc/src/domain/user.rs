//! People who sign in to the console or call its API.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    ids::UserId,
    limits::{Budget, Limits},
    secret::Secret,
};

use super::{
    stamp::Stamp,
    status::Status,
    text_enum::text_enum,
    timestamp::Timestamp,
    validation::{Invalid, Violations},
};

/// RFC 5321's bound on an address.
const LONGEST_EMAIL: usize = 254;
const SHORTEST_PASSWORD: usize = 8;
/// Hashing time grows with length.
const LONGEST_PASSWORD: usize = 256;

text_enum! {
    /// What a user may do.
    pub enum Role {
        /// Everything.
        Admin = "admin",
        /// Everything but users and settings.
        Operator = "operator",
        /// Reads, and has access keys of their own.
        Member = "member",
        /// Reads everything, also the audit log, and changes nothing.
        Auditor = "auditor",
    }
}

/// What an administrator may write, but for the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Unique, lower case.
    #[schema(format = "email")]
    pub email: String,
    #[serde(default)]
    pub name: String,
    pub role: Role,
    #[serde(default = "Status::active")]
    pub status: Status,
    /// For all of the user's access keys together.
    #[serde(default)]
    pub limits: Limits,
    /// For all of the user's access keys together, over all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

impl UserSpec {
    /// The spec with the address in lower case; a missing name becomes the address.
    pub fn validated(mut self) -> Result<Self, Invalid> {
        self.email = self.email.trim().to_lowercase();
        if self.name.is_empty() {
            self.name = self.email.chars().take(100).collect();
        }
        let mut violations = Violations::default();
        violations.require(is_email(&self.email), "email", "must be an e-mail address");
        violations.name("name", &self.name);
        violations.limits("limits", &self.limits);
        violations.budget("budget", self.budget.as_ref());
        violations.finish().map(|()| self)
    }
}

/// The body of a create.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[schema(format = "email")]
    pub email: String,
    #[serde(default)]
    pub name: String,
    pub role: Role,
    #[serde(default = "Status::active")]
    pub status: Status,
    /// For all of the user's access keys together.
    #[serde(default)]
    pub limits: Limits,
    /// For all of the user's access keys together, over all services.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// 8 to 256 characters.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

impl NewUser {
    pub fn into_parts(self) -> (UserSpec, Secret) {
        let Self { email, name, role, status, limits, budget, password } = self;
        (UserSpec { email, name, role, status, limits, budget }, password)
    }
}

pub fn validated_password(password: &Secret) -> Result<(), Invalid> {
    let length = password.expose().chars().count();
    if (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        return Ok(());
    }
    Err(Invalid::field("password", "must have 8 to 256 characters"))
}

/// Something on both sides of one `@`, printable, no blanks: only a mail that arrives proves more.
pub fn is_email(text: &str) -> bool {
    let printable = !text.chars().any(|character| character.is_control() || character.is_whitespace());
    let sides = text.split_once('@');
    printable
        && text.len() <= LONGEST_EMAIL
        && sides.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct User {
    pub id: UserId,
    #[serde(flatten)]
    pub spec: UserSpec,
    pub last_login_at: Option<Timestamp>,
    #[serde(flatten)]
    pub stamp: Stamp,
    /// argon2id, PHC string.
    #[serde(skip)]
    pub password_hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_at_sign_and_no_blanks() {
        for text in ["a@b", "first.last+tag@example.com", "名@例.cn"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a@b\0", &format!("{}@b", "a".repeat(260))] {
            assert!(!is_email(text), "{text}");
        }
    }
}
