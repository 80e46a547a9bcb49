//! Which result belongs to which call.
//!
//! Gemini's callers may leave ids out: then a result belongs to the first call of its name that has none yet. The
//! other protocols go by ids, so that calls get some, by their place in the conversation: the same in every turn.

use crate::canonical::{Signature, Text};
use crate::translate::{Queues, Rejected, Seal, calls};

#[derive(Default)]
pub(super) struct CallIds<'a> {
    /// The ids of the calls in their order; none where there is a result.
    calls: Vec<Option<Text<'a>>>,
    by_id: Queues,
    by_name: Queues,
    /// Of the calls whose ids were made here.
    made_by_name: Queues,
    /// All before it have results.
    first: usize,
}

impl<'a> CallIds<'a> {
    /// The id of the next call, and the signature that was behind it.
    pub(super) fn call(
        &mut self,
        id: Option<Text<'a>>,
        name: &Text<'a>,
        seal: &dyn Seal,
    ) -> (Text<'a>, Option<Signature<'a>>) {
        let place = self.calls.len();
        let given = id.filter(|id| !id.is_empty()).map(|id| calls::from_caller(seal, id));
        if given.is_none() {
            self.made_by_name.push(name, place);
        }
        let (id, signature) = given.unwrap_or_else(|| (Text::from(format!("call_{place}")), None));
        self.by_id.push(&id, place);
        self.by_name.push(name, place);
        self.calls.push(Some(id.clone()));
        (id, signature)
    }

    /// The id of the call that a result belongs to.
    pub(super) fn result(
        &mut self,
        id: Option<Text<'a>>,
        name: Option<&Text<'a>>,
        seal: &dyn Seal,
    ) -> Result<Text<'a>, Rejected> {
        let given = id.filter(|id| !id.is_empty()).map(|id| calls::from_caller(seal, id).0);
        let waits = |place: usize| self.calls.get(place).is_some_and(Option::is_some);
        let found = if let Some(id) = &given {
            let made = |queues: &mut Queues| queues.next(name?, waits);
            self.by_id.next(id, waits).or_else(|| made(&mut self.made_by_name))
        } else {
            let named = name.and_then(|name| self.by_name.next(name, waits));
            named.or_else(|| {
                self.first = (self.first..self.calls.len()).find(|place| waits(*place)).unwrap_or(self.calls.len());
                Some(self.first)
            })
        };
        match (found.and_then(|place| self.calls.get_mut(place)?.take()), given) {
            (Some(id), _) | (None, Some(id)) => Ok(id),
            (None, None) => Err(Rejected::new("id", "it answers no `functionCall` of the turns before it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::NoSeal;

    #[test]
    fn results_find_their_calls_by_id_then_name_then_order() {
        let mut ids = CallIds::default();
        let (a, b, c) = (Text::from("a"), Text::from("b"), Text::from("c"));
        for (given, name, id) in
            [(None, &a, "call_0"), (None, &b, "call_1"), (Some("x"), &a, "x"), (None, &a, "call_3")]
        {
            assert_eq!(ids.call(given.map(Text::from), name, &NoSeal).0, id);
        }
        let mut result = |id: Option<&'static str>, name| ids.result(id.map(Text::from), name, &NoSeal);
        assert_eq!(result(None, Some(&b)).unwrap(), "call_1");
        assert_eq!(result(Some("x"), Some(&a)).unwrap(), "x");
        // The caller made up an id for a call that had none.
        assert_eq!(result(Some("unknown"), Some(&a)).unwrap(), "call_0");
        assert_eq!(result(None, Some(&c)).unwrap(), "call_3");
        assert_eq!(result(Some("unknown"), Some(&a)).unwrap(), "unknown");
        assert_eq!(result(None, Some(&a)).unwrap_err().param, "id");
    }
}
