//! Gemini's paths, the same under both versions. The model and the method share the last segment.

use std::ops::Range;

use crate::endpoint::Operation::{
    BatchEmbedContents, CountTokens, EmbedContent, GenerateContent, GetModel, ListModels, StreamGenerateContent,
};
use crate::endpoint::{BodyKind, Model, Offer, Path, Route};

const MODELS: &[Offer] = &[Offer::get(ListModels)];
const MODEL: &[Offer] = &[Offer { method: "GET", operation: GetModel, body: BodyKind::None, model: Model::Path }];
const GENERATE: &[Offer] = &[Offer::post(GenerateContent, BodyKind::Json, Model::Path)];
const STREAM_GENERATE: &[Offer] = &[Offer::post(StreamGenerateContent, BodyKind::Json, Model::Path)];
const COUNT_TOKENS: &[Offer] = &[Offer::post(CountTokens, BodyKind::Json, Model::Path)];
const EMBED: &[Offer] = &[Offer::post(EmbedContent, BodyKind::Json, Model::Path)];
const BATCH_EMBED: &[Offer] = &[Offer::post(BatchEmbedContents, BodyKind::Json, Model::Path)];

pub(super) fn route(path: &Path<'_>) -> Option<Route> {
    path.version?;
    match *path.segments() {
        ["models"] => Some(Route::fixed(MODELS)),
        ["models", last] => model(last, path.range(1), path.range(1).start),
        // A tuned model's name is not one without its collection.
        ["tunedModels", last] => model(last, path.range(1), path.range(0).start),
        _ => None,
    }
}

/// The route of a model's segment, `{model}` or `{model}:{method}`; the model's name starts at `from`.
fn model(segment: &str, at: Range<usize>, from: usize) -> Option<Route> {
    let Some((name, method)) = segment.rsplit_once(':') else {
        return Some(Route::model(MODEL, from..at.end));
    };
    let offers = match method {
        _ if name.is_empty() => return None,
        "generateContent" => GENERATE,
        "streamGenerateContent" => STREAM_GENERATE,
        "countTokens" => COUNT_TOKENS,
        "embedContent" => EMBED,
        "batchEmbedContents" => BATCH_EMBED,
        _ => return None,
    };
    Some(Route::model(offers, from..at.start + name.len()))
}
