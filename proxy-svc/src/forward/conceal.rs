//! Hides a provider's key in an error that is passed on: some providers say which key they got.
//!
//! The bytes of the key are overwritten, so the length stays what the header says, and JSON stays JSON.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use memchr::memmem::Finder;

const MASK: u8 = b'*';

/// The body without the key that the credential header carried.
pub(super) fn without_key(body: Bytes, credential: &HeaderValue) -> Bytes {
    let credential = credential.as_bytes();
    let key = credential.strip_prefix(b"Bearer ").unwrap_or(credential);
    let finder = Finder::new(key);
    if key.is_empty() || finder.find(&body).is_none() {
        return body;
    }
    let mut masked = BytesMut::from(&*body);
    for start in finder.find_iter(&body) {
        masked[start..start + key.len()].fill(MASK);
    }
    masked.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(body: &'static str, credential: &'static str) -> String {
        let body = without_key(Bytes::from_static(body.as_bytes()), &HeaderValue::from_static(credential));
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn every_occurrence_of_the_key_is_overwritten_in_its_length() {
        let body = r#"{"error":{"message":"sk-secret is bad: sk-secret"}}"#;
        let wanted = r#"{"error":{"message":"********* is bad: *********"}}"#;
        assert_eq!(concealed(body, "Bearer sk-secret"), wanted);
        assert_eq!(concealed(body, "sk-secret"), wanted);
    }

    #[test]
    fn everything_else_is_left_alone() {
        let body = r#"{"error":{"message":"Bearer sk-secre, ***"}}"#;
        assert_eq!(concealed(body, "Bearer sk-secret"), body);
        assert_eq!(concealed(body, ""), body);
        assert_eq!(concealed("a***a", "***"), "a***a");
        assert_eq!(concealed("", "sk-secret"), "");
    }
}
