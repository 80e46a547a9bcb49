//! A caller's request, written for every target.

use tollgate_dialect::error::{self, ErrorBody, ErrorKind};
use tollgate_dialect::translate::{
    Caller, Format, Rejected, Seal, Task, Written, echo, estimate_tokens, header_value, may_hold_sealed,
    prefers_responses, read_count_request, read_request, write_count_request, write_request,
};
use tollgate_dialect::{endpoint, request};

use super::{PROTOCOLS, Turned, digest, json, target, targets};

pub fn check(format: Format, data: &[u8]) {
    let scanned = request::scan(data);
    let caller = Caller { stream_in_path: digest(data).is_multiple_of(2), seal: &Turned };
    let written = written(format, data, &caller);
    if scanned.is_err() {
        assert!(written.is_empty(), "a request was read that is no JSON object");
    }
    let echo = echo(Task::Conversation(format), data);
    json::parse(&[b"{", &*echo, b"}"].concat(), "the echo");
    may_hold_sealed(data);
    for (to, body) in written {
        let again = Caller { stream_in_path: false, seal: &Turned };
        if let Err(rejected) = read_request(to, &body, &again)
            && is_of_shape(&rejected)
        {
            panic!("what was written for {} is not read there: {rejected}\n{}", to.as_str(), text(&body));
        }
    }
}

/// The body has not the shape of a request. That a value is none that the provider takes (a file that is nowhere, a
/// media type that does not exist) is the caller's own fault.
fn is_of_shape(rejected: &Rejected) -> bool {
    const ENDS: [&str; 7] =
        ["is required", "a boolean", "a number", "a string", "an array", "an object", "must not be empty"];
    ENDS.iter().any(|end| rejected.message.ends_with(end))
}

fn written(format: Format, data: &[u8], caller: &Caller<'_>) -> Vec<(Format, Vec<u8>)> {
    let mut all = Vec::new();
    match read_request(format, data, caller) {
        Ok(request) => {
            prefers_responses(&request);
            estimate_tokens(&request);
            for which in targets(data) {
                match write_request(&request, &target(which)) {
                    Ok(written) => all.push((which.0, valid(written, which.1))),
                    Err(rejected) => refusal(&rejected),
                }
                if let Ok(Some(written)) = write_count_request(&request, &target(which)) {
                    valid(written, which.1);
                }
            }
        }
        Err(rejected) => refusal(&rejected),
    }
    if let Err(rejected) = read_count_request(format, data, caller) {
        refusal(&rejected);
    }
    all
}

fn valid(written: Written, model: &str) -> Vec<u8> {
    let what = format!("the body for {model}");
    assert!(json::parse(&written.body, &what).is_object(), "{what} is no object");
    assert!(written.path.starts_with('/'), "{}", written.path);
    let path = format!("/v1{}", written.path.split('?').next().unwrap_or_default());
    let found = endpoint::recognise("POST", &path, |_| false);
    assert!(found.is_ok(), "{path}");
    if let Some(value) = header_value(&written.notes) {
        let is_value = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_value && value.len() < 1100, "{value:?} is no value of a header");
    }
    written.body
}

/// What a caller is told of it.
fn refusal(rejected: &Rejected) {
    assert!(!rejected.message.is_empty(), "a refusal without a word");
    for protocol in PROTOCOLS {
        let error = ErrorBody {
            kind: ErrorKind::InvalidRequest,
            message: &rejected.message,
            param: Some(&rejected.param),
            request_id: "r",
            retry_after_ms: None,
        };
        json::parse(&error::render(protocol, &error).2, "the refusal");
    }
}

/// The body for one target, for those who look at it.
pub fn write(format: Format, data: &[u8], seal: &dyn Seal, to: Format, model: &str) -> Result<Vec<u8>, Rejected> {
    let request = read_request(format, data, &Caller { stream_in_path: false, seal })?;
    Ok(write_request(&request, &target((to, model, false)))?.body)
}

fn text(body: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}
