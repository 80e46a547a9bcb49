//! A new access token for a refresh token, which changes with each use.

use tollgate_shared::secret::Secret;

use super::{SESSION_ENDED, SignedInSession, hash_of, new_refresh_token};
use crate::{
    app::{App, AppError, Source, audit::Record},
    domain::{session::Session, user::User},
    store::{WriteTx, sessions, users},
};

impl App {
    pub async fn refresh(&self, refresh_token: &Secret, source: &Source) -> Result<SignedInSession, AppError> {
        let mut tx = self.store().begin_write().await?;
        let Some((session, user)) = self.session_of(&mut tx, refresh_token, source).await? else {
            // What ended a session that was found has to stay.
            tx.commit().await?;
            return Err(SESSION_ENDED);
        };
        let next = new_refresh_token()?;
        sessions::rotate(&mut tx, session.id, &hash_of(&next)).await?;
        tx.commit().await?;
        self.signed_in(&session, user, next)
    }

    /// Ends the session of a refresh token; an unknown one is no error, there is nothing to end.
    pub async fn logout_by_refresh_token(&self, refresh_token: &Secret, source: &Source) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        if let Some((session, user)) = self.session_of(&mut tx, refresh_token, source).await? {
            sessions::revoke(&mut tx, session.id, self.now()).await?;
            let record = Record::new("auth.logout", "user", &user.id);
            self.audit(&mut tx, &source.acting_as(&user), record).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The live session that a refresh token stands for. One that was used before ends its session.
    async fn session_of(
        &self,
        tx: &mut WriteTx,
        refresh_token: &Secret,
        source: &Source,
    ) -> Result<Option<(Session, User)>, AppError> {
        let hash = hash_of(refresh_token);
        let session = sessions::by_token_hash(tx, &hash).await?;
        let Some(session) = session.filter(|session| self.is_live(session)) else { return Ok(None) };
        let Some(user) = users::by_id(tx, session.user_id).await? else { return Ok(None) };
        if session.token_hash != hash {
            sessions::revoke(tx, session.id, self.now()).await?;
            let record = Record::new("auth.refresh_token_reused", "user", &user.id);
            self.audit(tx, &source.acting_as(&user), record).await?;
            return Ok(None);
        }
        Ok(user.spec.status.is_active().then_some((session, user)))
    }
}
