//! What the model says: text that echoes the request, tool calls, reasoning, and their cost.

use serde_json::{Value, json};

use super::prompt::{Format, Prompt, Tool, ToolChoice};
use super::schema;
use super::usage::{Generated, Usage};

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Empty when the model did not think.
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    /// Part of the prompt that the provider's own tools brought in.
    pub(crate) tool_input: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Value,
    /// A free-text tool: the arguments are one string.
    pub(crate) custom: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    StopSequence(String),
    Length,
    Calls,
    /// The model says no.
    Refusal,
    /// A filter cut the text.
    Filtered,
}

/// Part of something that is streamed, and what exists after it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) generated: Generated,
}

const WORDS: &str = "The simulated provider answers with plain words so that every byte of the way can be \
    checked; nothing here was computed by a model, and the same question always gets the same answer. ";
const UNICODE_WORDS: &str =
    "Größe 你好，世界 🚀🧪 naïve Ελληνικά \u{202f}— „quoted“ \t tab and \"quotes\" and \\ backslash. ";
const ECHO_CHARACTERS: usize = 240;
const BYTES_PER_TOKEN: usize = 4;
const TOKENS_PER_IMAGE: u64 = 85;
const TOKENS_PER_AUDIO: u64 = 50;

pub(crate) fn tokens_of(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

pub(crate) fn answer(prompt: &Prompt) -> Answer {
    let calls = calls(prompt);
    let mut finish = if calls.is_empty() { Finish::Stop } else { Finish::Calls };
    let mut text = if calls.is_empty() { text(prompt, &mut finish) } else { String::new() };
    let reasoning = if prompt.reasoning {
        format!("Considering the request step by step: {}", echo(&prompt.last_user_text))
    } else {
        String::new()
    };
    if let Some(limit) = prompt.max_output_tokens
        && calls.is_empty()
        && tokens_of(text.len()) > limit
    {
        truncate(&mut text, usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN));
        finish = Finish::Length;
    }
    let tool_input = if prompt.profile.tool_use { 11 + prompt.seed % 5 } else { 0 };
    let mut usage = usage(prompt, &text, &calls, &reasoning);
    usage.input_uncached += tool_input;
    Answer { reasoning, text, calls, finish, usage, tool_input }
}

fn echo(text: &str) -> String {
    text.chars().take(ECHO_CHARACTERS).collect()
}

fn truncate(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
}

fn text(prompt: &Prompt, finish: &mut Finish) -> String {
    let profile = &prompt.profile;
    if profile.refusal {
        *finish = Finish::Refusal;
        return prompt.refusal.to_owned();
    }
    let mut text = match &prompt.format {
        Format::JsonSchema(schema) => schema::instance(schema, &echo(&prompt.last_user_text)).to_string(),
        Format::JsonObject => json!({ "echo": echo(&prompt.last_user_text) }).to_string(),
        Format::Text => prose(prompt, finish),
    };
    if profile.filtered {
        *finish = Finish::Filtered;
        let half = text.len() / 2;
        truncate(&mut text, half);
    }
    text
}

fn prose(prompt: &Prompt, finish: &mut Finish) -> String {
    let profile = &prompt.profile;
    let mut text = format!("Echo: {} ", echo(&prompt.last_user_text));
    let words = if profile.unicode { UNICODE_WORDS } else { WORDS };
    // A piece of a stream must not be empty.
    let wanted = profile.text_bytes.max(profile.chunks as usize * 4);
    let length = text.len();
    if length < wanted {
        text.push_str(&words.repeat((wanted - length) / words.len() + 1));
        truncate(&mut text, wanted);
    }
    let first_stop = prompt.stop.iter().filter_map(|stop| Some((text.find(stop.as_str())?, stop))).min();
    if let Some((at, stop)) = first_stop {
        *finish = Finish::StopSequence(stop.clone());
        text.truncate(at);
    } else if profile.length {
        *finish = Finish::Length;
    }
    text
}

