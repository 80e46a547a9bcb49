//! What only Gemini's requests can say.

use crate::translate::How;
use crate::translate::policy::{Foreign, Verdict};

const fn carried(field: &'static str, why: &'static str) -> Foreign {
    Foreign { field, verdict: Verdict::Carried(why) }
}

const fn dropped(field: &'static str, why: &'static str) -> Foreign {
    Foreign { field, verdict: Verdict::Adapted(How::Dropped, why) }
}

const fn refused(field: &'static str, why: &'static str) -> Foreign {
    Foreign { field, verdict: Verdict::Refused(why) }
}

const SERVER_TOOL: &str = "the tool runs at Google";
const NO_MEDIA_OUT: &str = "only text can be answered";
const SAMPLED_OTHERWISE: &str = "the provider chooses how media are read";

pub(super) const FOREIGN: &[Foreign] = &[
    carried("model", "the model is named by the path"),
    dropped("safetySettings", "the provider's own policy applies"),
    refused("cachedContent", "the content is stored at Google"),
    refused("continuationToken", "the state that it continues is Google's"),
    dropped("labels", "they do not change the answer"),
    dropped("serviceTier", "the provider's default tier is used"),
    dropped("store", "the provider's own settings apply"),
    refused("contents.parts.executableCode", SERVER_TOOL),
    refused("contents.parts.codeExecutionResult", SERVER_TOOL),
    refused("contents.parts.toolCall", SERVER_TOOL),
    refused("contents.parts.toolResponse", SERVER_TOOL),
    refused("contents.parts.videoMetadata", "videos are not translated"),
    dropped("contents.parts.mediaResolution", SAMPLED_OTHERWISE),
    dropped("contents.parts.mediaProcessing", SAMPLED_OTHERWISE),
    dropped("contents.parts.documentMetadata", SAMPLED_OTHERWISE),
    dropped("contents.parts.spreadsheetMetadata", SAMPLED_OTHERWISE),
    dropped("contents.parts.audioMetadata", SAMPLED_OTHERWISE),
    dropped("contents.parts.speechMetadata", NO_MEDIA_OUT),
    carried("contents.parts.partMetadata", "it is for the caller's own use"),
    carried("contents.parts.audioTranscription", "it is only ever answered"),
    dropped("contents.parts.functionResponse.scheduling", "it is of live sessions"),
    dropped("contents.parts.functionResponse.willContinue", "it is of live sessions"),
    refused("contents.parts.functionCall.partialArgs", "a call must be whole"),
    carried("contents.parts.functionCall.willContinue", "a call is whole"),
    dropped("contents.parts.inlineData.displayName", "it is for the caller's own use"),
    dropped("contents.parts.fileData.displayName", "it is for the caller's own use"),
    refused("tools.googleSearch", SERVER_TOOL),
    refused("tools.googleSearchRetrieval", SERVER_TOOL),
    refused("tools.googleMaps", SERVER_TOOL),
    refused("tools.enterpriseWebSearch", SERVER_TOOL),
    refused("tools.parallelAiSearch", SERVER_TOOL),
    refused("tools.exaAiSearch", SERVER_TOOL),
    refused("tools.codeExecution", SERVER_TOOL),
    refused("tools.urlContext", SERVER_TOOL),
    refused("tools.fileSearch", SERVER_TOOL),
    refused("tools.retrieval", SERVER_TOOL),
    refused("tools.mcpServers", SERVER_TOOL),
    refused("tools.computerUse", "its actions are defined by Google"),
    dropped("tools.functionDeclarations.response", "no other protocol describes results"),
    dropped("tools.functionDeclarations.responseJsonSchema", "no other protocol describes results"),
    dropped("tools.functionDeclarations.behavior", "it is of live sessions"),
    dropped("toolConfig.retrievalConfig", SERVER_TOOL),
    dropped("toolConfig.includeServerSideToolInvocations", SERVER_TOOL),
    dropped("toolConfig.functionCallingConfig.streamFunctionCallArguments", "calls come whole"),
    refused("generationConfig.speechConfig", NO_MEDIA_OUT),
    refused("generationConfig.imageConfig", NO_MEDIA_OUT),
    refused("generationConfig.audioTranscriptionConfig", "sound is not transcribed"),
    refused("generationConfig.translationConfig", "sound is not translated"),
    refused("generationConfig.responseFormat", "say it with `responseMimeType` and a schema"),
    dropped("generationConfig.mediaResolution", SAMPLED_OTHERWISE),
    dropped("generationConfig.audioTimestamp", SAMPLED_OTHERWISE),
    dropped("generationConfig.enableEnhancedCivicAnswers", "the model's own way is kept"),
    dropped("generationConfig.enableAffectiveDialog", "the model's own way is kept"),
    dropped("generationConfig.routingConfig", "the gateway chooses the model"),
    dropped("generationConfig.modelSelectionConfig", "the gateway chooses the model"),
];
