//! Signatures of one provider in the hands of callers of another protocol.
//!
//! Such a caller gets them sealed: in a form that only the gateway opens, and that says whose they are. It puts them
//! where its protocol has room for something opaque, and gives them back with the next turn of the conversation.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use base64::{alphabet, engine::DecodePaddingMode};
use memchr::memmem::Finder;

use crate::Protocol;
use crate::canonical::{Signature, Text};

/// Seals and opens; the gateway's cryptography is behind it.
pub trait Seal: Sync {
    fn seal(&self, plain: &[u8]) -> Vec<u8>;

    /// `None` when it is nothing that was sealed here, or was changed.
    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>>;
}

/// Opens nothing and seals to nothing: for what has no signatures.
#[derive(Debug, Clone, Copy)]
pub struct NoSeal;

impl Seal for NoSeal {
    fn seal(&self, _plain: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn open(&self, _sealed: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Tells a sealed text from a provider's own at a glance.
const PREFIX: &str = "tgs1_";
/// The same for sealed bytes: their base64 begins with [`BYTES_PREFIX`], in either alphabet.
const BYTES: &[u8] = b"tgs1\0\x01";
const BYTES_PREFIX: &str = "dGdzMQAB";
/// Stands where a signature would, with a thought that nobody signed. A provider that signs its own would refuse the
/// thought; by this mark the gateway knows it again ([`may_hold_sealed`]).
pub(crate) const UNSIGNED: &str = "tgs1_unsigned";

/// Whether a request may hold something that only the gateway opens: as the beginning of a string, or behind an id. Then
/// even a provider of the caller's own protocol cannot be sent the bytes as they came.
pub fn may_hold_sealed(body: &[u8]) -> bool {
    static TEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));
    static BASE64: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BYTES_PREFIX));
    let before = |at: usize| body.get(at.saturating_sub(2)..at).unwrap_or_default();
    // A quote behind a backslash is one inside a text.
    let begins = |at: usize| matches!(before(at), [other, b'"'] if *other != b'\\');
    TEXT.find_iter(body).any(|at| begins(at) || before(at).ends_with(b"-")) || BASE64.find_iter(body).any(begins)
}

/// What some SDKs decode and encode again: either alphabet, with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn code(protocol: Protocol) -> u8 {
    protocol.dialect().signature_code()
}

fn sealed(seal: &dyn Seal, signature: &Signature<'_>) -> Vec<u8> {
    let value = signature.value.decode();
    let mut plain = Vec::with_capacity(value.len() + 1);
    plain.push(code(signature.origin));
    plain.extend_from_slice(value.as_bytes());
    seal.seal(&plain)
}

fn opened(seal: &dyn Seal, sealed: &[u8]) -> Option<Signature<'static>> {
    let plain = seal.open(sealed)?;
    let (origin, value) = plain.split_first()?;
    let origin = Protocol::ALL.into_iter().find(|protocol| code(*protocol) == *origin)?;
    Some(Signature { origin, value: Text::from(String::from_utf8(value.to_vec()).ok()?) })
}

/// As letters, digits, `-` and `_`: for a field that takes any text, and for ids.
pub(crate) fn seal_text(seal: &dyn Seal, signature: &Signature<'_>) -> String {
    let mut text = PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string(sealed(seal, signature), &mut text);
    text
}

/// Undoes [`seal_text`]; `None` for anything else.
pub(crate) fn open_text(seal: &dyn Seal, text: &str) -> Option<Signature<'static>> {
    opened(seal, &URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?)
}

/// As base64, for a field of bytes (Gemini's `thoughtSignature`).
pub(crate) fn sealed_base64(seal: &dyn Seal, signature: &Signature<'_>) -> String {
    STANDARD.encode([BYTES, &sealed(seal, signature)].concat())
}

