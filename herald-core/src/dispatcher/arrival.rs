//! What has come from outside and waits for its record, and the keys that tell a repeated one.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::activation::{Activation, Due, Key, Name, Refused};

/// Keys that are remembered here: the journal knows them all, but a repetition may come before it can be asked.
const RECENT_KEYS: usize = 10_000;

pub(super) type Reply = oneshot::Sender<Result<Name, Refused>>;

/// An event from outside that waits for its record.
pub(super) struct Newcomer {
    pub(super) activation: Activation,
    pub(super) key: Option<Key>,
    pub(super) due: Option<Due>,
    /// More than one when it came again meanwhile.
    pub(super) replies: Vec<Reply>,
}

/// The keys of the latest events.
#[derive(Default)]
pub(super) struct RecentKeys {
    events: HashMap<Name, Name>,
    order: VecDeque<Name>,
}

impl RecentKeys {
    /// The event of this key.
    pub(super) fn event_of(&self, key: &Name) -> Option<&Name> {
        self.events.get(key)
    }

    pub(super) fn remember(&mut self, key: &Name, event_id: &Name) {
        if self.order.len() == RECENT_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.events.insert(key.clone(), event_id.clone());
    }

    /// The event was not taken after all.
    pub(super) fn forget(&mut self, key: &Name) {
        if self.events.remove(key).is_some() {
            self.order.retain(|kept| kept != key);
        }
    }
}
