//! `signature-input` and `signature`: structured fields (RFC 8941) read into one signature that can be checked. Pure.

use http::HeaderMap;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser, SerializeValue};

use super::{SignatureError, combined};

/// The label that is looked for when there are several signatures; else the first one is taken.
const LABEL: &str = "tollgate";
/// Far above what any signer covers.
const MOST_COMPONENTS: usize = 32;
const LONGEST_NONCE: usize = 256;
const LONGEST_KEY_ID: usize = 256;

/// One signature, and what it says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// Names of the covered components, in order, each once.
    pub(super) components: Vec<String>,
    /// Seconds since 1970.
    pub(super) created: i64,
    pub(super) expires: Option<i64>,
    pub(super) nonce: String,
    /// The value of `@signature-params`.
    pub(super) parameters: String,
    pub(super) signature: Vec<u8>,
}

impl Input {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let (inputs, signatures) = (headers.contains_key("signature-input"), headers.contains_key("signature"));
        match (inputs, signatures) {
            (false, false) => return Err(SignatureError::Missing),
            (false, true) => return Err(SignatureError::unsupported("`signature-input` is missing")),
            (true, false) => return Err(SignatureError::unsupported("`signature` is missing")),
            (true, true) => {}
        }
        let inputs = dictionary(headers, "signature-input")?;
        let signatures = dictionary(headers, "signature")?;
        let label = if inputs.contains_key(LABEL) { Some(LABEL) } else { inputs.keys().next().map(String::as_str) };
        let label = label.ok_or(SignatureError::Missing)?;
        let Some(ListEntry::InnerList(list)) = inputs.get(label) else {
            return Err(SignatureError::unsupported("`signature-input` is not a list of components"));
        };
        let Some(ListEntry::Item(item)) = signatures.get(label) else {
            return Err(SignatureError::unsupported(format!("`signature` has none for `{label}`")));
        };
        let BareItem::ByteSeq(signature) = &item.bare_item else {
            return Err(SignatureError::unsupported("`signature` is not a byte sequence"));
        };
        Self::new(list, signature.clone())
    }

    fn new(list: &InnerList, signature: Vec<u8>) -> Result<Self, SignatureError> {
        let parameter = |name: &str| list.params.get(name);
        match parameter("alg") {
            None => {}
            Some(BareItem::String(algorithm)) if algorithm == "hmac-sha256" => {}
            Some(_) => return Err(SignatureError::unsupported("`alg` must be hmac-sha256")),
        }
        let created = integer(parameter("created"))?
            .ok_or_else(|| SignatureError::unsupported("the parameter `created` is missing"))?;
        let nonce = text(parameter("nonce"), "nonce", LONGEST_NONCE)?;
        // Which key it is is known from the credential; the name is the caller's own note.
        text(parameter("keyid"), "keyid", LONGEST_KEY_ID)?;
        Ok(Self {
            components: components(list)?,
            created,
            expires: integer(parameter("expires"))?,
            nonce,
            parameters: serialised(list)?,
            signature,
        })
    }
}

fn dictionary(headers: &HeaderMap, name: &str) -> Result<Dictionary, SignatureError> {
    let value = combined(headers, name).unwrap_or_default();
    Parser::parse_dictionary(value.as_bytes())
        .map_err(|_| SignatureError::unsupported(format!("`{name}` is not a dictionary as in RFC 8941")))
}

fn components(list: &InnerList) -> Result<Vec<String>, SignatureError> {
    if list.items.len() > MOST_COMPONENTS {
        return Err(SignatureError::unsupported("it covers more than 32 components"));
    }
    let mut names: Vec<String> = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let BareItem::String(name) = &item.bare_item else {
            return Err(SignatureError::unsupported("a component's name is not a string"));
        };
        if !item.params.is_empty() {
            return Err(SignatureError::unsupported(format!(
                "parameters of the component `{name}` are not understood"
            )));
        }
        if names.contains(name) {
            return Err(SignatureError::unsupported(format!("it covers `{name}` twice")));
        }
        names.push(name.clone());
    }
    Ok(names)
}

fn integer(value: Option<&BareItem>) -> Result<Option<i64>, SignatureError> {
    match value {
        None => Ok(None),
        Some(BareItem::Integer(seconds)) => Ok(Some(*seconds)),
        Some(_) => Err(SignatureError::unsupported("`created` and `expires` must be integers")),
    }
}

fn text(value: Option<&BareItem>, name: &str, longest: usize) -> Result<String, SignatureError> {
    match value {
        Some(BareItem::String(text)) if !text.is_empty() && text.len() <= longest => Ok(text.clone()),
        Some(_) => Err(SignatureError::unsupported(format!("`{name}` must be a string of 1 to {longest} characters"))),
        None => Err(SignatureError::unsupported(format!("the parameter `{name}` is missing"))),
    }
}

/// In the one form that RFC 9421 signs: parameters in the order in which they came.
fn serialised(list: &InnerList) -> Result<String, SignatureError> {
    let alone: sfv::List = vec![ListEntry::InnerList(list.clone())];
    alone.serialize_value().map_err(|_| SignatureError::unsupported("`signature-input` cannot be written again"))
}
