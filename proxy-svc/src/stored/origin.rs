//! Where the client reached the gateway: for a URL in an answer that the client's library fetches.
//!
//! The authority is the one that the client named (`Host`, or `:authority`); `X-Forwarded-Host` is not read, because
//! the access key follows the URL, and a forged one would carry it away. The gateway itself speaks plain HTTP, so that a
//! TLS terminator in front of it is known by `X-Forwarded-Proto: https` (or HTTP/2's `:scheme`). Who forges that makes
//! the URL `https` at the same authority; nothing makes it less secure than it was.

use http::header;
use pingora::http::RequestHeader;

/// Scheme and authority; `None` where the request names no host, or none that can stand in a URL.
pub(crate) fn origin(request: &RequestHeader) -> Option<Box<str>> {
    let named = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = named.or_else(|| request.uri.authority().map(http::uri::Authority::as_str))?.trim();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return None;
    }
    let forwarded = request.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    // The first one is about the client, where several hops have added theirs.
    let forwarded = forwarded.and_then(|value| value.split(',').next()).map(str::trim);
    let secure = forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
        || request.uri.scheme_str() == Some("https");
    Some(if secure { format!("https://{authority}") } else { format!("http://{authority}") }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(target: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_uri(target.parse().unwrap());
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        origin(&request).map(Into::into)
    }

    #[test]
    fn it_is_the_host_that_the_client_named() {
        assert_eq!(seen("/", &[("host", "gw.test:8080")]).as_deref(), Some("http://gw.test:8080"));
        assert_eq!(seen("/", &[("host", "[::1]:8080")]).as_deref(), Some("http://[::1]:8080"));
        assert_eq!(seen("http://gw.test/v1", &[]).as_deref(), Some("http://gw.test"));
        let forged = [("host", "gw.test"), ("x-forwarded-host", "elsewhere.test")];
        assert_eq!(seen("/", &forged).as_deref(), Some("http://gw.test"));
    }

    #[test]
    fn a_tls_terminator_makes_it_https() {
        for scheme in ["https", "HTTPS", "https, http", " https "] {
            let headers = [("host", "gw.test"), ("x-forwarded-proto", scheme)];
            assert_eq!(seen("/", &headers).as_deref(), Some("https://gw.test"), "{scheme}");
        }
        assert_eq!(seen("https://gw.test/v1", &[]).as_deref(), Some("https://gw.test"));
        assert_eq!(seen("https://gw.test/v1", &[("x-forwarded-proto", "http")]).as_deref(), Some("https://gw.test"));
        assert_eq!(seen("/", &[("host", "gw.test"), ("x-forwarded-proto", "ftp")]).as_deref(), Some("http://gw.test"));
    }

    #[test]
    fn what_is_no_host_is_none() {
        for host in ["", "gw.test/path", "user@gw.test", "a\"b", "a b"] {
            assert_eq!(seen("/", &[("host", host)]), None, "{host}");
        }
        assert_eq!(seen("/", &[]), None);
    }
}
