//! OpenAI's paths.

use crate::endpoint::Operation::{
    AudioSpeech, AudioTranscriptions, AudioTranslations, Batches, ChatCompletions, CompactResponse, Completions,
    CreateBatch, Embeddings, Files, GetModel, ImageEdits, ImageGenerations, ImageVariations, ListModels, Moderations,
    ResponseInputTokens, Responses, StoredCompletions, StoredResponses, UploadFile,
};
use crate::endpoint::{BodyKind, Model, Offer, Path, Route, Version};

const CHAT: &[Offer] = &[Offer::post(ChatCompletions, BodyKind::Json, Model::Required), Offer::get(StoredCompletions)];
const CHAT_ITEM: &[Offer] = &[
    Offer::get(StoredCompletions),
    Offer::post(StoredCompletions, BodyKind::Json, Model::None),
    Offer::delete(StoredCompletions),
];
const CHAT_MESSAGES: &[Offer] = &[Offer::get(StoredCompletions)];
const RESPONSES: &[Offer] = &[Offer::post(Responses, BodyKind::Json, Model::Optional)];
const RESPONSE_INPUT_TOKENS: &[Offer] = &[Offer::post(ResponseInputTokens, BodyKind::Json, Model::Optional)];
const COMPACT: &[Offer] = &[Offer::post(CompactResponse, BodyKind::Json, Model::Required)];
const RESPONSE_ITEM: &[Offer] = &[Offer::get(StoredResponses), Offer::delete(StoredResponses)];
const RESPONSE_CANCEL: &[Offer] = &[Offer::post(StoredResponses, BodyKind::Other, Model::None)];
const RESPONSE_INPUT: &[Offer] = &[Offer::get(StoredResponses)];
const COMPLETIONS: &[Offer] = &[Offer::post(Completions, BodyKind::Json, Model::Required)];
const EMBEDDINGS: &[Offer] = &[Offer::post(Embeddings, BodyKind::Json, Model::Required)];
const MODERATIONS: &[Offer] = &[Offer::post(Moderations, BodyKind::Json, Model::Optional)];
const IMAGE_GENERATIONS: &[Offer] = &[Offer::post(ImageGenerations, BodyKind::Json, Model::Optional)];
const IMAGE_EDITS: &[Offer] = &[Offer::post(ImageEdits, BodyKind::Multipart, Model::Optional)];
const IMAGE_VARIATIONS: &[Offer] = &[Offer::post(ImageVariations, BodyKind::Multipart, Model::Optional)];
const SPEECH: &[Offer] = &[Offer::post(AudioSpeech, BodyKind::Json, Model::Required)];
const TRANSCRIPTIONS: &[Offer] = &[Offer::post(AudioTranscriptions, BodyKind::Multipart, Model::Required)];
const TRANSLATIONS: &[Offer] = &[Offer::post(AudioTranslations, BodyKind::Multipart, Model::Required)];
const FILES: &[Offer] = &[Offer::post(UploadFile, BodyKind::Multipart, Model::None), Offer::get(Files)];
const FILE: &[Offer] = &[Offer::get(Files), Offer::delete(Files)];
const FILE_CONTENT: &[Offer] = &[Offer::get(Files)];
const BATCHES: &[Offer] = &[Offer::post(CreateBatch, BodyKind::Json, Model::None), Offer::get(Batches)];
const BATCH: &[Offer] = &[Offer::get(Batches)];
const BATCH_CANCEL: &[Offer] = &[Offer::post(Batches, BodyKind::Other, Model::None)];
const MODELS: &[Offer] = &[Offer::get(ListModels)];
const MODEL: &[Offer] = &[Offer { method: "GET", operation: GetModel, body: BodyKind::None, model: Model::Path }];

pub(super) fn route(path: &Path<'_>) -> Option<Route> {
    if path.version != Some(Version::V1) {
        return None;
    }
    let offers = match path.segments() {
        ["chat", "completions"] => CHAT,
        ["responses"] => RESPONSES,
        ["responses", "input_tokens"] => RESPONSE_INPUT_TOKENS,
        ["responses", "compact"] => COMPACT,
        ["completions"] => COMPLETIONS,
        ["embeddings"] => EMBEDDINGS,
        ["moderations"] => MODERATIONS,
        ["images", "generations"] => IMAGE_GENERATIONS,
        ["images", "edits"] => IMAGE_EDITS,
        ["images", "variations"] => IMAGE_VARIATIONS,
        ["audio", "speech"] => SPEECH,
        ["audio", "transcriptions"] => TRANSCRIPTIONS,
        ["audio", "translations"] => TRANSLATIONS,
        ["files"] => FILES,
        ["batches"] => BATCHES,
        ["models"] => MODELS,
        // A name may have slashes in it: many providers of this protocol write `maker/model`.
        ["models", _, ..] => return Some(Route::model(MODEL, path.range_from(1))),
        _ => return stored(path),
    };
    Some(Route::fixed(offers))
}

fn stored(path: &Path<'_>) -> Option<Route> {
    let (offers, id) = match path.segments() {
        ["chat", "completions", _] => (CHAT_ITEM, 2),
        ["chat", "completions", _, "messages"] => (CHAT_MESSAGES, 2),
        ["responses", _] => (RESPONSE_ITEM, 1),
        ["responses", _, "cancel"] => (RESPONSE_CANCEL, 1),
        ["responses", _, "input_items"] => (RESPONSE_INPUT, 1),
        ["files", _] => (FILE, 1),
        ["files", _, "content"] => (FILE_CONTENT, 1),
        ["batches", _] => (BATCH, 1),
        ["batches", _, "cancel"] => (BATCH_CANCEL, 1),
        _ => return None,
    };
    Some(Route::resource(offers, path.range(id)))
}
