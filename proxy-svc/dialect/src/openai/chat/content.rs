//! Shapes of content that requests and answers share: URLs of media, and thoughts among a message's parts.

use crate::canonical::{Media, Text};
use crate::json::Value;
use crate::translate::Rejected;

/// A blank line, between texts that one field has to hold.
pub(super) static BREAK: Text<'static> = Text::Escaped("\\n\\n");

/// The part of a URL up to its data, and the data; `None` when it is no data URL.
fn split_data<'a>(url: &Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let is_data = |text: &str| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    match url {
        Text::Escaped(inner) if is_data(inner) => {
            let (head, data) = inner.split_once(',').unwrap_or((inner, ""));
            Some((Text::Escaped(head), Text::Escaped(data)))
        }
        Text::Plain(text) if is_data(text) => {
            let (head, data) = text.split_once(',').unwrap_or((text, ""));
            Some((Text::from(head.to_owned()), Text::from(data.to_owned())))
        }
        _ => None,
    }
}

/// Whether a text is a URL, with its data in it or not.
pub(super) fn is_url(text: &Text<'_>) -> bool {
    split_data(text).is_some() || has_scheme(text)
}

/// Base64 has no colon.
fn has_scheme(text: &Text<'_>) -> bool {
    let written = match text {
        Text::Escaped(inner) => inner,
        Text::Plain(text) => &**text,
    };
    written.bytes().take(32).any(|byte| byte == b':')
}

/// The media that a URL stands for.
pub(super) fn media<'a>(param: &str, url: Text<'a>) -> Result<Media<'a>, Rejected> {
    let Some((head, data)) = split_data(&url) else {
        return if has_scheme(&url) {
            Ok(Media::Url { url, media_type: None })
        } else {
            Err(Rejected::new(param, format!("`{param}` must be a URL or a data URL")))
        };
    };
    let decoded = head.decode();
    let mut parameters = decoded.get(5..).unwrap_or_default().split(';');
    let media_type = parameters.next().unwrap_or_default().trim().to_owned();
    if media_type.is_empty() || !parameters.any(|parameter| parameter.trim().eq_ignore_ascii_case("base64")) {
        let message = format!("`{param}` must be a data URL that says its media type and is encoded as base64");
        return Err(Rejected::new(param, message));
    }
    Ok(Media::Inline { media_type: Text::from(media_type.to_ascii_lowercase()), data })
}

/// What a file without a media type is, by the end of its name.
pub(super) fn media_type(name: Option<&Text<'_>>) -> &'static str {
    let name = name.map(|name| name.decode().to_ascii_lowercase()).unwrap_or_default();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        _ => "application/pdf",
    }
}

/// Gives the texts of a part that Mistral's models think in: a text, or a list of text parts.
pub(super) fn each_thought<'a>(value: Value<'a>, give: &mut dyn FnMut(Text<'a>)) {
    match value.text() {
        Some(text) => give(text),
        None => value.elements().filter_map(|part| part.get("text").and_then(Value::text)).for_each(give),
    }
}
