//! A provider's base URL, taken apart once.

use std::str::FromStr;

use http::{HeaderValue, Uri};

use crate::snapshot::BaseUrl;

/// Why a text is not a base URL. The text itself is not quoted: somebody may have put a password into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    #[error("not a URL such as https://api.example.com")]
    Form,
    #[error("must begin with https:// or http://")]
    Scheme,
    #[error("must not hold a user or a password")]
    UserInformation,
    #[error("must not have a query or a fragment")]
    Query,
    #[error("not a usable port")]
    Port,
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        if text.contains(['#', '?']) {
            return Err(InvalidBaseUrl::Query);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidBaseUrl::Form)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidBaseUrl::Scheme),
        };
        let authority = uri.authority().ok_or(InvalidBaseUrl::Form)?;
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl::UserInformation);
        }
        let bracketed = authority.host().to_ascii_lowercase();
        let host = bracketed.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&bracketed);
        if host.is_empty() {
            return Err(InvalidBaseUrl::Form);
        }
        let own_port = if https { 443 } else { 80 };
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None | Some("") => own_port,
            Some(digits) => digits.parse().map_err(|_| InvalidBaseUrl::Port)?,
        };
        if port == 0 {
            return Err(InvalidBaseUrl::Port);
        }
        let written = if port == own_port { bracketed.clone() } else { format!("{bracketed}:{port}") };
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            https,
            host: host.into(),
            port,
            authority: HeaderValue::try_from(written).map_err(|_| InvalidBaseUrl::Form)?,
            path_prefix: (!path.is_empty()).then(|| path.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String, Option<String>) {
        let BaseUrl { https, host, port, authority, path_prefix } = text.parse().unwrap();
        (https, host.into(), port, authority.to_str().unwrap().to_owned(), path_prefix.map(Into::into))
    }

    #[test]
    fn origins_and_prefixes_are_taken_apart() {
        let https = |host: &str, port, authority: &str, prefix: Option<&str>| {
            (true, host.to_owned(), port, authority.to_owned(), prefix.map(str::to_owned))
        };
        assert_eq!(parts("https://api.openai.com"), https("api.openai.com", 443, "api.openai.com", None));
        assert_eq!(parts("https://API.OpenAI.com:443/"), https("api.openai.com", 443, "api.openai.com", None));
        assert_eq!(parts("https://h:8443"), https("h", 8443, "h:8443", None));
        assert_eq!(
            parts("https://[2001:db8::1]:8443/x/"),
            https("2001:db8::1", 8443, "[2001:db8::1]:8443", Some("/x"))
        );
        assert_eq!(
            parts("https://example.com/compatible-mode/v1"),
            https("example.com", 443, "example.com", Some("/compatible-mode/v1"))
        );
        assert_eq!(parts("http://127.0.0.1:80"), (false, "127.0.0.1".into(), 80, "127.0.0.1".into(), None));
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for (text, error) in [
            ("", InvalidBaseUrl::Form),
            ("api.openai.com", InvalidBaseUrl::Scheme),
            ("/v1", InvalidBaseUrl::Scheme),
            ("ftp://host", InvalidBaseUrl::Scheme),
            ("https://", InvalidBaseUrl::Form),
            ("https://user:password@host", InvalidBaseUrl::UserInformation),
            ("https://host?key=1", InvalidBaseUrl::Query),
            ("https://host/#top", InvalidBaseUrl::Query),
            ("https://host:0", InvalidBaseUrl::Port),
            ("https://host:70000", InvalidBaseUrl::Port),
            ("https://ho st", InvalidBaseUrl::Form),
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        }
    }
}
