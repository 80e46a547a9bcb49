//! A request's head as it comes off an HTTP/1 connection: how long it may take, how large it may be, and what is said of
//! one that cannot be read.

use pingora::{ErrorType, prelude::timeout, protocols::http::ServerSession};
use tollgate_dialect::{Protocol, endpoint};

use super::ConnectionSettings;
use crate::respond::Refusal;

/// The longest that [`http::Uri`] takes: of a longer one Pingora says only that it is none.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;

/// Why there is no request, and in whose words the client is told.
pub(super) struct Unreadable {
    pub(super) refusal: Refusal,
    pub(super) protocol: Protocol,
}

impl From<Refusal> for Unreadable {
    /// In the most common dialect.
    fn from(refusal: Refusal) -> Self {
        Self { refusal, protocol: Protocol::OpenAi }
    }
}

/// `Err(None)`: there is nobody to tell.
pub(super) async fn read(session: &mut ServerSession, settings: &ConnectionSettings) -> Result<(), Option<Unreadable>> {
    match timeout(settings.header, session.read_request()).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return Err(None),
        Ok(Err(error)) => return Err(unreadable(&error)),
        Err(_) => return Err(Some(Refusal::head_too_slow().into())),
    }
    let size = session.as_http1().map_or(0, |session| session.get_headers_raw_bytes().len());
    if size <= settings.max_header_bytes {
        return Ok(());
    }
    let header = session.req_header();
    let target_alone = header.raw_path().len() > settings.max_header_bytes;
    let refusal = if target_alone { Refusal::target_too_long() } else { Refusal::header_too_large() };
    let has = |name: &str| header.headers.contains_key(name);
    let protocol = endpoint::protocol(header.method.as_str(), header.uri.path(), has);
    Err(Some(Unreadable { refusal, protocol }))
}

fn unreadable(error: &pingora::Error) -> Option<Unreadable> {
    if *error.etype() != ErrorType::InvalidHTTPHeader {
        return None;
    }
    let target = error.context.as_ref().and_then(|context| context.as_str().strip_prefix("invalid uri "));
    if let Some(target) = target.filter(|target| target.len() > LONGEST_TARGET) {
        let path = target.split('?').next().unwrap_or(target);
        // Its header was not kept: the path alone tells.
        let protocol = endpoint::protocol("POST", path, |_| false);
        return Some(Unreadable { refusal: Refusal::target_too_long(), protocol });
    }
    let refusal = match error.root_cause().downcast_ref::<httparse::Error>() {
        Some(httparse::Error::TooManyHeaders) => Refusal::header_too_large(),
        Some(httparse::Error::Version) if names_version(error) => Refusal::version_unsupported(),
        _ if error.to_string().contains("Request header larger than") => Refusal::header_too_large(),
        _ => Refusal::malformed_head(),
    };
    Some(refusal.into())
}

/// Whether the request line ends in a version at all (RFC 9112, section 2.3); a minor one that is not known is not read by
/// Pingora either. Its context has the first 2 KiB of the head, with its line ends escaped.
fn names_version(error: &pingora::Error) -> bool {
    let Some(context) = &error.context else { return false };
    let line = context.as_str().split("\\n").next().unwrap_or_default();
    let last = line.strip_suffix("\\r").unwrap_or(line).rsplit(' ').next();
    let version = last.and_then(|last| last.strip_prefix("HTTP/"));
    matches!(version.map(str::as_bytes), Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}
