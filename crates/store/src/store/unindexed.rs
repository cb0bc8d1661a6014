//! What must be known at once and is not in the history yet: the keys of events, and how far sources were followed. And
//! which keys need not be looked for in there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use herald_core::activation::Name;
use herald_core::journal::Record;
use herald_core::position::{Cursor, Position};
use jiff::Timestamp;

use super::keys::KeyFilter;
use crate::journal::entry::millis;

/// With more keys than this on their way into the history, nothing is learned.
const FEW: usize = 10_000;

#[derive(Default)]
struct UnindexedKeys {
    /// By key: the event, and until when it is remembered.
    keys: HashMap<Name, (Name, i64)>,
    positions: HashMap<Name, Position>,
    /// The keys of the history and those above, once they are learned.
    known: Option<KeyFilter>,
    /// What is to take its place.
    learning: Option<KeyFilter>,
    /// In the order of their batches, to be forgotten once those are in the history.
    order: VecDeque<(u64, What)>,
}

enum What {
    Key { name: Name, event: Name },
    Cursor(Cursor),
}

/// Whether a key was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyLookup {
    /// This event has it.
    By(Name),
    /// No event has it whose window is not over.
    Never,
    /// The history has to be asked.
    Perhaps,
}

/// See the module. Its bound is that of the log.
#[derive(Default)]
pub(crate) struct Unindexed(Mutex<UnindexedKeys>);

impl Unindexed {
    fn table(&self) -> MutexGuard<'_, UnindexedKeys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch of this number was written.
    pub(crate) fn wrote(&self, number: u64, records: &[Record]) {
        let mut table = None;
        for record in records {
            let (key, cursor) = match record {
                Record::Accepted { key: None, cursor: None, .. } => continue,
                Record::Accepted { key, cursor, activation, at, .. } => {
                    (key.as_ref().map(|key| (key, &activation.event_id, *at)), cursor.as_ref())
                }
                Record::Reached(cursor) => (None, Some(cursor)),
                _ => continue,
            };
            let table = table.get_or_insert_with(|| self.table());
            if let Some((key, event, at)) = key {
                let window = i64::try_from(key.window.as_millis()).unwrap_or(i64::MAX);
                for name in key.names().map(|name| Name::from(&*name)) {
                    table.keys.insert(name.clone(), (event.clone(), millis(at).saturating_add(window)));
                    let UnindexedKeys { known, learning, .. } = &mut **table;
                    known.iter_mut().chain(learning).for_each(|keys| keys.put(&name));
                    table.order.push_back((number, What::Key { name, event: event.clone() }));
                }
            }
            if let Some(cursor) = cursor {
                table.positions.insert(cursor.source.clone(), cursor.position.clone());
                table.order.push_back((number, What::Cursor(cursor.clone())));
            }
        }
    }

    /// The batches before this number are in the history.
    pub(crate) fn took_in(&self, next: u64) {
        let mut table = self.table();
        while table.order.front().is_some_and(|(number, _)| *number < next) {
            let Some((_, what)) = table.order.pop_front() else { return };
            match what {
                // What came later under the same name stays.
                What::Key { name, event } => {
                    if table.keys.get(&name).is_some_and(|(latest, _)| *latest == event) {
                        table.keys.remove(&name);
                    }
                }
                What::Cursor(Cursor { source, position }) => {
                    if table.positions.get(&source) == Some(&position) {
                        table.positions.remove(&source);
                    }
                }
            }
        }
    }

    /// Whether an event had this key.
    pub(crate) fn seen(&self, key: &str, now: Timestamp) -> KeyLookup {
        let table = self.table();
        match table.keys.get(key) {
            Some((event, until)) if *until > millis(now) => KeyLookup::By(event.clone()),
            // What the history may have of it was over even earlier.
            Some(_) => KeyLookup::Never,
            None if table.known.as_ref().is_some_and(|known| !known.may_hold(key)) => KeyLookup::Never,
            None => KeyLookup::Perhaps,
        }
    }

