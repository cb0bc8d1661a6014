//! Which triggers have to wait before another event of theirs is taken.

use crate::event::activation::{Name, NameMap};

/// Which triggers have to wait.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Nothing can be recorded: all have to.
    pub(super) held: bool,
    /// Those of which an event was refused for want of room, and its size.
    refused: NameMap<usize>,
}

impl Room {
    /// Whether another try of this trigger is worth it.
    pub(super) fn is_for(&self, trigger: &str) -> bool {
        !self.held && !self.refused.contains_key(trigger)
    }

    /// An event was refused.
    pub(super) fn refuse(&mut self, trigger: &Name, size: usize) {
        self.refused.insert(trigger.clone(), size);
    }

    /// Lets those try again for which there is room by now. Returns whether anything changed.
    pub(super) fn update(&mut self, held: bool, has_room: impl Fn(&Name, usize) -> bool) -> bool {
        let before = (self.held, self.refused.len());
        self.held = held;
        self.refused.retain(|trigger, size| !has_room(trigger, *size));
        before != (self.held, self.refused.len())
    }
}
