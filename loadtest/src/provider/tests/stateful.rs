//! Files, batches and responses belong to the credential that made them.

use serde_json::{Value, json};

use super::super::running::Running;
use super::wire::{ANTHROPIC, OPENAI, Reply, call, get, post, start};

const OTHER: &[(&str, &str)] = &[("Authorization", "Bearer sk-b")];

fn upload(provider: &Running, content: &str) -> Reply {
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{content}\r\n--b--\r\n"
    );
    let headers = &[("Authorization", "Bearer sk-a"), ("Content-Type", "multipart/form-data; boundary=b")];
    call(provider, "POST", "/v1/files", headers, form.as_bytes())
}

#[test]
fn a_file_is_kept_for_its_owner_alone() {
    let provider = start();
    let file = upload(&provider, "hello").json();
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!((file["bytes"].as_u64(), file["filename"].as_str()), (Some(5), Some("in.jsonl")));
    assert_eq!(get(&provider, &format!("{path}/content"), OPENAI).text(), "hello");
    assert_eq!(get(&provider, &path, OTHER).status, 404);
    assert_eq!(get(&provider, "/v1/files", OTHER).json()["data"], json!([]));
    assert_eq!(get(&provider, "/v1/files", OPENAI).json()["data"][0]["id"], file["id"]);
    assert_eq!(call(&provider, "DELETE", &path, OPENAI, b"").json()["deleted"], true);
    assert_eq!(get(&provider, &path, OPENAI).status, 404);
}

#[test]
fn a_batch_completes_with_real_answers() {
    let provider = start();
    let line = json!({"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body":
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "batched"}]}});
    let file = upload(&provider, &format!("{line}\n")).json();
    let create = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = post(&provider, "/v1/batches", OPENAI, &create).json();
    assert_eq!(batch["status"], "validating");
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(get(&provider, &path, OPENAI).json()["status"], "in_progress");
    let done = get(&provider, &path, OPENAI).json();
    assert_eq!((&done["status"], &done["request_counts"]["completed"]), (&json!("completed"), &json!(1)));
    let output = get(&provider, &format!("/v1/files/{}/content", done["output_file_id"].as_str().unwrap()), OPENAI);
    let output: Value = serde_json::from_str(output.text().trim()).unwrap();
    assert_eq!(output["custom_id"], "one");
    let said = output.pointer("/response/body/choices/0/message/content").unwrap().as_str().unwrap();
    assert!(said.starts_with("Echo: batched"));
    assert_eq!(get(&provider, &path, OTHER).status, 404);
}

#[test]
fn message_batches_end_with_results() {
    let provider = start();
    let params = json!({"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "batched"}]});
    let create =
        json!({"requests": [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": {"model": "claude"}}]});
    let batch = post(&provider, "/v1/messages/batches", ANTHROPIC, &create).json();
    let path = format!("/v1/messages/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(get(&provider, &format!("{path}/results"), ANTHROPIC).status, 404);
    get(&provider, &path, ANTHROPIC);
    assert_eq!(get(&provider, &path, ANTHROPIC).json()["processing_status"], "ended");
    let results = get(&provider, &format!("{path}/results"), ANTHROPIC).text();
    let results: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&results[0]["result"]["type"], &results[1]["result"]["type"]),
        (&json!("succeeded"), &json!("errored"))
    );
    assert_eq!(get(&provider, "/v1/messages/batches", ANTHROPIC).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_previous_response_is_known_to_its_owner_alone() {
    let provider = start();
    let first = post(&provider, "/v1/responses", OPENAI, &json!({"model": "gpt-4o", "input": "hi"})).json();
    let next = json!({"model": "gpt-4o", "input": "and?", "previous_response_id": first["id"]});
    assert_eq!(post(&provider, "/v1/responses", OPENAI, &next).status, 200);
    let refused = post(&provider, "/v1/responses", OTHER, &next);
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (400, Some("previous_response_not_found")));
}

#[test]
fn a_stored_response_can_be_looked_at_and_deleted() {
    let provider = start();
    let mut request = json!({"model": "gpt-4o", "input": "keep me", "stream": true});
    let streamed = post(&provider, "/v1/responses", OPENAI, &request).data().pop().unwrap()["response"].clone();
    let path = format!("/v1/responses/{}", streamed["id"].as_str().unwrap());
    assert_eq!(get(&provider, &path, OPENAI).json(), streamed);
    assert_eq!(get(&provider, &path, OTHER).status, 404);
    assert_eq!(call(&provider, "DELETE", &path, OPENAI, b"").json()["deleted"], true);
    assert_eq!(get(&provider, &path, OPENAI).status, 404);
    request["store"] = json!(false);
    request["stream"] = json!(false);
    let forgotten = post(&provider, "/v1/responses", OPENAI, &request).json();
    assert_eq!(get(&provider, &format!("/v1/responses/{}", forgotten["id"].as_str().unwrap()), OPENAI).status, 404);
}
