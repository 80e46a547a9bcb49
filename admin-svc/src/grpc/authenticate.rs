//! Proxies prove themselves by the join token, in the metadata entry `authorization: Bearer …`.

use ring::{digest, hmac};
use tollgate_shared::secret::Secret;
use tonic::{Request, Status, service::Interceptor};

/// Refuses calls without the join token.
#[derive(Clone)]
pub(super) struct RequireJoinToken {
    key: hmac::Key,
    expected: hmac::Tag,
}

impl RequireJoinToken {
    pub(super) fn new(join_token: &Secret) -> Self {
        let digest = digest::digest(&digest::SHA256, join_token.expose().as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, digest.as_ref());
        let expected = hmac::sign(&key, join_token.expose().as_bytes());
        Self { key, expected }
    }

    /// Compares MACs, in constant time, so that neither the token's length nor its start can be found by timing.
    fn accepts(&self, token: &str) -> bool {
        hmac::verify(&self.key, token.as_bytes(), self.expected.as_ref()).is_ok()
    }
}

impl Interceptor for RequireJoinToken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let entry = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token = entry.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        match token {
            Some(token) if self.accepts(token) => Ok(request),
            _ => Err(Status::unauthenticated("the join token is missing or wrong")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(header: Option<&str>) -> Result<Request<()>, Status> {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().unwrap());
        }
        RequireJoinToken::new(&Secret::new("join-token".to_owned())).call(request)
    }

    #[test]
    fn only_the_join_token_passes() {
        assert!(call(Some("Bearer join-token")).is_ok());
        assert!(call(Some("bearer join-token")).is_ok());
        for header in [None, Some("Bearer join-toke"), Some("Bearer "), Some("join-token"), Some("Basic join-token")] {
            assert_eq!(call(header).unwrap_err().code(), tonic::Code::Unauthenticated, "{header:?}");
        }
    }
}
