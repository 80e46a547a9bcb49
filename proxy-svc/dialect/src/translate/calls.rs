//! Ids of tool calls: made where a protocol has none, and carrying what must come back with the call.
//!
//! Gemini signs its calls and wants the signature back with them; the other protocols have no place for that but the
//! call's id, which every client gives back unchanged.

use super::{Seal, Terms, open_text, seal_text};
use crate::Protocol;
use crate::canonical::{Signature, Text};

/// Between an id and the sealed signature behind it. Ids of Anthropic's protocol take letters, digits, `_` and `-`.
const MARK: &str = "-tgs1_";

/// The id of the `index`th call of an answer, for a caller of `own`'s protocol: the provider's, or else one made of the
/// request's id; with the call's signature sealed behind it, where that is another provider's.
pub(crate) fn id_for_caller<'a>(
    own: Protocol,
    request_id: &str,
    seal: &dyn Seal,
    index: usize,
    id: Option<&Text<'a>>,
    signature: Option<&Signature<'_>>,
) -> Text<'a> {
    let signature = signature.filter(|signature| signature.origin != own);
    let id = match (id, signature) {
        (Some(id), None) if !id.is_empty() => return id.clone(),
        (Some(id), _) if !id.is_empty() => id.decode().into_owned(),
        _ => made(request_id, index),
    };
    Text::from(match signature {
        Some(signature) => format!("{id}-{}", seal_text(seal, signature)),
        None => id,
    })
}

/// As [`id_for_caller`], with what an answer is written with.
pub(crate) fn answer_id<'a>(
    own: Protocol,
    terms: &Terms<'_>,
    index: usize,
    id: Option<&Text<'a>>,
    signature: Option<&Signature<'_>>,
) -> Text<'a> {
    id_for_caller(own, terms.id, terms.seal, index, id, signature)
}

/// Takes an id apart that a caller gives back: the provider's, and the signature that was behind it.
pub(crate) fn from_caller<'a>(seal: &dyn Seal, id: Text<'a>) -> (Text<'a>, Option<Signature<'static>>) {
    let decoded = id.decode();
    let found = decoded.find(MARK).and_then(|at| {
        let signature = open_text(seal, decoded.get(at + 1..)?)?;
        Some((decoded.get(..at)?.to_owned(), signature))
    });
    match found {
        Some((plain, signature)) => (Text::from(plain), Some(signature)),
        None => (id, None),
    }
}

/// Different in every answer of a conversation.
fn made(request_id: &str, index: usize) -> String {
    let digits: String = request_id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("call_{digits}_{index}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::seal::tests::Reversed;

    #[test]
    fn a_calls_signature_comes_back_with_its_id() {
        let signature = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
        let id = id_for_caller(Protocol::OpenAi, "a-b", &Reversed, 1, None, Some(&signature));
        assert!(id.decode().starts_with("call_ab_1-tgs1_"));
        assert_eq!(from_caller(&Reversed, id), (Text::from("call_ab_1"), Some(signature)));
        let own = Text::from("toolu_1");
        assert_eq!(id_for_caller(Protocol::Anthropic, "a", &Reversed, 0, Some(&own), None), own);
        assert_eq!(from_caller(&Reversed, Text::from("x-tgs1_changed")), (Text::from("x-tgs1_changed"), None));
    }
}