    /// Whether [`Self::learn`] is worth it: nothing was learned yet, or so much that it is better to learn again.
    pub(crate) fn wants_to_learn(&self) -> bool {
        let table = self.table();
        // Those that are on their way are put in under the lock.
        let few = table.keys.len() <= FEW;
        few && table.known.as_ref().is_none_or(KeyFilter::is_full)
    }

    /// Learns which keys the history has, `there` about: `read` gives it some at a time, and nothing once there are no
    /// more.
    /// Nothing may be taken into the history meanwhile. Until all are learned, what was known before counts.
    ///
    /// # Errors
    /// Those of `read`; nothing was learned then.
    pub(crate) fn learn<E>(
        &self,
        there: usize,
        mut read: impl FnMut() -> Result<Vec<String>, E>,
    ) -> Result<(), E> {
        let mut keys = KeyFilter::for_twice(there);
        {
            let mut table = self.table();
            table.keys.keys().for_each(|name| keys.put(name));
            table.learning = Some(keys);
        }
        loop {
            let names = read();
            let mut table = self.table();
            match names {
                Ok(names) if names.is_empty() => {
                    table.known = table.learning.take();
                    return Ok(());
                }
                Ok(names) => {
                    names.iter().for_each(|name| table.learning.iter_mut().for_each(|keys| keys.put(name)))
                }
                Err(error) => {
                    table.learning = None;
                    return Err(error);
                }
            }
        }
    }

    /// The sources whose names begin with this.
    pub(crate) fn reached_below(&self, beginning: &str) -> Vec<Cursor> {
        let table = self.table();
        let below = table.positions.iter().filter(|(source, _)| source.starts_with(beginning));
        below
            .map(|(source, position)| Cursor { source: source.clone(), position: position.clone() })
            .collect()
    }

    /// Up to which position a source was followed.
    pub(crate) fn reached(&self, source: &str) -> Option<Position> {
        self.table().positions.get(source).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use herald_core::activation::{Activation, Key};
    use herald_core::secret::Mask;

    use super::*;

    fn record(name: &str, event: &str) -> Record {
        let activation = Activation {
            event_id: event.into(),
            trigger: "t".into(),
            trigger_param: Arc::default(),
            chain_depth: 0,
            by: None,
        };
        let key = Some(Key { name: name.into(), window: Duration::from_secs(10) });
        Record::Accepted { activation, mask: Arc::new(Mask::new()), key, cursor: None, due: None, at: at(0) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_history_is_asked_only_about_what_it_may_know() {
        let unindexed = Unindexed::default();
        unindexed.wrote(1, &[record("new", "e1")]);
        assert_eq!(unindexed.seen("other", at(0)), KeyLookup::Perhaps, "nothing is known of the history yet");
        assert_eq!(unindexed.learn(0, || Err("the disk")), Err("the disk"));
        assert_eq!(unindexed.seen("other", at(0)), KeyLookup::Perhaps);
        assert!(unindexed.wants_to_learn());

        let mut pages = vec![vec!["old".to_owned()], vec!["older".to_owned()]];
        let learned = unindexed.learn(2, || {
            // Events come while it learns.
            unindexed.wrote(2, &[record("newer", "e2")]);
            Ok::<_, ()>(pages.pop().unwrap_or_default())
        });
        assert!(learned.is_ok() && !unindexed.wants_to_learn());
        for (name, second, seen) in [
            ("new", 0, KeyLookup::By("e1".into())),
            ("newer", 9, KeyLookup::By("e2".into())),
            ("newer", 10, KeyLookup::Never),
            ("old", 0, KeyLookup::Perhaps),
            ("older", 0, KeyLookup::Perhaps),
            ("other", 0, KeyLookup::Never),
        ] {
            assert_eq!(unindexed.seen(name, at(second)), seen, "{name} at {second}");
        }
        unindexed.took_in(3);
        for name in ["new", "newer"] {
            assert_eq!(unindexed.seen(name, at(0)), KeyLookup::Perhaps, "{name} is in the history now");
        }
    }
}
