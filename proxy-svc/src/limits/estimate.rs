//! How many tokens a request is taken for until its provider tells.

use tollgate_dialect::endpoint::Operation;

use crate::gateway::Inquiry;

/// Bytes of a JSON body that count as one token: the usual rule of thumb.
const BYTES_PER_TOKEN: u64 = 4;
/// A body of more is mostly pictures and documents, which have far fewer tokens than bytes.
const MOST_INPUT: u64 = 100_000;
/// For a request that sets no limit on its output.
const DEFAULT_OUTPUT: u64 = 1_024;
/// Callers set the highest limit that there is and use little of it.
const MOST_OUTPUT: u64 = 16_384;
/// Answers that are asked for at a time.
const MOST_CHOICES: u64 = 8;
/// Prompts of a legacy completion, each of which is answered.
const MOST_PROMPTS: u64 = 128;

/// What is reserved; at least 1. `None` for what uses no tokens.
pub(crate) fn estimate(inquiry: &Inquiry<'_>) -> Option<u64> {
    let operation = inquiry.operation();
    if !operation.is_metered() {
        return None;
    }
    let Some((max_output, choices)) = inquiry.output_wanted() else { return Some(1) };
    let input = (inquiry.body_bytes() as u64 / BYTES_PER_TOKEN).min(MOST_INPUT);
    let output = if writes_text(operation) {
        let answers = choices.unwrap_or(1).clamp(1, MOST_CHOICES) * inquiry.prompts().min(MOST_PROMPTS);
        max_output.unwrap_or(DEFAULT_OUTPUT).min(MOST_OUTPUT) * answers
    } else {
        0
    };
    Some((input + output).max(1))
}

fn writes_text(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions
            | Operation::Responses
            | Operation::CompactResponse
            | Operation::Completions
            | Operation::Messages
            | Operation::GenerateContent
            | Operation::StreamGenerateContent
    )
}
