use std::sync::Arc;

use tollgate_shared::limits::Limits;
use uuid::Uuid;

use super::*;
use crate::limits::{Counted, Limited, Registry};

struct World {
    registry: Arc<Registry>,
    limiter: Limiter,
    key: (Limits, Counted),
    service: (Limits, Counted),
}

impl World {
    fn new(key: Limits, service: Limits) -> Self {
        let registry = Arc::new(Registry::default());
        let counted = |scope, limits: &Limits| registry.counted(scope, Uuid::from_u128(1), limits);
        let (key_counted, service_counted) = (counted(Scope::AccessKey, &key), counted(Scope::Service, &service));
        let limiter = Limiter::new(Arc::clone(&registry), None, Limits::default());
        Self { registry, limiter, key: (key, key_counted), service: (service, service_counted) }
    }

    fn scopes(&self) -> impl Iterator<Item = Limited<'_>> {
        let key = Limited::new(Scope::AccessKey, &self.key.0, &self.key.1);
        key.into_iter().chain(Limited::new(Scope::Service, &self.service.0, &self.service.1))
    }

    fn one_request(&self) -> Wants<'_> {
        self.scopes().flat_map(Limited::one_request).collect()
    }

    async fn request(&self) -> Result<Grant, Exhausted> {
        self.limiter.take(&self.one_request(), self.limiter.now(), &mut Patience::new()).await
    }

    fn some_tokens(&self, amount: u64) -> Wants<'_> {
        self.scopes().filter_map(|limited| limited.tokens(amount)).collect()
    }

    async fn tokens(&self, amount: u64) -> Result<Grant, Exhausted> {
        self.limiter.take(&self.some_tokens(amount), self.limiter.now(), &mut Patience::new()).await
    }

    fn settle(&self, reserved: u64, grant: Grant, used: u64) {
        self.limiter.settle(self.some_tokens(reserved), grant, used, self.limiter.now());
    }

    fn remaining(&self) -> (Option<u64>, Option<u64>) {
        let standings = self.limiter.standings(self.scopes());
        (standings.requests.map(|standing| standing.remaining), standings.tokens.map(|standing| standing.remaining))
    }
}

fn limits(rpm: Option<u64>, rpd: Option<u64>, tpm: Option<u64>) -> Limits {
    Limits { rpm, tpm, rpd, concurrency: None }
}

#[tokio::test]
async fn what_a_wider_scope_refuses_costs_the_narrower_nothing() {
    let world = World::new(limits(Some(3), Some(3), None), limits(Some(1), None, None));
    world.request().await.unwrap();
    for _ in 0..20 {
        let exhausted = world.request().await.unwrap_err();
        assert_eq!((exhausted.scope, exhausted.dimension), (Scope::Service, Dimension::Requests));
        assert!(exhausted.wait > Duration::from_secs(55) && exhausted.wait <= Duration::from_mins(1));
    }
    let of_key = world.limiter.standings(Limited::new(Scope::AccessKey, &world.key.0, &world.key.1).into_iter());
    assert_eq!(of_key.requests.map(|standing| (standing.limit, standing.remaining)), Some((3, 2)));
}

#[tokio::test]
async fn what_is_given_back_may_be_taken_again() {
    let world = World::new(limits(Some(1), Some(1), None), Limits::default());
    for _ in 0..5 {
        let grant = world.request().await.unwrap();
        world.limiter.give_back(world.one_request(), grant);
    }
    world.request().await.unwrap();
    assert_eq!(world.request().await.unwrap_err().dimension, Dimension::Requests);
}

#[tokio::test]
async fn a_day_is_used_up_until_midnight() {
    let world = World::new(limits(None, Some(2), None), Limits::default());
    world.request().await.unwrap();
    world.request().await.unwrap();
    let exhausted = world.request().await.unwrap_err();
    assert_eq!(exhausted.dimension, Dimension::RequestsPerDay);
    assert_eq!(exhausted.wait.as_secs(), world.limiter.timer.now().until_next_day().as_secs());
}

#[tokio::test]
async fn a_settlement_frees_what_was_not_used_and_leaves_a_debt_for_what_was_used_beyond() {
    let world = World::new(limits(None, None, Some(1_000)), Limits::default());
    let grant = world.tokens(900).await.unwrap();
    assert!(world.tokens(200).await.is_err());
    world.settle(900, grant, 100);
    assert!(matches!(world.remaining().1, Some(900..=902)));
    let grant = world.tokens(800).await.unwrap();
    world.settle(800, grant, 1_900);
    assert_eq!(world.remaining().1, Some(0));
    let wait = world.tokens(1).await.unwrap_err().wait;
    assert!(wait > Duration::from_secs(59) && wait <= Duration::from_secs(61), "{wait:?}");
}

#[tokio::test]
async fn proxies_divide_what_they_do_not_share() {
    let world = World::new(limits(Some(9), Some(9), Some(900)), Limits::default());
    world.registry.set_live_proxies(3);
    for _ in 0..3 {
        world.request().await.unwrap();
    }
    assert!(world.request().await.is_err());
    assert_eq!(world.remaining(), (Some(0), Some(300)));
    let grant = world.tokens(300).await.unwrap();
    assert!(world.tokens(50).await.is_err());
    // What was taken as a third goes back as a third, however many there are by then.
    for _ in 0..5 {
        world.registry.set_live_proxies(1);
    }
    world.settle(300, grant, 0);
    assert_eq!(world.remaining().1, Some(900));
}

#[tokio::test]
async fn places_are_free_again_when_they_are_dropped() {
    let world = World::new(Limits { concurrency: Some(2), ..Limits::default() }, Limits::default());
    let counters = world.key.1.counters().unwrap();
    let (first, second) = (counters.enter(2).unwrap(), counters.enter(2).unwrap());
    assert!(counters.enter(2).is_none());
    drop(first);
    let third = counters.enter(2).unwrap();
    assert!(counters.enter(2).is_none());
    drop((second, third));
    assert!(counters.enter(1).is_some());
}
