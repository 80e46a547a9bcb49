//! From what is held to a snapshot in which every reference leads somewhere.
//!
//! What leads nowhere is left out as narrowly as possible, and named: a target whose pool is gone, a key whose pool
//! is gone, a pool whose provider is gone, an access key whose service is gone. They come back by themselves when what
//! they miss arrives. Built parts that came out equal are taken over from the snapshot before.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::BuildHasherDefault,
    sync::Arc,
};

use tollgate_shared::ids::{AccessKeyId, KeyPoolId, ServiceId, UserId};

use super::{AccessKeyState, HeldAccessKey, HeldPool, HeldService, HeldUser, Holdings, Kind, Problem};
use crate::{
    cache::CacheKey,
    health::Health,
    limits::{Registry, Scope},
    snapshot::{
        AccessKey, AccessKeyEntry, MacMap, Pool, Prices, Route, SecretGeneration, Service, Snapshot, Target,
        UpstreamKey, User,
        convert::{FieldError, RouteSpec, TargetSpec, UpstreamKeySpec},
    },
    stored::TagKey,
    translate::SealingKey,
};

type KeysByPool = HashMap<KeyPoolId, Vec<Arc<UpstreamKey>>>;

impl Holdings {
    /// The snapshot, and what of the resources is not in force as it was sent.
    pub(in crate::snapshot) fn build(&mut self, health: &Health) -> (Snapshot, Vec<Problem>) {
        let mut problems: Vec<Problem> = self
            .refused
            .iter()
            .map(|((kind, id), error)| Problem { kind: *kind, id: id.clone(), error: error.clone() })
            .collect();
        if self.settings.is_none() && self.revision > 0 {
            let error = FieldError::new("access_key_pepper", "missing: no access key can be recognised");
            problems.push(Problem { kind: Kind::Settings, id: super::SETTINGS_ID.to_owned(), error });
        }
        let keys = self.build_keys(&mut problems);
        self.build_pools(keys, &mut problems);
        let services = self.build_services(health, &mut problems);
        self.build_users();
        let (access_keys, access_keys_by_id) = self.build_access_keys(&services, &mut problems);
        let settings = self.settings.as_ref().map(|(settings, _)| settings);
        let snapshot = Snapshot {
            epoch: self.epoch.clone(),
            revision: self.revision,
            pepper: settings.map(|settings| settings.pepper.clone()),
            sealing_key: settings.and_then(|settings| SealingKey::derive(&settings.pepper)),
            tag_key: settings.map(|settings| TagKey::derive(&settings.pepper)),
            token_keys: settings.map(|settings| settings.token_keys.clone()).unwrap_or_default(),
            cache_key: settings.map(|settings| CacheKey::derive(&settings.pepper)),
            providers: self.providers.iter().map(|(id, held)| (*id, Arc::clone(&held.provider))).collect(),
            services,
            access_keys,
            users: self.users.values().map(|held| Arc::clone(&held.user)).collect(),
            prices: Arc::new(Prices::new(self.prices.values().map(|held| &held.spec))),
            access_keys_by_id,
        };
        (snapshot, problems)
    }

    /// The enabled keys, in the order in which a pool tries them.
    fn build_keys(&mut self, problems: &mut Vec<Problem>) -> KeysByPool {
        let mut by_pool = KeysByPool::new();
        for (id, held) in self.upstream_keys.iter_mut().filter(|(_, held)| held.spec.enabled) {
            let Some(pool) = self.pools.get(&held.spec.pool_id) else {
                problems.push(missing(Kind::UpstreamKey, id, "pool_id", "no such key pool"));
                continue;
            };
            // Without a provider the pool is not built, and the pool's problem says why.
            let Some(provider) = self.providers.get(&pool.spec.provider_id) else { continue };
            match held.spec.credential(provider.provider.kind) {
                Ok((credential_header, credential)) => {
                    let UpstreamKeySpec { id, name, weight, priority, limits, quota_group, .. } = held.spec.clone();
                    let counted = self.registry.counted(Scope::UpstreamKey, *id.as_uuid(), &limits);
                    let key = UpstreamKey {
                        id,
                        name,
                        credential,
                        credential_header,
                        weight,
                        priority,
                        limits,
                        quota_group,
                        counted,
                    };
                    let key = share(&mut held.built, key);
                    by_pool.entry(held.spec.pool_id).or_default().push(key);
                }
                Err(error) => problems.push(Problem { kind: Kind::UpstreamKey, id: id.to_string(), error }),
            }
        }
        for keys in by_pool.values_mut() {
            keys.sort_by_key(|key| (key.priority, key.id));
        }
        by_pool
    }

