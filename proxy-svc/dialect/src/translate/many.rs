//! Very many calls and results in one request: reading it and writing it must not take the square of their number.

use std::time::{Duration, Instant};

use super::{Caller, Format, NoSeal, Target, read_request, write_request};

const FEW: usize = 2_000;
const MANY: usize = 20_000;
/// Ten times as many may take somewhat longer than ten times as long; the square is a hundred times.
const LARGEST_RATIO: f64 = 25.0;
const RUNS: usize = 4;

/// How the calls and results of a conversation stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// All calls, and then their results from the last to the first.
    Together,
    /// The same without ids where the format has calls without any.
    ByName,
    /// The same results, all of custom tools where the format has those.
    Custom,
    /// Each call with its result behind it.
    Apart,
}

const ORDERS: [Order; 4] = [Order::Together, Order::ByName, Order::Custom, Order::Apart];

/// A name that no target takes, so that each is shortened.
fn name(index: usize) -> String {
    format!("tool {index}")
}

fn id(index: usize) -> String {
    format!("id_{index}")
}

/// The groups of calls, each with the group of results behind it.
fn groups(count: usize, order: Order) -> Vec<(Vec<usize>, Vec<usize>)> {
    match order {
        Order::Apart => (0..count).map(|index| (vec![index], vec![index])).collect(),
        _ => vec![((0..count).collect(), (0..count).rev().collect())],
    }
}

/// Those that know tools.
const FORMATS: [Format; 4] = [Format::Chat, Format::Responses, Format::Messages, Format::Generate];

fn body(format: Format, count: usize, order: Order) -> String {
    let mut turns: Vec<String> = Vec::new();
    for (calls, results) in groups(count, order) {
        let mut calls = calls.into_iter().map(|index| call(format, order, &id(index), &name(index)));
        let mut results = results.into_iter().map(|index| result(format, order, &id(index), &name(index)));
        let listed = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
        match format {
            Format::Chat => {
                turns.push(format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, listed(&mut calls)));
                turns.extend(results);
            }
            Format::Responses => turns.extend(calls.chain(results)),
            Format::Messages => {
                turns.push(format!(r#"{{"role":"assistant","content":[{}]}}"#, listed(&mut calls)));
                turns.push(format!(r#"{{"role":"user","content":[{}]}}"#, listed(&mut results)));
            }
            _ => {
                turns.push(format!(r#"{{"role":"model","parts":[{}]}}"#, listed(&mut calls)));
                turns.push(format!(r#"{{"role":"user","parts":[{}]}}"#, listed(&mut results)));
            }
        }
    }
    let list = match format {
        Format::Chat | Format::Messages => "messages",
        Format::Responses => "input",
        _ => "contents",
    };
    format!(r#"{{"{list}":[{}]}}"#, turns.join(","))
}

fn call(format: Format, order: Order, id: &str, name: &str) -> String {
    match (format, order) {
        (Format::Chat, Order::Custom) => {
            format!(r#"{{"id":"{id}","type":"custom","custom":{{"name":"{name}","input":"x"}}}}"#)
        }
        (Format::Chat, _) => {
            format!(r#"{{"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
        }
        (Format::Responses, Order::Custom) => {
            format!(r#"{{"type":"custom_tool_call","call_id":"{id}","name":"{name}","input":"x"}}"#)
        }
        (Format::Responses, _) => {
            format!(r#"{{"type":"function_call","call_id":"{id}","name":"{name}","arguments":"{{}}"}}"#)
        }
        (Format::Messages, _) => format!(r#"{{"type":"tool_use","id":"{id}","name":"{name}","input":{{}}}}"#),
        (Format::Generate, Order::ByName) => format!(r#"{{"functionCall":{{"name":"{name}","args":{{}}}}}}"#),
        _ => format!(r#"{{"functionCall":{{"id":"{id}","name":"{name}","args":{{}}}}}}"#),
    }
}

fn result(format: Format, order: Order, id: &str, name: &str) -> String {
    match (format, order) {
        (Format::Chat, Order::ByName) => format!(r#"{{"role":"function","name":"{name}","content":"x"}}"#),
        (Format::Chat, _) => format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"x"}}"#),
        (Format::Responses, Order::ByName) => {
            format!(r#"{{"type":"function_call_output","name":"{name}","output":"x"}}"#)
        }
        (Format::Responses, Order::Custom) => {
            format!(r#"{{"type":"custom_tool_call_output","call_id":"{id}","output":"x"}}"#)
        }
        (Format::Responses, _) => format!(r#"{{"type":"function_call_output","call_id":"{id}","output":"x"}}"#),
        (Format::Messages, _) => format!(r#"{{"type":"tool_result","tool_use_id":"{id}","content":"x"}}"#),
        (Format::Generate, Order::ByName) => {
            format!(r#"{{"functionResponse":{{"name":"{name}","response":{{"result":"x"}}}}}}"#)
        }
        _ => {
            format!(r#"{{"functionResponse":{{"id":"{id}","name":"{name}","response":{{"result":"x"}}}}}}"#)
        }
    }
}

/// How long each kind of work takes, in the same order every time.
fn times(format: Format, body: &str, order: Order) -> Vec<(String, Duration)> {
    let caller = Caller { stream_in_path: false, seal: &NoSeal };
    let begin = Instant::now();
    let request = read_request(format, body.as_bytes(), &caller).unwrap();
    let mut times = vec![("read".to_owned(), begin.elapsed())];
    for target in FORMATS {
        let target = Target { format: target, model: "x", is_compatible: false, default_max_tokens: Some(9) };
        let begin = Instant::now();
        let written = write_request(&request, &target);
        times.push((format!("written for {:?}", target.format), begin.elapsed()));
        // Not every provider has custom tools.
        assert!(written.is_ok() || order == Order::Custom, "{format:?} {order:?} {:?}: {written:?}", target.format);
    }
    times
}

fn check(format: Format) {
    for order in ORDERS {
        let bodies = [body(format, FEW, order), body(format, MANY, order)];
        // Others may be at work on the same machine: only what is too long in each of some runs is.
        let mut found: Vec<(String, [Duration; 2])> = Vec::new();
        let is_too_long = |[few, many]: [Duration; 2]| many.as_secs_f64() > LARGEST_RATIO * few.as_secs_f64();
        for _ in 0..RUNS {
            let [few, many] = bodies.each_ref().map(|body| times(format, body, order));
            for (at, ((what, few), (_, many))) in few.into_iter().zip(many).enumerate() {
                match found.get_mut(at) {
                    Some((_, [of_few, of_many])) => {
                        (*of_few, *of_many) = (few.max(*of_few), many.min(*of_many));
                    }
                    None => found.push((what, [few, many])),
                }
            }
            if !found.iter().any(|(_, times)| is_too_long(*times)) {
                break;
            }
        }
        for (what, times) in found {
            assert!(!is_too_long(times), "{format:?} {order:?} {what}: {times:?}");
        }
    }
}

#[test]
fn chat_completions_take_no_longer_than_they_must() {
    check(Format::Chat);
}

#[test]
fn responses_take_no_longer_than_they_must() {
    check(Format::Responses);
}

#[test]
fn messages_take_no_longer_than_they_must() {
    check(Format::Messages);
}

#[test]
fn contents_take_no_longer_than_they_must() {
    check(Format::Generate);
}
