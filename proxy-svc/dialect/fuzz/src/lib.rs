//! What the fuzz targets hold the translation to, and a mutator that keeps JSON whole. The crate's own tests run the
//! same over the fixtures and mutations of them (`tests/robustness.rs`).
//!
//! Every function takes any bytes and panics when something that must always hold does not: what is written is valid,
//! what the gateway writes it can read again, and how a stream is cut changes nothing.

use tollgate_dialect::Protocol;
use tollgate_dialect::translate::{Format, Seal, Target, Terms};

pub mod answers;
pub mod bytes;
pub mod errors;
pub mod events;
pub mod json;
pub mod mutate;
pub mod requests;
pub mod signatures;
pub mod streams;

/// One target of a fuzzer.
pub struct Check {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// The folder of the fixtures that it begins with.
    pub seeds: &'static str,
    /// Its input is a document, which is best mutated as one.
    pub is_json: bool,
}

macro_rules! check {
    ($name:literal, $seeds:literal, $is_json:literal, $run:expr) => {
        Check { name: $name, run: $run, seeds: $seeds, is_json: $is_json }
    };
}

pub const CHECKS: &[Check] = &[
    check!("chat_request", "chat/requests", true, |data| requests::check(Format::Chat, data)),
    check!("responses_request", "responses/requests", true, |data| requests::check(Format::Responses, data)),
    check!("messages_request", "messages/requests", true, |data| requests::check(Format::Messages, data)),
    check!("generate_request", "generate/requests", true, |data| requests::check(Format::Generate, data)),
    check!("chat_answer", "chat/answers", true, |data| answers::check(Format::Chat, data)),
    check!("responses_answer", "responses/answers", true, |data| answers::check(Format::Responses, data)),
    check!("messages_answer", "messages/answers", true, |data| answers::check(Format::Messages, data)),
    check!("generate_answer", "generate/answers", true, |data| answers::check(Format::Generate, data)),
    check!("chat_stream", "chat/streams", false, |data| streams::check(Format::Chat, data)),
    check!("responses_stream", "responses/streams", false, |data| streams::check(Format::Responses, data)),
    check!("messages_stream", "messages/streams", false, |data| streams::check(Format::Messages, data)),
    check!("generate_stream", "generate/streams", false, |data| streams::check(Format::Generate, data)),
    check!("signatures", "signatures", false, signatures::check),
    check!("errors", "errors", true, errors::check),
    check!("bytes", "chat/streams", false, bytes::check),
];

/// Defines the entry points of a target: every second mutation keeps the JSON whole.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run($name, data));

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let mutated = if seed.is_multiple_of(2) { $crate::mutate($name, &data[..size], seed) } else { None };
            match mutated {
                Some(mutated) if mutated.len() <= max_size => {
                    data[..mutated.len()].copy_from_slice(&mutated);
                    mutated.len()
                }
                _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
            }
        });
    };
}

/// The check of a name.
fn named(name: &str) -> &'static Check {
    let check = CHECKS.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("there is no check named {name}"))
}

/// Mutates the input of a check; `None` where it is not what the check expects.
pub fn mutate(name: &str, data: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut random = mutate::Random::new(seed.into());
    if named(name).is_json { mutate::document(data, &mut random) } else { Some(mutate::stream(data, &mut random)) }
}

/// Runs the check of a name.
pub fn run(name: &str, data: &[u8]) {
    (named(name).run)(data);
}

/// Some upstreams of each format, of models that take different things.
pub const TARGETS: &[(Format, &str, bool)] = &[
    (Format::Chat, "gpt-4.1-mini", false),
    (Format::Chat, "gpt-5.2", false),
    (Format::Chat, "deepseek-reasoner", true),
    (Format::Responses, "gpt-4.1-mini", false),
    (Format::Responses, "gpt-5.2", false),
    (Format::Messages, "claude-3-5-haiku-latest", false),
    (Format::Messages, "claude-sonnet-4-5", false),
    (Format::Messages, "claude-opus-5", false),
    (Format::Generate, "gemini-2.0-flash", false),
    (Format::Generate, "gemini-2.5-flash", false),
    (Format::Generate, "gemini-3-pro-preview", false),
];

/// One of each format; which, depends on the input.
pub fn targets(data: &[u8]) -> impl Iterator<Item = (Format, &'static str, bool)> {
    let chosen = digest(data);
    Format::ALL.into_iter().filter_map(move |format| {
        let of_format: Vec<_> = TARGETS.iter().filter(|target| target.0 == format).collect();
        of_format.get(chosen % of_format.len()).copied().copied()
    })
}

pub fn target((format, model, is_compatible): (Format, &str, bool)) -> Target<'_> {
    Target { format, model, is_compatible, default_max_tokens: None }
}

pub const PROTOCOLS: [Protocol; 3] = Protocol::ALL;

pub fn terms<'a>(seal: &'a dyn Seal, echo: &'a [u8]) -> Terms<'a> {
    Terms {
        id: "0193a5c0-7b1e-7d3a-9c55-1f2e3d4c5b6a",
        created: 1_795_000_000,
        model: "the-model",
        include_usage: true,
        events: true,
        echo,
        seal,
    }
}

/// Turns bytes round behind a mark, and opens whatever has the mark: no cryptography stands before the codecs.
pub struct Turned;

const MARK: &[u8] = b"\xff\x01";

impl Seal for Turned {
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        MARK.iter().chain(plain.iter().rev()).copied().collect()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.strip_prefix(MARK)?.iter().rev().copied().collect())
    }
}

/// A number that depends on all of the input: for choices that need no bytes of it.
pub fn digest(data: &[u8]) -> usize {
    let hash = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash >> 8).unwrap_or_default()
}
