use super::*;

const GOOGLE: &[&str] = &["x-goog-api-key"];
const GOOGLE_CLIENT: &[&str] = &["x-goog-api-client"];
const CLAUDE: &[&str] = &["anthropic-version"];

fn at<'p>(method: &str, path: &'p str, headers: &[&str]) -> Result<Endpoint<'p>, Unrecognised> {
    recognise(method, path, |name| headers.contains(&name))
}

fn found(method: &str, path: &str, headers: &[&str]) -> (Protocol, Operation) {
    let endpoint = at(method, path, headers).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    (endpoint.protocol, endpoint.operation)
}

#[test]
fn every_path_of_openai_is_recognised() {
    use Operation as O;
    let paths = [
        ("POST", "/v1/chat/completions", O::ChatCompletions),
        ("GET", "/v1/chat/completions", O::StoredCompletions),
        ("GET", "/v1/chat/completions/chatcmpl-1", O::StoredCompletions),
        ("POST", "/v1/chat/completions/chatcmpl-1", O::StoredCompletions),
        ("DELETE", "/v1/chat/completions/chatcmpl-1", O::StoredCompletions),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages", O::StoredCompletions),
        ("POST", "/v1/responses", O::Responses),
        ("POST", "/v1/responses/input_tokens", O::ResponseInputTokens),
        ("POST", "/v1/responses/compact", O::CompactResponse),
        ("GET", "/v1/responses/resp_1", O::StoredResponses),
        ("DELETE", "/v1/responses/resp_1", O::StoredResponses),
        ("POST", "/v1/responses/resp_1/cancel", O::StoredResponses),
        ("GET", "/v1/responses/resp_1/input_items", O::StoredResponses),
        ("POST", "/v1/completions", O::Completions),
        ("POST", "/v1/embeddings", O::Embeddings),
        ("POST", "/v1/moderations", O::Moderations),
        ("POST", "/v1/images/generations", O::ImageGenerations),
        ("POST", "/v1/images/edits", O::ImageEdits),
        ("POST", "/v1/images/variations", O::ImageVariations),
        ("POST", "/v1/audio/speech", O::AudioSpeech),
        ("POST", "/v1/audio/transcriptions", O::AudioTranscriptions),
        ("POST", "/v1/audio/translations", O::AudioTranslations),
        ("POST", "/v1/files", O::UploadFile),
        ("GET", "/v1/files", O::Files),
        ("GET", "/v1/files/file-1", O::Files),
        ("DELETE", "/v1/files/file-1", O::Files),
        ("GET", "/v1/files/file-1/content", O::Files),
        ("POST", "/v1/batches", O::CreateBatch),
        ("GET", "/v1/batches", O::Batches),
        ("GET", "/v1/batches/batch_1", O::Batches),
        ("POST", "/v1/batches/batch_1/cancel", O::Batches),
        ("GET", "/v1/models", O::ListModels),
        ("GET", "/v1/models/gpt-5", O::GetModel),
    ];
    for (method, path, operation) in paths {
        assert_eq!(found(method, path, &[]), (Protocol::OpenAi, operation), "{method} {path}");
    }
}

#[test]
fn every_path_of_anthropic_is_recognised() {
    use Operation as O;
    let paths = [
        ("POST", "/v1/messages", O::Messages),
        ("POST", "/v1/messages/count_tokens", O::CountTokens),
        ("POST", "/v1/messages/batches", O::CreateMessageBatch),
        ("GET", "/v1/messages/batches", O::MessageBatches),
        ("GET", "/v1/messages/batches/msgbatch_1", O::MessageBatches),
        ("DELETE", "/v1/messages/batches/msgbatch_1", O::MessageBatches),
        ("POST", "/v1/messages/batches/msgbatch_1/cancel", O::MessageBatches),
        ("GET", "/v1/messages/batches/msgbatch_1/results", O::MessageBatches),
    ];
    for (method, path, operation) in paths {
        assert_eq!(found(method, path, &[]), (Protocol::Anthropic, operation), "{method} {path}");
        assert_eq!(found(method, path, CLAUDE), (Protocol::Anthropic, operation), "{method} {path}");
    }
}

