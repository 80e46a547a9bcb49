//! Streams. Where this protocol is on both sides, a cut anywhere must change nothing.

use super::*;
use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text};
use crate::endpoint::Operation;
use crate::error::{ErrorBody, ErrorKind, Framing, stream_event};
use crate::translate::Frame;

/// In the shapes that Gemini's streams have: texts in pieces, a signature behind them in the chunk that ends it.
const TEXT: &str = concat!(
    r#"data: {"candidates":[{"content":{"parts":[{"text":"hm ","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9},"modelVersion":"gemini-3-pro","responseId":"r1"}"#,
    "\r\n\r\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"so","thought":true},{"text":"A \"b\"\n"}],"role":"model"},"index":0}]}"#,
    "\r\n\r\n: a comment\r\n\r\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"\u00df"}],"role":"model"},"index":0}]}"#,
    "\r\n\r\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"QQ=="}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":17,"thoughtsTokenCount":5}}"#,
    "\r\n\r\n",
);

/// A call without arguments, one whole, one in pieces; a candidate without an index; the end told twice.
const CALLS: &str = concat!(
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"none"},"thoughtSignature":"QQ=="},{"functionCall":{"id":"x","name":"whole","args":{"a": 1}}}]}}],"usageMetadata":{"trafficType":"X"}}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"pieces","willContinue":true}}]}}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.id","stringValue":"A","willContinue":true}],"willContinue":true}}]}}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.id","stringValue":"B"}],"willContinue":true}}]},"finishReason":"STOP"}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{}}]}}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1,"totalTokenCount":3}}"#,
);

const SEVERAL: &str = concat!(
    r#"data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0},{"content":{"parts":[{"text":"b"}]},"index":1}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"c"}]},"index":1,"finishReason":"MAX_TOKENS"}]}"#,
    "\n\n",
    r#"data: {"candidates":[{"finishReason":"SAFETY","index":0}]}"#,
    "\n\ndata: {\"usageMetadata\":{\"promptTokenCount\":1}}\n\ndata: [DONE]\n\n",
);

const BLOCKED: &str =
    "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":4}}\n\n";

fn translated(pieces: &[&[u8]], events: bool) -> (String, bool) {
    let terms = Terms { events, ..TERMS };
    let mut translator = StreamTranslator::new(Format::Generate, Format::Generate, &terms, Names::default());
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece, &Reversed, &mut out);
    }
    let is_whole = translator.finish(&Reversed, &mut out);
    (String::from_utf8(out).unwrap(), is_whole)
}

fn chunks(stream: &str) -> Vec<Json> {
    let (out, is_whole) = translated(&[stream.as_bytes()], true);
    assert!(is_whole, "{out}");
    let events =
        out.split_terminator("\n\n").map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap());
    events.collect()
}

fn part(index: u64, part: &Json) -> Json {
    json!({"content": {"parts": [part], "role": "model"}, "index": index})
}

fn last(index: u64, reason: &str) -> Json {
    json!({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason, "index": index})
}

#[test]
fn any_cut_gives_the_same_stream() {
    for stream in [TEXT, CALLS, SEVERAL, BLOCKED] {
        for events in [true, false] {
            let whole = translated(&[stream.as_bytes()], events);
            assert!(whole.1);
            if !events {
                let array: Json = serde_json::from_str(&whole.0).unwrap();
                assert!(!array.as_array().unwrap().is_empty());
            }
            for cut in 0..stream.len() {
                let (first, second) = stream.as_bytes().split_at(cut);
                assert_eq!(translated(&[first, second], events), whole, "cut at {cut}");
            }
        }
    }
}

#[test]
fn texts_go_out_as_they_come_and_usage_with_the_end() {
    let chunks = chunks(TEXT);
    let candidates: Vec<&Json> = chunks.iter().map(|chunk| &chunk["candidates"][0]).collect();
    assert_eq!(
        candidates,
        [
            &part(0, &json!({"text": "hm ", "thought": true})),
            &part(0, &json!({"text": "so", "thought": true})),
            &part(0, &json!({"text": "A \"b\"\n"})),
            &part(0, &json!({"text": "ß"})),
            &part(0, &json!({"text": "", "thought": true, "thoughtSignature": "QQ=="})),
            &last(0, "STOP"),
        ]
    );
    for chunk in &chunks {
        assert_eq!((&chunk["modelVersion"], &chunk["responseId"]), (&json!("gemini-3-pro"), &json!("req-1")));
    }
    let usage =
        json!({"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 17, "thoughtsTokenCount": 5});
    assert_eq!(chunks[5]["usageMetadata"], usage);
    assert!(chunks[..5].iter().all(|chunk| chunk.get("usageMetadata").is_none()));
}

#[test]
fn calls_come_whole() {
    let candidates: Vec<Json> = chunks(CALLS).iter().map(|chunk| chunk["candidates"][0].clone()).collect();
    let call = |id: &str, name: &str, args: Json| json!({"functionCall": {"id": id, "name": name, "args": args}});
    let mut signed = call("call_req1_0", "none", json!({}));
    signed["thoughtSignature"] = json!("QQ==");
    assert_eq!(
        candidates,
        [
            part(0, &signed),
            part(0, &call("x", "whole", json!({"a": 1}))),
            part(0, &call("call_req1_2", "pieces", json!({"id": "AB"}))),
            last(0, "STOP"),
        ]
    );
}

#[test]
fn several_answers_end_together() {
    let chunks = chunks(SEVERAL);
    assert_eq!(chunks[2]["candidates"], json!([part(1, &json!({"text": "c"}))]));
    assert_eq!(chunks[3]["candidates"], json!([last(0, "SAFETY"), last(1, "MAX_TOKENS")]));
}

#[test]
fn a_blocked_prompt_is_told() {
    let chunks = chunks(BLOCKED);
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0]["promptFeedback"], json!({"blockReason": "SAFETY"}));
    assert_eq!(chunks[0]["usageMetadata"]["promptTokenCount"], 4);
}

