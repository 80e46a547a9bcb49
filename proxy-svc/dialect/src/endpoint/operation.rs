//! What can be asked of a provider.

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $(#[cfg($condition:meta)])? $operation:ident $name:literal $metered:ident;)*) => {
        /// An operation of one of the protocols. Sub-resources of a stored object share one operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[doc = $doc])* $(#[cfg($condition)])? $operation,)*
        }

        impl Operation {
            /// The name in metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(#[cfg($condition)])? Self::$operation => $name,)*
                }
            }

            /// Whether the answer's usage is this request's own. What was stored earlier was counted when it was made,
            /// and counting tokens uses none.
            pub const fn is_metered(self) -> bool {
                match self {
                    $($(#[cfg($condition)])? Self::$operation => metered!($metered),)*
                }
            }
        }
    };
}

macro_rules! metered {
    (metered) => {
        true
    };
    (unmetered) => {
        false
    };
}

operations! {
    ChatCompletions "chat_completions" metered;
    /// Reading, changing, listing or deleting stored completions.
    StoredCompletions "stored_completions" unmetered;
    Responses "responses" metered;
    /// Counts the tokens that a response would take.
    ResponseInputTokens "response_input_tokens" unmetered;
    CompactResponse "compact_response" metered;
    /// Reading, cancelling or deleting stored responses.
    StoredResponses "stored_responses" unmetered;
    Completions "completions" metered;
    Embeddings "embeddings" metered;
    Moderations "moderations" metered;
    ImageGenerations "image_generations" metered;
    ImageEdits "image_edits" metered;
    ImageVariations "image_variations" metered;
    AudioSpeech "audio_speech" metered;
    AudioTranscriptions "audio_transcriptions" metered;
    AudioTranslations "audio_translations" metered;
    UploadFile "upload_file" unmetered;
    Files "files" unmetered;
    CreateBatch "create_batch" unmetered;
    Batches "batches" unmetered;
    ListModels "list_models" unmetered;
    GetModel "get_model" unmetered;
    Messages "messages" metered;
    /// Anthropic's and Gemini's.
    CountTokens "count_tokens" unmetered;
    CreateMessageBatch "create_message_batch" unmetered;
    MessageBatches "message_batches" unmetered;
    GenerateContent "generate_content" metered;
    StreamGenerateContent "stream_generate_content" metered;
    EmbedContent "embed_content" metered;
    BatchEmbedContents "batch_embed_contents" metered;
    #[cfg(test)]
    Talk "talk" metered;
}

impl Operation {
    /// Whether a stream of this operation carries usage only when `stream_options.include_usage` asks for it.
    pub const fn usage_on_request(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }
}
