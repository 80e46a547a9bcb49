//! Thoughts and their signatures, as Anthropic writes them: `thinking` blocks are signed, `redacted_thinking` blocks are
//! nothing but an opaque text. Both must come back unmodified.

use crate::Protocol;
use crate::canonical::{Reasoning, Signature, Text};
use crate::json::write::Object;
use crate::translate::{Seal, UNSIGNED, is_sealed, open_signature, open_text, seal_text};

/// In front of the `data` of a redacted block, where a signature has to hold it.
const REDACTED: &str = "redacted:";

/// The signature that stands for a redacted block of Anthropic's.
pub(super) fn redacted(data: &Text<'_>) -> Signature<'static> {
    Signature { origin: Protocol::Anthropic, value: Text::from(format!("{REDACTED}{}", data.decode())) }
}

/// What a caller gives back in a `thinking` block.
pub(super) fn signed_by_caller<'a>(seal: &dyn Seal, thinking: Text<'a>, signature: Option<Text<'a>>) -> Reasoning<'a> {
    let signature = signature.filter(|value| !value.is_empty());
    Reasoning {
        text: thinking,
        signature: signature.and_then(|value| open_signature(seal, Protocol::Anthropic, value)),
    }
}

/// What a caller gives back in a `redacted_thinking` block.
pub(super) fn redacted_by_caller<'a>(seal: &dyn Seal, data: &Text<'a>) -> Reasoning<'a> {
    let value = data.decode();
    let signature = if is_sealed(&value) { open_text(seal, &value) } else { Some(redacted(data)) };
    Reasoning { text: Text::EMPTY, signature }
}

/// What stands in the block of a thought: this protocol's own signature or data, or another's, sealed.
pub(super) enum Proof<'s> {
    Signature(Text<'s>),
    Data(String),
    None,
}

impl<'s> Proof<'s> {
    /// `has_text` is whether the thought has any: another provider's without goes where nothing can be read.
    pub(super) fn for_caller(seal: &dyn Seal, signature: Option<&Signature<'s>>, has_text: bool) -> Self {
        match signature {
            None if has_text => Self::Signature(Text::plain(UNSIGNED)),
            None => Self::None,
            Some(own) if own.origin == Protocol::Anthropic => Self::own(&own.value),
            Some(others) if has_text => Self::Signature(Text::from(seal_text(seal, others))),
            Some(others) => Self::Data(seal_text(seal, others)),
        }
    }

    pub(super) fn own(value: &Text<'s>) -> Self {
        match value.decode().strip_prefix(REDACTED) {
            Some(data) => Self::Data(data.to_owned()),
            None => Self::Signature(value.clone()),
        }
    }

    /// Writes the whole block.
    pub(super) fn write(&self, block: &mut Object<'_>, text: &Text<'_>) {
        match self {
            Self::Data(data) => block.string("type", "redacted_thinking").string("data", data),
            Self::Signature(signature) => {
                block.string("type", "thinking").text("thinking", text).text("signature", signature)
            }
            Self::None => block.string("type", "thinking").text("thinking", text).string("signature", ""),
        };
    }
}
