//! Log probabilities: how an answer's text falls into tokens, and how sure the model was of each.

use super::json::{Json, array, object};

const CHARACTERS_PER_TOKEN: usize = 4;
const STEP: f64 = 0.25;

/// A token with its alternatives, itself first.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) alternatives: Vec<(String, f64)>,
}

impl Token {
    pub(crate) fn logprob(&self) -> f64 {
        self.alternatives[0].1
    }
}

/// The tokens of a text, each with so many alternatives (at least itself).
pub(crate) fn tokens(text: &str, alternatives: u64) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let token = |part: &[char]| {
        let text: String = part.iter().collect();
        let first = -(f64::from(u32::try_from(text.bytes().map(usize::from).sum::<usize>() % 40).unwrap_or(0)) / 100.0);
        let alternatives = (0..u32::try_from(alternatives.max(1)).unwrap_or(1))
            .map(|rank| {
                let name = if rank == 0 { text.clone() } else { format!("{text}{rank}") };
                (name, first - STEP * f64::from(rank))
            })
            .collect();
        Token { text, alternatives }
    };
    characters.chunks(CHARACTERS_PER_TOKEN).map(token).collect()
}

/// As `OpenAI` writes them, in chat completions and in responses.
pub(crate) fn openai(text: &str, alternatives: u64) -> Vec<Json> {
    let entry = |text: &str, logprob: f64| {
        let bytes: Vec<Json> = text.bytes().map(|byte| Json::from(u32::from(byte))).collect();
        object! { "token": text, "logprob": logprob, "bytes": bytes }
    };
    let token = |token: &Token| {
        let top = token.alternatives.iter().take(usize::try_from(alternatives).unwrap_or(0));
        let top: Vec<Json> = top.map(|(text, logprob)| entry(text, *logprob)).collect();
        entry(&token.text, token.logprob()).with("top_logprobs", top)
    };
    tokens(text, alternatives).iter().map(token).collect()
}

/// As Gemini writes them: `logprobsResult`, and the mean for `avgLogprobs`.
pub(crate) fn gemini(text: &str, alternatives: u64) -> (Json, f64) {
    let tokens = tokens(text, alternatives);
    let entry = |text: &str, logprob: f64| {
        let id = text.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 250_000;
        object! { "token": text, "tokenId": id, "logProbability": logprob }
    };
    let chosen: Vec<Json> = tokens.iter().map(|token| entry(&token.text, token.logprob())).collect();
    let top: Vec<Json> = tokens
        .iter()
        .map(|token| {
            let candidates: Vec<Json> = token.alternatives.iter().map(|(text, value)| entry(text, *value)).collect();
            object! { "candidates": candidates }
        })
        .collect();
    let sum: f64 = tokens.iter().map(Token::logprob).sum();
    let count = f64::from(u32::try_from(tokens.len().max(1)).unwrap_or(1));
    let result =
        object! { "topCandidates": if alternatives == 0 { array![] } else { top.into() }, "chosenCandidates": chosen };
    (result, sum / count)
}
