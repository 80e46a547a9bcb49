//! Create calls that may be repeated: with an `Idempotency-Key`, the second one gets the first one's answer.
//!
//! The answer is stored in the transaction that creates, so there is never one without the other. It is sealed, because
//! it may hold a secret. Refusals are not stored: their repetition is judged anew.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use serde::Serialize;
use serde_json::Value;

use super::{App, AppError, Caller};
use crate::{
    crypto::envelope::Cell,
    store::{
        WriteTx,
        idempotency_keys::{self, StoredAnswer},
    },
};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);

/// How a create call identifies itself.
#[derive(Clone, Debug, Default)]
pub struct Once {
    /// The `Idempotency-Key`; absent: every call creates.
    pub key: Option<String>,
    /// SHA-256 of the method, path and body. Stored only under a key: a body may hold a password.
    pub request_hash: String,
}

/// What a create call answers.
#[derive(Clone, Debug)]
pub struct Created {
    pub body: Value,
    /// Whether this is an earlier call's answer.
    pub replayed: bool,
}

/// A create call's transaction, or the answer that it had before.
pub(super) enum Begun<'a> {
    Fresh(Creation<'a>),
    Replayed(Created),
}

pub(super) struct Creation<'a> {
    pub(super) tx: WriteTx,
    app: &'a App,
    caller: &'a Caller,
    once: &'a Once,
}

impl App {
    pub(super) async fn begin_creation<'a>(
        &'a self,
        caller: &'a Caller,
        once: &'a Once,
    ) -> Result<Begun<'a>, AppError> {
        let mut tx = self.store().begin_write().await?;
        let earlier = match &once.key {
            Some(key) => idempotency_keys::find(&mut tx, caller.user.id, key).await?,
            None => None,
        };
        let Some(earlier) = earlier else {
            return Ok(Begun::Fresh(Creation { tx, app: self, caller, once }));
        };
        if earlier.request_hash != self.keyed(&once.request_hash) {
            return Err(AppError::KeyReused);
        }
        let id = cell_id(caller, once);
        let body = self.keyring().unseal(cell(&id), &earlier.sealed_body)?;
        Ok(Begun::Replayed(Created { body: serde_json::from_slice(&body)?, replayed: true }))
    }

    /// A digest that cannot be tried out against guesses without our key.
    fn keyed(&self, hash: &str) -> String {
        BASE64.encode(hmac::sign(&self.0.digest_key, hash.as_bytes()))
    }
}

impl Creation<'_> {
    /// Commits, with the answer when the call may be repeated.
    pub(super) async fn finish<T: Serialize>(mut self, answer: &T) -> Result<Created, AppError> {
        let body = serde_json::to_value(answer)?;
        if let Some(key) = &self.once.key {
            let now = self.app.now();
            let id = cell_id(self.caller, self.once);
            let stored = StoredAnswer {
                request_hash: self.app.keyed(&self.once.request_hash),
                status: 201,
                sealed_body: self.app.keyring().seal(cell(&id), 1, body.to_string().as_bytes())?,
            };
            let expired = now - i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
            idempotency_keys::delete_before(&mut self.tx, expired).await?;
            idempotency_keys::insert(&mut self.tx, self.caller.user.id, key, &stored, now).await?;
        }
        self.tx.commit().await?;
        Ok(Created { body, replayed: false })
    }
}

fn cell_id(caller: &Caller, once: &Once) -> String {
    format!("{}/{}", caller.user.id, once.key.as_deref().unwrap_or_default())
}

fn cell(id: &str) -> Cell<'_> {
    Cell { table: "idempotency_keys", id, column: "sealed_body" }
}
