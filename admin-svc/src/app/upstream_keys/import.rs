//! Many upstream keys at once, from pasted lines, with a result for each line.

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    ids::{KeyPoolId, UpstreamKeyId},
    limits::Limits,
    secret::Secret,
};

use super::{App, AppError, Authorised, Begun, Created, ManageConfiguration, Once, ensure_pool};
use crate::{
    domain::{
        status::Status,
        text_enum::text_enum,
        upstream_key::{UpstreamKeySpec, validated_secret},
        validation::Invalid,
    },
    store::WriteTx,
};

const MOST_LINES: usize = 1_000;

/// The body of an import.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportUpstreamKeys {
    pub pool_id: KeyPoolId,
    /// One key a line: `secret`, or `name,secret`. Empty lines are skipped. At most 1000.
    #[schema(value_type = Vec<String>, write_only)]
    pub lines: Vec<Secret>,
    #[serde(default = "one")]
    pub weight: u32,
    #[serde(default)]
    pub priority: u32,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub quota_group: Option<String>,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

const fn one() -> u32 {
    1
}

text_enum! {
    /// What became of a line.
    pub enum ImportOutcome {
        Created = "created",
        /// The pool, or an earlier line, has the same secret.
        Duplicate = "duplicate",
        Invalid = "invalid",
    }
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ImportResult {
    /// Counts from 1.
    pub line: usize,
    pub outcome: ImportOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<UpstreamKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ImportReport {
    pub created: usize,
    pub duplicates: usize,
    pub invalid: usize,
    pub results: Vec<ImportResult>,
}

impl App {
    /// Good lines are imported even when others are not.
    pub async fn import_upstream_keys(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        import: ImportUpstreamKeys,
    ) -> Result<Created, AppError> {
        if import.lines.len() > MOST_LINES {
            return Err(Invalid::field("lines", "must not have more than 1000 entries").into());
        }
        spec_of(&import, "name".to_owned()).validated()?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        ensure_pool(&mut creation.tx, import.pool_id).await?;
        let mut results = Vec::with_capacity(import.lines.len());
        for (index, line) in import.lines.iter().enumerate() {
            if !line.expose().trim().is_empty() {
                results.push(self.import_line(&mut creation.tx, caller, &import, index + 1, line).await?);
            }
        }
        let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
        let report = ImportReport {
            created: count(ImportOutcome::Created),
            duplicates: count(ImportOutcome::Duplicate),
            invalid: count(ImportOutcome::Invalid),
            results,
        };
        if import.dry_run {
            // The transaction is rolled back when it is dropped.
            return Ok(Created { body: serde_json::to_value(&report)?, replayed: false });
        }
        creation.finish(&report).await
    }

    async fn import_line(
        &self,
        tx: &mut WriteTx,
        caller: &Authorised<ManageConfiguration>,
        import: &ImportUpstreamKeys,
        line: usize,
        text: &Secret,
    ) -> Result<ImportResult, AppError> {
        let refused = |outcome, name, fingerprint, message: String| ImportResult {
            line,
            outcome,
            id: None,
            name,
            fingerprint,
            message: Some(message),
        };
        let (name, secret) = split(text);
        let secret = match validated_secret(&secret) {
            Ok(secret) => secret,
            Err(invalid) => return Ok(refused(ImportOutcome::Invalid, name, None, message_of(&invalid))),
        };
        let fingerprint = secret.fingerprint();
        let name = name.unwrap_or_else(|| fingerprint.clone());
        let spec = match spec_of(import, name.clone()).validated() {
            Ok(spec) => spec,
            Err(invalid) => {
                return Ok(refused(ImportOutcome::Invalid, Some(name), Some(fingerprint), message_of(&invalid)));
            }
        };
        match self.insert_upstream_key(tx, caller, spec, &secret).await {
            Ok(key) => Ok(ImportResult {
                line,
                outcome: ImportOutcome::Created,
                id: (!import.dry_run).then_some(key.id),
                name: Some(name),
                fingerprint: Some(fingerprint),
                message: None,
            }),
            Err(AppError::Taken { .. }) => {
                let message = "the pool has this secret already".to_owned();
                Ok(refused(ImportOutcome::Duplicate, Some(name), Some(fingerprint), message))
            }
            Err(other) => Err(other),
        }
    }
}

/// `name,secret` or `secret`.
fn split(line: &Secret) -> (Option<String>, Secret) {
    match line.expose().rsplit_once(',') {
        Some((name, secret)) => (Some(name.trim().to_owned()), Secret::new(secret.to_owned())),
        None => (None, line.clone()),
    }
}

fn spec_of(import: &ImportUpstreamKeys, name: String) -> UpstreamKeySpec {
    UpstreamKeySpec {
        pool_id: import.pool_id,
        name,
        weight: import.weight,
        priority: import.priority,
        limits: import.limits.clone(),
        quota_group: import.quota_group.clone(),
        status: Status::Active,
    }
}

fn message_of(invalid: &Invalid) -> String {
    invalid.0.iter().map(|error| format!("{} {}", error.field, error.message)).collect::<Vec<_>>().join("; ")
}
