//! The health of upstream keys as people see it.

use tollgate_shared::{
    clock::UnixMicros,
    ids::{KeyPoolId, ProviderId, UpstreamKeyId},
};

use crate::{
    app::{App, AppError, Authorised, caller::ReadConfiguration},
    domain::{
        key_health::{Assessment, KeyState, KeyView, assess},
        page::{Page, PageRequest},
    },
    store::{
        AnyConnection, StoreError,
        key_health::{self, KeyFilter, KeyRow},
    },
};

/// Keys looked at in one go while a page of one state is put together.
const CHUNK: usize = 500;

/// Which keys are wanted; absent = all.
#[derive(Clone, Debug, Default)]
pub struct HealthFilter {
    pub pool_id: Option<KeyPoolId>,
    pub provider_id: Option<ProviderId>,
    pub state: Option<KeyState>,
}

/// A key and how it is.
#[derive(Clone, Debug)]
pub struct KeyHealth {
    pub key: KeyRow,
    pub view: KeyView,
    pub assessment: Assessment,
}

impl KeyHealth {
    fn new(key: KeyRow, view: KeyView, now: UnixMicros) -> Self {
        let view = view.as_of(now);
        let assessment = assess(key.status, &view, key.probe.as_ref());
        Self { key, view, assessment }
    }
}

impl App {
    /// Keys in the order of their ids.
    pub async fn key_healths(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
        filter: &HealthFilter,
    ) -> Result<Page<KeyHealth>, AppError> {
        let HealthFilter { pool_id, provider_id, state } = filter;
        let keys =
            KeyFilter { pool_id: pool_id.map(|id| id.to_string()), provider_id: provider_id.map(|id| id.to_string()) };
        let mut tx = self.store().begin_read().await?;
        let mut found = Vec::new();
        // States are put together here and not by the database, so a page of one state may take several looks.
        let limit = if state.is_some() { CHUNK } else { request.limit };
        let mut look = PageRequest { after: request.after.clone(), limit };
        loop {
            let page = Page::new(key_health::keys(&mut tx, &keys, &look).await?, &look, |key| key.id.to_string());
            let next = page.next;
            let healths = with_views(&mut tx, page.items, self.now()).await?;
            found.extend(healths.into_iter().filter(|it| state.is_none_or(|state| it.assessment.state == state)));
            if state.is_none() {
                return Ok(Page { items: found, next });
            }
            if found.len() > request.limit || next.is_none() {
                return Ok(Page::new(found, request, |health: &KeyHealth| health.key.id.to_string()));
            }
            look.after = next;
        }
    }

    pub async fn key_health(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        id: UpstreamKeyId,
    ) -> Result<KeyHealth, AppError> {
        let mut tx = self.store().begin_read().await?;
        let key = key_health::key_by_id(&mut tx, id).await?.ok_or(AppError::NotFound("upstream key"))?;
        let mut healths = with_views(&mut tx, vec![key], self.now()).await?;
        healths.pop().ok_or(AppError::NotFound("upstream key"))
    }
}

/// `keys` in the order of their ids.
async fn with_views(
    connection: &mut AnyConnection,
    keys: Vec<KeyRow>,
    now: UnixMicros,
) -> Result<Vec<KeyHealth>, StoreError> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Vec::new()) };
    let mut views = key_health::views(connection, (first.id, last.id), now).await?;
    Ok(keys
        .into_iter()
        .map(|key| {
            let view = views.remove(&key.id).unwrap_or_default();
            KeyHealth::new(key, view, now)
        })
        .collect())
}
