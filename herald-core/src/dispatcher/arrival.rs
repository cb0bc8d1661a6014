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
    /// Rough bytes of its parameters.
    pub(super) size: usize,
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
    /// The event that was taken with this key.
    pub(super) fn known(&self, key: &Key, now: Timestamp) -> Result<Option<&Name>, Refused> {
        let mut names = key.names().map(|name| self.event_of(&Name::from(&*name), now));
        let (first, second) = (names.next().flatten(), names.next());
        match (first, second) {
            (first, None) => Ok(first),
            (Some(_), Some(None)) => Err(Refused::OtherContent),
            (Some(event_id), Some(Some(_))) => Ok(Some(event_id)),
            (None, Some(second)) => Ok(second.filter(|_| key.second_counts_alone())),
        }
    }

    /// The event of this name, unless its window is over.
    fn event_of(&self, key: &Name, now: Timestamp) -> Option<&Name> {
        self.events.get(key).filter(|(_, until)| now < *until).map(|(event_id, _)| event_id)
    }

    pub(super) fn remember(&mut self, key: &Key, event_id: &Name, now: Timestamp) {
        self.forget(key);
        let until = now.saturating_add(key.window).unwrap_or(Timestamp::MAX);
        for name in key.names().map(|name| Name::from(&*name)) {
            if self.order.len() == RECENT_KEYS
                && let Some(oldest) = self.order.pop_front()
            {
                self.events.remove(&oldest);
            }
            self.order.push_back(name.clone());
            self.events.insert(name, (event_id.clone(), until));
        }
    }

    /// The event was not taken after all.
    pub(super) fn forget(&mut self, key: &Key) {
        for name in key.names().map(|name| Name::from(&*name)) {
            if self.events.remove(&name).is_some() {
                self.order.retain(|kept| *kept != name);
            }
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
        keys.forget(&key("a", 5));
        assert_eq!(keys.event_of(&"a".into(), at(11)), None);
    }

    #[test]
    fn a_key_with_its_content_and_one_with_another_name() {
        let mut keys = RecentKeys::default();
        keys.remember(&key("t:a", 5).with_content("d1"), &"e1".into(), at(0));
        keys.remember(&key("t:b", 5).or(&"t:signed1".into()), &"e2".into(), at(0));
        for (asked, known) in [
            (key("t:a", 5).with_content("d1"), Ok(Some("e1"))),
            (key("t:a", 5).with_content("d2"), Err(Refused::OtherContent)),
            (key("t:a", 5), Ok(Some("e1"))),
            (key("t:c", 5).with_content("d1"), Ok(None)),
            (key("t:b", 5).or(&"t:signed1".into()), Ok(Some("e2"))),
            (key("t:c", 5).or(&"t:signed1".into()), Ok(Some("e2"))),
            (key("t:signed1", 5), Ok(Some("e2"))),
            (key("t:b", 5).or(&"t:signed2".into()), Err(Refused::OtherContent)),
            (key("t:c", 5).or(&"t:signed2".into()), Ok(None)),
        ] {
            let found = keys.known(&asked, at(1)).map(|event_id| event_id.map(|id| &**id));
            assert_eq!(found, known, "{asked:?}");
        }
        keys.forget(&key("t:b", 5).or(&"t:signed1".into()));
        assert_eq!(keys.known(&key("t:signed1", 5), at(1)), Ok(None));
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
