//! Gemini's embeddings: `embedContent` and `batchEmbedContents`.

use crate::canonical::{Text, join};
use crate::json::write::Object;
use crate::json::{Kind, Value};
use crate::rewrite::resource_name;
use crate::translate::embeddings::{EmbeddingRequest, Embeddings, FOREIGN};
use crate::translate::{Rejected, read};

pub(crate) fn read_one(body: Value<'_>) -> Result<EmbeddingRequest<'_>, Rejected> {
    let mut request = EmbeddingRequest::default();
    read_content(body, &mut request)?;
    Ok(request)
}

pub(crate) fn read_many(body: Value<'_>) -> Result<EmbeddingRequest<'_>, Rejected> {
    let mut request = EmbeddingRequest::default();
    for (name, value) in body.members() {
        match &*name {
            "requests" => {
                read::list("requests", value, |one| read_content(one, &mut request))?;
            }
            other => read::settle_foreign(FOREIGN, "", other, value, &mut request.notes)?,
        }
    }
    if request.inputs.is_empty() {
        return Err(Rejected::missing("requests"));
    }
    Ok(request)
}

/// Reads one content and adds it to the request.
fn read_content<'a>(body: Value<'a>, request: &mut EmbeddingRequest<'a>) -> Result<(), Rejected> {
    let is_first = request.inputs.is_empty();
    let (mut content, mut dimensions) = (None, None);
    for (name, value) in body.members() {
        match &*name {
            "model" => {}
            "content" => content = Some(content_text(value).map_err(|rejected| rejected.inside("content"))?),
            "outputDimensionality" | "output_dimensionality" if !value.is_null() => {
                dimensions = Some(read::count("outputDimensionality", value)?);
            }
            other => read::settle_foreign(FOREIGN, "", other, value, &mut request.notes)?,
        }
    }
    if !is_first && dimensions != request.dimensions {
        let message = "all contents must have the same `outputDimensionality` to be embedded by this model's provider";
        return Err(Rejected::new("outputDimensionality", message));
    }
    request.dimensions = dimensions;
    request.inputs.push(content.ok_or_else(|| Rejected::missing("content"))?);
    Ok(())
}

fn content_text(content: Value<'_>) -> Result<Text<'_>, Rejected> {
    let parts = content.get("parts").ok_or_else(|| Rejected::missing("parts"))?;
    let texts = read::list("parts", parts, |part| {
        let text =
            part.get("text").ok_or_else(|| Rejected::new("", "only texts can be embedded by this model's provider"))?;
        read::text("text", text)
    })?;
    if texts.is_empty() { Err(Rejected::missing("parts")) } else { Ok(join(&texts)) }
}

/// Returns the path.
pub(crate) fn write_request(request: &EmbeddingRequest<'_>, model: &str, out: &mut Vec<u8>) -> String {
    let resource = resource_name(model);
    let mut object = Object::begin(out);
    let mut requests = object.array("requests");
    for text in &request.inputs {
        let mut one = requests.object();
        one.string("model", &resource);
        {
            let mut content = one.object("content");
            content.array("parts").object().text("text", text);
        }
        if let Some(dimensions) = request.dimensions {
            one.count("outputDimensionality", dimensions);
        }
    }
    format!("/{resource}:batchEmbedContents")
}

pub(crate) fn read_answer(body: Value<'_>) -> Option<Embeddings<'_>> {
    let vectors = match (body.get("embeddings"), body.get("embedding")) {
        (Some(many), _) => many.elements().map(|one| one.get("values")).collect::<Option<Vec<_>>>()?,
        (None, Some(one)) => vec![one.get("values")?],
        (None, None) => return None,
    };
    Some(Embeddings { vectors, model: None })
}

/// `None` when there is no vector of numbers.
pub(crate) fn write_one(answer: &Embeddings<'_>, out: &mut Vec<u8>) -> Option<()> {
    let vector = answer.vectors.first().filter(|vector| vector.kind() == Kind::Array)?;
    Object::begin(out).object("embedding").value("values", *vector);
    Some(())
}

pub(crate) fn write_many(answer: &Embeddings<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut object = Object::begin(out);
    let mut embeddings = object.array("embeddings");
    for vector in &answer.vectors {
        if vector.kind() != Kind::Array {
            return None;
        }
        embeddings.object().value("values", *vector);
    }
    Some(())
}
