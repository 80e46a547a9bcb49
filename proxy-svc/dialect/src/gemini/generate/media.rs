//! Images, sound and documents: `inlineData` and `fileData`, both ways.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine};

use super::members::{members, settle};
use crate::canonical::{Block, Media, Text};
use crate::json::Value;
use crate::json::write::Object;
use crate::translate::{Note, Rejected, read};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `inlineData`. The type decides what it is.
pub(super) fn read_inline<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut media_type, mut data) = (None, None);
    for (name, value) in members("inlineData", value)? {
        match &*name {
            "mimeType" => media_type = Some(read::text(&name, value)?),
            "data" => data = Some(standard_alphabet(read::text(&name, value)?)),
            _ => settle("contents.parts.inlineData", &name, value, notes)?,
        }
    }
    let media_type = media_type.ok_or_else(|| Rejected::missing("mimeType"))?;
    let data = data.ok_or_else(|| Rejected::missing("data"))?;
    let cache = None;
    match Class::of(&media_type) {
        Class::Image => Ok(Block::Image { media: Media::Inline { media_type, data }, detail: None, cache }),
        Class::Audio(format) => Ok(Block::Audio { data, format: Text::from(format) }),
        Class::Pdf => Ok(Block::Document { media: Media::Inline { media_type, data }, name: None, cache }),
        Class::PlainText => {
            let plain = LENIENT.decode(data.decode().as_bytes()).ok().and_then(|text| String::from_utf8(text).ok());
            let plain = plain.ok_or_else(|| Rejected::new("data", "`data` must be base64 of a text in UTF-8"))?;
            Ok(Block::Document { media: Media::Plain(Text::from(plain)), name: None, cache })
        }
        Class::Other => Err(untranslatable(&media_type)),
    }
}

/// `fileData`. What is stored at Google cannot be read by others.
pub(super) fn read_file<'a>(value: Value<'a>, notes: &mut Vec<Note>) -> Result<Block<'a>, Rejected> {
    let (mut media_type, mut url) = (None, None);
    for (name, value) in members("fileData", value)? {
        match &*name {
            "mimeType" => media_type = Some(read::text(&name, value)?),
            "fileUri" => url = Some(read::text(&name, value)?),
            _ => settle("contents.parts.fileData", &name, value, notes)?,
        }
    }
    let url = url.ok_or_else(|| Rejected::missing("fileUri"))?;
    let address = url.decode();
    if !(address.starts_with("https://") || address.starts_with("http://")) || is_at_google(&address) {
        let message = "`fileUri` is a file at Google, which this model's provider cannot read";
        return Err(Rejected::new("fileUri", message));
    }
    let class = match &media_type {
        Some(media_type) => Class::of(media_type),
        None => Class::of(&Text::from(guess(&address).unwrap_or("application/pdf"))),
    };
    let cache = None;
    match (class, media_type) {
        (Class::Image, media_type) => {
            drop(address);
            Ok(Block::Image { media: Media::Url { url, media_type }, detail: None, cache })
        }
        (Class::Pdf | Class::PlainText, media_type) => {
            drop(address);
            Ok(Block::Document { media: Media::Url { url, media_type }, name: None, cache })
        }
        (Class::Audio(_) | Class::Other, media_type) => Err(untranslatable(&media_type.unwrap_or(Text::EMPTY))),
    }
}

fn untranslatable(media_type: &Text<'_>) -> Rejected {
    let shown: String = media_type.decode().chars().filter(|shown| !shown.is_control()).take(100).collect();
    Rejected::new("mimeType", format!("`mimeType` `{shown}` cannot be translated for this model's provider"))
}

fn is_at_google(address: &str) -> bool {
    address.contains("://generativelanguage.googleapis.com/")
        || address.contains("://www.youtube.com/")
        || address.contains("://youtu.be/")
}

enum Class {
    Image,
    /// And its name at OpenAI.
    Audio(String),
    Pdf,
    PlainText,
    Other,
}

impl Class {
    fn of(media_type: &Text<'_>) -> Self {
        let lower = media_type.decode().to_ascii_lowercase();
        let essence = lower.split(';').next().unwrap_or_default().trim();
        match essence.split_once('/') {
            Some(("image", _)) => Self::Image,
            Some(("audio", "wave" | "x-wav" | "vnd.wave")) => Self::Audio("wav".to_owned()),
            Some(("audio", "mpeg" | "mpga" | "x-mp3")) => Self::Audio("mp3".to_owned()),
            Some(("audio", format)) => Self::Audio(format.strip_prefix("x-").unwrap_or(format).to_owned()),
            Some(("application", "pdf")) => Self::Pdf,
            Some(
                ("text", _)
                | ("application", "json" | "xml" | "javascript" | "x-javascript" | "x-python" | "x-typescript"),
            ) => Self::PlainText,
            _ => Self::Other,
        }
    }
}

/// Google's Python SDK writes bytes in the alphabet for URLs, which no other provider reads.
fn standard_alphabet(data: Text<'_>) -> Text<'_> {
    let decoded = data.decode();
    if memchr::memchr2(b'-', b'_', decoded.as_bytes()).is_none() {
        return data;
    }
    let standard: String = decoded
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    Text::from(standard)
}

/// The type that the end of an address speaks for.
fn guess(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "mp4" | "mov" | "webm" | "mpeg" => "video/mp4",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        _ => return None,
    })
}

/// As members of a part. `fallback` is the type of an address that says none.
pub(super) fn write(part: &mut Object<'_>, media: &Media<'_>, fallback: &str) {
    match media {
        Media::Inline { media_type, data } => {
            part.object("inlineData").text("mimeType", media_type).text("data", data);
        }
        Media::Url { url, media_type } => {
            let address = url.decode();
            let media_type = match media_type {
                Some(media_type) => media_type.clone(),
                None => Text::from(guess(&address).unwrap_or(fallback)),
            };
            part.object("fileData").text("mimeType", &media_type).text("fileUri", url);
        }
        Media::Plain(text) => {
            let data = STANDARD.encode(text.decode().as_bytes());
            part.object("inlineData").string("mimeType", "text/plain").string("data", &data);
        }
    }
}

/// Sound, by OpenAI's name of its format.
pub(super) fn write_audio(part: &mut Object<'_>, data: &Text<'_>, format: &Text<'_>) {
    let mut media_type = Cow::Borrowed("audio/");
    media_type.to_mut().push_str(&format.decode());
    part.object("inlineData").string("mimeType", &media_type).text("data", data);
}
