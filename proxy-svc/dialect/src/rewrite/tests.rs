use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::recognise;
use crate::request::{multipart_model, scan};

fn edited(body: &str, make: impl Fn(&mut Edits, &RequestScan<'_>)) -> String {
    let scan = scan(body.as_bytes()).unwrap();
    let mut edits = Edits::default();
    make(&mut edits, &scan);
    let out = replace(body.as_bytes(), &edits);
    assert_eq!(out.len(), edits.length(body.len()));
    assert_eq!(out, edits.slices(body.as_bytes()).collect::<Vec<_>>().concat());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_renamed_model_changes_nothing_else() {
    let body = "{ \"temperature\":1.0,\"model\" :\t\"a\", \"x\":{\"model\":\"a\"},\"model\":\"b\" }";
    assert_eq!(
        edited(body, |edits, scan| edits.rename_model(scan, "new \"one\"\n")),
        "{ \"temperature\":1.0,\"model\" :\t\"new \\\"one\\\"\\n\", \"x\":{\"model\":\"a\"},\"model\":\"new \\\"one\\\"\\n\" }"
    );
}

#[test]
fn a_model_that_stands_there_already_is_left_as_it_is_written() {
    let body = r#"{"model":"gpt\u002d5"}"#;
    assert_eq!(edited(body, |edits, scan| edits.rename_model(scan, "gpt-5")), body);
    let two = r#"{"model":"cheap","model":"dear"}"#;
    assert_eq!(edited(two, |edits, scan| edits.rename_model(scan, "dear")), r#"{"model":"dear","model":"dear"}"#);
}

#[test]
fn usage_is_asked_for_in_every_place_where_it_may_stand() {
    for (body, expected) in [
        (r#"{"stream":true}"#, r#"{"stream_options":{"include_usage":true},"stream":true}"#),
        (r"{ }", r#"{"stream_options":{"include_usage":true} }"#),
        (r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{ }}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{"x":1}}"#, r#"{"stream_options":{"include_usage":true,"x":1}}"#),
        (r#"{"stream_options":{"include_usage":false}}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{"include_usage": null,"x":1}}"#, r#"{"stream_options":{"include_usage": true,"x":1}}"#),
        (r#"{"stream_options":{"include_usage":true}}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":5}"#, r#"{"stream_options":5}"#),
        (
            r#"{"stream_options":{"include_usage":true},"stream_options":{}}"#,
            r#"{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true}}"#,
        ),
    ] {
        assert_eq!(edited(body, Edits::ask_usage), expected, "{body}");
    }
}

#[test]
fn inner_models_of_gemini_keep_their_collection() {
    let body = r#"{"model":"models/old","requests":[{"model":"models/old","content":{}},{"model":"models/old"}]}"#;
    assert_eq!(
        edited(body, |edits, scan| edits.rename_inner_models(scan, "new")),
        r#"{"model":"models/new","requests":[{"model":"models/new","content":{}},{"model":"models/new"}]}"#
    );
}

#[test]
fn a_form_field_is_renamed_as_it_stands() {
    let body = b"--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nold\r\n--b--\r\n";
    let form = multipart_model("multipart/form-data; boundary=b", body).unwrap();
    let mut edits = Edits::default();
    edits.rename_form_model(&form.model_spans, "x\r\n--b--");
    assert!(edits.is_empty());
    edits.rename_form_model(&form.model_spans, "new-model");
    let out = replace(body, &edits);
    assert_eq!(multipart_model("multipart/form-data; boundary=b", &out).unwrap().model, Some("new-model"));
}

#[test]
fn edits_that_overlap_are_not_both_made() {
    let mut edits = Edits::default();
    for at in [4..6, 0..2, 5..7, 3..5, 2..4, 6..6] {
        edits.push(Edit { at, with: Cow::Borrowed(b"-") });
    }
    assert_eq!(replace(b"01234567", &edits), b"----67");
}

#[test]
fn the_model_in_a_path_is_renamed() {
    for (method, path, name, expected) in [
        ("POST", "/v1beta/models/a:generateContent", "b", "/v1beta/models/b:generateContent"),
        ("POST", "/v1beta/models/a:countTokens", "tunedModels/t", "/v1beta/tunedModels/t:countTokens"),
        ("POST", "/v1/tunedModels/t:generateContent", "b", "/v1/models/b:generateContent"),
        ("POST", "/v1/tunedModels/t:generateContent", "tunedModels/u", "/v1/tunedModels/u:generateContent"),
        ("GET", "/v1/models/gpt-5", "maker/model", "/v1/models/maker/model"),
        ("GET", "/v1/models/gpt-5", "gpt-5", "/v1/models/gpt-5"),
        ("GET", "/v1/files/file-1", "gpt-5", "/v1/files/file-1"),
    ] {
        let endpoint = recognise(method, path, |_| false).unwrap();
        assert_eq!(rename_model_in_path(path, &endpoint, name), expected, "{path} {name}");
    }
}

proptest! {
    #[test]
    fn edits_change_what_they_should_for_any_name(name in ".{0,20}", before in any::<bool>(), options in 0..5_usize) {
        let options: Value = [
            json!(null),
            json!({}),
            json!({"include_usage": false}),
            json!({"a": [1, "b"]}),
            json!({"include_usage": true}),
        ][options].clone();
        let body = if before {
            json!({"a": 1, "model": "old", "stream": true, "stream_options": options, "z": "old"})
        } else {
            json!({"a": 1, "model": "old", "stream": true, "z": "old"})
        };
        let out = edited(&body.to_string(), |edits, scan| {
            edits.ask_usage(scan);
            edits.rename_model(scan, &name);
        });
        let mut out: Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&out["stream_options"]["include_usage"], &json!(true));
        prop_assert_eq!(&out["model"], &json!(name));
        out["model"] = json!("old");
        out["stream_options"] = body["stream_options"].clone();
        if !before {
            out.as_object_mut().unwrap().remove("stream_options");
        }
        prop_assert_eq!(out, body);
    }
}