#[test]
fn errors_and_cuts_have_no_proper_end() {
    let begun = r#"data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0}]}"#;
    for broken in [
        "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}",
        "{\"error\":\n {\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}",
        "[{\"error\": {\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}]",
    ] {
        let stream = format!("{begun}\n\n{broken}\n\n");
        let mut translator = StreamTranslator::new(Format::Generate, Format::Generate, &TERMS, Names::default());
        let mut out = Vec::new();
        translator.feed(stream.as_bytes(), &Reversed, &mut out);
        let error = translator.error().unwrap_or_else(|| panic!("{broken}"));
        assert_eq!((error.status, error.kind.as_deref()), (Some(503), Some("UNAVAILABLE")));
        assert!(!translator.finish(&Reversed, &mut out) && translator.semantic_started());
    }
    for broken in ["data: 5\n\n", "data: {\"candidates\":\n\n", "data: x\n\n"] {
        let mut translator = StreamTranslator::new(Format::Generate, Format::Generate, &TERMS, Names::default());
        translator.feed(broken.as_bytes(), &Reversed, &mut Vec::new());
        assert_eq!(translator.error().unwrap().kind.as_deref(), Some("malformed_answer"), "{broken}");
    }
    assert!(!translated(&[begun.as_bytes(), b"\n\n"], true).1);
}

#[test]
fn an_array_is_json_whatever_ends_it() {
    let begun = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"index\":0}]}\n\n";
    let framing = Framing::of(Protocol::Gemini, Operation::StreamGenerateContent, false);
    let error = ErrorBody {
        kind: ErrorKind::UpstreamUnavailable,
        message: "cut",
        param: None,
        request_id: "r",
        retry_after_ms: None,
    };
    for (stream, framing, elements) in [(begun, framing, 2), ("", framing.at_start(), 1)] {
        let (mut out, is_whole) = translated(&[stream.as_bytes()], false);
        assert!(!is_whole);
        out.push_str(&String::from_utf8(stream_event(framing, &error, true, 1)).unwrap());
        let array: Json = serde_json::from_str(&out).unwrap();
        assert_eq!(array.as_array().unwrap().len(), elements);
        assert_eq!(array[elements - 1]["error"]["message"], "cut");
    }
}

/// What a writer makes of events of another protocol.
fn write(events: &[Event<'_>]) -> Vec<Json> {
    let mut writer = Generate.stream_writer(&TERMS);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, None, &Reversed, &mut out);
    }
    writer.finish(None, &mut out);
    let out = String::from_utf8(out).unwrap();
    let events = out.split_terminator("\n\n").map(|event| {
        assert!(!event.contains('\n'), "{event}");
        serde_json::from_str::<Json>(event.strip_prefix("data: ").unwrap()).unwrap()["candidates"].clone()
    });
    events.collect()
}

#[test]
fn an_answer_of_nothing_has_a_candidate_too() {
    let chunks = write(&[Event::Start { id: None, model: None }]);
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0][0]["finishReason"], "STOP");
}

