//! What the database refuses, told apart the same way on both.

use admin_svc::store::{Store, StoreError, key_pools, providers};
use tollgate_shared::ids::ProviderId;

use crate::{Opened, database::on_both, pool, provider};

on_both!(
    crate::open;
    same_unique_value_names_its_column,
    missing_and_remaining_references_are_refused,
    rows_round_trip,
    sqlite_readers_cannot_write,
);

async fn same_unique_value_names_its_column(Opened { store, .. }: Opened) {
    let mut tx = store.begin_write().await.unwrap();
    let first = provider("p");
    providers::insert(&mut tx, &first).await.unwrap();
    let error = providers::insert(&mut tx, &provider("p")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Duplicate { field } if field == "name"), "{error:?}");
    drop(tx);
    let mut tx = store.begin_write().await.unwrap();
    let insert = "INSERT INTO configuration_changes (revision, kind, resource_id, deleted) VALUES (1, 'a', 'b', 0)";
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    let error = StoreError::from(sqlx::query(insert).execute(&mut *tx).await.unwrap_err());
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error:?}");
}

async fn missing_and_remaining_references_are_refused(Opened { store, .. }: Opened) {
    let mut tx = store.begin_write().await.unwrap();
    let error = key_pools::insert(&mut tx, &pool("k", ProviderId::generate())).await.unwrap_err();
    assert!(matches!(error, StoreError::Reference), "{error:?}");
    drop(tx);
    let mut tx = store.begin_write().await.unwrap();
    let provider = provider("p");
    providers::insert(&mut tx, &provider).await.unwrap();
    key_pools::insert(&mut tx, &pool("k", provider.id)).await.unwrap();
    let error = providers::delete(&mut tx, provider.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Reference), "{error:?}");
}

async fn rows_round_trip(Opened { store, .. }: Opened) {
    let written = provider("名前 'quoted' \u{1f511}");
    let mut tx = store.begin_write().await.unwrap();
    providers::insert(&mut tx, &written).await.unwrap();
    tx.commit().await.unwrap();
    let read = providers::by_id(&mut store.reader().await.unwrap(), written.id).await.unwrap().unwrap();
    assert_eq!((read.spec, read.models, read.stamp), (written.spec, written.models, written.stamp));
}

async fn sqlite_readers_cannot_write(Opened { store, .. }: Opened) {
    if store.engine() == admin_svc::store::Engine::Sqlite {
        let mut reader = store.reader().await.unwrap();
        assert!(providers::insert(&mut reader, &provider("p")).await.is_err());
    }
}

#[tokio::test]
async fn other_urls_are_refused() {
    for url in ["", "mysql://localhost/x", "sqlite::memory:", "sqlite://", "/path"] {
        assert!(matches!(Store::connect(url).await, Err(StoreError::Url)), "{url}");
    }
}