fn calls(prompt: &Prompt) -> Vec<Call> {
    let wanted = !prompt.tools.is_empty()
        && !prompt.profile.no_tools
        && !prompt.profile.refusal
        && !prompt.profile.filtered
        && prompt.tool_choice != ToolChoice::None
        && (prompt.tool_choice != ToolChoice::Auto
            || !prompt.ends_with_tool_result && !prompt.last_user_text.contains("no tool"));
    if !wanted {
        return Vec::new();
    }
    let chosen = match &prompt.tool_choice {
        ToolChoice::Named(name) => prompt.tools.iter().position(|tool| tool.name == *name).unwrap_or(0),
        _ => 0,
    };
    let parallel = prompt.parallel_allowed && (prompt.profile.parallel || prompt.last_user_text.contains("parallel"));
    let second = if matches!(prompt.tool_choice, ToolChoice::Named(_)) { chosen } else { 1 % prompt.tools.len() };
    let mut calls = vec![call(prompt, &prompt.tools[chosen], 0)];
    if parallel {
        calls.push(call(prompt, &prompt.tools[second], 1));
    }
    calls
}

fn call(prompt: &Prompt, tool: &Tool, index: usize) -> Call {
    let word = if index == 0 { "sample".to_owned() } else { format!("sample {}", index + 1) };
    let arguments = if tool.custom {
        json!(format!("{word}: {}", echo(&prompt.last_user_text)))
    } else {
        match schema::instance(&tool.schema, &word) {
            object @ Value::Object(_) => object,
            // A tool without parameters is called without arguments.
            _ => json!({}),
        }
    };
    Call { name: tool.name.clone(), arguments, custom: tool.custom }
}

fn usage(prompt: &Prompt, text: &str, calls: &[Call], reasoning: &str) -> Usage {
    let images = prompt.images * TOKENS_PER_IMAGE;
    let audio = prompt.audios * TOKENS_PER_AUDIO;
    let input = tokens_of(prompt.text_bytes) + 3 * prompt.messages + 3 + prompt.seed % 7 + images + audio;
    let (mut read, mut write_5m, mut write_1h) = (0, 0, 0);
    // At least one token of a prompt is always fresh.
    let part = |percent: u64| (input * percent / 100).min(input - 1);
    let wish = prompt.cache;
    if wish.five_minutes || wish.one_hour {
        let share = part(60);
        match (wish.five_minutes, wish.one_hour) {
            _ if prompt.profile.cached || prompt.seed % 3 == 1 => read = share,
            (true, true) => (write_5m, write_1h) = (share / 3, share - share / 3),
            (true, false) => write_5m = share,
            _ => write_1h = share,
        }
    } else if prompt.profile.cached {
        read = part(50 + prompt.seed % 40);
    }
    if prompt.profile.cache_write {
        write_5m += part(60).min(input - 1 - read - write_5m - write_1h) / 2;
    }
    let said = tokens_of(text.len());
    let called: u64 = calls.iter().map(|call| tokens_of(call.name.len() + call.arguments.to_string().len()) + 5).sum();
    let thought = if prompt.reasoning { tokens_of(reasoning.len()) + 16 + prompt.seed % 50 } else { 0 };
    Usage {
        input_uncached: input - read - write_5m - write_1h,
        cache_read: read,
        cache_write_5m: write_5m,
        cache_write_1h: write_1h,
        output: (said + called).max(1) + thought,
        reasoning: thought,
        image_input: images,
        audio_input: audio,
        audio_output: 0,
    }
}

impl Answer {
    /// The same said by several choices: the prompt counts once.
    pub(crate) fn usage_of(&self, choices: u64) -> Usage {
        Usage { output: self.usage.output * choices, reasoning: self.usage.reasoning * choices, ..self.usage }
    }

    /// Before the first word of the answer proper: all thinking is done.
    pub(crate) fn thought(&self) -> Generated {
        Generated { output: self.usage.reasoning, reasoning: self.usage.reasoning }
    }

    /// The text in at most so many pieces, each with what exists after it.
    pub(crate) fn text_pieces(&self, count: u32) -> Vec<Piece> {
        let total = self.usage.output - self.usage.reasoning;
        let thought = self.thought();
        pieces(&self.text, count, |share| Generated { output: thought.output + share(total), ..thought })
    }

