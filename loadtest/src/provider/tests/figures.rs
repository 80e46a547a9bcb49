//! Choices, log probabilities, counts and vectors.

use serde_json::{Value, json};

use super::ask::{chat, gemini, gemini_stream, responses};
use super::wire::{GEMINI, OPENAI, post, start};

#[test]
fn log_probabilities_spell_the_text() {
    let provider = start();
    let spelt = |tokens: &Value, name: &str| -> String {
        tokens.as_array().unwrap().iter().map(|token| token[name].as_str().unwrap()).collect()
    };
    let asked = json!({"logprobs": true, "top_logprobs": 2});
    let choice = chat(&provider, "gpt-4o", &asked).json()["choices"][0].clone();
    assert_eq!(choice["message"]["content"], spelt(&choice["logprobs"]["content"], "token"));
    assert_eq!(choice["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap().len(), 2);
    let chunks = chat(&provider, "gpt-4o", &json!({"logprobs": true, "stream": true})).data();
    let streamed: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/logprobs/content").map(|tokens| spelt(tokens, "token")))
        .collect();
    assert_eq!(choice["message"]["content"], streamed);
    assert!(chat(&provider, "gpt-4o", &json!({})).json()["choices"][0]["logprobs"].is_null());

    let asked = json!({"include": ["message.output_text.logprobs"], "top_logprobs": 1});
    let part = responses(&provider, "gpt-4o", &asked).json()["output"][0]["content"][0].clone();
    assert_eq!(part["text"], spelt(&part["logprobs"], "token"));

    let asked = json!({"generationConfig": {"responseLogprobs": true, "logprobs": 3}});
    let candidate = gemini(&provider, "gemini-2.0-flash", &asked).json()["candidates"][0].clone();
    let result = &candidate["logprobsResult"];
    assert_eq!(candidate["content"]["parts"][0]["text"], spelt(&result["chosenCandidates"], "token"));
    assert_eq!(result["topCandidates"][0]["candidates"].as_array().unwrap().len(), 3);
    assert!(candidate["avgLogprobs"].as_f64() < Some(0.0));
}

#[test]
fn candidates_cost_their_number_and_the_prompt_counts_once() {
    let provider = start();
    let asked = json!({"generationConfig": {"candidateCount": 3}});
    let reply = gemini(&provider, "gemini-2.5-flash", &asked).json();
    let generated = provider.requests().pop().unwrap().generated;
    let indexes: Vec<&Value> = reply["candidates"].as_array().unwrap().iter().map(|one| &one["index"]).collect();
    assert_eq!(indexes, [0, 1, 2]);
    let usage = &reply["usageMetadata"];
    assert_eq!(usage["thoughtsTokenCount"], generated.reasoning);
    assert_eq!(usage["candidatesTokenCount"], generated.output - generated.reasoning);
    assert_eq!(generated.reasoning % 3, 0);
    let last = gemini_stream(&provider, "gemini-2.5-flash", &asked).data().pop().unwrap();
    assert_eq!(last["candidates"].as_array().unwrap().len(), 3);
    let generated = provider.requests().pop().unwrap().generated;
    assert_eq!(last["usageMetadata"]["totalTokenCount"], generated.prompt() + generated.output);
}

#[test]
fn what_tools_bring_in_is_part_of_the_prompt() {
    let provider = start();
    let usage = gemini(&provider, "gemini-sim-tooluse", &json!({})).json()["usageMetadata"].clone();
    let generated = provider.requests().pop().unwrap().generated;
    let number = |name: &str| usage[name].as_u64().unwrap();
    assert!(number("toolUsePromptTokenCount") > 0);
    assert_eq!(number("promptTokenCount") + number("toolUsePromptTokenCount"), generated.prompt());
    assert_eq!(number("totalTokenCount"), generated.prompt() + generated.output);
}

#[test]
fn the_input_of_a_response_is_counted_without_an_answer() {
    let provider = start();
    let body = json!({"model": "gpt-4o", "input": "hi"});
    let reply = post(&provider, "/v1/responses/input_tokens", OPENAI, &body).json();
    assert_eq!(reply["object"], "response.input_tokens");
    let counted = reply["input_tokens"].as_u64().unwrap();
    assert_eq!(provider.requests().pop().unwrap().generated.output, 0);
    post(&provider, "/v1/responses", OPENAI, &body);
    assert_eq!(provider.requests().pop().unwrap().generated.prompt(), counted);
}

#[test]
fn vectors_have_the_length_asked_for_under_either_name() {
    let provider = start();
    for name in ["outputDimensionality", "output_dimensionality"] {
        let mut body = json!({"content": {"parts": [{"text": "x"}]}});
        body[name] = json!(5);
        let reply = post(&provider, "/v1beta/models/gemini-embedding-001:embedContent", GEMINI, &body).json();
        assert_eq!(reply["embedding"]["values"].as_array().unwrap().len(), 5);
    }
}

#[test]
fn chat_calls_free_text_tools() {
    let provider = start();
    let tools = json!([{"type": "custom", "custom": {"name": "sql"}}]);
    let call =
        chat(&provider, "gpt-4o", &json!({"tools": tools})).json()["choices"][0]["message"]["tool_calls"][0].clone();
    assert_eq!((&call["type"], &call["custom"]["input"]), (&json!("custom"), &json!("sample: good morning")));
    let chunks = chat(&provider, "gpt-4o", &json!({"tools": tools, "stream": true})).data();
    let input: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0/custom/input")?.as_str())
        .collect();
    assert_eq!(input, "sample: good morning");
}
