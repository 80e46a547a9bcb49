//! Calls that wait for their results, by what a result may call them.

use std::collections::{HashMap, VecDeque};

use crate::canonical::Text;

/// Places in a list, in their order under each name. What a caller sends may hold very many calls and results,
/// therefore nobody searches the list itself from end to end.
#[derive(Debug, Default)]
pub(crate) struct Queues(HashMap<String, VecDeque<usize>>);

impl Queues {
    pub(crate) fn push(&mut self, name: &Text<'_>, place: usize) {
        self.0.entry(name.decode().into_owned()).or_default().push_back(place);
    }

    /// Takes the first place of this name that still waits. One that does not, because it was taken by another name,
    /// is gone for good.
    pub(crate) fn next(&mut self, name: &Text<'_>, waits: impl Fn(usize) -> bool) -> Option<usize> {
        let queue = self.0.get_mut(&*name.decode())?;
        std::iter::from_fn(|| queue.pop_front()).find(|place| waits(*place))
    }

    /// Takes all places of this name.
    pub(crate) fn take(&mut self, name: &Text<'_>) -> VecDeque<usize> {
        self.0.remove(&*name.decode()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_their_order_unless_they_are_gone() {
        let mut queues = Queues::default();
        let (plain, escaped) = (Text::from("a"), Text::Escaped(r"\u0061"));
        (0..5).for_each(|place| queues.push(if place % 2 == 0 { &plain } else { &escaped }, place));
        assert_eq!(queues.next(&escaped, |place| place > 1), Some(2));
        assert_eq!(queues.next(&plain, |_| true), Some(3));
        assert_eq!(queues.take(&plain), [4]);
        assert_eq!(queues.next(&plain, |_| true), None);
        assert_eq!(queues.next(&Text::from("b"), |_| true), None);
    }
}
