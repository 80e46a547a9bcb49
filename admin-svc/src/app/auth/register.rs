//! Making an account for oneself, where an operator opened that.

use serde::Deserialize;
use tollgate_shared::{limits::Limits, secret::Secret};

use super::SignedInSession;
use crate::{
    app::{App, AppError, Source},
    domain::{
        status::Status,
        user::{Role, UserSpec, validated_password},
    },
};

/// The body of a registration.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    #[schema(format = "email")]
    pub email: String,
    #[serde(default)]
    pub name: String,
    /// 8 to 256 characters.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

impl App {
    /// A new member, signed in.
    pub async fn register(&self, registration: Registration, source: &Source) -> Result<SignedInSession, AppError> {
        if !self.0.registration_open {
            return Err(AppError::RegistrationClosed);
        }
        let Registration { email, name, password } = registration;
        let spec = UserSpec {
            email,
            name,
            role: Role::Member,
            status: Status::Active,
            limits: Limits::default(),
            budget: None,
        }
        .validated()?;
        validated_password(&password)?;
        // Not given back on success: it also bounds how many accounts an address makes.
        self.0
            .throttle
            .admit(None, &source.address, self.now())
            .map_err(|retry_after_seconds| AppError::Throttled { retry_after_seconds })?;
        let password_hash = self.0.passwords.hash(password).await?;
        let mut tx = self.store().begin_write().await?;
        let user = self.insert_user(&mut tx, source, spec, password_hash).await?;
        let session = self.start_session(&mut tx, user).await?;
        tx.commit().await?;
        Ok(session)
    }
}
