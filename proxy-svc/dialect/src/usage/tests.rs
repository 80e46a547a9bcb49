use proptest::prelude::*;

use super::*;
use crate::Protocol::{Anthropic, Gemini, OpenAi};
use crate::endpoint::Operation;
use crate::{Protocol, classify};

mod fixtures;

use fixtures::{Fixture, all, events, named_events};

const EVENTS: Option<&str> = Some("text/event-stream; charset=utf-8");
const JSON: Option<&str> = Some("application/json");

fn observe<'a>(
    protocol: Protocol,
    operation: Operation,
    content_type: Option<&str>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Observed {
    let mut tap = Tap::for_answer(protocol, operation, content_type);
    for piece in pieces {
        tap.feed(piece);
    }
    tap.finish()
}

fn whole(fixture: &Fixture) -> Observed {
    observe(fixture.protocol, fixture.operation, fixture.content_type, [fixture.bytes.as_slice()])
}

fn chat(bytes: &[u8]) -> Observed {
    observe(OpenAi, Operation::ChatCompletions, EVENTS, [bytes])
}

#[test]
fn every_fixture_says_what_it_should() {
    for fixture in all() {
        assert_eq!(whole(&fixture), fixture.expected, "{}", fixture.name);
    }
}

#[test]
fn how_an_answer_is_cut_changes_nothing() {
    for fixture in all() {
        let bytes = fixture.bytes.as_slice();
        for cut in 0..=bytes.len() {
            let (before, behind) = bytes.split_at(cut);
            let observed = observe(fixture.protocol, fixture.operation, fixture.content_type, [before, behind]);
            assert_eq!(observed, fixture.expected, "{} cut at {cut}", fixture.name);
        }
        let observed = observe(fixture.protocol, fixture.operation, fixture.content_type, bytes.chunks(1));
        assert_eq!(observed, fixture.expected, "{} byte by byte", fixture.name);
    }
}

#[test]
fn line_ends_of_any_kind_are_the_same() {
    for fixture in all().into_iter().filter(|fixture| fixture.content_type == EVENTS) {
        let text = String::from_utf8(fixture.bytes.clone()).unwrap();
        for end in ["\r\n", "\r"] {
            let bytes = text.replace('\n', end).into_bytes();
            for size in [1, 2, 3, 7, bytes.len()] {
                let observed = observe(fixture.protocol, fixture.operation, EVENTS, bytes.chunks(size));
                assert_eq!(observed, fixture.expected, "{} with {end:?} in {size}", fixture.name);
            }
        }
    }
}

#[test]
fn a_stream_without_its_end_is_incomplete() {
    for fixture in all().into_iter().filter(|fixture| fixture.expected.complete) {
        let bytes = fixture.bytes.trim_ascii_end();
        for cut in 0..bytes.len() - 1 {
            let observed = observe(fixture.protocol, fixture.operation, fixture.content_type, [&bytes[..cut]]);
            // Gemini's last chunk and OpenAI's last event are whole when their object is.
            if !fixture.ends_before_its_last_byte {
                assert!(!observed.complete, "{} cut at {cut}", fixture.name);
            }
        }
    }
}

#[test]
fn figures_are_known_as_soon_as_they_are_told() {
    let mut tap = Tap::for_answer(Gemini, Operation::StreamGenerateContent, EVENTS);
    assert_eq!(tap.usage_so_far(), None);
    for count in [5, 9] {
        tap.feed(&events(&[&format!(
            r#"{{"usageMetadata":{{"promptTokenCount":7,"candidatesTokenCount":{count}}}}}"#
        )]));
        let usage = tap.usage_so_far().unwrap();
        assert_eq!((usage.input_uncached, usage.output), (7, count));
    }
}

#[test]
fn a_cut_stream_keeps_the_last_cumulative_figures() {
    let stream = named_events(&[
        (
            "message_start",
            r#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":43,"cache_read_input_tokens":5,"output_tokens":1}}}"#,
        ),
        ("content_block_delta", r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"p"}}"#),
        ("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":20}}"#),
    ]);
    let observed = observe(Anthropic, Operation::Messages, EVENTS, [stream.as_slice()]);
    let usage = observed.usage.unwrap();
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (43, 5, 20));
    assert!(!observed.complete && observed.semantic_started && observed.error.is_none());
}

