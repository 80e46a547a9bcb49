//! Anthropic's paths. Those that OpenAI has too come here by the `anthropic-version` header.

use crate::endpoint::Operation::{
    CountTokens, CreateMessageBatch, Files, GetModel, ListModels, MessageBatches, Messages, UploadFile,
};
use crate::endpoint::{BodyKind, Model, Offer, Path, Route, Version};

const MESSAGES: &[Offer] = &[Offer::post(Messages, BodyKind::Json, Model::Required)];
const COUNT_TOKENS: &[Offer] = &[Offer::post(CountTokens, BodyKind::Json, Model::Required)];
const BATCHES: &[Offer] = &[Offer::post(CreateMessageBatch, BodyKind::Json, Model::None), Offer::get(MessageBatches)];
const BATCH: &[Offer] = &[Offer::get(MessageBatches), Offer::delete(MessageBatches)];
const BATCH_CANCEL: &[Offer] = &[Offer::post(MessageBatches, BodyKind::Other, Model::None)];
const BATCH_RESULTS: &[Offer] = &[Offer::get(MessageBatches)];
const FILES: &[Offer] = &[Offer::post(UploadFile, BodyKind::Multipart, Model::None), Offer::get(Files)];
const FILE: &[Offer] = &[Offer::get(Files), Offer::delete(Files)];
const FILE_CONTENT: &[Offer] = &[Offer::get(Files)];
const MODELS: &[Offer] = &[Offer::get(ListModels)];
const MODEL: &[Offer] = &[Offer { method: "GET", operation: GetModel, body: BodyKind::None, model: Model::Path }];

pub(super) fn route(path: &Path<'_>) -> Option<Route> {
    if path.version != Some(Version::V1) {
        return None;
    }
    let route = match path.segments() {
        ["messages"] => Route::fixed(MESSAGES),
        ["messages", "count_tokens"] => Route::fixed(COUNT_TOKENS),
        ["messages", "batches"] => Route::fixed(BATCHES),
        ["messages", "batches", _] => Route::resource(BATCH, path.range(2)),
        ["messages", "batches", _, "cancel"] => Route::resource(BATCH_CANCEL, path.range(2)),
        ["messages", "batches", _, "results"] => Route::resource(BATCH_RESULTS, path.range(2)),
        ["files"] => Route::fixed(FILES),
        ["files", _] => Route::resource(FILE, path.range(1)),
        ["files", _, "content"] => Route::resource(FILE_CONTENT, path.range(1)),
        ["models"] => Route::fixed(MODELS),
        ["models", _, ..] => Route::model(MODEL, path.range_from(1)),
        _ => return None,
    };
    Some(route)
}
