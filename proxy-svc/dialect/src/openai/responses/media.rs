//! Images and files: data URLs and base64 into their parts, and back.

use std::borrow::Cow;

use crate::canonical::{Media, Text};
use crate::translate::Rejected;

/// What stands in `image_url`, or in `file_data` as a data URL.
pub(super) fn from_url<'a>(name: &str, url: Text<'a>) -> Result<Media<'a>, Rejected> {
    match url {
        // Some clients escape each slash, which base64 has many of.
        Text::Escaped(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => {
            let Some(rest) = data_of(inner) else { return Ok(Media::Url { url, media_type: None }) };
            let (media_type, data) = parts(rest).ok_or_else(|| not_base64(name))?;
            Ok(Media::Inline { media_type: Text::Escaped(media_type), data: Text::Escaped(data) })
        }
        _ => {
            let decoded = url.decode();
            let Some(rest) = data_of(&decoded) else {
                return Ok(Media::Url { url: Text::from(decoded.into_owned()), media_type: None });
            };
            let (media_type, data) = parts(rest).ok_or_else(|| not_base64(name))?;
            let (media_type, data) = (media_type.to_owned(), data.to_owned());
            Ok(Media::Inline { media_type: Text::from(media_type), data: Text::from(data) })
        }
    }
}

fn not_base64(name: &str) -> Rejected {
    Rejected::new(name, format!("`{name}` must be base64 when it is a data URL"))
}

/// What follows the scheme of a data URL.
fn data_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_at_checked(5)?;
    scheme.eq_ignore_ascii_case("data:").then_some(rest)
}

/// The media type and the base64; `None` when it is another encoding.
fn parts(rest: &str) -> Option<(&str, &str)> {
    let (head, data) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next().unwrap_or_default().trim();
    Some((if media_type.is_empty() { "application/octet-stream" } else { media_type }, data))
}

/// What `file_data` holds: a data URL, or base64 of a file whose kind its name tells.
pub(super) fn from_file_data<'a>(data: Text<'a>, file_name: Option<&Text<'_>>) -> Result<Media<'a>, Rejected> {
    match from_url("file_data", data)? {
        Media::Url { url: data, .. } => {
            let media_type = file_name.map_or(PDF, |name| media_type_of(&name.decode()));
            Ok(Media::Inline { media_type: Text::Escaped(media_type), data })
        }
        inline => Ok(inline),
    }
}

const PDF: &str = "application/pdf";

/// By the ending of the name; most files that models read are PDF.
fn media_type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "log" => "text/plain",
        "md" | "markdown" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "xml" => "text/xml",
        "json" => "application/json",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => PDF,
    }
}

/// A name for a file that has none: OpenAI wants one, with the ending that fits.
pub(super) fn file_name_for(media_type: &str) -> Cow<'static, str> {
    let ending = match media_type.split(';').next().unwrap_or_default().trim() {
        "text/plain" => "txt",
        "text/markdown" => "md",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/xml" | "application/xml" => "xml",
        "application/json" => "json",
        _ => return Cow::Borrowed("document.pdf"),
    };
    Cow::Owned(format!("document.{ending}"))
}

/// As a data URL, or as the URL that it is.
pub(super) fn to_url<'m>(media: &'m Media<'_>) -> Cow<'m, str> {
    match media {
        Media::Inline { media_type, data } => {
            Cow::Owned(format!("data:{};base64,{}", media_type.decode(), data.decode()))
        }
        Media::Url { url, .. } => url.decode(),
        Media::Plain(text) => {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(text.decode().as_bytes());
            Cow::Owned(format!("data:text/plain;base64,{encoded}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline<'a>(media_type: &'a str, data: &'a str) -> Media<'a> {
        Media::Inline { media_type: Text::from(media_type), data: Text::from(data) }
    }

    #[test]
    fn data_urls_are_taken_apart() {
        let read = |url: &'static str| from_url("image_url", Text::Escaped(url));
        assert_eq!(read("data:image/png;base64,AA+/").unwrap(), inline("image/png", "AA+/"));
        assert_eq!(read(r"data:image\/png;base64,AA\/\/").unwrap(), inline("image/png", "AA//"));
        assert_eq!(read("DATA:text/plain;charset=utf-8;base64,QQ==").unwrap(), inline("text/plain", "QQ=="));
        assert_eq!(read("https://a/b").unwrap(), Media::Url { url: Text::from("https://a/b"), media_type: None });
        assert_eq!(read(r"https:\/\/a").unwrap(), Media::Url { url: Text::from("https://a"), media_type: None });
        assert_eq!(read("data:image/png,%00").unwrap_err().param, "image_url");
        assert_eq!(read("data:image/png;base64").unwrap_err().param, "image_url");
        assert_eq!(read("ä").unwrap(), Media::Url { url: Text::from("ä"), media_type: None });
    }

    #[test]
    fn a_files_kind_is_told_by_its_name() {
        let csv = Text::from("A.CSV");
        assert_eq!(from_file_data(Text::from("QQ=="), Some(&csv)).unwrap(), inline("text/csv", "QQ=="));
        assert_eq!(from_file_data(Text::from("QQ=="), None).unwrap(), inline("application/pdf", "QQ=="));
        let url = Text::Escaped("data:text/plain;base64,QQ==");
        assert_eq!(from_file_data(url, Some(&csv)).unwrap(), inline("text/plain", "QQ=="));
        assert_eq!(file_name_for("text/plain; charset=utf-8"), "document.txt");
    }

    #[test]
    fn urls_come_back_as_they_were() {
        assert_eq!(to_url(&inline("image/png", "AA+/")), "data:image/png;base64,AA+/");
        assert_eq!(to_url(&Media::Plain(Text::Escaped("a\\n"))), "data:text/plain;base64,YQo=");
    }
}
