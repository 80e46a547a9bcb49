use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn scanned(body: &str) -> RequestScan<'_> {
    scan(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn spans(body: &str, spans: &Spans) -> Vec<String> {
    spans.iter().map(|span| body[span.clone()].to_owned()).collect()
}

#[test]
fn what_the_gateway_must_know_is_read() {
    let body = r#" {"messages":[{"role":"user","content":"\"model\":\"x\""}], "model" : "gpt-5" ,"stream":true,
        "stream_options":{"include_usage": true},"max_tokens":10,"max_completion_tokens":300,"n":2,
        "store":false,"background":true,"previous_response_id":"resp_1"} "#;
    let scan = scanned(body);
    assert_eq!(scan.model.as_deref(), Some("gpt-5"));
    assert_eq!(spans(body, &scan.model_spans), [r#""gpt-5""#]);
    assert_eq!((scan.stream, scan.store, scan.background), (Some(true), Some(false), Some(true)));
    assert!(scan.includes_usage() && scan.has_previous_response_id);
    assert_eq!(&body[scan.stream_options.unwrap().span], r#"{"include_usage": true}"#);
    assert_eq!((scan.max_output_tokens, scan.choices), (Some(300), Some(2)));
    assert_eq!(scan.mistyped, None);
}

#[test]
fn what_names_a_session_is_found_at_the_top_only() {
    let body = r#"{"messages":[{"metadata":{"user_id":"no"}}],"prompt_cache_key":"k\u0031","metadata":{"a":{"user_id":"no"},"user_id":"u"}}"#;
    let scan = scanned(body);
    assert_eq!(scan.prompt_cache_key(body.as_bytes()).as_deref(), Some("k1"));
    assert_eq!(scan.metadata_user_id(body.as_bytes()).as_deref(), Some("u"));
    for body in
        ["{}", r#"{"metadata":null,"prompt_cache_key":7}"#, r#"{"metadata":{"user_id":null}}"#, r#"{"metadata":[]}"#]
    {
        let scan = scanned(body);
        assert_eq!((scan.prompt_cache_key(body.as_bytes()), scan.metadata_user_id(body.as_bytes())), (None, None));
    }
}

#[test]
fn an_empty_object_says_nothing() {
    let scan = scanned("{}");
    assert_eq!(scan, RequestScan { insert_at: 1, is_empty: true, ..RequestScan::default() });
}

#[test]
fn a_name_in_escapes_is_the_same_name() {
    let body = r#"{"mod\u0065l":"gpt\u002d5","str\u0065am":true}"#;
    let scan = scanned(body);
    assert_eq!((scan.model.as_deref(), scan.stream), (Some("gpt-5"), Some(true)));
    assert_eq!(spans(body, &scan.model_spans), [r#""gpt\u002d5""#]);
}

#[test]
fn of_repeated_names_the_last_counts_and_all_places_are_known() {
    let body = r#"{"model":"a","stream":true,"model":"b","stream":false,"stream":"yes","model":"c"}"#;
    let scan = scanned(body);
    assert_eq!(scan.model.as_deref(), Some("c"));
    assert_eq!(spans(body, &scan.model_spans), [r#""a""#, r#""b""#, r#""c""#]);
    assert_eq!(scan.stream, None);
    assert!(scan.has_several_models);
    assert!(!scanned(r#"{"model":"a","model":"\u0061"}"#).has_several_models);
    assert!(scanned(r#"{"model":"a","model":"b","model":"b"}"#).has_several_models);
    assert!(scanned(r#"{"model":5,"model":"a"}"#).has_several_models);
}

#[test]
fn a_model_of_the_wrong_type_is_reported() {
    for (body, mistyped) in [
        (r#"{"model":5}"#, Some("model")),
        (r#"{"model":["gpt-5"]}"#, Some("model")),
        (r#"{"model":"\ud800"}"#, Some("model")),
        (r#"{"model":null}"#, None),
        (r#"{"model":5,"model":"gpt-5"}"#, None),
    ] {
        let scan = scanned(body);
        assert_eq!(scan.mistyped, mistyped, "{body}");
        assert_eq!(scan.model.is_some(), body.contains("gpt-5\"}"), "{body}");
    }
}

#[test]
fn gemini_names_its_limits_and_models_inside() {
    let body = r#"{"contents":[],"generationConfig":{"maxOutputTokens":77,"candidateCount":3},
        "requests":[{"model":"models/a","content":{"model":"no"}},{"params":{"model":"b","model":"c"}},5],
        "generateContentRequest":{"model":"models/d"}}"#;
    let scan = scanned(body);
    assert_eq!((scan.max_output_tokens, scan.choices), (Some(77), Some(3)));
    assert_eq!(spans(body, &scan.inner_model_spans), [r#""models/a""#, r#""b""#, r#""c""#, r#""models/d""#]);
    assert_eq!(scan.model, None);
    let models: Vec<_> =
        scan.inner_model_spans.iter().map(|span| model_at(body.as_bytes(), span.clone()).unwrap()).collect();
    assert_eq!(models, ["models/a", "b", "c", "models/d"]);
}

#[test]
fn odd_limits_are_saturated_or_ignored() {
    for (value, limit) in [
        ("4096", Some(4096)),
        ("1e3", Some(1000)),
        ("10.9", Some(10)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("1e999", Some(u64::MAX)),
        ("-5", None),
        ("\"5\"", Some(5)),
        ("\"-5\"", None),
        ("null", None),
        ("[1]", None),
    ] {
        assert_eq!(scanned(&format!(r#"{{"max_tokens":{value}}}"#)).max_output_tokens, limit, "{value}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (body, at, what) in [
        (&b""[..], 0, "a JSON object is expected"),
        (b"  [1]", 2, "a JSON object is expected"),
        (b"\"model\"", 0, "a JSON object is expected"),
        (b"{\"a\":1} x", 8, "something follows the JSON object"),
        (b"{\"a\":1", 6, "`,` or `}` expected"),
        (b"{\"a\":\"b", 7, "string without an end"),
        (b"{\"a\":tru}", 5, "value expected"),
        (b"{\"a\" 1}", 5, "`:` expected"),
        (b"{\"a\":\"\x01\"}", 6, "control character in a string"),
        (b"{\"a\":\"\xff\"}", 6, "invalid UTF-8"),
        (b"{\"a\":[1,{\"b\":01}]}", 14, "invalid number"),
    ] {
        assert_eq!(scan(body), Err(Malformed { at, what }), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn nesting_is_bounded_where_serde_bounds_it() {
    for depth in [126, 127, 128, 129, 5000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = depth - 1;
            let body = format!("{{\"a\":{}1{}}}", open.repeat(inner), close.repeat(inner));
            assert_eq!(scan(body.as_bytes()).is_ok(), serde_json::from_str::<Value>(&body).is_ok(), "{depth} {open}");
        }
    }
}

#[test]
fn a_form_gives_its_fields_and_passes_over_its_files() {
    let body = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a; name=model.wav\"\r\n\
        Content-Type: audio/wav\r\n\r\n--xY name=\"model\"\r\n\r\nnot-this\r\n--xYz\r\n\
        content-disposition:form-data;name=model\r\n\r\nwhisper-1\r\n--xYz  \r\n\
        Content-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--xYz--\r\nepilogue";
    for content_type in
        ["multipart/form-data; boundary=xYz", "Multipart/Form-Data;charset=utf-8; Boundary=\"xYz\"; x=y"]
    {
        let form = multipart_model(content_type, body.as_bytes()).unwrap();
        assert_eq!((form.model, form.stream), (Some("whisper-1"), Some(true)));
        assert_eq!(spans(body, &form.model_spans), ["whisper-1"]);
    }
}

#[test]
fn a_form_with_a_preamble_and_no_fields_is_empty() {
    let form = multipart_model("multipart/form-data; boundary=b", b"before\r\n--b--").unwrap();
    assert_eq!(form, Form::default());
}

#[test]
fn a_broken_form_is_malformed() {
    let whole = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--b--";
    assert!(multipart_model("multipart/form-data; boundary=b", whole).is_ok());
    for cut in 0..whole.len() {
        assert!(multipart_model("multipart/form-data; boundary=b", &whole[..cut]).is_err(), "{cut}");
    }
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary=", "application/json; boundary=b", "", "; boundary=b"]
    {
        assert!(multipart_model(content_type, whole).is_err(), "{content_type}");
    }
}

#[test]
fn a_form_that_others_could_read_differently_is_malformed() {
    for disposition in [
        r#"form-data; x="a\"; q="; name="model""#,
        r#"form-data; name="file"; name="model""#,
        r#"form-data; name="x"; name*=utf-8''model"#,
        "form-data; name=\"x\"\r\ncontent-disposition: form-data; name=\"model\"",
        "form-data;\r\n name=\"model\"",
        "form-data;\n name=\"model\"",
        "form-data; name=\"model",
    ] {
        let body = format!("--b\r\ncontent-disposition: {disposition}\r\n\r\nx\r\n--b--");
        assert!(multipart_model("multipart/form-data; boundary=b", body.as_bytes()).is_err(), "{disposition}");
    }
    let part = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nx\r\n";
    let twice = [part, part, "--b--"].concat();
    assert!(multipart_model("multipart/form-data; boundary=b", twice.as_bytes()).is_err());
    assert!(multipart_model("multipart/form-data; boundary=b; boundary=c", b"--b--").is_err());
    // A name with spaces is another name.
    let other = part.replace("\"model\"", "\" model \"") + "--b--";
    assert_eq!(multipart_model("multipart/form-data; boundary=b", other.as_bytes()).unwrap().model, None);
}

/// JSON text of every kind, with the names that are looked for.
fn json() -> impl Strategy<Value = String> {
    let space = prop::sample::select(vec!["", "", "", " ", "\n\t"]);
    let text = "\"([a-z \u{e4}\u{1f600}]|\\\\n|\\\\\"|\\\\u00e4|\\\\ud83d\\\\ude00){0,50}\"";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("{}".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        text,
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let name = prop_oneof![
            prop::sample::select(vec![
                "\"model\"",
                "\"stream\"",
                "\"stream_options\"",
                "\"include_usage\"",
                "\"max_tokens\"",
                "\"generationConfig\"",
                "\"maxOutputTokens\"",
                "\"requests\"",
                "\"mod\\u0065l\"",
                "\"n\"",
            ])
            .prop_map(str::to_owned),
            "\"[a-z]{0,3}\"",
        ];
        let spaced =
            (space.clone(), inner, space.clone()).prop_map(|(before, value, behind)| [before, &value, behind].concat());
        prop_oneof![
            prop::collection::vec(spaced.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name, spaced), 0..6).prop_map(|members| {
                let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name} :{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// The same value as `serde_json` has it, and only what it accepts.
fn agrees_with_serde(body: &[u8]) -> Result<(), TestCaseError> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let accepted = std::str::from_utf8(body)
        .is_ok_and(|text| is_object && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    let result = scan(body);
    prop_assert_eq!(result.is_ok(), accepted, "{:?} {:?}", String::from_utf8_lossy(body), result);
    let (Ok(scan), Ok(value)) = (result, serde_json::from_slice::<Value>(body)) else { return Ok(()) };
    prop_assert_eq!(scan.model.as_deref(), value["model"].as_str());
    prop_assert_eq!(scan.stream, value["stream"].as_bool());
    prop_assert_eq!(scan.includes_usage(), value["stream_options"]["include_usage"].as_bool() == Some(true));
    prop_assert_eq!(scan.is_empty, value.as_object().is_some_and(serde_json::Map::is_empty));
    for span in scan.model_spans.iter() {
        prop_assert!(serde_json::from_slice::<Value>(&body[span.clone()]).is_ok());
    }
    Ok(())
}

proptest! {
    #[test]
    fn well_formed_bodies_agree_with_serde(body in json()) {
        agrees_with_serde(body.as_bytes())?;
    }

    #[test]
    fn damaged_bodies_agree_with_serde(body in json(), at: prop::sample::Index, with in any::<u8>(), how in 0..4) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        match how {
            0 => body[at] = with,
            1 => body.insert(at, with),
            2 => { body.remove(at); }
            _ => body.truncate(at),
        }
        agrees_with_serde(&body)?;
    }

    #[test]
    fn any_bytes_are_scanned_without_panic(body in prop::collection::vec(any::<u8>(), 0..200), json in "[\\{\\}\\[\\]\",:\\\\0-9a-z -]{0,60}") {
        let _ = scan(&body);
        agrees_with_serde(json.as_bytes())?;
    }

    #[test]
    fn any_form_is_read_without_panic(body in "(--b|\r\n|name=\"model\"|content-disposition:|;|x|\"|-){0,20}", content_type in "(multipart/form-data|;|boundary=|b|\"|=| ){0,8}") {
        let _ = multipart_model(&content_type, body.as_bytes());
        let _ = multipart_model("multipart/form-data; boundary=b", body.as_bytes());
    }
}

#[test]
fn counts_in_strings_and_answers_under_other_names_are_counted() {
    let of = |body: &str| {
        let scan = scan(body.as_bytes()).unwrap();
        (scan.max_output_tokens, scan.choices, scan.prompts)
    };
    let google = r#"{"generationConfig":{"maxOutputTokens":"30000","candidateCount":" 8 "}}"#;
    assert_eq!(of(google), (Some(30_000), Some(8), None));
    assert_eq!(of(r#"{"n":"2","best_of":20,"max_tokens":"x"}"#), (None, Some(20), None));
    assert_eq!(of(r#"{"n":10,"n":1}"#).1, Some(10));
    assert_eq!(of(r#"{"prompt":["a","b", "c"]}"#).2, Some(3));
    assert_eq!(of(r#"{"prompt":["a","b"],"prompt":"a"}"#).2, Some(2));
    assert_eq!(scan(br#"{"background":true,"background":false}"#).unwrap().background, Some(true));
    assert_eq!(of(r#"{"prompt":[[1,2],[3]]}"#).2, Some(2));
    for one in [r#"{"prompt":"a"}"#, r#"{"prompt":[1,2,3]}"#, r#"{"prompt":[]}"#, r#"{"prompt":{"id":"x"}}"#] {
        assert_eq!(of(one).2, None, "{one}");
    }
}
