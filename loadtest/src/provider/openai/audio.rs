//! `/v1/audio/*`: speech is bytes out, transcription and translation are bytes in.

use serde_json::Value;

use super::super::answer::tokens_of;
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{array, object};
use super::super::multipart::Form;
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::usage::{Generated, Usage};
use super::{known, model};

const SPEECH_BYTES_PER_CHARACTER: usize = 200;
const MAX_SPEECH_BYTES: usize = 4 << 20;
const SPEECH_CHUNK_BYTES: usize = 4096;
const AUDIO_BYTES_PER_TOKEN: u64 = 1600;

/// The bytes of an "MP3": a frame's sync word, then a pattern that shows where each byte belongs.
pub(crate) fn speech(context: &Context, body: &Value) -> Result<Draft, ApiError> {
    let (name, _) = model(context, body)?;
    let input = body
        .get("input")
        .and_then(Value::as_str)
        .filter(|input| !input.is_empty())
        .ok_or_else(|| ApiError::invalid("input", "Missing required parameter: 'input'."))?;
    if body.get("voice").is_none() {
        return Err(ApiError::invalid("voice", "Missing required parameter: 'voice'."));
    }
    let content_type = match body.get("response_format").and_then(Value::as_str) {
        Some("wav") => "audio/wav",
        Some("opus") => "audio/opus",
        Some("flac") => "audio/flac",
        Some("aac") => "audio/aac",
        Some("pcm") => "audio/pcm",
        _ => "audio/mpeg",
    };
    let length = (input.len() * SPEECH_BYTES_PER_CHARACTER).min(MAX_SPEECH_BYTES);
    let mut bytes = vec![0xff, 0xfb, 0x90, 0x64];
    bytes.extend((bytes.len()..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or_default()));
    let usage = Usage { input_uncached: tokens_of(input.len()), ..Usage::default() };
    // It has no length: the real thing sends audio while it is being made.
    let chunk = |part: &[u8]| Chunk::new(part.to_vec(), Generated::default(), true);
    let chunks = bytes.chunks(SPEECH_CHUNK_BYTES).map(chunk).collect();
    Ok(Draft::stream(Protocol::OpenAi, content_type, chunks).costing(usage, name))
}

pub(crate) fn transcriptions(context: &Context, incoming: &Incoming) -> Result<Draft, ApiError> {
    let form = Form::of(incoming).ok_or_else(|| ApiError::new(400, "Could not parse multipart form"))?;
    let name = form.text("model").ok_or_else(|| ApiError::new(400, "you must provide a model parameter"))?;
    known(context, &name)?;
    let file = form.part("file").ok_or_else(|| ApiError::invalid("file", "Missing required parameter: 'file'."))?;
    let size = file.content.len() as u64;
    let said = format!("A recording of {size} bytes named {}.", file.file_name.as_deref().unwrap_or("unnamed"));
    let seconds = (size / 16_000).max(1);
    let by_token = !name.starts_with("whisper");
    let audio = size.div_ceil(AUDIO_BYTES_PER_TOKEN).max(1);
    let usage = Usage { input_uncached: audio, audio_input: audio, output: tokens_of(said.len()), ..Usage::default() };
    let told = if by_token {
        object! {
            "type": "tokens",
            "input_tokens": audio,
            "input_token_details": object! { "text_tokens": 0, "audio_tokens": audio },
            "output_tokens": usage.output,
            "total_tokens": audio + usage.output,
        }
    } else {
        object! { "type": "duration", "seconds": seconds }
    };
    let draft = match form.text("response_format").as_deref() {
        Some("text") => Draft::bytes(Protocol::OpenAi, "text/plain; charset=utf-8", format!("{said}\n").into_bytes()),
        Some("srt") => {
            let text = format!("1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n");
            Draft::bytes(Protocol::OpenAi, "text/plain; charset=utf-8", text.into_bytes())
        }
        Some("vtt") => {
            let text = format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{said}\n\n");
            Draft::bytes(Protocol::OpenAi, "text/vtt; charset=utf-8", text.into_bytes())
        }
        Some("verbose_json") => {
            let body = object! {
                "task": "transcribe", "language": "english", "duration": f64::from(u32::try_from(seconds).unwrap_or(1)),
                "text": &said, "segments": array![], "usage": told,
            };
            Draft::json(Protocol::OpenAi, &body)
        }
        _ => Draft::json(Protocol::OpenAi, &object! { "text": &said, "usage": told }),
    };
    Ok(draft.costing(if by_token { usage } else { Usage::default() }, &name))
}