#[test]
fn every_path_of_gemini_is_recognised_under_both_versions() {
    use Operation as O;
    let methods = [
        ("generateContent", O::GenerateContent),
        ("streamGenerateContent", O::StreamGenerateContent),
        ("countTokens", O::CountTokens),
        ("embedContent", O::EmbedContent),
        ("batchEmbedContents", O::BatchEmbedContents),
    ];
    for version in ["/v1", "/v1beta"] {
        for headers in [&[][..], GOOGLE] {
            for (method, operation) in methods {
                for (path, model) in [
                    (format!("{version}/models/gemini-3-pro:{method}"), "gemini-3-pro"),
                    (format!("{version}/tunedModels/mine:{method}"), "tunedModels/mine"),
                ] {
                    let endpoint = at("POST", &path, headers).unwrap();
                    assert_eq!((endpoint.protocol, endpoint.operation), (Protocol::Gemini, operation), "{path}");
                    assert_eq!(path.get(endpoint.model_in_path.clone().unwrap()), Some(model));
                    assert_eq!(endpoint.version_prefix, version);
                    assert!(endpoint.has_model && endpoint.model_required);
                }
            }
        }
    }
    assert_eq!(found("GET", "/v1beta/models", &[]), (Protocol::Gemini, O::ListModels));
    assert_eq!(found("GET", "/v1beta/models/gemini-3-pro", &[]), (Protocol::Gemini, O::GetModel));
    assert_eq!(found("GET", "/v1/tunedModels/mine", &[]), (Protocol::Gemini, O::GetModel));
}

#[test]
fn paths_that_several_protocols_have_go_by_the_callers_headers() {
    for path in ["/v1/models", "/v1/models/some-model"] {
        for (headers, protocol) in [
            (&[][..], Protocol::OpenAi),
            (CLAUDE, Protocol::Anthropic),
            (GOOGLE, Protocol::Gemini),
            (GOOGLE_CLIENT, Protocol::Gemini),
            (&["anthropic-version", "x-goog-api-key"][..], Protocol::Gemini),
        ] {
            assert_eq!(found("GET", path, headers).0, protocol, "{path} {headers:?}");
        }
    }
    assert_eq!(found("GET", "/v1/files", CLAUDE).0, Protocol::Anthropic);
    // A path that only one protocol has is that protocol's, whatever else the caller says.
    assert_eq!(found("POST", "/v1/chat/completions", CLAUDE).0, Protocol::OpenAi);
    assert_eq!(found("POST", "/v1/messages", GOOGLE).0, Protocol::Anthropic);
}

#[test]
fn names_and_ids_are_found_in_the_path() {
    let model = |path: &'static str| {
        let endpoint = at("GET", path, &[]).unwrap();
        path.get(endpoint.model_in_path.unwrap()).unwrap()
    };
    assert_eq!(model("/v1/models/gpt-5"), "gpt-5");
    assert_eq!(model("/v1/models/maker/model"), "maker/model");
    assert_eq!(model("/v1/models/ft:gpt-5:org::id"), "ft:gpt-5:org::id");
    let id = |method, path: &'static str| path.get(at(method, path, &[]).unwrap().resource_id.unwrap()).unwrap();
    assert_eq!(id("GET", "/v1/files/file-1/content"), "file-1");
    assert_eq!(id("POST", "/v1/batches/batch_1/cancel"), "batch_1");
    assert_eq!(id("GET", "/v1/messages/batches/msgbatch_1/results"), "msgbatch_1");
    assert_eq!(id("GET", "/v1/chat/completions/chatcmpl-1/messages"), "chatcmpl-1");
    assert_eq!(at("POST", "/v1/responses", &[]).unwrap().resource_id, None);
}

#[test]
fn a_recognised_path_is_its_prefix_and_its_rest() {
    let endpoint = at("POST", "/v1/audio/speech", &[]).unwrap();
    assert_eq!((endpoint.version_prefix, endpoint.rest), ("/v1", "/audio/speech"));
    assert_eq!((endpoint.body, endpoint.has_model), (BodyKind::Json, true));
    let endpoint = at("POST", "/v1/audio/transcriptions", &[]).unwrap();
    assert_eq!((endpoint.body, endpoint.model_required), (BodyKind::Multipart, true));
    let endpoint = at("GET", "/v1/files/file-1", &[]).unwrap();
    assert_eq!((endpoint.body, endpoint.has_model), (BodyKind::None, false));
}

