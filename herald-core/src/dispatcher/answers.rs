//! The events of which selectors have still to answer.

use super::origin::Origin;
use crate::event::activation::{Name, NameMap};
use crate::journal::Decision;

/// An event of which selectors have still to answer.
struct Routing {
    to_come: usize,
    decisions: Vec<Decision>,
    from: Origin,
}

/// Those events.
#[derive(Default)]
pub(super) struct PendingAnswers {
    events: NameMap<Routing>,
    of_chains: usize,
}

impl PendingAnswers {
    /// Remembers that this many selectors have still to answer about this event, besides those that answer at once.
    pub(super) fn expect(&mut self, event_id: Name, to_come: usize, from: Origin) {
        self.of_chains += usize::from(from == Origin::Chain);
        self.events.insert(event_id, Routing { to_come: to_come + 1, decisions: Vec::new(), from });
    }

    /// The answers that came at once. Returns all answers when no other is to come.
    pub(super) fn decided(&mut self, event_id: &Name, mut decisions: Vec<Decision>) -> Option<Vec<Decision>> {
        let Some(routing) = self.events.get_mut(event_id) else { return Some(decisions) };
        decisions.append(&mut routing.decisions);
        routing.decisions = decisions;
        self.one_less(event_id)
    }

    /// One answer about this event has come, `None` if it is not to be recorded. Returns all of them once it was the
    /// last.
    pub(super) fn answered(&mut self, event_id: &Name, decision: Option<Decision>) -> Option<Vec<Decision>> {
        self.events.get_mut(event_id)?.decisions.extend(decision);
        self.one_less(event_id)
    }

    fn one_less(&mut self, event_id: &Name) -> Option<Vec<Decision>> {
        let routing = self.events.get_mut(event_id)?;
        routing.to_come -= 1;
        if routing.to_come > 0 {
            return None;
        }
        let routing = self.events.remove(event_id)?;
        self.of_chains -= usize::from(routing.from == Origin::Chain);
        Some(routing.decisions)
    }

    /// Waits for no more answers. Returns how many events had still some to come.
    pub(super) fn forget(&mut self) -> usize {
        self.of_chains = 0;
        std::mem::take(&mut self.events).len()
    }

    /// Whether answers about this event are still to come.
    pub(super) fn awaits(&self, event_id: &Name) -> bool {
        self.events.contains_key(event_id)
    }

    pub(super) fn of_chains(&self) -> usize {
        self.of_chains
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
