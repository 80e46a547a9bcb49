//! `thinkingConfig` of a request to Gemini.

use super::models::{Generation, Model};
use crate::canonical::{Effort, ReasoningRequest};
use crate::json::write::Object;
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected};

/// How hard the model is to think, in the words of its generation.
enum Amount {
    Level(&'static str),
    Budget(u64),
    /// As much as the model likes.
    Dynamic,
}

pub(super) fn write(
    reasoning: &ReasoningRequest<'_>,
    model: Model,
    config: &mut Object<'_>,
    notes: &mut Notes,
) -> Result<(), Rejected> {
    let amount = match model.generation {
        Generation::Early => {
            if reasoning.enabled == Some(true) || reasoning.effective_budget().is_some_and(|budget| budget > 0) {
                notes.add("reasoning", How::Dropped);
            }
            return Ok(());
        }
        Generation::Level => level(reasoning, model, notes)?,
        Generation::Budget | Generation::Unknown => budget(reasoning, model, notes)?,
    };
    // Where a caller has no words to ask for thoughts with, it sees them as it would with other providers: unasked.
    let is_visible = reasoning.visible.unwrap_or(reasoning.enabled == Some(true))
        && !matches!(amount, Some(Amount::Budget(0)))
        && notes.allows(Feature::ReasoningVisible)?;
    if amount.is_none() && !is_visible {
        return Ok(());
    }
    let mut thinking = config.object("thinkingConfig");
    match amount {
        Some(Amount::Level(level)) => _ = thinking.string("thinkingLevel", level),
        Some(Amount::Budget(tokens)) => _ = thinking.count("thinkingBudget", tokens),
        Some(Amount::Dynamic) => _ = thinking.raw("thinkingBudget", "-1"),
        None => {}
    }
    if is_visible {
        thinking.boolean("includeThoughts", true);
    }
    Ok(())
}

/// Thinking cannot be turned off where it is told in levels.
fn level(reasoning: &ReasoningRequest<'_>, model: Model, notes: &mut Notes) -> Result<Option<Amount>, Rejected> {
    let Some(effort) = reasoning.effective_effort() else { return Ok(None) };
    if reasoning.budget.is_some() && reasoning.effort.is_none() {
        notes.allows(Feature::ReasoningBudget)?;
    }
    let wanted = match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::ExtraHigh | Effort::Max => "HIGH",
    };
    let level = match wanted {
        wanted if model.has_level(wanted) => wanted,
        "MINIMAL" => "LOW",
        _ => "HIGH",
    };
    if level != wanted || matches!(effort, Effort::None | Effort::ExtraHigh | Effort::Max) {
        notes.allows(Feature::ReasoningEffort)?;
    }
    Ok(Some(Amount::Level(level)))
}

fn budget(reasoning: &ReasoningRequest<'_>, model: Model, notes: &mut Notes) -> Result<Option<Amount>, Rejected> {
    let Some(wanted) = reasoning.effective_budget() else {
        return Ok((reasoning.enabled == Some(true)).then_some(Amount::Dynamic));
    };
    let is_said = reasoning.budget.is_some() || reasoning.enabled == Some(false);
    if !is_said && wanted > 0 {
        notes.allows(Feature::ReasoningEffort)?;
    }
    let tokens = model.budget(wanted);
    if tokens != wanted && (is_said || wanted == 0) {
        notes.add(Feature::ReasoningBudget.name(), How::Clamped);
    }
    Ok(Some(Amount::Budget(tokens)))
}
