//! The cryptography of tags: which upstream key made an object, for nobody but the gateway to read or to say.
//!
//! An id must look the same every time that it is shown: applications compare ids, and page through lists by them. So
//! there is no random nonce, and a tag is a deterministic encryption of the upstream key's id, in the manner of SIV
//! (Rogaway and Shrimpton, 2006): a MAC of all that is said is sent, and is also what the mask over the upstream key is
//! made from. That is as safe as a nonce that is never used twice, and with 28 bytes little more than half as long as
//! AES-GCM's nonce, text and tag. Both functions are HMAC-SHA256, under keys of their own; 96 bits of a MAC are enough
//! where every guess is a request.
//!
//! The MAC covers the service, so that one tenant's ids mean nothing to another, and the provider's id, so that a tag
//! cannot be moved to another object.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use tollgate_shared::{
    access_key::Pepper,
    ids::{ServiceId, UpstreamKeyId},
};
use uuid::Uuid;

/// What the keys are derived for; another purpose gets another key.
const MAC_PURPOSE: &str = "tollgate stored id mac v1";
const MASK_PURPOSE: &str = "tollgate stored id mask v1";

const MAC_BYTES: usize = 12;
const KEY_BYTES: usize = 16;
const TAG_BYTES: usize = MAC_BYTES + KEY_BYTES;
/// In base64.
const TAG_CHARACTERS: usize = 38;

/// Makes and opens tags. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TagKey(Arc<Keys>);

struct Keys {
    mac: hmac::Key,
    mask: hmac::Key,
}

impl TagKey {
    /// From the secret that all proxies have from the control plane.
    pub(crate) fn derive(pepper: &Pepper) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &pepper.mac(purpose));
        Self(Arc::new(Keys { mac: key(MAC_PURPOSE), mask: key(MASK_PURPOSE) }))
    }

    /// Appends the tag of a provider's id.
    pub(super) fn write(&self, service: ServiceId, upstream_key: UpstreamKeyId, id: &str, out: &mut Vec<u8>) {
        let mut tag = [0; TAG_BYTES];
        let mac = self.mac(service, upstream_key, id);
        let masked = self.masked(&mac, upstream_key.as_uuid().as_bytes());
        for (place, byte) in tag.iter_mut().zip(mac.into_iter().chain(masked)) {
            *place = byte;
        }
        let mut text = [0; TAG_CHARACTERS];
        if URL_SAFE_NO_PAD.encode_slice(tag, &mut text).is_ok() {
            out.extend_from_slice(&text);
        }
    }

    /// `None` when the tag was not made here for this service and this id.
    pub(super) fn open(&self, service: ServiceId, id: &str, tag: &str) -> Option<UpstreamKeyId> {
        let mut bytes = [0; TAG_BYTES];
        if tag.len() != TAG_CHARACTERS || URL_SAFE_NO_PAD.decode_slice_unchecked(tag, &mut bytes).is_err() {
            return None;
        }
        let (mac, masked) = bytes.split_first_chunk::<MAC_BYTES>()?;
        let uuid = Uuid::from_bytes(self.masked(mac, masked.first_chunk()?));
        let upstream_key = UpstreamKeyId::from_uuid(uuid);
        let expected = self.mac(service, upstream_key, id);
        // All of it is looked at, so that the time tells nothing of how much was right.
        let difference = expected.iter().zip(mac).fold(0, |difference, (one, other)| difference | (one ^ other));
        (difference == 0).then_some(upstream_key)
    }

    fn mac(&self, service: ServiceId, upstream_key: UpstreamKeyId, id: &str) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.0.mac);
        context.update(service.as_uuid().as_bytes());
        context.update(upstream_key.as_uuid().as_bytes());
        context.update(id.as_bytes());
        let mut mac = [0; MAC_BYTES];
        mac.iter_mut().zip(context.sign().as_ref()).for_each(|(place, byte)| *place = *byte);
        mac
    }

    /// Masks, and unmasks.
    fn masked(&self, mac: &[u8; MAC_BYTES], bytes: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
        let mut masked = *bytes;
        masked.iter_mut().zip(hmac::sign(&self.0.mask, mac).as_ref()).for_each(|(place, byte)| *place ^= byte);
        masked
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag_key(pepper: u8) -> TagKey {
        TagKey::derive(&Pepper::new(&[pepper; 32]))
    }

    fn written(service: ServiceId, upstream_key: UpstreamKeyId, id: &str) -> String {
        let mut out = Vec::new();
        tag_key(1).write(service, upstream_key, id, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_tag_opens_for_its_service_and_its_object_under_its_key_only() {
        let (service, upstream_key) = (ServiceId::generate(), UpstreamKeyId::generate());
        let tag = written(service, upstream_key, "file-1");
        assert_eq!(tag_key(1).open(service, "file-1", &tag), Some(upstream_key));
        assert_eq!(tag_key(1).open(ServiceId::generate(), "file-1", &tag), None);
        assert_eq!(tag_key(1).open(service, "file-2", &tag), None);
        assert_eq!(tag_key(2).open(service, "file-1", &tag), None);
    }

    #[test]
    fn a_changed_tag_does_not_open() {
        let service = ServiceId::generate();
        let tag = written(service, UpstreamKeyId::generate(), "file-1");
        for position in 0..tag.len() {
            for with in "ABCD-_*=%\u{e9}".chars().filter(|with| !tag[position..].starts_with(*with)) {
                let changed: String = [&tag[..position], &with.to_string(), &tag[position + 1..]].concat();
                assert_eq!(tag_key(1).open(service, "file-1", &changed), None, "{position} {with}");
            }
            assert_eq!(tag_key(1).open(service, "file-1", &tag[..position]), None);
        }
        assert_eq!(tag_key(1).open(service, "file-1", &[&tag, "A"].concat()), None);
    }

    #[test]
    fn an_id_looks_the_same_every_time_and_does_not_tell_its_key() {
        let (service, upstream_key) = (ServiceId::generate(), UpstreamKeyId::generate());
        let tag = written(service, upstream_key, "file-1");
        assert_eq!(written(service, upstream_key, "file-1"), tag);
        assert_eq!(tag.len(), TAG_CHARACTERS);
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        // Two objects of one key have nothing in common.
        let decoded = |tag: String| URL_SAFE_NO_PAD.decode(tag).unwrap();
        let (one, other) = (decoded(tag), decoded(written(service, upstream_key, "file-2")));
        assert_ne!(one[MAC_BYTES..], other[MAC_BYTES..]);
    }

    proptest! {
        #[test]
        fn every_tag_opens(service: u128, key: u128, id in "[!-~]{1,80}") {
            let service = ServiceId::from_uuid(Uuid::from_u128(service));
            let upstream_key = UpstreamKeyId::from_uuid(Uuid::from_u128(key));
            let tag = written(service, upstream_key, &id);
            prop_assert_eq!(tag_key(1).open(service, &id, &tag), Some(upstream_key));
        }

        #[test]
        fn any_text_is_refused_without_panic(tag in ".{0,50}", base64 in "[A-Za-z0-9_-]{38}") {
            prop_assert_eq!(tag_key(1).open(ServiceId::generate(), "file-1", &tag), None);
            prop_assert_eq!(tag_key(1).open(ServiceId::generate(), "file-1", &base64), None);
        }
    }
}
