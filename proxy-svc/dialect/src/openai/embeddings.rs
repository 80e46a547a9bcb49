//! OpenAI's embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::canonical::Text;
use crate::json::write::Object;
use crate::json::{Kind, Value};
use crate::translate::embeddings::{EmbeddingRequest, Embeddings, FOREIGN};
use crate::translate::{Rejected, Terms, read};
use crate::usage::Usage;

pub(crate) fn read_request(body: Value<'_>) -> Result<EmbeddingRequest<'_>, Rejected> {
    let mut request = EmbeddingRequest::default();
    for (name, value) in body.members() {
        match &*name {
            "model" => {}
            "input" => request.inputs = inputs(value)?,
            "dimensions" if !value.is_null() => request.dimensions = Some(read::count("dimensions", value)?),
            // What comes back is written in the form that was asked for.
            "encoding_format" => _ = wants_base64(value)?,
            other => read::settle_foreign(FOREIGN, "", other, value, &mut request.notes)?,
        }
    }
    if request.inputs.is_empty() {
        return Err(Rejected::missing("input"));
    }
    Ok(request)
}

fn inputs(value: Value<'_>) -> Result<Vec<Text<'_>>, Rejected> {
    match value.kind() {
        Kind::String => Ok(value.text().into_iter().collect()),
        Kind::Array => read::list("input", value, |element| match element.kind() {
            Kind::String => read::text("", element),
            _ => Err(Rejected::new("", "tokens cannot be embedded by this model's provider: send texts")),
        }),
        _ => Err(Rejected::wrong_type("input", Kind::String)),
    }
}

fn wants_base64(value: Value<'_>) -> Result<bool, Rejected> {
    match value.string().as_deref() {
        Some("base64") => Ok(true),
        Some("float") => Ok(false),
        _ if value.is_null() => Ok(false),
        _ => Err(Rejected::new("encoding_format", "`encoding_format` must be `float` or `base64`")),
    }
}

/// The members of a caller's request that its answer depends on: [`Terms::echo`].
pub(crate) fn echo(body: Value<'_>) -> Vec<u8> {
    let base64 = body.get("encoding_format").and_then(Value::string).is_some_and(|format| format == "base64");
    if base64 { b"base64".to_vec() } else { Vec::new() }
}

/// Returns the path.
pub(crate) fn write_request(request: &EmbeddingRequest<'_>, model: &str, out: &mut Vec<u8>) -> String {
    let mut object = Object::begin(out);
    object.string("model", model);
    {
        let mut inputs = object.array("input");
        for text in &request.inputs {
            inputs.text(text);
        }
    }
    object.string("encoding_format", "float");
    if let Some(dimensions) = request.dimensions {
        object.count("dimensions", dimensions);
    }
    "/embeddings".to_owned()
}

pub(crate) fn read_answer(body: Value<'_>) -> Option<Embeddings<'_>> {
    let mut entries: Vec<(u64, Value<'_>)> = Vec::new();
    for (position, entry) in body.get("data")?.elements().enumerate() {
        let index = entry.get("index").and_then(Value::count).unwrap_or(position as u64);
        entries.push((index, entry.get("embedding")?));
    }
    entries.sort_by_key(|(index, _)| *index);
    let vectors = entries.into_iter().map(|(_, vector)| vector).collect();
    Some(Embeddings { vectors, model: body.get("model").and_then(Value::text) })
}

/// `None` when a vector is none.
pub(crate) fn write_answer(
    answer: &Embeddings<'_>,
    usage: Option<&Usage>,
    terms: &Terms<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let base64 = terms.echo == b"base64";
    let mut object = Object::begin(out);
    object.string("object", "list");
    {
        let mut data = object.array("data");
        for (index, vector) in answer.vectors.iter().enumerate() {
            let mut entry = data.object();
            entry.string("object", "embedding").count("index", index as u64);
            match (base64, vector.kind()) {
                (true, Kind::Array) => entry.string("embedding", &encoded(*vector)?),
                (_, Kind::Array | Kind::String) => entry.value("embedding", *vector),
                _ => return None,
            };
        }
    }
    match &answer.model {
        Some(model) => object.text("model", model),
        None => object.string("model", terms.model),
    };
    let prompt = usage.map(Usage::prompt).unwrap_or_default();
    object.object("usage").count("prompt_tokens", prompt).count("total_tokens", prompt);
    Some(())
}

/// Little-endian 32-bit floats, as OpenAI's own answers have them.
fn encoded(vector: Value<'_>) -> Option<String> {
    let mut bytes = Vec::with_capacity(vector.raw().len() / 2);
    for number in vector.elements() {
        #[expect(clippy::cast_possible_truncation, reason = "the protocol's form has this precision")]
        let number = number.number()? as f32;
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Some(STANDARD.encode(bytes))
}