#[test]
fn paths_that_others_could_read_differently_are_refused() {
    for path in [
        "",
        "v1/models",
        "/v1//models",
        "/v1/models/",
        "//v1/models",
        "//",
        "/v1/./models",
        "/v1/files/../models",
        "/v1/models/a%2fb",
        "/v1beta/models/%67emini:generateContent",
        "/v1/models/a b",
        "/v1/models/a\\b",
        "/v1/models/ä",
        "/v1/models?x=1",
        "/v1/models#x",
        "/v1/models/a\u{0}",
        "/v1/a/b/c/d/e/f/g/h/i",
    ] {
        let error = at("GET", path, &[]).unwrap_err();
        assert!(matches!(error, Unrecognised::BadPath { .. }), "{path:?}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
}

#[test]
fn unknown_paths_are_refused_in_the_likeliest_shape() {
    for (method, path, headers, protocol) in [
        ("GET", "/", &[][..], Protocol::OpenAi),
        ("GET", "/", GOOGLE, Protocol::Gemini),
        ("POST", "/v1", &[], Protocol::OpenAi),
        ("POST", "/v2/chat/completions", &[], Protocol::OpenAi),
        ("POST", "/v1/nothing", &[], Protocol::OpenAi),
        ("POST", "/v1/nothing", CLAUDE, Protocol::Anthropic),
        ("POST", "/v1/nothing", GOOGLE, Protocol::Gemini),
        ("POST", "/v1/messages/nothing", &[], Protocol::Anthropic),
        ("POST", "/v1beta/models/gemini:nothing", &[], Protocol::Gemini),
        ("POST", "/v1/models/gemini:nothing", &[], Protocol::Gemini),
        ("POST", "/v1beta/models/:generateContent", &[], Protocol::Gemini),
        ("POST", "/v1beta/chat/completions", &[], Protocol::Gemini),
        ("POST", "/v1beta/messages", &[], Protocol::Gemini),
    ] {
        let error = at(method, path, headers).unwrap_err();
        assert_eq!(error, Unrecognised::UnknownPath { protocol }, "{path}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    for (method, path, protocol, allowed) in [
        ("GET", "/v1/messages", Protocol::Anthropic, "POST"),
        ("PUT", "/v1/files/file-1", Protocol::OpenAi, "GET, DELETE"),
        ("DELETE", "/v1/models/gpt-5", Protocol::OpenAi, "GET"),
        ("POST", "/v1/models", Protocol::OpenAi, "GET"),
        ("GET", "/v1beta/models/gemini:generateContent", Protocol::Gemini, "POST"),
        ("get", "/v1/models", Protocol::OpenAi, "GET"),
    ] {
        match at(method, path, &[]).unwrap_err() {
            Unrecognised::MethodNotAllowed { protocol: found, allowed: methods } => {
                assert_eq!((found, methods.header_value().as_str()), (protocol, allowed), "{method} {path}");
            }
            other => panic!("{method} {path}: {other:?}"),
        }
    }
}

#[test]
fn the_access_key_is_taken_out_of_the_query() {
    use query::{access_key, asks_for_events, without_access_key};
    assert_eq!(access_key("alt=sse&key=tg_1"), Some("tg_1"));
    assert_eq!(access_key("monkey=1&key="), None);
    assert_eq!(without_access_key("alt=sse&key=tg_1&x=2&key=b"), "alt=sse&x=2");
    assert_eq!(without_access_key("%6Bey=tg_1&alt=sse"), "alt=sse");
    assert_eq!(without_access_key("key"), "");
    assert!(matches!(without_access_key("monkey=1&keys=2"), std::borrow::Cow::Borrowed(_)));
    assert!(asks_for_events("key=1&alt=sse") && asks_for_events("$alt=sse"));
    assert!(!asks_for_events("alt=json") && !asks_for_events("") && !asks_for_events("salt=sse"));
}

proptest::proptest! {
    #[test]
    fn nothing_panics_and_places_are_inside_the_path(method in "GET|POST|DELETE|[A-Z]{0,5}", path in "(/|v1|v1beta|models|:|generateContent|files|x|\\PC){0,12}") {
        if let Ok(endpoint) = at(&method, &path, &[]) {
            proptest::prop_assert_eq!([endpoint.version_prefix, endpoint.rest].concat(), path.clone());
            for place in endpoint.model_in_path.into_iter().chain(endpoint.resource_id) {
                proptest::prop_assert!(path.get(place).is_some_and(|name| !name.is_empty()));
            }
        }
    }
}
