use super::*;

/// Everything that the canonical form holds and OpenAI can say.
const REQUEST: &str = r#"{"model":"m","messages":[
    {"role":"system","content":"be brief"},
    {"role":"user","content":[{"type":"text","text":"look \"here\" \u00e4\n"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"high"}},
        {"type":"input_audio","input_audio":{"data":"BB","format":"wav"}},
        {"type":"file","file":{"file_data":"data:application/pdf;base64,CC","filename":"a.pdf"}}]},
    {"role":"assistant","content":"calling","tool_calls":[
        {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},
        {"id":"b","type":"custom","custom":{"name":"g","input":"free"}}]},
    {"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"},
    {"role":"system","content":"late"},
    {"role":"assistant","content":[{"type":"text","text":"part"},{"type":"refusal","refusal":"no"}]},
    {"role":"user","content":"go on"}],
    "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"number"}}},"strict":false}},
        {"type":"custom","custom":{"name":"g","description":"e"}}],
    "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},
    "parallel_tool_calls":false,
    "response_format":{"type":"json_schema","json_schema":{"name":"s","description":"t","schema":{"type":"object"},"strict":false}},
    "max_completion_tokens":9,"stop":["x","y"],"temperature":0.3,"top_p":0.5,"seed":3,"n":2,"logprobs":true,"top_logprobs":1,
    "frequency_penalty":0.1,"presence_penalty":0.2,"safety_identifier":"u","prompt_cache_key":"k","verbosity":"high",
    "reasoning_effort":"high","stream":true,"stream_options":{"include_usage":true}}"#;

#[test]
fn a_request_comes_back_as_it_was() {
    let target = Target { model: "m", ..OPENAI };
    let first = read(REQUEST);
    assert_eq!(first.notes, []);
    let written = write(&first, &target);
    assert_eq!(written.notes, []);
    let text = String::from_utf8(written.body).unwrap();
    assert_eq!(read(&text), first);
    assert_eq!(json(text.as_bytes())["messages"][2]["tool_calls"][0]["function"]["arguments"], r#"{"x": 1}"#);
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let body = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":"no",
        "reasoning_content":"t","reasoning_details":[{"type":"reasoning.encrypted","data":"tgs1_unsigned","index":0}],
        "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
        "logprobs":null,"finish_reason":"tool_calls"},{"index":1,"message":{"content":"b"},"finish_reason":"length"}]}"#;
    let out = translate::write_answer(Format::Chat, Format::Chat, body.as_bytes(), None, &TERMS, &Names::default());
    let out = json(&out.unwrap());
    let expected: Json = serde_json::from_str(body).unwrap();
    assert_eq!(out["choices"][0], expected["choices"][0]);
    assert_eq!(out["choices"][1]["finish_reason"], "length");
}