#[test]
fn output_begins_with_the_first_thing_that_the_model_made() {
    for (protocol, quiet, telling) in [
        (
            OpenAi,
            &[
                r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null,"tool_calls":[]},"finish_reason":null}]}"#,
                r#"{"type":"response.created","response":{"status":"in_progress","usage":null,"error":null}}"#,
                r#"{"type":"response.output_item.added","item":{"type":"message"}}"#,
            ][..],
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"choices":[{"text":"a"}]}"#,
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.reasoning_summary_text.delta","delta":"a"}"#,
            ][..],
        ),
        (
            Anthropic,
            &[
                r#"{"type":"message_start","message":{"usage":{"output_tokens":1}}}"#,
                r#"{"type":"ping"}"#,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            ],
            &[
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
                r#"{"type":"content_block_start","content_block":{"type":"tool_use","input":{}}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":5}}"#,
            ],
        ),
        (
            Gemini,
            &[
                r#"{"usageMetadata":{"promptTokenCount":5}}"#,
                r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"","thought":true}]}}]}"#,
            ],
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#,
                r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
                r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
            ],
        ),
    ] {
        for last in telling {
            let mut tap = Tap::for_answer(protocol, Operation::ChatCompletions, EVENTS);
            tap.feed(&events(quiet));
            assert!(!tap.semantic_started(), "{quiet:?}");
            tap.feed(&events(&[last]));
            assert!(tap.semantic_started(), "{last}");
        }
    }
}

#[test]
fn an_error_in_a_200_is_seen_before_anything_else() {
    for (protocol, content_type, body, class) in [
        (
            OpenAi,
            JSON,
            r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#,
            classify::Class::ServerError { retry_after_ms: None },
        ),
        (
            OpenAi,
            EVENTS,
            "data: {\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}\n\n",
            classify::Class::RateLimited { retry_after_ms: None, quota: classify::Quota::Spent },
        ),
        (
            OpenAi,
            EVENTS,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\",\"param\":null}\n\n",
            classify::Class::RateLimited { retry_after_ms: None, quota: classify::Quota::Window },
        ),
        (
            Anthropic,
            EVENTS,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
            classify::Class::Overloaded { retry_after_ms: None },
        ),
        (
            Gemini,
            EVENTS,
            "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"m\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n",
            classify::Class::Overloaded { retry_after_ms: None },
        ),
        (
            Gemini,
            JSON,
            r#"[{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}]"#,
            classify::Class::CredentialsRefused,
        ),
    ] {
        for size in [1, 10, body.len()] {
            let mut tap = Tap::for_answer(protocol, Operation::ChatCompletions, content_type);
            body.as_bytes().chunks(size).for_each(|piece| tap.feed(piece));
            let error = tap.error().unwrap_or_else(|| panic!("{body}"));
            assert_eq!(error.message, "m", "{body}");
            assert_eq!(classify::in_stream(protocol, error), class, "{body}");
            assert!(!tap.semantic_started(), "{body}");
        }
    }
}

