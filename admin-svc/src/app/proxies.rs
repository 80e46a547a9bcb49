//! Which proxies there are and what each holds.
//!
//! The streams report to [`ConnectedProxies`], in memory and without waiting; a background task writes what changed to
//! the database, where every replica reads it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tollgate_shared::{clock::Clock, ids::ProxyId};

use crate::{
    app::{App, AppError, Authorised, caller::ReadProxies},
    domain::{
        page::{Page, PageRequest},
        proxy::{Proxy, RefusedResource, SILENT_AFTER_US},
    },
    grpc::{ConnectedProxy, ConnectionId, ProxyRegistry},
    publish::Head,
    store::{StoreError, configuration, proxies},
};

/// The proxies that are connected to this process, or were until the last write.
#[derive(Debug)]
pub struct ConnectedProxies {
    clock: Clock,
    next_connection: AtomicU64,
    proxies: Mutex<HashMap<ProxyId, Entry>>,
    changed: Notify,
    /// As the database last said: the proxies of all replicas.
    live: AtomicU32,
}

#[derive(Debug)]
struct Entry {
    proxy: Proxy,
    /// The newest connection of the proxy; an older one that ends says nothing about it.
    connection: ConnectionId,
    changed: bool,
}

impl ConnectedProxies {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            next_connection: AtomicU64::new(1),
            proxies: Mutex::new(HashMap::new()),
            changed: Notify::new(),
            live: AtomicU32::new(0),
        }
    }

    /// How many are connected now.
    pub fn count(&self) -> u64 {
        self.proxies.lock().values().filter(|entry| entry.proxy.connected).count() as u64
    }

    /// Notes what the database says of the proxies of all replicas.
    pub fn note_live(&self, count: u32) {
        self.live.store(count, Ordering::Relaxed);
    }

    /// Waits until there is something to write.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is to be written, by id: who is connected, as seen now, and whoever changed.
    pub fn to_write(&self) -> Vec<Proxy> {
        let now = self.clock.now();
        let mut proxies = self.proxies.lock();
        let mut rows = Vec::new();
        for entry in proxies.values_mut().filter(|entry| entry.changed || entry.proxy.connected) {
            entry.changed = false;
            entry.proxy.last_seen_at = now;
            rows.push(entry.proxy.clone());
        }
        proxies.retain(|_, entry| entry.proxy.connected);
        rows.sort_by_key(|proxy| proxy.id);
        rows
    }

    /// Forgets that these were written: the database did not take them.
    pub fn not_written(&self, rows: Vec<Proxy>) {
        let mut proxies = self.proxies.lock();
        for proxy in rows {
            let connection = ConnectionId(0);
            proxies.entry(proxy.id).or_insert(Entry { proxy, connection, changed: true }).changed = true;
        }
    }

    fn update(&self, connection: ConnectionId, change: impl FnOnce(&mut Proxy)) {
        let mut proxies = self.proxies.lock();
        if let Some(entry) = proxies.values_mut().find(|entry| entry.connection == connection) {
            change(&mut entry.proxy);
            entry.changed = true;
            drop(proxies);
            self.changed.notify_one();
        }
    }
}

impl ProxyRegistry for ConnectedProxies {
    fn connected(&self, proxy: ConnectedProxy) -> ConnectionId {
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let now = self.clock.now();
        let ConnectedProxy { id, boot_id, hostname, version, epoch, revision } = proxy;
        let mut proxies = self.proxies.lock();
        let before = proxies.remove(&id).map(|entry| entry.proxy);
        let proxy = Proxy {
            id,
            boot_id,
            hostname,
            version,
            epoch,
            revision,
            refused: before.map(|before| before.refused).unwrap_or_default(),
            connected: true,
            first_seen_at: now,
            last_seen_at: now,
        };
        proxies.insert(id, Entry { proxy, connection, changed: true });
        drop(proxies);
        self.changed.notify_one();
        connection
    }

    fn applied(&self, connection: ConnectionId, epoch: &str, revision: u64, refused: Vec<RefusedResource>) {
        self.update(connection, |proxy| {
            epoch.clone_into(&mut proxy.epoch);
            proxy.revision = revision;
            proxy.refused = refused;
        });
    }

    fn disconnected(&self, connection: ConnectionId) {
        self.update(connection, |proxy| proxy.connected = false);
    }

    /// The database is seconds behind, so those that are connected here count at least.
    fn live(&self) -> u32 {
        let here = u32::try_from(self.count()).unwrap_or(u32::MAX);
        self.live.load(Ordering::Relaxed).max(here)
    }
}

impl App {
    /// Writes what proxies said.
    pub async fn record_proxies(&self, rows: &[Proxy]) -> Result<(), StoreError> {
        let mut tx = self.store().begin_append().await?;
        proxies::upsert(&mut tx, rows).await?;
        tx.commit().await
    }

    /// How many proxies are connected to any replica, by their last sign of life.
    pub async fn live_proxies(&self) -> Result<u32, StoreError> {
        let since = self.now().saturating_sub(SILENT_AFTER_US);
        proxies::count_live(&mut *self.store().reader().await?, since).await
    }

    /// Proxies in the order of their ids, with the head that they are to reach.
    pub async fn proxies(
        &self,
        _caller: &Authorised<ReadProxies>,
        request: &PageRequest,
    ) -> Result<(Head, Page<Proxy>), AppError> {
        let mut tx = self.store().begin_read().await?;
        let head = configuration::head(&mut tx).await?;
        let proxies = proxies::page(&mut tx, request.after_id(), request.rows()).await?;
        Ok((head, Page::new(proxies, request, |proxy: &Proxy| proxy.id.to_string())))
    }

    pub async fn proxy(&self, _caller: &Authorised<ReadProxies>, id: ProxyId) -> Result<(Head, Proxy), AppError> {
        let mut tx = self.store().begin_read().await?;
        let head = configuration::head(&mut tx).await?;
        let proxy = proxies::by_id(&mut tx, id).await?;
        proxy.map(|proxy| (head, proxy)).ok_or(AppError::NotFound("proxy"))
    }
}