    fn build_pools(&mut self, mut keys: KeysByPool, problems: &mut Vec<Problem>) {
        for (id, held) in &mut self.pools {
            if let Some(provider) = self.providers.get(&held.spec.provider_id) {
                let provider = Arc::clone(&provider.provider);
                let keys = keys.remove(id).unwrap_or_default();
                share(&mut held.built, Pool { id: *id, name: held.spec.name.clone(), provider, keys });
            } else {
                held.built = None;
                problems.push(missing(Kind::KeyPool, id, "provider_id", "no such provider"));
            }
        }
    }

    fn build_services(&mut self, health: &Health, problems: &mut Vec<Problem>) -> HashMap<ServiceId, Arc<Service>> {
        let mut services = HashMap::with_capacity(self.services.len());
        for (id, held) in &mut self.services {
            let (routes, errors) = choose_routes(held, &self.pools, health);
            let counted = self.registry.counted(Scope::Service, *id.as_uuid(), &held.spec.service.limits);
            let service = share(&mut held.built, Service { routes, counted, ..held.spec.service.clone() });
            services.insert(*id, service);
            problems.extend(errors.into_iter().map(|error| Problem { kind: Kind::Service, id: id.to_string(), error }));
        }
        services
    }

    /// Gives those that are new their counters.
    fn build_users(&mut self) {
        for (id, HeldUser { user, .. }) in &mut self.users {
            if user.counted.counters().is_none() {
                let counted = self.registry.counted(Scope::User, *id.as_uuid(), &user.limits);
                *user = Arc::new(User { counted, ..User::clone(user) });
            }
        }
    }

    fn build_access_keys(
        &mut self,
        services: &HashMap<ServiceId, Arc<Service>>,
        problems: &mut Vec<Problem>,
    ) -> (MacMap<AccessKeyEntry>, Vec<(AccessKeyId, Arc<AccessKey>)>) {
        let previous = self.access_keys.values().filter(|held| held.previous_mac.is_some()).count();
        let mut by_mac =
            MacMap::with_capacity_and_hasher(self.access_keys.len() + previous, BuildHasherDefault::default());
        let mut by_id = Vec::with_capacity(self.access_keys.len());
        for (id, held) in &mut self.access_keys {
            let Some(service) = services.get(&held.service_id) else {
                problems.push(missing(Kind::AccessKey, id, "service_id", "no such service"));
                continue;
            };
            let key = resolve(held, service, &self.users, &self.registry);
            by_id.push((*id, Arc::clone(&key)));
            match by_mac.entry(held.mac) {
                Entry::Vacant(entry) => {
                    entry.insert(AccessKeyEntry { key, secret: SecretGeneration::Current });
                }
                Entry::Occupied(_) => {
                    problems.push(missing(Kind::AccessKey, id, "mac", "the same as another access key's"));
                }
            }
        }
        // After all current ones: a secret that is somebody's current one is nobody's previous one.
        for held in self.access_keys.values() {
            if let (Some(mac), AccessKeyState::Resolved(key)) = (&held.previous_mac, &held.state)
                && services.contains_key(&held.service_id)
            {
                let entry = AccessKeyEntry { key: Arc::clone(key), secret: SecretGeneration::Previous };
                by_mac.entry(**mac).or_insert(entry);
            }
        }
        (by_mac, by_id)
    }
}