#[test]
fn arguments_of_others_are_collected() {
    let call = |name: &'static str| Event::BlockStart {
        choice: 0,
        block: BlockStart::ToolCall { id: None, name: Text::from(name), is_custom: false, signature: None },
    };
    let piece = |text: &'static str| Event::Delta { choice: 0, delta: Delta::Arguments(Text::Escaped(text)) };
    let signature = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 x") };
    let sealed = crate::translate::sealed_base64(&Reversed, &signature);
    let end = || Event::BlockEnd { choice: 0 };
    let found = write(&[
        Event::Start { id: None, model: None },
        Event::BlockStart { choice: 0, block: BlockStart::Reasoning },
        Event::Delta { choice: 0, delta: Delta::Reasoning(Text::EMPTY) },
        Event::Delta { choice: 0, delta: Delta::Signature(signature) },
        end(),
        call("broken"),
        piece(r"{\n  \"),
        piece(r#""a\": \"\ud83d"#),
        piece(r#"\ude00\"}"#),
        end(),
        call("nothing"),
        end(),
        call("wrong"),
        piece("not json"),
        end(),
        Event::Finish { choice: 0, finish: Finish::ToolCalls, stop_sequence: None },
    ]);
    let call = |index: u8, name: &str, args: Json| {
        json!([part(0, &json!({"functionCall": {"id": format!("call_req1_{index}"), "name": name, "args": args}}))])
    };
    assert_eq!(
        found,
        [
            json!([part(0, &json!({"text": "", "thought": true, "thoughtSignature": sealed}))]),
            call(0, "broken", json!({"a": "😀"})),
            call(1, "nothing", json!({})),
            call(2, "wrong", json!({"INVALID_JSON": "not json"})),
            json!([last(0, "STOP")]),
        ]
    );
}

#[test]
fn a_refusal_is_text_and_a_filters_explanation_is_none() {
    let refused = |finish| {
        let refusal = |text| Event::Delta { choice: 0, delta: Delta::Refusal(Text::from(text)) };
        let finish = Event::Finish { choice: 0, finish, stop_sequence: None };
        write(&[
            Event::BlockStart { choice: 0, block: BlockStart::Refusal },
            refusal("n"),
            refusal("o"),
            Event::BlockEnd { choice: 0 },
            finish,
        ])
    };
    assert_eq!(refused(Finish::Stop), [json!([part(0, &json!({"text": "no"}))]), json!([last(0, "STOP")])]);
    let mut explained = last(0, "SAFETY");
    explained["finishMessage"] = json!("no");
    assert_eq!(refused(Finish::ContentFilter), [json!([explained])]);
}

fn events(stream: &str) -> Vec<String> {
    let mut reader = Generate.stream_reader();
    let mut found = Vec::new();
    for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.strip_prefix("data: ").unwrap().as_bytes();
        let frame = Frame { raw: event.as_bytes(), name: b"", data: data.into() };
        reader.read(&frame, &mut |event| found.push(name(&event)));
    }
    reader.finish(&mut |event| found.push(name(&event)));
    found
}

fn name(event: &Event<'_>) -> String {
    let (name, choice) = match event {
        Event::Start { .. } => ("start", 9),
        Event::BlockStart { choice, block: BlockStart::Text } => ("text", *choice),
        Event::BlockStart { choice, block: BlockStart::Reasoning } => ("reasoning", *choice),
        Event::BlockStart { choice, .. } => ("call", *choice),
        Event::Delta { choice, .. } => ("delta", *choice),
        Event::BlockEnd { choice } => ("end", *choice),
        Event::Finish { choice, .. } => ("finish", *choice),
        Event::LogProbabilities { choice, .. } => ("logprobs", *choice),
        Event::Blocked(_) => ("blocked", 9),
        Event::Error(_) => ("error", 9),
    };
    format!("{name}{choice}")
}

#[test]
fn blocks_follow_one_after_the_other() {
    let order = events(&TEXT.replace("\r\n", "\n").replace(": a comment\n\n", ""));
    assert_eq!(
        order.join(" "),
        "start9 reasoning0 delta0 delta0 end0 text0 delta0 delta0 end0 reasoning0 delta0 end0 finish0"
    );
    let order = events(CALLS);
    assert_eq!(order.join(" "), "start9 call0 delta0 end0 call0 delta0 end0 call0 delta0 end0 finish0");
    let order = events(&SEVERAL.replace("data: [DONE]\n\n", ""));
    assert_eq!(order.join(" "), "start9 text0 delta0 text1 delta1 delta1 end0 finish0 end1 finish1");
}

#[test]
fn an_unfinished_call_is_ended_and_log_probabilities_pass() {
    let stream = concat!(
        r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}}]}}]}"#,
        "\n\n",
        r#"data: {"candidates":[{"content":{"parts":[{"text":"x"}]},"logprobsResult":{"chosenCandidates":[]}}]}"#,
    );
    assert_eq!(events(stream).join(" "), "start9 call0 delta0 end0 text0 delta0 logprobs0 end0 finish0");
}

#[test]
fn odd_chunks_do_no_harm() {
    for odd in [
        "{}",
        "[]",
        r#"{"candidates":{}}"#,
        r#"{"candidates":[1,null,{"content":[]},{"content":{"parts":{}}}]}"#,
        r#"{"candidates":[{"index":99999999999,"content":{"parts":[{"text":1},{"functionCall":[]},{"functionCall":{"name":1}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a"}]}}]}}]}"#,
    ] {
        assert!(!events(&format!("data: {odd}")).contains(&"error9".to_owned()), "{odd}");
    }
}
