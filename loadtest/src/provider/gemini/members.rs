//! Every member of a `GenerateContentRequest` that the official SDKs know, in camel case.

use super::super::error::ApiError;
use super::super::members::Shape::{Any, Flag, List, Map, Number, Text, Whole, Word};
use super::super::members::{Naming, Shape, Step, Wrong, check, members, snake};

/// Refuses what the real endpoint would not know.
pub(super) fn refuse_unknown(body: &serde_json::Value) -> Result<(), ApiError> {
    refuse(&REQUEST, body)
}

/// The same for a request to embed one content.
pub(super) fn refuse_unknown_embedding(body: &serde_json::Value) -> Result<(), ApiError> {
    refuse(&EMBED_REQUEST, body)
}

fn refuse(shape: &'static Shape, body: &serde_json::Value) -> Result<(), ApiError> {
    let Some(mut finding) = check(shape, body, Naming::Protobuf) else { return Ok(()) };
    for step in &mut finding.path {
        if let Step::Member(name) = step {
            *name = snake(name);
        }
    }
    let at = finding.bracketed();
    let message = match &finding.wrong {
        Wrong::Unknown(name) if at.is_empty() => {
            format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")
        }
        Wrong::Unknown(name) => {
            format!("Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.")
        }
        Wrong::Type(kind) => {
            let kind = match *kind {
                "string" => "TYPE_STRING",
                "integer" => "TYPE_INT32",
                "number" => "TYPE_FLOAT",
                "boolean" => "TYPE_BOOL",
                _ => "TYPE_MESSAGE",
            };
            format!("Invalid value at '{at}' ({kind})")
        }
        Wrong::Word(_) | Wrong::Kind(..) => format!("Invalid value at '{at}' (TYPE_ENUM)"),
    };
    Err(ApiError::new(400, message))
}

members! {
    REQUEST {
        model: Text, contents: List(&CONTENT), systemInstruction: CONTENT, tools: List(&TOOL),
        toolConfig: TOOL_CONFIG, safetySettings: List(&SAFETY), generationConfig: GENERATION, cachedContent: Text,
        labels: Map, serviceTier: Text, store: Flag, continuationToken: Text,
    }
    CONTENT { role: Text, parts: List(&PART) }
    PART {
        text: Text, thought: Flag, thoughtSignature: Text, inlineData: BLOB, fileData: FILE,
        functionCall: FUNCTION_CALL, functionResponse: FUNCTION_RESPONSE, executableCode: CODE,
        codeExecutionResult: CODE_RESULT, videoMetadata: Map, mediaResolution: Any, toolCall: Map, toolResponse: Map,
        partMetadata: Map, audioTranscription: Map, mediaProcessing: Any, speechMetadata: Map, documentMetadata: Map,
        spreadsheetMetadata: Map, audioMetadata: Map,
    }
    BLOB { mimeType: Text, data: Text, displayName: Text }
    FILE { mimeType: Text, fileUri: Text, displayName: Text }
    FUNCTION_CALL { id: Text, name: Text, args: Map }
    FUNCTION_RESPONSE {
        id: Text, name: Text, response: Map, parts: List(&Map), willContinue: Flag, scheduling: Text,
    }
    CODE { id: Text, language: Text, code: Text }
    CODE_RESULT { id: Text, outcome: Text, output: Text }
    SAFETY { category: Text, threshold: Text }

    TOOL {
        functionDeclarations: List(&DECLARATION), googleSearch: Map, googleSearchRetrieval: Map, codeExecution: Map,
        urlContext: Map, computerUse: Map, fileSearch: Map, googleMaps: Map, mcpServers: List(&Map),
    }
    DECLARATION {
        name: Text, description: Text, parameters: Map, parametersJsonSchema: Any, response: Map,
        responseJsonSchema: Any, behavior: Text,
    }
    TOOL_CONFIG { functionCallingConfig: CALLING, retrievalConfig: Map, includeServerSideToolInvocations: Flag }
    CALLING {
        mode: Word(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]), allowedFunctionNames: List(&Text),
    }
    GENERATION {
        temperature: Number, topP: Number, topK: Number, candidateCount: Whole, maxOutputTokens: Whole,
        stopSequences: List(&Text), responseLogprobs: Flag, logprobs: Whole, presencePenalty: Number,
        frequencyPenalty: Number, seed: Whole, responseMimeType: Text, responseSchema: Map, responseJsonSchema: Any,
        responseModalities: List(&Text), mediaResolution: Text, speechConfig: Map, thinkingConfig: THINKING,
        imageConfig: Map, enableEnhancedCivicAnswers: Flag, audioTranscriptionConfig: Map, translationConfig: Map,
        responseFormat: Any, enableAffectiveDialog: Flag,
    }
    THINKING {
        includeThoughts: Flag, thinkingBudget: Whole,
        thinkingLevel: Word(&["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"]),
    }
    EMBED_REQUEST {
        model: Text, content: CONTENT, taskType: Text, title: Text, outputDimensionality: Whole,
        embedContentConfig: Map,
    }
}
