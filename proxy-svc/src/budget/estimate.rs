//! The most that a request may cost, before it goes anywhere. Pure.
//!
//! A reservation is not a bill: what it takes too much comes back when the request is over. What it takes too little is
//! spent beyond it, so a budget that takes one request at a time reserves the most that a request can cost.

use tollgate_dialect::endpoint::Operation;
use tollgate_shared::{limits::LeaseMode, money::Currency};

use crate::{
    gateway::Inquiry,
    meter::price::Price,
    respond::Refusal,
    route::Plan,
    snapshot::{Budget, Prices},
};

/// Of a JSON body: four are usual, and a reservation should rather be too large.
const BYTES_PER_TOKEN: u64 = 3;
/// Of a body with a file: pictures and sound have more.
const FILE_BYTES_PER_TOKEN: u64 = 128;
/// No model reads more at once.
const MOST_INPUT: u64 = 1_000_000;
/// Where neither the caller nor the target sets a limit.
const USUAL_OUTPUT: u64 = 4_096;
/// Callers that set the model's own maximum seldom come near it.
const MOST_USUAL_OUTPUT: u64 = 32_768;

/// What OpenAI takes at most.
const MOST_CHOICES: u64 = 128;
/// Beyond any model: what a caller writes there must not add up to more than fits.
const MOST_OUTPUT: u64 = 100_000_000;

/// What of a budget an estimate depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    hard: bool,
    lease: LeaseMode,
    currency: Currency,
}

impl Terms {
    pub(super) const fn of(budget: &Budget) -> Self {
        Self { hard: budget.hard, lease: budget.lease, currency: budget.currency }
    }
}

/// Micro-units; `None` when this kind of request costs nothing. Every destination is reckoned with, because any may
/// serve the request; a hard budget cannot be kept when one of them has no price.
pub(super) fn most(inquiry: &Inquiry<'_>, plan: &Plan, prices: &Prices, terms: Terms) -> Result<Option<i64>, Refusal> {
    let operation = inquiry.operation();
    if !operation.is_metered() {
        let is_batch = matches!(operation, Operation::CreateBatch | Operation::CreateMessageBatch);
        return if is_batch && terms.hard { Err(Refusal::batch_under_budget()) } else { Ok(None) };
    }
    if inquiry.is_background() && terms.hard {
        return Err(Refusal::background_under_budget());
    }
    let single = terms.lease == LeaseMode::Single;
    let input = input(inquiry, single);
    let mut most = None;
    for destination in plan.destinations() {
        let model = destination.model.or(inquiry.model()).unwrap_or_default();
        let price = prices.of(destination.provider.id, model).filter(|price| price.currency() == terms.currency);
        let Some(price) = price else {
            if terms.hard {
                return Err(Refusal::price_missing(model, &destination.provider.name));
            }
            continue;
        };
        let output = output(inquiry, destination.default_max_tokens, single);
        let of: fn(&Price, u64, u64) -> i64 = if single { Price::dearest } else { Price::usual };
        most = most.max(Some(of(price, input, output)));
    }
    Ok(most)
}

fn input(inquiry: &Inquiry<'_>, single: bool) -> u64 {
    let bytes = inquiry.body_bytes() as u64;
    let tokens = match (inquiry.is_form(), single) {
        (true, _) => bytes.div_ceil(FILE_BYTES_PER_TOKEN),
        // No token is shorter than a byte.
        (false, true) => bytes,
        (false, false) => bytes.div_ceil(BYTES_PER_TOKEN),
    };
    tokens.min(MOST_INPUT)
}

fn output(inquiry: &Inquiry<'_>, default: Option<u32>, single: bool) -> u64 {
    use Operation::{BatchEmbedContents, EmbedContent, Embeddings, Moderations};
    if matches!(inquiry.operation(), Embeddings | Moderations | EmbedContent | BatchEmbedContents) {
        return 0;
    }
    let asked = inquiry.max_output_tokens().or(default.map(u64::from)).unwrap_or(USUAL_OUTPUT);
    let each = if single { asked } else { asked.min(MOST_USUAL_OUTPUT) };
    let answers = inquiry.choices().min(MOST_CHOICES).saturating_mul(inquiry.prompts());
    each.saturating_mul(answers).min(MOST_OUTPUT)
}
