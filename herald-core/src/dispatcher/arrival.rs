//! What has come from outside and waits for its record, and the keys that tell a repeated one.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::event::activation::{Activation, Key, Name, Refused};
use crate::event::position::Cursor;

/// Keys that are remembered here: the journal knows them all, but a repetition may come before it can be asked.
const RECENT_KEYS: usize = 10_000;

pub(super) type Reply = oneshot::Sender<Result<Name, Refused>>;

/// An event from outside that waits for its record.
pub(super) struct IncomingEvent {
    pub(super) activation: Activation,
    pub(super) key: Option<Key>,
    pub(super) cursor: Option<Cursor>,
    pub(super) due: Option<Timestamp>,
    /// More than one when it came again meanwhile.
    pub(super) replies: Vec<Reply>,
}

/// The keys of the latest events.
#[derive(Default)]
pub(super) struct RecentKeys {
    /// The event, and until when it is remembered.
    events: HashMap<Name, (Name, Timestamp)>,
    order: VecDeque<Name>,
}

impl RecentKeys {
    /// The event of this key, unless its window is over.
    pub(super) fn event_of(&self, key: &Name, now: Timestamp) -> Option<&Name> {
        self.events.get(key).filter(|(_, until)| now < *until).map(|(event_id, _)| event_id)
    }

    pub(super) fn remember(&mut self, key: &Key, event_id: &Name, now: Timestamp) {
        self.forget(&key.name);
        if self.order.len() == RECENT_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
        let until = now.saturating_add(key.window).unwrap_or(Timestamp::MAX);
        self.order.push_back(key.name.clone());
        self.events.insert(key.name.clone(), (event_id.clone(), until));
    }

    /// The event was not taken after all.
    pub(super) fn forget(&mut self, key: &Name) {
        if self.events.remove(key).is_some() {
            self.order.retain(|kept| kept != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seconds: u64) -> Key {
        Key { name: name.into(), window: std::time::Duration::from_secs(seconds) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_remembered_for_its_window() {
        let mut keys = RecentKeys::default();
        keys.remember(&key("a", 5), &"e1".into(), at(0));
        keys.remember(&key("b", u64::MAX), &"e2".into(), at(0));
        for (name, second, event) in
            [("a", 4, Some("e1")), ("a", 5, None), ("b", 1_000_000, Some("e2")), ("c", 0, None)]
        {
            assert_eq!(keys.event_of(&name.into(), at(second)).map(|id| &**id), event, "{name} at {second}");
        }
        keys.remember(&key("a", 5), &"e3".into(), at(7));
        assert_eq!(keys.event_of(&"a".into(), at(11)).map(|id| &**id), Some("e3"));
        keys.forget(&"a".into());
        assert_eq!(keys.event_of(&"a".into(), at(11)), None);
    }

    #[test]
    fn the_oldest_keys_go_first() {
        let mut keys = RecentKeys::default();
        keys.remember(&key("first", 5), &"e".into(), at(0));
        (1..RECENT_KEYS).for_each(|n| keys.remember(&key(&n.to_string(), 5), &"e".into(), at(0)));
        // Again under the same name: then it is the latest.
        keys.remember(&key("first", 5), &"e".into(), at(0));
        keys.remember(&key("last", 5), &"e".into(), at(0));
        let known = |name: &str| keys.event_of(&name.into(), at(0)).is_some();
        assert!(known("first") && known("last") && !known("1") && known("2"));
        assert_eq!((keys.order.len(), keys.events.len()), (RECENT_KEYS, RECENT_KEYS));
    }
}
