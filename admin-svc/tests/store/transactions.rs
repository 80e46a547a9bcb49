//! Revisions, rollback, isolation.

use admin_svc::{
    domain::change::ResourceKind,
    store::{AnyConnection, Store, providers},
};
use sqlx::Row;

use crate::{Opened, database::on_both, open, provider};

on_both!(
    crate::open;
    revision_is_bumped_once_per_transaction,
    dropped_transaction_leaves_nothing,
    concurrent_writers_get_consecutive_revisions,
    read_transaction_sees_one_state,
    writes_without_a_change_do_not_wake,
    reopened_database_is_the_same,
);

async fn revision(connection: &mut AnyConnection) -> i64 {
    sqlx::query("SELECT revision FROM configuration").fetch_one(connection).await.unwrap().try_get(0).unwrap()
}

async fn insert(store: &Store, name: &str) -> i64 {
    let provider = provider(name);
    let mut tx = store.begin_write().await.unwrap();
    providers::insert(&mut tx, &provider).await.unwrap();
    let revision = tx.record_change(ResourceKind::Provider, &provider.id.to_string(), false).await.unwrap();
    tx.commit().await.unwrap();
    revision
}

async fn revision_is_bumped_once_per_transaction(Opened { store, .. }: Opened) {
    let changes = store.changes();
    let mut tx = store.begin_write().await.unwrap();
    let first = tx.record_change(ResourceKind::Provider, "a", false).await.unwrap();
    let second = tx.record_change(ResourceKind::KeyPool, "b", true).await.unwrap();
    tx.record_change(ResourceKind::KeyPool, "b", false).await.unwrap();
    assert_eq!((first, second), (1, 1));
    assert!(!changes.has_changed().unwrap(), "nobody is woken before the commit");
    tx.commit().await.unwrap();
    assert_eq!(*changes.borrow(), 1);
    let mut reader = store.reader().await.unwrap();
    let rows = sqlx::query("SELECT kind, deleted FROM configuration_changes ORDER BY kind");
    let rows = rows.fetch_all(&mut *reader).await.unwrap();
    let rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("key_pool".to_owned(), 0), ("provider".to_owned(), 0)]);
}

async fn dropped_transaction_leaves_nothing(Opened { store, .. }: Opened) {
    let mut tx = store.begin_write().await.unwrap();
    providers::insert(&mut tx, &provider("p")).await.unwrap();
    tx.record_change(ResourceKind::Provider, "p", false).await.unwrap();
    drop(tx);
    assert_eq!(insert(&store, "q").await, 1);
    let mut reader = store.reader().await.unwrap();
    assert_eq!(providers::all(&mut reader).await.unwrap().len(), 1);
}

async fn concurrent_writers_get_consecutive_revisions(Opened { store, .. }: Opened) {
    let names: Vec<String> = (0..20).map(|index| index.to_string()).collect();
    let mut revisions = futures::future::join_all(names.iter().map(|name| insert(&store, name))).await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=20).collect::<Vec<i64>>());
    assert_eq!(*store.changes().borrow(), 20);
}

async fn read_transaction_sees_one_state(Opened { store, .. }: Opened) {
    insert(&store, "before").await;
    let mut read = store.begin_read().await.unwrap();
    assert_eq!(revision(&mut read).await, 1);
    insert(&store, "after").await;
    assert_eq!(revision(&mut read).await, 1);
    assert_eq!(providers::all(&mut read).await.unwrap().len(), 1);
    drop(read);
    assert_eq!(revision(&mut store.reader().await.unwrap()).await, 2);
}

async fn writes_without_a_change_do_not_wake(Opened { store, .. }: Opened) {
    let changes = store.changes();
    let mut tx = store.begin_append().await.unwrap();
    providers::insert(&mut tx, &provider("p")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!changes.has_changed().unwrap());
}

async fn reopened_database_is_the_same(Opened { store, database }: Opened) {
    let epoch = async |store: &Store| -> String {
        let mut reader = store.reader().await.unwrap();
        sqlx::query("SELECT epoch FROM configuration").fetch_one(&mut *reader).await.unwrap().get(0)
    };
    insert(&store, "p").await;
    let before = epoch(&store).await;
    store.close().await;
    let reopened = open(database).await;
    assert_eq!(epoch(&reopened.store).await, before);
    assert_eq!(insert(&reopened.store, "q").await, 2);
}
