//! The signature base (RFC 9421, section 2.5): the text that a signature is made over. Pure.
//!
//! TLS may end at a balancer in front of the gateway, so that the client signed `https://` where the gateway sees plain
//! HTTP. Which of the two it was is not asked of a header that anybody may write; both are tried. Nothing is lost by
//! that: the scheme is the one part of the address that does not say what is asked for or of whom, and a signature that
//! was made for the other scheme was still made by the owner of the key, for this authority, path and query.

use std::fmt::Write;

use http::header;
use pingora::http::RequestHeader;

use super::{SignatureError, combined, input::Input};

/// The parts of a request that may be covered.
pub(super) struct Message<'a> {
    header: &'a RequestHeader,
    /// As the client named it: `Host`, or HTTP/2's `:authority`.
    authority: &'a str,
    path_and_query: &'a str,
}

impl<'a> Message<'a> {
    pub(super) fn new(header: &'a RequestHeader) -> Result<Self, SignatureError> {
        let named = header.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = named.or_else(|| header.uri.authority().map(http::uri::Authority::as_str)).map(str::trim);
        let authority = authority.filter(|authority| !authority.is_empty());
        let authority = authority.ok_or_else(|| SignatureError::unsupported("the request names no host"))?;
        let path_and_query = header.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self { header, authority, path_and_query })
    }

    pub(super) fn signature_base(&self, input: &Input, scheme: &str) -> Result<String, SignatureError> {
        let mut base = String::with_capacity(512);
        for name in &input.components {
            let value = self.component(name, scheme)?;
            // Writing to a text does not fail.
            let _ = writeln!(base, "\"{name}\": {value}");
        }
        let _ = write!(base, "\"@signature-params\": {}", input.parameters);
        Ok(base)
    }

    fn component(&self, name: &str, scheme: &str) -> Result<String, SignatureError> {
        let (path, query) = self.path_and_query.split_once('?').unwrap_or((self.path_and_query, ""));
        Ok(match name {
            "@method" => self.header.method.as_str().to_owned(),
            "@target-uri" => format!("{scheme}://{}{}", self.authority, self.path_and_query),
            "@authority" => normalised(self.authority, scheme),
            "@scheme" => scheme.to_owned(),
            "@request-target" => self.path_and_query.to_owned(),
            "@path" => path.to_owned(),
            "@query" => format!("?{query}"),
            derived if derived.starts_with('@') => {
                return Err(SignatureError::unsupported(format!("the component `{derived}` is not understood")));
            }
            field => combined(&self.header.headers, field).ok_or_else(|| {
                SignatureError::unsupported(format!("it covers `{field}`, which the request does not have"))
            })?,
        })
    }
}

/// Lower case, without the scheme's own port (RFC 9421, section 2.2.3).
fn normalised(authority: &str, scheme: &str) -> String {
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(own_port).unwrap_or(authority).to_ascii_lowercase()
}
