//! Where a picture may come from, and of what kind it may be.

use super::super::error::ApiError;

const KINDS: [&str; 4] = ["png", "jpeg", "gif", "webp"];

/// An address on the web, or a picture in the address itself.
pub(super) fn check(url: &str, at: &str) -> Result<(), ApiError> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    let wrong = |message: &str, code| Err(ApiError::invalid(at, message).code(code));
    let Some((media, _)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) else {
        return wrong(
            "Invalid image URL. Expected a valid URL, but got a value with an invalid format.",
            "invalid_image_url",
        );
    };
    let kind = media.strip_prefix("image/").map(|kind| if kind == "jpg" { "jpeg" } else { kind });
    if kind.is_some_and(|kind| KINDS.contains(&kind)) {
        return Ok(());
    }
    wrong(
        "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
        "invalid_image_format",
    )
}
