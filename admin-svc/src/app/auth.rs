//! Log-ins, sessions and the first administrator.
//!
//! A session has a short access token (a JWT) and an opaque refresh token that changes at every use. Whoever presents
//! a refresh token that was used before has a copy: the session ends for both.

mod login;
mod refresh;
mod register;
mod setup;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};
use tollgate_shared::{ids::SessionId, secret::Secret};

use super::{App, AppError, Caller, Source, audit::Record};
use crate::{
    crypto::{
        random_bytes,
        token::{LIFETIME_SECONDS, Subject},
    },
    domain::{session::Session, timestamp::Timestamp, user::User},
    store::{WriteTx, sessions, users},
};

pub use login::Credentials;
pub use register::Registration;
pub use setup::Setup;

/// How long a session lives without a new log-in.
pub const SESSION_SECONDS: i64 = 30 * 24 * 60 * 60;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// What a log-in or a refresh gives.
#[derive(Debug)]
pub struct SignedInSession {
    pub access_token: Secret,
    /// Seconds.
    pub expires_in: i64,
    pub refresh_token: Secret,
    /// Seconds until the refresh token ends.
    pub refresh_expires_in: i64,
    pub user: User,
}

impl App {
    /// Whose access token this is. Session and user are looked up every time.
    pub async fn authenticate(&self, access_token: &str, source: &Source) -> Result<Caller, AppError> {
        let subject = self.0.access_tokens.verify(access_token, self.now()).map_err(|_| BAD_TOKEN)?;
        let mut reader = self.store().reader().await?;
        let session = sessions::by_id(&mut reader, subject.session).await?;
        let session = session.filter(|session| self.is_live(session)).ok_or(SESSION_ENDED)?;
        let user = users::by_id(&mut reader, session.user_id).await?;
        let user = user.filter(|user| user.spec.status.is_active()).ok_or(SESSION_ENDED)?;
        Ok(Caller { session: session.id, source: source.acting_as(&user), user })
    }

    /// Ends the caller's session.
    pub async fn logout(&self, caller: &Caller) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        sessions::revoke(&mut tx, caller.session, self.now()).await?;
        self.audit(&mut tx, &caller.source, Record::new("auth.logout", "user", &caller.user.id)).await?;
        Ok(tx.commit().await?)
    }

    fn is_live(&self, session: &Session) -> bool {
        session.revoked_at.is_none() && session.expires_at.micros() > self.now()
    }

    /// Starts a session for a user who proved who they are.
    async fn start_session(&self, tx: &mut WriteTx, user: User) -> Result<SignedInSession, AppError> {
        let now = self.now();
        let refresh_token = new_refresh_token()?;
        let session = Session {
            id: SessionId::generate(),
            user_id: user.id,
            token_hash: hash_of(&refresh_token),
            previous_token_hash: None,
            created_at: Timestamp::from_micros(now),
            expires_at: Timestamp::from_micros(now + SESSION_SECONDS * MICROS_PER_SECOND),
            revoked_at: None,
        };
        sessions::delete_expired_of(tx, user.id, now).await?;
        sessions::insert(tx, &session).await?;
        users::record_login(tx, user.id, now).await?;
        self.signed_in(&session, user, refresh_token)
    }

    fn signed_in(&self, session: &Session, user: User, refresh_token: Secret) -> Result<SignedInSession, AppError> {
        let now = self.now();
        let subject = Subject { user: user.id, session: session.id };
        Ok(SignedInSession {
            access_token: self.0.access_tokens.issue(subject, now)?,
            expires_in: LIFETIME_SECONDS,
            refresh_token,
            refresh_expires_in: (session.expires_at.micros() - now) / MICROS_PER_SECOND,
            user,
        })
    }
}

const BAD_TOKEN: AppError = AppError::Unauthenticated("The access token is missing, malformed or has expired.");
const SESSION_ENDED: AppError = AppError::Unauthenticated("The session has ended; sign in again.");

fn new_refresh_token() -> Result<Secret, AppError> {
    Ok(Secret::new(format!("tgr_{}", BASE64.encode(random_bytes::<32>()?))))
}

/// A plain hash is enough: the token is random, so there is nothing to guess.
fn hash_of(refresh_token: &Secret) -> String {
    BASE64.encode(digest(&SHA256, refresh_token.expose().as_bytes()))
}