/// What stands in a protocol's own field for signatures: a sealed one of another provider, or else its own. `None` for
/// [`UNSIGNED`], and for a sealed one that does not open (of another service, or under an older key): no provider can do
/// anything with it.
pub(crate) fn open_signature<'a>(seal: &dyn Seal, own: Protocol, value: Text<'a>) -> Option<Signature<'a>> {
    let decoded = value.decode();
    if decoded.starts_with(PREFIX) {
        return open_text(seal, &decoded);
    }
    if decoded.starts_with(BYTES_PREFIX) {
        let standard: String = decoded
            .chars()
            .map(|letter| match letter {
                '-' => '+',
                '_' => '/',
                other => other,
            })
            .collect();
        return opened(seal, LENIENT.decode(standard).ok()?.strip_prefix(BYTES)?);
    }
    Some(Signature { origin: own, value })
}

/// Whether a text was sealed by a gateway, by this one or another.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Turns the bytes round, behind a mark.
    pub(crate) struct Reversed;

    impl Seal for Reversed {
        fn seal(&self, plain: &[u8]) -> Vec<u8> {
            b"\xff\x01".iter().chain(plain.iter().rev()).copied().collect()
        }

        fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
            Some(sealed.strip_prefix(b"\xff\x01")?.iter().rev().copied().collect())
        }
    }

    #[test]
    fn a_sealed_signature_comes_back_unmodified() {
        let signature = Signature { origin: Protocol::Gemini, value: Text::Escaped("AbC+/9==") };
        let text = seal_text(&Reversed, &signature);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')));
        assert_eq!(open_text(&Reversed, &text), Some(signature.clone()));
        for base64 in [sealed_base64(&Reversed, &signature), sealed_base64(&Reversed, &signature).replace('=', "")] {
            let url_safe = base64.replace('+', "-").replace('/', "_");
            assert_eq!(open_signature(&Reversed, Protocol::OpenAi, Text::from(base64)), Some(signature.clone()));
            assert_eq!(open_signature(&Reversed, Protocol::OpenAi, Text::from(url_safe)), Some(signature.clone()));
        }
    }

    #[test]
    fn what_is_sealed_is_found_in_a_body() {
        let signature = Signature { origin: Protocol::Anthropic, value: Text::Escaped("x") };
        let (text, base64) = (seal_text(&Reversed, &signature), sealed_base64(&Reversed, &signature));
        for value in [format!("call_1-{text}"), text, base64, UNSIGNED.to_owned()] {
            assert!(may_hold_sealed(format!(r#"{{"a":"{value}"}}"#).as_bytes()), "{value}");
            assert!(may_hold_sealed(format!(r#"{{"a": "{value}"}}"#).as_bytes()), "{value}");
        }
        for text in [r#"{"signature":"ErUB"}"#, r#"{"text":"what is tgs1_x?"}"#, r#"{"text":"{\"a\":\"tgs1_x\"}"}"#] {
            assert!(!may_hold_sealed(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_was_not_sealed_is_the_protocols_own() {
        let own = open_signature(&Reversed, Protocol::Anthropic, Text::Escaped("ErUB=="));
        assert_eq!(own, Some(Signature { origin: Protocol::Anthropic, value: Text::Escaped("ErUB==") }));
    }

    #[test]
    fn what_nobody_signed_is_known_again() {
        assert!(may_hold_sealed(format!(r#"{{"signature":"{UNSIGNED}"}}"#).as_bytes()));
        assert_eq!(open_signature(&Reversed, Protocol::Anthropic, Text::plain(UNSIGNED)), None);
        assert_eq!(open_text(&Reversed, UNSIGNED), None);
    }

    #[test]
    fn what_does_not_open_is_nobodys() {
        let signature = Signature { origin: Protocol::Gemini, value: Text::Escaped("x") };
        for sealed in [seal_text(&Reversed, &signature), sealed_base64(&Reversed, &signature)] {
            for own in Protocol::ALL {
                assert_eq!(open_signature(&NoSeal, own, Text::from(sealed.as_str())), None);
            }
        }
    }
}
