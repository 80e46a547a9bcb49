//! Prices, and the one currency that everything is accounted in.

use tollgate_shared::{ids::PriceId, limits::Budget};

use super::{
    App, AppError, Authorised, Created, Once, Precondition,
    audit::Change,
    caller::{ManageConfiguration, ReadConfiguration},
    creation::Begun,
};
use crate::{
    domain::{
        change::ResourceKind,
        page::{Page, PageRequest},
        patch::Patch,
        price::{Price, PriceSpec},
        stamp::Stamp,
        validation::Invalid,
    },
    store::{AnyConnection, prices, providers},
};

const KIND: ResourceKind = ResourceKind::Price;
const NOT_FOUND: AppError = AppError::NotFound("price");

impl App {
    pub async fn prices(
        &self,
        _caller: &Authorised<ReadConfiguration>,
        request: &PageRequest,
    ) -> Result<Page<Price>, AppError> {
        Ok(prices::page(&mut *self.store().reader().await?, request).await?)
    }

    pub async fn price(&self, _caller: &Authorised<ReadConfiguration>, id: PriceId) -> Result<Price, AppError> {
        prices::by_id(&mut *self.store().reader().await?, id).await?.ok_or(NOT_FOUND)
    }

    pub async fn create_price(
        &self,
        caller: &Authorised<ManageConfiguration>,
        once: &Once,
        spec: PriceSpec,
    ) -> Result<Created, AppError> {
        let spec = spec.validated(self.currency())?;
        let mut creation = match self.begin_creation(caller, once).await? {
            Begun::Fresh(creation) => creation,
            Begun::Replayed(created) => return Ok(created),
        };
        self.ensure_accountable(&mut creation.tx, &spec).await?;
        let price = Price { id: PriceId::generate(), spec, stamp: Stamp::first(self.now()) };
        prices::insert(&mut creation.tx, &price).await?;
        self.record(&mut creation.tx, &caller.source, KIND, &price.id, Change::Create(&price)).await?;
        creation.finish(&price).await
    }

    pub async fn update_price(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: PriceId,
        patch: Patch,
        precondition: Precondition,
    ) -> Result<Price, AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = prices::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        let spec = patch.apply::<PriceSpec>(&before.spec)?.validated(self.currency())?;
        if spec == before.spec {
            return Ok(before);
        }
        self.ensure_accountable(&mut tx, &spec).await?;
        let after = Price { spec, stamp: before.stamp.next(self.now()), ..before.clone() };
        prices::update(&mut tx, &after).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Update(&before, &after)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// What was used stays priced as it was.
    pub async fn delete_price(
        &self,
        caller: &Authorised<ManageConfiguration>,
        id: PriceId,
        precondition: Precondition,
    ) -> Result<(), AppError> {
        let mut tx = self.store().begin_write().await?;
        let before = prices::by_id(&mut tx, id).await?.ok_or(NOT_FOUND)?;
        precondition.check(before.stamp)?;
        prices::delete(&mut tx, id).await?;
        self.record(&mut tx, &caller.source, KIND, &id, Change::Delete(&before)).await?;
        Ok(tx.commit().await?)
    }

    /// Its provider exists, and its currency is the one that all sums are in: with the first price that is fixed.
    async fn ensure_accountable(&self, connection: &mut AnyConnection, spec: &PriceSpec) -> Result<(), AppError> {
        if let Some(provider_id) = spec.provider_id
            && providers::by_id(connection, provider_id).await?.is_none()
        {
            return Err(Invalid::field("provider_id", "there is no such provider").into());
        }
        let fixed = prices::accounting_currency(connection, self.currency().as_str()).await?;
        if fixed != self.currency().as_str() {
            let message = format!("must be {fixed}: the sums in this database are in it");
            return Err(Invalid::field("currency", message).into());
        }
        Ok(())
    }

    /// A budget that is new or changed is in the currency of the costs that it is compared with.
    pub(super) fn ensure_comparable(&self, before: Option<&Budget>, budget: Option<&Budget>) -> Result<(), AppError> {
        let Some(budget) = budget.filter(|budget| Some(*budget) != before) else { return Ok(()) };
        if budget.currency == self.currency().as_str() {
            return Ok(());
        }
        let message = format!("must be {}: this installation accounts in it", self.currency());
        Err(Invalid::field("budget.currency", message).into())
    }
}
