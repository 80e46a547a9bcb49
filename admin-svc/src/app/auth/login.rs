//! Signing in with address and password.

use serde::Deserialize;
use tollgate_shared::secret::Secret;

use super::SignedInSession;
use crate::{
    app::{App, AppError, Source, audit::Record},
    domain::user::{User, is_email},
    store::users,
};

/// The body of a log-in.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub email: String,
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

/// The same for an unknown address, a wrong password and a disabled user.
const WRONG: AppError = AppError::Unauthenticated("The e-mail address or the password is wrong.");

impl App {
    pub async fn login(&self, credentials: Credentials, source: &Source) -> Result<SignedInSession, AppError> {
        let email = credentials.email.trim().to_lowercase();
        let attempt = self
            .0
            .throttle
            .admit(Some(&email), &source.address, self.now())
            .map_err(|retry_after_seconds| AppError::Throttled { retry_after_seconds })?;
        let user = self.matching_user(&email, credentials.password).await?;
        let mut tx = self.store().begin_write().await?;
        // Read again: between the password's check and now the user may have been disabled.
        let user = match user {
            Some(user) => users::by_id(&mut tx, user.id).await?.filter(|user| user.spec.status.is_active()),
            None => None,
        };
        let Some(user) = user else {
            let name = if is_email(&email) { email } else { "not an address".to_owned() };
            self.audit(&mut tx, source, Record::new("auth.login_failed", "user", &name)).await?;
            tx.commit().await?;
            return Err(WRONG);
        };
        let record = Record::new("auth.login", "user", &user.id);
        self.audit(&mut tx, &source.acting_as(&user), record).await?;
        let session = self.start_session(&mut tx, user).await?;
        tx.commit().await?;
        self.0.throttle.succeeded(attempt);
        Ok(session)
    }

    /// The user with this address and password. Takes the same time when there is none.
    async fn matching_user(&self, email: &str, password: Secret) -> Result<Option<User>, AppError> {
        let user =
            if is_email(email) { users::by_email(&mut *self.store().reader().await?, email).await? } else { None };
        let stored = user.as_ref().map(|user| user.password_hash.as_str());
        let matches = self.0.passwords.matches(password, stored).await?;
        Ok(user.filter(|_| matches))
    }
}