    pub(crate) fn reasoning_pieces(&self, count: u32) -> Vec<Piece> {
        let total = self.usage.reasoning;
        pieces(&self.reasoning, count, |share| Generated { output: share(total), reasoning: share(total) })
    }
}

/// Cuts at character boundaries into pieces of nearly equal length.
pub(crate) fn split(text: &str, count: u32) -> Vec<String> {
    let count = (count as usize).clamp(1, text.chars().count().max(1));
    let mut cuts: Vec<usize> = (0..=count)
        .map(|index| {
            let at = text.len() * index / count;
            (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
        })
        .collect();
    cuts.dedup();
    cuts.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect()
}

fn pieces(text: &str, count: u32, generated: impl Fn(&dyn Fn(u64) -> u64) -> Generated) -> Vec<Piece> {
    let parts = split(text, count);
    let number = parts.len() as u64;
    let piece = |(index, text)| {
        let share = |total: u64| (total * (index as u64 + 1)).div_ceil(number).min(total);
        Piece { text, generated: generated(&share) }
    };
    parts.into_iter().enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::super::profile::Profile;
    use super::*;

    fn prompt(model: &str) -> Prompt {
        let mut prompt = Prompt::new(Profile::of(model, &Options::default()), b"body");
        prompt.user_text("hello world");
        prompt
    }

    #[test]
    fn the_text_echoes_and_has_the_length_asked_for() {
        let answer = answer(&prompt("sim-bytes-300"));
        assert!(answer.text.starts_with("Echo: hello world "));
        assert_eq!(answer.text.len(), 300);
        assert_eq!(answer.finish, Finish::Stop);
    }

    #[test]
    fn a_limit_cuts_the_answer_and_is_kept() {
        let mut prompt = prompt("m");
        prompt.max_output_tokens = Some(10);
        let answer = answer(&prompt);
        assert_eq!((answer.usage.output, &answer.finish), (10, &Finish::Length));
    }

    #[test]
    fn a_stop_sequence_ends_the_text_before_it() {
        let mut prompt = prompt("m");
        prompt.stop = vec!["zzz".to_owned(), "world".to_owned()];
        let answer = answer(&prompt);
        assert_eq!(answer.text, "Echo: hello ");
        assert_eq!(answer.finish, Finish::StopSequence("world".to_owned()));
    }

    #[test]
    fn pieces_make_up_the_text_and_the_cost() {
        for model in ["sim-unicode-chunks-50", "sim-reasoning"] {
            let answer = answer(&prompt(model));
            let pieces = answer.text_pieces(50);
            assert_eq!(pieces.len(), 50, "{model}");
            assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), answer.text);
            assert!(pieces.is_sorted_by_key(|piece| piece.generated.output));
            assert_eq!(pieces.last().unwrap().generated, answer.usage.generated());
        }
    }

    #[test]
    fn parallel_calls_need_permission() {
        let mut prompt = prompt("sim-parallel");
        prompt.tool("a", None);
        prompt.tool("b", None);
        let names = |prompt: &Prompt| answer(prompt).calls.into_iter().map(|call| call.name).collect::<Vec<_>>();
        assert_eq!(names(&prompt), ["a", "b"]);
        prompt.parallel_allowed = false;
        assert_eq!(names(&prompt), ["a"]);
        prompt.tool_choice = ToolChoice::Named("b".to_owned());
        assert_eq!(names(&prompt), ["b"]);
        prompt.tool_choice = ToolChoice::None;
        assert_eq!(names(&prompt), Vec::<String>::new());
    }

    #[test]
    fn parts_of_a_prompt_add_up() {
        let mut prompt = prompt("sim-cachewrite");
        let plain = answer(&self::prompt("m")).usage.prompt();
        prompt.cache = super::super::prompt::CacheWish { five_minutes: true, one_hour: true };
        let usage = answer(&prompt).usage;
        assert_eq!(usage.prompt(), plain);
        assert!(usage.input_uncached > 0);
    }
}
