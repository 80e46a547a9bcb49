//! What HTTP demands of a request's head beyond what Pingora looks at (RFC 9112, sections 3.2 and 6.1): whoever stands
//! in front of the gateway must have read it the same way. Pure.

use std::net::Ipv6Addr;

use http::{HeaderMap, HeaderValue, Version, header};
use pingora::http::RequestHeader;

use crate::respond::Refusal;

/// Nothing of a request that fails this is believed, so its connection closes.
pub(super) fn check(header: &RequestHeader) -> Result<(), Refusal> {
    check_scheme(header.raw_path())?;
    check_host(header)?;
    check_transfer_encoding(&header.headers)
}

/// A target may name the gateway too: that it is the same one as in `host`, Pingora has seen to.
fn check_scheme(target: &[u8]) -> Result<(), Refusal> {
    let has =
        |scheme: &str| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()));
    let is_absolute = !target.starts_with(b"/") && memchr::memmem::find(target, b"://").is_some();
    if !is_absolute || has("http://") || has("https://") { Ok(()) } else { Err(Refusal::other_scheme()) }
}

/// That there is only one, and that over HTTP/2 there is one, be it as `:authority`, Pingora has seen to.
fn check_host(header: &RequestHeader) -> Result<(), Refusal> {
    let authority = || header.uri.authority().map(|authority| authority.as_str().as_bytes());
    match header.headers.get(header::HOST).map(HeaderValue::as_bytes).or_else(authority) {
        Some(host) if is_authority(host) => Ok(()),
        Some(_) => Err(Refusal::malformed_host()),
        None if header.version == Version::HTTP_11 => Err(Refusal::host_missing()),
        None => Ok(()),
    }
}

/// RFC 3986, section 3.2, without user, without addresses of future versions, and without escapes, which no name in DNS
/// has.
fn is_authority(host: &[u8]) -> bool {
    let (name_is_valid, rest) = if let Some(literal) = host.strip_prefix(b"[") {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        let address = std::str::from_utf8(&literal[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        (address.is_some(), &literal[end + 1..])
    } else {
        let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
        (end > 0 && host[..end].iter().copied().all(is_in_name), &host[end..])
    };
    name_is_valid && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
}

const fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

fn is_port(digits: &[u8]) -> bool {
    // None is as good as the scheme's own.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let port = || std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
    digits.is_empty() || is_number && port().is_some()
}

/// Stricter than RFC 9110, section 5.6.1.2, in that an empty element is not passed over: readers differ in that.
/// That `chunked` comes last, and not over HTTP/1.0, Pingora has seen to; `content-length` counts for nothing beside it.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (mut chunked, mut others) = (0, 0);
    for coding in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        if coding.is_empty() {
            return Err(Refusal::malformed_transfer_encoding());
        }
        *if coding.eq_ignore_ascii_case(b"chunked") { &mut chunked } else { &mut others } += 1;
    }
    match (chunked, others) {
        (2.., _) => Err(Refusal::malformed_transfer_encoding()),
        (_, 1..) => Err(Refusal::transfer_coding_unsupported()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(version: Version, target: &str, headers: &[(&'static str, &[u8])]) -> Option<u16> {
        let mut header = RequestHeader::build("POST", target.as_bytes(), None).unwrap();
        header.set_version(version);
        for (name, value) in headers {
            header.append_header(*name, *value).unwrap();
        }
        let protocol = tollgate_dialect::Protocol::OpenAi;
        check(&header).err().map(|refusal| {
            assert!(refusal.closes_connection());
            tollgate_dialect::error::status(protocol, refusal.kind)
        })
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        let of = |host: &[u8]| refusal(Version::HTTP_11, "/", &[("host", host)]);
        for host in ["a", "gw.test:8080", "a_b.test.", "a:", "192.0.2.1:80", "[::1]", "[2001:db8::1]:443", "a:65535"] {
            assert_eq!(of(host.as_bytes()), None, "{host}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a\tb",
            "u@a",
            "a/b",
            "a?b",
            "a#b",
            "a:x",
            "a:65536",
            "a:+80",
            "a:8:0",
            "::1",
            "[::1",
            "[::1]80",
            "[a]",
            "a%20b",
            "a\\b",
            "<a>",
            "\u{e9}.test",
        ] {
            assert_eq!(of(host.as_bytes()), Some(400), "{host}");
        }
    }

    #[test]
    fn only_http_1_1_must_name_its_host_so() {
        assert_eq!(refusal(Version::HTTP_11, "/", &[]), Some(400));
        assert_eq!(refusal(Version::HTTP_11, "http://a/", &[]), Some(400));
        assert_eq!(refusal(Version::HTTP_10, "/", &[]), None);
        assert_eq!(refusal(Version::HTTP_2, "/", &[]), None);
        assert_eq!(refusal(Version::HTTP_10, "/", &[("host", b"a b")]), Some(400));
    }

    #[test]
    fn http_2_names_its_host_as_well() {
        for (target, is_refused) in [("https://a:8443/", false), ("http://a:x/", true)] {
            let mut header = RequestHeader::build("POST", b"/", None).unwrap();
            header.set_version(Version::HTTP_2);
            header.set_uri(target.parse().unwrap());
            assert_eq!(check(&header).is_err(), is_refused, "{target}");
        }
    }

    #[test]
    fn a_target_of_another_scheme_is_not_ours() {
        let to = |target: &str| refusal(Version::HTTP_11, target, &[("host", b"a")]);
        for target in ["/", "/x?y=ftp://z", "*", "http://a/", "HTTPS://a/"] {
            assert_eq!(to(target), None, "{target}");
        }
        assert_eq!(to("ftp://a/"), Some(400));
    }

    #[test]
    fn a_body_comes_in_chunks_and_in_nothing_else() {
        let coded = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| ("transfer-encoding", line.as_bytes()));
            let headers: Vec<_> = std::iter::once(("host", &b"a"[..])).chain(lines).collect();
            refusal(Version::HTTP_11, "/", &headers)
        };
        for (lines, status) in [
            (&["chunked"][..], None),
            (&[" Chunked "], None),
            (&["gzip, chunked"], Some(501)),
            (&["gzip", "chunked"], Some(501)),
            (&["identity,chunked"], Some(501)),
            (&["chunked, chunked"], Some(400)),
            (&["chunked", "chunked"], Some(400)),
            (&["gzip, chunked, chunked"], Some(400)),
            (&[", chunked"], Some(400)),
            (&["", "chunked"], Some(400)),
        ] {
            assert_eq!(coded(lines), status, "{lines:?}");
        }
    }
}
