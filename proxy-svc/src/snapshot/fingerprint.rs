//! What of a route decides which answer a question gets, as one digest: what was kept under another is not given again.
//!
//! It covers the targets and the providers behind them. It leaves out what changes no answer: upstream keys, time-outs,
//! a provider's list of models, and which failure lets another of the same targets take over.

use ring::digest::{Context, SHA256};

use super::{BaseUrl, Pool, Provider, Target};

/// Of a route's targets, made when the snapshot is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(targets: &[Target]) -> Self {
        let mut digest = Digest(Context::new(&SHA256));
        for target in targets {
            digest.target(target);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.0.finish().as_ref());
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Every part with its length, so that no two lists of targets are the same bytes.
struct Digest(Context);

impl Digest {
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn number(&mut self, number: u32) {
        self.0.update(&number.to_le_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u32::from(text.is_some()));
        self.part(text.unwrap_or_default().as_bytes());
    }

    fn target(&mut self, target: &Target) {
        let Target { pool, model, weight, priority, default_max_tokens } = target;
        let Pool { id, name: _, provider, keys: _ } = &**pool;
        self.part(id.as_uuid().as_bytes());
        self.optional(model.as_deref());
        self.number(*weight);
        self.number(*priority);
        // None is no limit that a target can have.
        self.number(default_max_tokens.unwrap_or(0));
        self.provider(provider);
    }

    fn provider(&mut self, provider: &Provider) {
        let Provider { id, name, kind, base, timeouts: _, responses_api, models: _ } = provider;
        let BaseUrl { https, host, port, authority: _, path_prefix } = base;
        self.part(id.as_uuid().as_bytes());
        self.part(name.as_bytes());
        self.number(*kind as u32);
        self.number(u32::from(*https));
        self.part(host.as_bytes());
        self.number(u32::from(*port));
        self.optional(path_prefix.as_deref());
        self.number(u32::from(*responses_api));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_shared::{
        ids::{KeyPoolId, ProviderId},
        limits::Timeouts,
    };

    use super::*;
    use crate::snapshot::ProviderKind;

    fn target() -> Target {
        let provider = Provider {
            id: ProviderId::generate(),
            name: "p".into(),
            kind: ProviderKind::Openai,
            base: "https://api.openai.com".parse().unwrap(),
            timeouts: Timeouts::default(),
            responses_api: true,
            models: Arc::new([]),
        };
        let pool = Pool { id: KeyPoolId::generate(), name: "k".into(), provider: Arc::new(provider), keys: Vec::new() };
        Target { pool: Arc::new(pool), model: None, weight: 1, priority: 0, default_max_tokens: None }
    }

    fn with_provider(target: &Target, change: impl FnOnce(&mut Provider)) -> Target {
        let mut provider = Provider::clone(&target.pool.provider);
        change(&mut provider);
        let pool = Pool { provider: Arc::new(provider), ..Pool::clone(&target.pool) };
        Target { pool: Arc::new(pool), ..target.clone() }
    }

    #[test]
    fn every_change_that_may_change_an_answer_changes_it() {
        let before = target();
        let fingerprint = Fingerprint::of(std::slice::from_ref(&before));
        assert_eq!(Fingerprint::of(std::slice::from_ref(&before)), fingerprint);
        for changed in [
            target(),
            Target { model: Some("m".into()), ..before.clone() },
            Target { model: Some("".into()), ..before.clone() },
            Target { weight: 2, ..before.clone() },
            Target { priority: 1, ..before.clone() },
            Target { default_max_tokens: Some(1), ..before.clone() },
            with_provider(&before, |provider| provider.kind = ProviderKind::OpenaiCompatible),
            with_provider(&before, |provider| provider.base = "https://api.openai.com/v2".parse().unwrap()),
            with_provider(&before, |provider| provider.base = "https://example.com".parse().unwrap()),
            with_provider(&before, |provider| provider.responses_api = false),
            with_provider(&before, |provider| provider.name = "q".into()),
        ] {
            assert_ne!(Fingerprint::of(std::slice::from_ref(&changed)), fingerprint, "{changed:?}");
        }
        assert_ne!(Fingerprint::of(&[before.clone(), before.clone()]), fingerprint);
        assert_ne!(Fingerprint::of(&[]), fingerprint);
    }

    #[test]
    fn what_changes_no_answer_leaves_it_alone() {
        let before = target();
        let changed = with_provider(&before, |provider| {
            provider.timeouts.connect_ms = Some(1);
            provider.models = Arc::new(["new".into()]);
        });
        assert_eq!(Fingerprint::of(&[changed]), Fingerprint::of(&[before]));
    }
}
