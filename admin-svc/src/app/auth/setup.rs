//! The first administrator: by the one-time token of the service's log, or by the command line.

use ring::hmac;
use serde::Deserialize;
use tollgate_shared::{limits::Limits, secret::Secret};

use crate::{
    app::{App, AppError, Source},
    domain::{
        status::Status,
        user::{Role, User, UserSpec, validated_password},
    },
    store::users,
};

/// The body of the set-up.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// As printed in the service's log at its first start.
    #[schema(value_type = String, write_only)]
    pub token: Secret,
    #[schema(format = "email")]
    pub email: String,
    /// 8 to 256 characters.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
    #[serde(default)]
    pub name: String,
}

const DONE: AppError = AppError::Conflict("An administrator exists already; sign in instead.");

impl App {
    /// Whether the first administrator is still to be made.
    pub async fn needs_setup(&self) -> Result<bool, AppError> {
        Ok(users::count_administrators(&mut *self.store().reader().await?).await? == 0)
    }

    pub async fn setup(&self, setup: Setup, source: &Source) -> Result<User, AppError> {
        if !self.needs_setup().await? {
            return Err(DONE);
        }
        let Setup { token, email, password, name } = setup;
        let attempt = self
            .0
            .throttle
            .admit(None, &source.address, self.now())
            .map_err(|retry_after_seconds| AppError::Throttled { retry_after_seconds })?;
        if !self.is_setup_token(&token) {
            return Err(AppError::Forbidden("The set-up token is wrong; the service printed it in its log."));
        }
        self.0.throttle.succeeded(attempt);
        self.insert_administrator(email, name, password, source, true).await
    }

    /// For the command line: an administrator, also when there is one already.
    pub async fn create_administrator(&self, email: String, name: String, password: Secret) -> Result<User, AppError> {
        self.insert_administrator(email, name, password, &Source::system(), false).await
    }

    async fn insert_administrator(
        &self,
        email: String,
        name: String,
        password: Secret,
        source: &Source,
        only_the_first: bool,
    ) -> Result<User, AppError> {
        let spec = UserSpec {
            email,
            name,
            role: Role::Admin,
            status: Status::Active,
            limits: Limits::default(),
            budget: None,
        }
        .validated()?;
        validated_password(&password)?;
        let password_hash = self.0.passwords.hash(password).await?;
        let mut tx = self.store().begin_write().await?;
        // Of two set-ups at the same time, one comes second.
        if only_the_first && users::count_administrators(&mut tx).await? > 0 {
            return Err(DONE);
        }
        let user = self.insert_user(&mut tx, source, spec, password_hash).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Compares MACs under a key that no caller knows, so the time tells nothing about the token.
    fn is_setup_token(&self, token: &Secret) -> bool {
        let expected = hmac::sign(&self.0.digest_key, self.0.setup_token.expose().as_bytes());
        hmac::verify(&self.0.digest_key, token.expose().as_bytes(), expected.as_ref()).is_ok()
    }
}
