use serde_json::{Value, json};

use super::*;
use crate::Protocol::{Anthropic, Gemini, OpenAi};

const NAMES: &[&str] = &["a", "b", "c", "d", "e"];

fn listed(protocol: Protocol, names: &[&str], query: &str) -> Value {
    serde_json::from_slice(&list(protocol, names, query).unwrap()).unwrap()
}

fn single(protocol: Protocol, name: &str) -> Value {
    serde_json::from_slice(&one(protocol, name)).unwrap()
}

fn ids(list: &Value, member: &str, id: &str) -> Vec<String> {
    list[member].as_array().unwrap().iter().map(|model| model[id].as_str().unwrap().to_owned()).collect()
}

#[test]
fn openai_has_one_list() {
    let model = json!({"id": "gpt-4.1", "object": "model", "created": 0, "owned_by": "tollgate"});
    assert_eq!(single(OpenAi, "gpt-4.1"), model);
    assert_eq!(listed(OpenAi, &["gpt-4.1"], ""), json!({"object": "list", "data": [model]}));
    assert_eq!(listed(OpenAi, &[], ""), json!({"object": "list", "data": []}));
    let many: Vec<String> = (1000..4000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ids(&listed(OpenAi, &many, "limit=2&after=x"), "data", "id"), many);
}

#[test]
fn anthropic_has_every_member_of_a_model() {
    let model = json!({
        "type": "model", "id": "claude-opus-5", "display_name": "claude-opus-5", "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active", "capabilities": null, "deprecated_at": null, "line": null, "max_input_tokens": null,
        "max_tokens": null, "retires_at": null,
    });
    assert_eq!(single(Anthropic, "claude-opus-5"), model);
    assert_eq!(
        listed(Anthropic, &["claude-opus-5"], ""),
        json!({"data": [model], "first_id": "claude-opus-5", "has_more": false, "last_id": "claude-opus-5"})
    );
    assert_eq!(
        listed(Anthropic, &[], "limit=1"),
        json!({"data": [], "first_id": null, "has_more": false, "last_id": null})
    );
}

#[test]
fn anthropic_pages_go_in_both_directions() {
    for (query, expected, has_more) in [
        ("", "abcde", false),
        ("limit=5", "abcde", false),
        ("limit=2", "ab", true),
        ("limit=2&after_id=b", "cd", true),
        ("after_id=d&limit=2", "e", false),
        ("limit=2&after_id=e", "", false),
        // One that is gone meanwhile, escaped.
        ("limit=2&after_id=%62b", "cd", true),
        ("limit=2&before_id=e", "cd", true),
        ("limit=2&before_id=c", "ab", false),
        ("limit=2&before_id=a", "", false),
        ("limit=2&before_id=&after_id=", "ab", true),
    ] {
        let page = listed(Anthropic, NAMES, query);
        assert_eq!(
            (ids(&page, "data", "id").concat().as_str(), &page["has_more"]),
            (expected, &json!(has_more)),
            "{query}"
        );
    }
    let many: Vec<String> = (100..200).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ids(&listed(Anthropic, &many, ""), "data", "id").len(), 20);
}

#[test]
fn gemini_says_what_can_be_done_with_a_model() {
    let model = json!({
        "name": "models/gemini-2.5-pro", "baseModelId": "gemini-2.5-pro", "version": "unknown",
        "displayName": "gemini-2.5-pro",
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    });
    assert_eq!(single(Gemini, "gemini-2.5-pro"), model);
    assert_eq!(listed(Gemini, &["gemini-2.5-pro"], ""), json!({"models": [model]}));
    assert_eq!(listed(Gemini, &[], ""), json!({"models": []}));
    let methods = json!(["embedContent", "batchEmbedContents", "countTokens"]);
    for name in ["gemini-embedding-001", "text-embedding-3-small", "nomic-embed-text"] {
        assert_eq!(single(Gemini, name)["supportedGenerationMethods"], methods);
    }
    assert_eq!(single(Gemini, "tunedModels/mine")["name"], "tunedModels/mine");
}

#[test]
fn gemini_pages_follow_their_tokens() {
    for (size, expected) in [(1, 5), (2, 3), (4, 2), (5, 1), (100, 1)] {
        let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = listed(Gemini, NAMES, &format!("pageSize={size}&pageToken={token}"));
            seen.extend(ids(&page, "models", "baseModelId"));
            pages += 1;
            match page["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!((seen.concat().as_str(), pages), ("abcde", expected), "{size}");
    }
    let many: Vec<String> = (1000..3000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (query, expected) in [("", 50), ("pageSize=0", 50), ("pageSize=5000", 1000)] {
        assert_eq!(ids(&listed(Gemini, &many, query), "models", "name").len(), expected, "{query}");
    }
}

#[test]
fn parameters_that_mean_nothing_are_named() {
    for (protocol, query, name) in [
        (Anthropic, "limit=0", "limit"),
        (Anthropic, "limit=1001", "limit"),
        (Anthropic, "limit=-1", "limit"),
        (Anthropic, "limit=many", "limit"),
        (Anthropic, "after_id=a&before_id=c", "before_id"),
        (Gemini, "pageSize=-1", "pageSize"),
        (Gemini, "pageSize=x", "pageSize"),
        (Gemini, "pageToken=%00", "pageToken"),
        (Gemini, "pageToken=_w", "pageToken"),
    ] {
        assert_eq!(list(protocol, NAMES, query).unwrap_err().name, name, "{query}");
    }
}

proptest::proptest! {
    #[test]
    fn no_query_panics(query in "((limit|after_id|before_id|pageSize|pageToken)=|&|%|[a-z0-9]|\\PC){0,12}") {
        for protocol in Protocol::ALL {
            let _ = list(protocol, NAMES, &query);
        }
    }
}
