//! Answers and streams with the shapes that providers send, and what is to be found in them.

use super::*;

pub(super) struct Fixture {
    pub(super) name: &'static str,
    pub(super) protocol: Protocol,
    pub(super) operation: Operation,
    pub(super) content_type: Option<&'static str>,
    pub(super) bytes: Vec<u8>,
    pub(super) expected: Observed,
    /// Complete as soon as a certain object is whole, with bytes behind it.
    pub(super) ends_before_its_last_byte: bool,
}

pub(super) fn events(payloads: &[&str]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| format!("data: {payload}\n\n").into_bytes()).collect()
}

pub(super) fn named_events(payloads: &[(&str, &str)]) -> Vec<u8> {
    payloads.iter().flat_map(|(name, payload)| format!("event: {name}\ndata: {payload}\n\n").into_bytes()).collect()
}

fn complete(usage: Option<Usage>, raw: Option<&str>, model: Option<&str>) -> Observed {
    Observed {
        usage,
        raw: raw.map(str::to_owned),
        complete: true,
        error: None,
        model: model.map(str::to_owned),
        semantic_started: true,
    }
}

fn fixture(
    name: &'static str,
    protocol: Protocol,
    operation: Operation,
    bytes: Vec<u8>,
    expected: Observed,
) -> Fixture {
    Fixture { name, protocol, operation, content_type: EVENTS, bytes, expected, ends_before_its_last_byte: false }
}

pub(super) fn all() -> Vec<Fixture> {
    [openai_chat(), openai_others(), anthropic(), gemini()].into_iter().flatten().collect()
}