/// The service's own routes when they all lead somewhere; else the ones before, when those still do; else what is left
/// of its own.
fn choose_routes(
    held: &mut HeldService,
    pools: &BTreeMap<KeyPoolId, HeldPool>,
    health: &Health,
) -> (Vec<Route>, Vec<FieldError>) {
    let previous = held.built.as_ref().map_or(&[][..], |service| &service.routes);
    let (own, errors) = resolve_routes(&held.spec.routes, pools, health, previous);
    if !errors.is_empty()
        && let Some((last_good, _)) = &held.last_good
        && let (routes, still_missing) = resolve_routes(last_good, pools, health, previous)
        && still_missing.is_empty()
    {
        return (routes, errors);
    }
    held.last_good = None;
    (own, errors)
}

/// `previous`: the routes in force, whose turns go on where they are for the same models.
fn resolve_routes(
    specs: &[RouteSpec],
    pools: &BTreeMap<KeyPoolId, HeldPool>,
    health: &Health,
    previous: &[Route],
) -> (Vec<Route>, Vec<FieldError>) {
    let mut errors = Vec::new();
    let routes = specs.iter().enumerate().map(|(route_index, spec)| {
        let mut targets = Vec::with_capacity(spec.targets.len());
        for (target_index, target) in spec.targets.iter().cloned().enumerate() {
            let TargetSpec { pool_id, model, weight, priority, default_max_tokens } = target;
            if let Some(pool) = pools.get(&pool_id).and_then(|held| held.built.as_ref()) {
                let pool = Arc::clone(pool);
                targets.push(Target { pool, model, weight, priority, default_max_tokens });
            } else {
                let field = format!("routes[{route_index}].targets[{target_index}].pool_id");
                errors.push(FieldError::new(field, "no such key pool"));
            }
        }
        let previous = previous.iter().find(|route| route.models == spec.models);
        Route::new(spec.models.clone(), targets, health, previous).with_fallback(spec.fallback_on)
    });
    let routes = routes.collect();
    (routes, errors)
}

/// The access key with service and user as they are now.
fn resolve(
    held: &mut HeldAccessKey,
    service: &Arc<Service>,
    users: &BTreeMap<UserId, HeldUser>,
    registry: &Registry,
) -> Arc<AccessKey> {
    let user_of = |id: UserId| users.get(&id).map(|held| Arc::clone(&held.user));
    let key = match &held.state {
        AccessKeyState::Resolved(key) => {
            let user = user_of(key.user_id);
            if Arc::ptr_eq(&key.service, service) && is_same(key.user.as_ref(), user.as_ref()) {
                return Arc::clone(key);
            }
            Arc::new(AccessKey { service: Arc::clone(service), user, ..AccessKey::clone(key) })
        }
        AccessKeyState::Unresolved(spec) => {
            let counted = registry.counted(Scope::AccessKey, *spec.id.as_uuid(), &spec.limits);
            let (spec, user) = (spec.as_ref().clone(), user_of(spec.user_id));
            Arc::new(spec.resolved(Arc::clone(service), user, counted))
        }
    };
    held.state = AccessKeyState::Resolved(Arc::clone(&key));
    key
}

fn is_same(one: Option<&Arc<User>>, other: Option<&Arc<User>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The part of the snapshot before when it is equal, else the new one, which is kept for the next time.
fn share<T: PartialEq>(built: &mut Option<Arc<T>>, next: T) -> Arc<T> {
    if let Some(previous) = built
        && **previous == next
    {
        return Arc::clone(previous);
    }
    Arc::clone(built.insert(Arc::new(next)))
}

fn missing(kind: Kind, id: &impl ToString, field: &str, message: &str) -> Problem {
    Problem { kind, id: id.to_string(), error: FieldError::new(field, message) }
}
