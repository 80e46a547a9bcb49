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

/// Whether a request may hold something that only the gateway opens. Then even a provider of the caller's own protocol
/// cannot be sent the bytes as they came. May be wrong when somebody talks about it, which does no harm.
pub fn may_hold_sealed(body: &[u8]) -> bool {
    static FINDERS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new(PREFIX), Finder::new(BYTES_PREFIX)]);
    FINDERS.iter().any(|finder| finder.find(body).is_some())
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

/// What stands in a protocol's own field for signatures: a sealed one of another provider, or else its own.
pub(crate) fn open_signature<'a>(seal: &dyn Seal, own: Protocol, value: Text<'a>) -> Signature<'a> {
    let decoded = value.decode();
    let found = open_text(seal, &decoded).or_else(|| {
        decoded.starts_with(BYTES_PREFIX).then_some(())?;
        let standard: String = decoded
            .chars()
            .map(|letter| match letter {
                '-' => '+',
                '_' => '/',
                other => other,
            })
            .collect();
        opened(seal, LENIENT.decode(standard).ok()?.strip_prefix(BYTES)?)
    });
    match found {
        Some(signature) => signature,
        None => Signature { origin: own, value },
    }
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
            assert_eq!(open_signature(&Reversed, Protocol::OpenAi, Text::from(base64)), signature);
            assert_eq!(open_signature(&Reversed, Protocol::OpenAi, Text::from(url_safe)), signature);
        }
    }

    #[test]
    fn what_is_sealed_is_found_in_a_body() {
        let signature = Signature { origin: Protocol::Anthropic, value: Text::Escaped("x") };
        for sealed in [seal_text(&Reversed, &signature), sealed_base64(&Reversed, &signature)] {
            assert!(may_hold_sealed(format!(r#"{{"a":"call_1-{sealed}"}}"#).as_bytes()));
        }
        assert!(!may_hold_sealed(br#"{"thinking":"tgs","signature":"ErUB"}"#));
    }

    #[test]
    fn what_was_not_sealed_is_the_protocols_own() {
        let own = open_signature(&Reversed, Protocol::Anthropic, Text::Escaped("ErUB=="));
        assert_eq!(own, Signature { origin: Protocol::Anthropic, value: Text::Escaped("ErUB==") });
    }
}