fn openai_chat() -> Vec<Fixture> {
    let raw = r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":12,"cache_write_tokens":3,"audio_tokens":2},"completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":1}}"#;
    let usage = Usage {
        input_uncached: 5,
        cache_read: 12,
        cache_write_5m: 3,
        output: 7,
        reasoning: 4,
        input_audio: 2,
        output_audio: 1,
        ..Usage::default()
    };
    let last = format!(r#"{{"id":"c","choices":[],"usage":{raw}}}"#);
    let stream = [
        events(&[
            r#"{"id":"c","object":"chat.completion.chunk","model":"gpt-5-2026","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"say \"usage\":{\"prompt_tokens\":9}"}}],"usage":null,"obfuscation":"x}{"}"#,
        ]),
        b": comment\n\n".to_vec(),
        events(&[r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#, &last, "[DONE]"]),
    ]
    .concat();
    let other_raw = r#"{"prompt_tokens":339,"completion_tokens":83,"total_tokens":422,"prompt_cache_hit_tokens":320}"#;
    let spread = format!(
        "data:{{\"model\":\"deepseek\",\ndata: \"choices\":[{{\"delta\":{{\"reasoning_content\":\"x\"}}}}],\ndata:\"x_groq\":{{\"usage\":{{\"prompt_tokens\":1}}}},\ndata: \"usage\":{other_raw}}}\n\ndata:[DONE]\n\n"
    );
    let plain = format!(
        "{{\n  \"id\": \"c\",\n  \"model\": \"gpt-5-2026\",\n  \"choices\": [{{\"message\": {{\"content\": \"\\\"}}]{{\"}}}}],\n  \"usage\": {raw}\n}}\n"
    );
    vec![
        fixture(
            "chat",
            OpenAi,
            Operation::ChatCompletions,
            stream,
            complete(Some(usage), Some(raw), Some("gpt-5-2026")),
        ),
        fixture(
            "chat in several data lines",
            OpenAi,
            Operation::ChatCompletions,
            spread.into_bytes(),
            complete(
                Some(Usage { input_uncached: 19, cache_read: 320, output: 83, ..Usage::default() }),
                Some(other_raw),
                Some("deepseek"),
            ),
        ),
        Fixture {
            content_type: JSON,
            ..fixture(
                "plain chat",
                OpenAi,
                Operation::ChatCompletions,
                plain.into_bytes(),
                complete(Some(usage), Some(raw), Some("gpt-5-2026")),
            )
        },
    ]
}

fn openai_others() -> Vec<Fixture> {
    let raw = r#"{"input_tokens":50,"input_tokens_details":{"cached_tokens":30},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":70}"#;
    let usage = Usage { input_uncached: 20, cache_read: 30, output: 20, reasoning: 8, ..Usage::default() };
    let created = r#"{"type":"response.created","response":{"model":"gpt-5-codex","error":null,"usage":null},"sequence_number":0}"#;
    let delta = r#"{"type":"response.output_text.delta","delta":"x"}"#;
    let completed = format!(
        r#"{{"type":"response.completed","response":{{"error":null,"output":[{{"usage":5}}],"usage":{raw},"metadata":{{}}}}}}"#
    );
    let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"sorry"},"usage":null}}"#;
    let speech = [
        (r"speech.audio.delta", r#"{"type":"speech.audio.delta","audio":"AAAA"}"#),
        (
            "speech.audio.done",
            r#"{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}"#,
        ),
    ];
    vec![
        Fixture {
            ends_before_its_last_byte: true,
            ..fixture(
                "response",
                OpenAi,
                Operation::Responses,
                named_events(&[
                    ("response.created", created),
                    ("response.output_text.delta", delta),
                    ("response.completed", &completed),
                ]),
                complete(Some(usage), Some(raw), Some("gpt-5-codex")),
            )
        },
        Fixture {
            ends_before_its_last_byte: true,
            ..fixture(
                "failed response",
                OpenAi,
                Operation::Responses,
                named_events(&[("response.created", created), ("response.failed", failed)]),
                Observed {
                    error: Some(ProviderError {
                        code: Some("server_error".into()),
                        message: "sorry".into(),
                        ..ProviderError::default()
                    }),
                    semantic_started: false,
                    ..complete(None, None, Some("gpt-5-codex"))
                },
            )
        },
        Fixture {
            ends_before_its_last_byte: true,
            ..fixture(
                "speech",
                OpenAi,
                Operation::AudioSpeech,
                named_events(&speech),
                complete(
                    Some(Usage { input_uncached: 14, output: 101, ..Usage::default() }),
                    Some(r#"{"input_tokens":14,"output_tokens":101,"total_tokens":115}"#),
                    None,
                ),
            )
        },
        Fixture {
            content_type: JSON,
            ..fixture(
                "embeddings",
                OpenAi,
                Operation::Embeddings,
                br#"{"object":"list","data":[{"embedding":[0.1,-2e-5]}],"model":"embed","usage":{"prompt_tokens":12,"total_tokens":12}}"#.to_vec(),
                complete(
                    Some(Usage { input_uncached: 12, ..Usage::default() }),
                    Some(r#"{"prompt_tokens":12,"total_tokens":12}"#),
                    Some("embed"),
                ),
            )
        },
    ]
}

fn anthropic() -> Vec<Fixture> {
    let start = r#"{"input_tokens":2,"cache_creation_input_tokens":3068,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":2068,"ephemeral_1h_input_tokens":1000},"output_tokens":69}"#;
    let end = r#"{"input_tokens":6,"cache_creation_input_tokens":3337,"cache_read_input_tokens":6289,"output_tokens":198,"output_tokens_details":{"thinking_tokens":5}}"#;
    let message_start =
        format!(r#"{{"type":"message_start","message":{{"model":"claude-sonnet-5","content":[],"usage":{start}}}}}"#);
    let message_delta = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{end}}}"#
    );
    let usage = Usage {
        input_uncached: 6,
        cache_read: 6289,
        cache_write_5m: 2337,
        cache_write_1h: 1000,
        output: 198,
        reasoning: 5,
        ..Usage::default()
    };
    let stream = named_events(&[
        ("message_start", &message_start),
        ("message_start", &message_start),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
        ("ping", r#"{"type":"ping"}"#),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"usage\""}}"#,
        ),
        ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
        ("message_delta", &message_delta),
        ("message_stop", r#"{"type":"message_stop"}"#),
    ]);
    let plain = format!(
        r#"{{"model":"claude-sonnet-5","type":"message","content":[{{"type":"text","text":"x"}}],"stop_reason":"end_turn","usage":{start}}}"#
    );
    let broken = named_events(&[
        ("message_start", &message_start),
        ("content_block_delta", r#"{"type":"content_block_delta","delta":{"text":"x"}}"#),
        ("error", r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#),
    ]);
    let of_start =
        Usage { input_uncached: 2, cache_write_5m: 2068, cache_write_1h: 1000, output: 69, ..Usage::default() };
    vec![
        Fixture {
            ends_before_its_last_byte: true,
            ..fixture(
                "message",
                Anthropic,
                Operation::Messages,
                stream,
                complete(
                    Some(usage),
                    Some(&format!(r#"{{"message_start":{start},"message_delta":{end}}}"#)),
                    Some("claude-sonnet-5"),
                ),
            )
        },
        fixture(
            "broken message",
            Anthropic,
            Operation::Messages,
            broken,
            Observed {
                complete: false,
                error: Some(ProviderError {
                    kind: Some("overloaded_error".into()),
                    message: "busy".into(),
                    ..ProviderError::default()
                }),
                ..complete(Some(of_start), Some(start), Some("claude-sonnet-5"))
            },
        ),
        Fixture {
            content_type: JSON,
            ..fixture(
                "plain message",
                Anthropic,
                Operation::Messages,
                plain.into_bytes(),
                complete(Some(of_start), Some(start), Some("claude-sonnet-5")),
            )
        },
    ]
}

fn gemini() -> Vec<Fixture> {
    let raw = r#"{"promptTokenCount":249,"candidatesTokenCount":58,"totalTokenCount":500,"cachedContentTokenCount":200,"toolUsePromptTokenCount":10,"thoughtsTokenCount":183,"promptTokensDetails":[{"modality":"TEXT","tokenCount":240},{"modality":"AUDIO","tokenCount":5},{"modality":"IMAGE","tokenCount":4}],"candidatesTokensDetails":[{"tokenCount":3,"modality":"AUDIO"}]}"#;
    let usage = Usage {
        input_uncached: 59,
        cache_read: 200,
        output: 241,
        reasoning: 183,
        input_audio: 5,
        input_image: 4,
        output_audio: 3,
        ..Usage::default()
    };
    let first = r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true}]}}],"usageMetadata":{"trafficType":"X"},"modelVersion":"gemini-3-pro"}"#;
    let second = r#"{"candidates":[{"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5},"modelVersion":"gemini-3-pro"}"#;
    let third = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"","thoughtSignature":"Ep+/="}}]}},"finishReason":"STOP"}}],"usageMetadata":{raw}}}"#
    );
    let expected = || complete(Some(usage), Some(raw), Some("gemini-3-pro"));
    let absent = br#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":30,"thoughtsTokenCount":15}}"#;
    vec![
        Fixture {
            ends_before_its_last_byte: true,
            ..fixture(
                "chunks",
                Gemini,
                Operation::StreamGenerateContent,
                events(&[first, second, &third, r#"{"usageMetadata":{"trafficType":"X"}}"#]),
                expected(),
            )
        },
        Fixture {
            content_type: JSON,
            ends_before_its_last_byte: true,
            ..fixture(
                "array of chunks",
                Gemini,
                Operation::StreamGenerateContent,
                format!("[{first}\n,\r\n{second},\n{third}\n]\n").into_bytes(),
                expected(),
            )
        },
        Fixture {
            content_type: JSON,
            ..fixture(
                "without a count of candidates",
                Gemini,
                Operation::GenerateContent,
                absent.to_vec(),
                complete(
                    Some(Usage { input_uncached: 9, output: 21, reasoning: 15, ..Usage::default() }),
                    Some(r#"{"promptTokenCount":9,"totalTokenCount":30,"thoughtsTokenCount":15}"#),
                    None,
                ),
            )
        },
    ]
}
