//! What can be asked of a provider.

/// An operation of one of the protocols. Sub-resources of a stored object share one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    ChatCompletions,
    /// Reading, changing, listing or deleting stored completions.
    StoredCompletions,
    Responses,
    /// Counts the tokens that a response would take.
    ResponseInputTokens,
    CompactResponse,
    /// Reading, cancelling or deleting stored responses.
    StoredResponses,
    Completions,
    Embeddings,
    Moderations,
    ImageGenerations,
    ImageEdits,
    ImageVariations,
    AudioSpeech,
    AudioTranscriptions,
    AudioTranslations,
    UploadFile,
    Files,
    CreateBatch,
    Batches,
    ListModels,
    GetModel,
    Messages,
    /// Anthropic's and Gemini's.
    CountTokens,
    CreateMessageBatch,
    MessageBatches,
    GenerateContent,
    StreamGenerateContent,
    EmbedContent,
    BatchEmbedContents,
}

impl Operation {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::StoredCompletions => "stored_completions",
            Self::Responses => "responses",
            Self::ResponseInputTokens => "response_input_tokens",
            Self::CompactResponse => "compact_response",
            Self::StoredResponses => "stored_responses",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::ImageGenerations => "image_generations",
            Self::ImageEdits => "image_edits",
            Self::ImageVariations => "image_variations",
            Self::AudioSpeech => "audio_speech",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::UploadFile => "upload_file",
            Self::Files => "files",
            Self::CreateBatch => "create_batch",
            Self::Batches => "batches",
            Self::ListModels => "list_models",
            Self::GetModel => "get_model",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::CreateMessageBatch => "create_message_batch",
            Self::MessageBatches => "message_batches",
            Self::GenerateContent => "generate_content",
            Self::StreamGenerateContent => "stream_generate_content",
            Self::EmbedContent => "embed_content",
            Self::BatchEmbedContents => "batch_embed_contents",
        }
    }

    /// Whether the answer's usage is this request's own. What was stored earlier was counted when it was made, and
    /// counting tokens uses none.
    pub const fn is_metered(self) -> bool {
        match self {
            Self::ChatCompletions
            | Self::Responses
            | Self::CompactResponse
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::ImageGenerations
            | Self::ImageEdits
            | Self::ImageVariations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::Messages
            | Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::EmbedContent
            | Self::BatchEmbedContents => true,
            Self::StoredCompletions
            | Self::ResponseInputTokens
            | Self::StoredResponses
            | Self::UploadFile
            | Self::Files
            | Self::CreateBatch
            | Self::Batches
            | Self::ListModels
            | Self::GetModel
            | Self::CountTokens
            | Self::CreateMessageBatch
            | Self::MessageBatches => false,
        }
    }

    /// Whether a stream of this operation carries usage only when `stream_options.include_usage` asks for it.
    pub const fn usage_on_request(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }
}
