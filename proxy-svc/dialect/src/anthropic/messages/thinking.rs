//! How much a model is told to think, and within which limit of tokens.

use crate::canonical::{Effort, ReasoningRequest, Request};
use crate::json::write::Object;
use crate::translate::policy::Feature;
use crate::translate::{How, Notes, Rejected, Target};

use super::models::{Model, Off, Thinking};

/// Anthropic's least budget.
const LEAST_BUDGET: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    pub(super) mode: Mode,
    pub(super) effort: Option<&'static str>,
    /// `thinking.display`
    display: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the model does by itself.
    Unsaid,
    Disabled,
    BetweenTools,
    Adaptive,
    Budget(u64),
}

/// What the conversation has to do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    /// A call is being answered whose thoughts are not there: a budget is refused then.
    pub(super) lacks_thoughts: bool,
    /// It ends with the beginning of the answer, which excludes thinking.
    pub(super) ends_with_prefill: bool,
    /// A tool must be called, and the request says so.
    pub(super) forces_tool: bool,
}

impl Plan {
    pub(super) fn of(
        request: &Request<'_>,
        target: &Target<'_>,
        model: &Model,
        history: History,
        notes: &mut Notes,
    ) -> Result<Self, Rejected> {
        let limit = Limit::of(request, target, model, notes);
        let mut plan = Self { max_tokens: limit.tokens, mode: Mode::Unsaid, effort: None, display: None };
        let asked = &request.reasoning;
        if asked.effort.is_some_and(|effort| effort != Effort::None) {
            notes.allows(Feature::ReasoningEffort)?;
        }
        if asked.budget.is_some() {
            notes.allows(Feature::ReasoningBudget)?;
        }
        match wish(asked) {
            // A model that thinks by itself is not to think where a tool is forced: the two exclude each other.
            Wish::None if history.forces_tool && model.takes_forced_tools() => plan.mode = off(model),
            Wish::None => {}
            Wish::Off => plan.turn_off(model, notes),
            Wish::On => plan.turn_on(asked, model, limit, notes),
        }
        if let Mode::Budget(_) = plan.mode
            && (history.lacks_thoughts || history.ends_with_prefill)
        {
            plan = Self { mode: Mode::Unsaid, max_tokens: limit.tokens, ..plan };
            notes.add("reasoning", How::Approximated);
        }
        if plan.mode == Mode::Adaptive && history.ends_with_prefill {
            plan.mode = Mode::Unsaid;
            notes.add("reasoning", How::Approximated);
        }
        if let Some(visible) = asked.visible
            && model.hides_thoughts()
            && plan.mode == Mode::Adaptive
        {
            plan.display = Some(if visible { "summarized" } else { "omitted" });
        }
        Ok(plan)
    }

    pub(super) const fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Adaptive | Mode::Budget(_))
    }

    fn turn_off(&mut self, model: &Model, notes: &mut Notes) {
        self.mode = off(model);
        if model.thinking == Thinking::Adaptive(Off::Never) {
            self.effort = Some("low");
            notes.add("reasoning", How::Approximated);
        }
    }

    fn turn_on(&mut self, asked: &ReasoningRequest<'_>, model: &Model, limit: Limit, notes: &mut Notes) {
        let effort = asked.effort.and_then(|effort| model.efforts.word(effort));
        self.effort = effort.map(|(word, _)| word);
        match model.thinking {
            Thinking::Never => notes.add("reasoning", How::Dropped),
            Thinking::Either if asked.budget.is_none() => self.adapt(asked, effort, notes),
            Thinking::Budget | Thinking::Either => {
                if asked.budget.is_none() {
                    let field = if asked.effort.is_some() { "reasoning.effort" } else { "reasoning" };
                    notes.add(field, How::Approximated);
                }
                self.spend(asked, model, limit, notes);
            }
            Thinking::Adaptive(_) => self.adapt(asked, effort, notes),
        }
    }

    fn adapt(&mut self, asked: &ReasoningRequest<'_>, effort: Option<(&'static str, bool)>, notes: &mut Notes) {
        self.mode = Mode::Adaptive;
        if effort.is_some_and(|(_, is_exact)| !is_exact) {
            notes.add("reasoning.effort", How::Approximated);
        }
        if let Some(budget) = asked.budget {
            notes.add("reasoning.budget", How::Approximated);
            if self.effort.is_none() {
                self.effort =
                    super::models::Efforts::All.word(ReasoningRequest::effort_of(budget)).map(|(word, _)| word);
            }
        }
    }

    /// Thinks with a budget. It counts towards the limit: where the caller set one, that stands, and the budget is what
    /// fits into it.
    fn spend(&mut self, asked: &ReasoningRequest<'_>, model: &Model, limit: Limit, notes: &mut Notes) {
        let wanted = asked.effective_budget().unwrap_or(ReasoningRequest::budget_of(Effort::Medium));
        let least = wanted.max(LEAST_BUDGET);
        if limit.is_default && least.saturating_add(LEAST_BUDGET) > limit.tokens {
            let raised = limit.tokens.saturating_add(least);
            self.max_tokens = if model.is_known { raised.min(model.max_tokens) } else { raised };
        }
        let limit = self.max_tokens;
        // A quarter is left for the answer, unless the caller itself said otherwise.
        let most = if asked.budget.is_some() && least < limit { least } else { limit - limit / 4 };
        let budget = least.min(most.max(LEAST_BUDGET));
        if budget >= limit {
            notes.add("reasoning", How::Dropped);
            return;
        }
        if asked.budget.is_some() && budget != wanted {
            notes.add("reasoning.budget", How::Clamped);
        }
        self.mode = Mode::Budget(budget);
    }

    /// Writes `thinking`.
    pub(super) fn write(&self, object: &mut Object<'_>) {
        let kind = match self.mode {
            Mode::Unsaid => return,
            Mode::Disabled => "disabled",
            Mode::BetweenTools => "between_tools",
            Mode::Adaptive => "adaptive",
            Mode::Budget(_) => "enabled",
        };
        let mut object = object.object("thinking");
        object.string("type", kind);
        if let Mode::Budget(budget) = self.mode {
            object.count("budget_tokens", budget);
        }
        if let Some(display) = self.display {
            object.string("display", display);
        }
    }
}

enum Wish {
    None,
    Off,
    On,
}

fn wish(asked: &ReasoningRequest<'_>) -> Wish {
    match (asked.enabled, asked.effort, asked.budget) {
        (Some(false), ..) | (_, Some(Effort::None), _) | (_, None, Some(0)) => Wish::Off,
        (None, None, None) => Wish::None,
        _ => Wish::On,
    }
}

const fn off(model: &Model) -> Mode {
    match model.thinking {
        Thinking::Adaptive(Off::Disabled) => Mode::Disabled,
        Thinking::Adaptive(Off::BetweenTools) => Mode::BetweenTools,
        _ => Mode::Unsaid,
    }
}

/// On output tokens, thoughts included.
#[derive(Debug, Clone, Copy)]
struct Limit {
    tokens: u64,
    is_default: bool,
}

impl Limit {
    fn of(request: &Request<'_>, target: &Target<'_>, model: &Model, notes: &mut Notes) -> Self {
        let most = if model.is_known { model.max_tokens } else { u64::MAX };
        if let Some(tokens) = request.max_output_tokens {
            if tokens > most {
                notes.add("max_tokens", How::Clamped);
            }
            return Self { tokens: tokens.min(most), is_default: false };
        }
        notes.add("max_tokens", How::Defaulted);
        let tokens = target.default_max_tokens.unwrap_or(model.max_tokens);
        Self { tokens: tokens.min(most), is_default: true }
    }
}