#[test]
fn a_page_is_no_answer_but_a_text_is_where_texts_are_asked_for() {
    let lacks = |operation, content_type, body: &[u8]| {
        let mut tap = Tap::for_answer(OpenAi, operation, Some(content_type));
        tap.feed(body);
        tap.lacks_its_end()
    };
    let page = b"<!doctype html><title>Sign in</title>".as_slice();
    for content_type in ["text/html", "application/json", "text/plain"] {
        assert!(lacks(Operation::ChatCompletions, content_type, page), "{content_type}");
        assert!(!lacks(Operation::ChatCompletions, content_type, br#"{"choices":[]}"#), "{content_type}");
    }
    assert!(!lacks(Operation::AudioTranscriptions, "text/plain", b"One spoken sentence."));
    assert!(!lacks(Operation::AudioSpeech, "audio/mpeg", b"\xff\xfb"));
}

#[test]
fn an_error_in_the_middle_of_a_stream_is_seen() {
    let begun = events(&[r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#]);
    let bare = b"{\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\"}}\n\n".as_slice();
    let observed = observe(Gemini, Operation::StreamGenerateContent, EVENTS, [&begun, bare]);
    assert!(observed.semantic_started && !observed.complete);
    assert_eq!(observed.error.unwrap().status, Some(500));
    let stream =
        [events(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#]), b"event: error\ndata: all is lost\n\n".to_vec()]
            .concat();
    assert!(chat(&stream).error.is_some());
}

#[test]
fn figures_that_are_none_are_ignored_or_saturated() {
    for (figures, expected) in [
        (r#""prompt_tokens":-5,"completion_tokens":7.9"#, Some((0, 7))),
        (r#""prompt_tokens":"12","completion_tokens":null"#, None),
        (r#""prompt_tokens":1e3,"completion_tokens":{}"#, Some((1000, 0))),
        (r#""prompt_tokens":5,"prompt_tokens":6,"completion_tokens":[1]"#, Some((6, 0))),
        (r#""prompt_tokens":99999999999999999999999999,"completion_tokens":1"#, Some((u64::MAX, 1))),
        (
            r#""prompt_tokens_details":5,"completion_tokens_details":"x","prompt_tokens":1,"completion_tokens":1"#,
            Some((1, 1)),
        ),
        (r#""type":"duration","seconds":5"#, None),
    ] {
        let body = format!(r#"{{"choices":[],"usage":{{{figures}}}}}"#);
        let observed = observe(OpenAi, Operation::ChatCompletions, JSON, [body.as_bytes()]);
        assert_eq!(observed.usage.map(|usage| (usage.prompt(), usage.output)), expected, "{figures}");
        assert_eq!(observed.raw, Some(format!("{{{figures}}}")));
    }
    for usage in ["null", "5", "[]", "\"x\"", "{}", "{\"prompt_tokens\":"] {
        let body = format!(r#"{{"choices":[],"usage":{usage}}}"#);
        assert_eq!(observe(OpenAi, Operation::ChatCompletions, JSON, [body.as_bytes()]).usage, None, "{usage}");
    }
}

#[test]
fn half_a_figure_is_none() {
    let body = br#"{"model":"m","usage":{"prompt_tokens":12"#;
    let observed = observe(OpenAi, Operation::ChatCompletions, JSON, [&body[..]]);
    assert_eq!((observed.usage, observed.raw, observed.model.as_deref()), (None, None, Some("m")));
    let stream = [
        events(&[r#"{"usageMetadata":{"promptTokenCount":9}}"#]),
        br#"data: {"usageMetadata":{"promptTokenCount":1"#.to_vec(),
    ]
    .concat();
    let observed = observe(Gemini, Operation::StreamGenerateContent, EVENTS, [&stream[..]]);
    assert_eq!(observed.usage.map(|usage| usage.prompt()), Some(9));
}

#[test]
fn parts_that_exceed_their_whole_are_cut() {
    let body = br#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":8}}}"#;
    let usage = observe(OpenAi, Operation::ChatCompletions, JSON, [&body[..]]).usage.unwrap();
    assert_eq!((usage.prompt(), usage.cache_read, usage.cache_write_5m, usage.input_uncached), (10, 8, 2, 0));
}

#[test]
fn reasoning_that_a_provider_counts_apart_is_added_to_the_output() {
    let usage = |figures: &str| {
        let body = format!(r#"{{"choices":[],"usage":{{{figures}}}}}"#);
        observe(OpenAi, Operation::ChatCompletions, JSON, [body.as_bytes()]).usage.unwrap()
    };
    let apart = usage(
        r#""prompt_tokens":12,"completion_tokens":1,"total_tokens":303,"completion_tokens_details":{"reasoning_tokens":290}"#,
    );
    assert_eq!((apart.output, apart.reasoning), (291, 290));
    let apart = usage(
        r#""prompt_tokens":12,"completion_tokens":400,"total_tokens":702,"completion_tokens_details":{"reasoning_tokens":290}"#,
    );
    assert_eq!((apart.output, apart.reasoning), (690, 290));
    let apart =
        usage(r#""prompt_tokens":12,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":290}"#);
    assert_eq!((apart.output, apart.reasoning), (291, 290));
    let inside = usage(
        r#""prompt_tokens":12,"completion_tokens":300,"total_tokens":312,"completion_tokens_details":{"reasoning_tokens":290}"#,
    );
    assert_eq!((inside.output, inside.reasoning), (300, 290));
}

#[test]
fn usage_of_what_was_stored_is_not_counted_again() {
    let body = br#"{"id":"resp_1","status":"completed","usage":{"input_tokens":5,"output_tokens":6}}"#;
    let observed = observe(OpenAi, Operation::StoredResponses, JSON, [&body[..]]);
    assert_eq!((observed.usage, observed.raw, observed.complete), (None, None, true));
}

#[test]
fn answers_of_megabytes_are_read_without_being_held() {
    let image = "iVBOR\\/".repeat(400_000);
    let body = format!(
        r#"{{"created":1,"data":[{{"b64_json":"{image}"}},[{}0]],"usage":{{"input_tokens":9,"output_tokens":4160,"input_tokens_details":{{"text_tokens":4,"image_tokens":5}}}}}}"#,
        "0.25,".repeat(300_000)
    );
    let expected = Usage { input_uncached: 9, output: 4160, input_image: 5, ..Usage::default() };
    for size in [1000, 16384, body.len()] {
        let observed = observe(OpenAi, Operation::ImageGenerations, JSON, body.as_bytes().chunks(size));
        assert_eq!((observed.usage, observed.complete), (Some(expected), true));
    }
    let stream = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[\"{image}\"],\"usage\":{{\"input_tokens\":9,\"output_tokens\":4160}}}}}}\n\n"
    );
    for size in [1000, 16384, stream.len()] {
        let observed = observe(OpenAi, Operation::Responses, EVENTS, stream.as_bytes().chunks(size));
        assert_eq!((observed.usage.unwrap().output, observed.complete), (4160, true));
    }
}

#[test]
fn a_usage_object_that_is_too_large_is_none() {
    let body = format!(r#"{{"usage":{{"prompt_tokens":1,"x":"{}"}},"model":"m"}}"#, "x".repeat(70_000));
    let observed = observe(OpenAi, Operation::ChatCompletions, JSON, body.as_bytes().chunks(777));
    assert_eq!((observed.usage, observed.raw, observed.model.as_deref()), (None, None, Some("m")));
}

#[test]
fn an_event_stream_under_the_wrong_content_type_is_still_one() {
    let stream = events(&[r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, "[DONE]"]);
    for content_type in [None, JSON, Some("text/plain")] {
        let observed = observe(OpenAi, Operation::ChatCompletions, content_type, [stream.as_slice()]);
        assert!(observed.complete && observed.usage.is_some(), "{content_type:?}");
    }
}

#[test]
fn space_before_an_answer_is_passed_over() {
    let stream = events(&[r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, "[DONE]"]);
    for answer in [stream.as_slice(), br#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#] {
        for space in ["\n", " ", "\r\n \n"] {
            let together = [space.as_bytes(), answer].concat();
            let observed = chat(&together);
            assert!(observed.complete && observed.usage.is_some());
            assert_eq!(observe(OpenAi, Operation::ChatCompletions, EVENTS, [space.as_bytes(), answer]), observed);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_left_alone() {
    let observed =
        observe(OpenAi, Operation::AudioSpeech, Some("audio/mpeg"), [&b"{\"usage\":{\"prompt_tokens\":1}}"[..]]);
    assert_eq!(observed, Observed { complete: true, semantic_started: true, ..Observed::default() });
}

#[test]
fn an_error_can_be_put_behind_a_whole_event_only() {
    let mut tap = Tap::for_answer(OpenAi, Operation::ChatCompletions, EVENTS);
    assert!(tap.is_after_whole_event());
    for (piece, after) in [
        ("data: {", false),
        ("}", false),
        ("\n", false),
        ("\n", true),
        (": comment\n", false),
        ("\n", true),
        ("d", false),
    ] {
        tap.feed(piece.as_bytes());
        assert_eq!(tap.is_after_whole_event(), after, "{piece:?}");
    }
}

#[test]
fn events_are_counted_by_their_data() {
    let long = "x".repeat(20 << 10);
    let event = format!("event: response.output_text.delta\ndata: {{\"delta\":\"{long}\"}}\n\n");
    let stream = format!("{event}: comment\n\n{event}data: {{}}\r\n\r\n");
    for size in [1, 1000, stream.len()] {
        let mut tap = Tap::for_answer(OpenAi, Operation::Responses, EVENTS);
        stream.as_bytes().chunks(size).for_each(|piece| tap.feed(piece));
        assert_eq!(tap.events(), 3, "in pieces of {size}");
    }
}

fn pieces() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

fn cut<'a>(bytes: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_pieces_of_any_fixture_give_the_same(index in any::<prop::sample::Index>(), at in pieces()) {
        let fixtures = all();
        let fixture = index.get(&fixtures);
        let observed = observe(fixture.protocol, fixture.operation, fixture.content_type, cut(&fixture.bytes, &at));
        prop_assert_eq!(&observed, &fixture.expected);
    }

    #[test]
    fn a_damaged_answer_never_panics_and_is_the_same_in_any_pieces(
        index in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), with in any::<u8>(), at in pieces()
    ) {
        let fixtures = all();
        let fixture = index.get(&fixtures);
        let mut bytes = fixture.bytes.clone();
        let place = place.index(bytes.len());
        bytes[place] = with;
        let tap = |pieces: Vec<&[u8]>| observe(fixture.protocol, fixture.operation, fixture.content_type, pieces);
        prop_assert_eq!(tap(vec![&bytes]), tap(cut(&bytes, &at)));
    }

    #[test]
    fn any_bytes_are_the_same_in_any_pieces(
        bytes in "(data: ?|event: error|[\\{\\}\\[\\]\",:\\\\0-9]|\"usage\"|\"error\"|\"type\"|null|\r|\n|\n\n| |a|\\[DONE\\]){0,40}", at in pieces(), which in 0..3_usize
    ) {
        let tap = |pieces: Vec<&[u8]>| observe(Protocol::ALL[which], Operation::Messages, None, pieces);
        prop_assert_eq!(tap(vec![bytes.as_bytes()]), tap(cut(bytes.as_bytes(), &at)));
    }

    #[test]
    fn the_prompt_is_the_sum_of_its_parts(prompt in any::<u64>(), read in any::<u64>(), short in any::<u64>(), long in any::<u64>()) {
        prop_assert_eq!(Usage::of_prompt(prompt, read, short, long).prompt(), prompt);
    }
}
