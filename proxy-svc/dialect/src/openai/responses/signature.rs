//! The state of a reasoning item, which OpenAI wants back with the id of the item that it came in.
//!
//! In the canonical form both are one value, with a space between them: neither has one inside.

use crate::Protocol;
use crate::canonical::{Signature, Text};
use crate::translate::{Seal, open_signature};

/// Of an item of OpenAI's own.
pub(super) fn join<'a>(id: Option<&Text<'_>>, encrypted: &Text<'_>) -> Signature<'a> {
    let id = id.map(Text::decode).unwrap_or_default();
    Signature { origin: Protocol::OpenAi, value: Text::from(format!("{id} {}", encrypted.decode())) }
}

/// The id and the encrypted content. `None` for what [`join`] did not make.
pub(super) fn split(value: &str) -> Option<(&str, &str)> {
    value.split_once(' ')
}

/// Of an item that a caller gives back: another provider's, which was sealed, or OpenAI's. `None` where nobody signed.
pub(super) fn open<'a>(seal: &dyn Seal, id: Option<&Text<'_>>, encrypted: Text<'a>) -> Option<Signature<'a>> {
    let found = open_signature(seal, Protocol::OpenAi, encrypted)?;
    // A sealed one of OpenAI's has its id with it.
    if found.origin != Protocol::OpenAi || found.value.decode().contains(' ') {
        return Some(found);
    }
    Some(join(id, &found.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{NoSeal, seal_text};

    #[test]
    fn the_items_id_comes_back_with_its_state() {
        let id = Text::from("rs_1");
        let own = open(&NoSeal, Some(&id), Text::from("gAAA")).unwrap();
        assert_eq!(split(&own.value.decode()), Some(("rs_1", "gAAA")));
    }

    #[test]
    fn what_was_sealed_is_the_other_providers_again() {
        struct Plain;
        impl Seal for Plain {
            fn seal(&self, plain: &[u8]) -> Vec<u8> {
                plain.to_vec()
            }
            fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
                Some(sealed.to_vec())
            }
        }
        let id = Text::from("rs_made_here");
        for signature in [
            Signature { origin: Protocol::Anthropic, value: Text::from("redacted:abc") },
            Signature { origin: Protocol::OpenAi, value: Text::from("rs_theirs gAAA") },
        ] {
            let sealed = Text::from(seal_text(&Plain, &signature));
            assert_eq!(open(&Plain, Some(&id), sealed), Some(signature));
        }
    }
}
