//! Which result belongs to which call.
//!
//! Gemini's callers may leave ids out: then a result belongs to the first call of its name that has none yet. The
//! other protocols go by ids, so that calls get some, by their place in the conversation: the same in every turn.

use crate::canonical::{Signature, Text};
use crate::translate::{Rejected, Seal, calls};

#[derive(Default)]
pub(super) struct CallIds<'a> {
    count: usize,
    /// Calls without a result, in their order.
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    id: Text<'a>,
    name: Text<'a>,
    is_made: bool,
}

impl<'a> CallIds<'a> {
    /// The id of the next call, and the signature that was behind it.
    pub(super) fn call(
        &mut self,
        id: Option<Text<'a>>,
        name: &Text<'a>,
        seal: &dyn Seal,
    ) -> (Text<'a>, Option<Signature<'a>>) {
        let given = id.filter(|id| !id.is_empty()).map(|id| calls::from_caller(seal, id));
        let is_made = given.is_none();
        let (id, signature) = given.unwrap_or_else(|| (Text::from(format!("call_{}", self.count)), None));
        self.count += 1;
        self.pending.push(Pending { id: id.clone(), name: name.clone(), is_made });
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
        let named = |pending: &Pending<'_>| name.is_some_and(|name| pending.name == *name);
        let at = |wanted: &dyn Fn(&Pending<'_>) -> bool| self.pending.iter().position(wanted);
        let found = if let Some(id) = &given {
            at(&|pending| pending.id == *id).or_else(|| at(&|pending| pending.is_made && named(pending)))
        } else {
            at(&named).or_else(|| at(&|_| true))
        };
        match (found, given) {
            (Some(at), _) => Ok(self.pending.remove(at).id),
            (None, Some(id)) => Ok(id),
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
