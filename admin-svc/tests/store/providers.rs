//! Providers: what their columns keep, and what rows of older code mean.

use admin_svc::{domain::provider::ProviderKind, store::providers};

use crate::{Opened, database::on_both};

on_both!(
    crate::open;
    whether_responses_are_offered_is_kept,
    rows_that_say_nothing_have_their_kinds_default,
);

async fn whether_responses_are_offered_is_kept(Opened { store, .. }: Opened) {
    let mut provider = crate::provider("p");
    let mut tx = store.begin_write().await.unwrap();
    provider.spec.responses_api = Some(false);
    providers::insert(&mut tx, &provider).await.unwrap();
    assert_eq!(providers::by_id(&mut tx, provider.id).await.unwrap().unwrap().spec, provider.spec);
    provider.spec.responses_api = Some(true);
    providers::update(&mut tx, &provider).await.unwrap();
    assert_eq!(providers::by_id(&mut tx, provider.id).await.unwrap().unwrap().spec, provider.spec);
}

async fn rows_that_say_nothing_have_their_kinds_default(Opened { store, .. }: Opened) {
    let mut tx = store.begin_write().await.unwrap();
    for (kind, expected) in [
        (ProviderKind::Openai, true),
        (ProviderKind::OpenaiCompatible, false),
        (ProviderKind::Anthropic, false),
        (ProviderKind::Gemini, false),
    ] {
        let mut provider = crate::provider(kind.as_str());
        (provider.spec.kind, provider.spec.responses_api) = (kind, None);
        providers::insert(&mut tx, &provider).await.unwrap();
        let read = providers::by_id(&mut tx, provider.id).await.unwrap().unwrap();
        assert_eq!(read.spec.responses_api, Some(expected), "{kind:?}");
    }
}
