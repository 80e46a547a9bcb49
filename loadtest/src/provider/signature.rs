//! Proofs that a piece of thinking was issued here and came back unchanged.
//!
//! A signature is made of its kind and of what it signs alone, so nothing has to be remembered: it reads
//! `simulated-<kind>-<hash of the content>-<hash of all before>`, in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::template::owner_tag;

fn plain(kind: &str, content: u32) -> String {
    let start = format!("simulated-{kind}-{content:08x}");
    let check = owner_tag(&start);
    format!("{start}-{check:08x}")
}

pub(crate) fn sign(kind: &str, content: &str) -> String {
    STANDARD.encode(plain(kind, owner_tag(content)))
}

/// Of this kind, whatever it signs. Either alphabet of base64 will do, with or without padding.
pub(crate) fn is_ours(kind: &str, signature: &str) -> bool {
    let text: String = signature
        .trim_end_matches('=')
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let Some(text) = STANDARD_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return false;
    };
    let content = text.strip_prefix(&format!("simulated-{kind}-")).and_then(|rest| rest.get(..8));
    content.and_then(|hex| u32::from_str_radix(hex, 16).ok()).is_some_and(|content| plain(kind, content) == text)
}

/// Of this kind and for exactly this content.
pub(crate) fn signs(kind: &str, content: &str, signature: &str) -> bool {
    sign(kind, content) == signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_known_again_and_no_other() {
        let signature = sign("thought-text", "step by step");
        assert!(is_ours("thought-text", &signature) && signs("thought-text", "step by step", &signature));
        assert!(is_ours("thought-text", signature.trim_end_matches('=')));
        assert!(!is_ours("thought-call", &signature) && !signs("thought-text", "another", &signature));
        let mut changed = signature.clone().into_bytes();
        let middle = changed.len() - 12;
        changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
        assert!(!is_ours("thought-text", &String::from_utf8(changed).unwrap()));
        assert!(!is_ours("thought-text", "not base64!"));
    }
}
