//! What must be known at once and is not in the history yet: the keys of events, and how far calendars were followed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use herald_core::activation::{Due, Name};
use herald_core::journal::Record;
use jiff::Timestamp;

use super::entry::millis;

#[derive(Default)]
struct Table {
    /// By key: the event, and until when it is remembered.
    keys: HashMap<Name, (Name, i64)>,
    marks: HashMap<Name, Timestamp>,
    /// In the order of their batches, to be forgotten once those are in the history.
    order: VecDeque<(u64, What)>,
}

enum What {
    Key { name: Name, event: Name },
    Mark { mark: Name, at: Timestamp },
}

/// See the module. Its bound is that of the log.
#[derive(Default)]
pub(super) struct Unindexed(Mutex<Table>);

impl Unindexed {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch of this number was written.
    pub(super) fn wrote(&self, number: u64, records: &[Record]) {
        let mut table = None;
        for record in records {
            let (key, due, event, at) = match record {
                Record::Accepted { key: None, due: None, .. } => continue,
                Record::Accepted { key, due, activation, at, .. } => {
                    (key.as_ref(), due.as_ref(), Some(&activation.event_id), *at)
                }
                Record::Reached(due) => (None, Some(due), None, due.at),
                _ => continue,
            };
            let table = table.get_or_insert_with(|| self.table());
            if let (Some(key), Some(event)) = (key, event) {
                let window = i64::try_from(key.window.as_millis()).unwrap_or(i64::MAX);
                table.keys.insert(key.name.clone(), (event.clone(), millis(at).saturating_add(window)));
                table.order.push_back((number, What::Key { name: key.name.clone(), event: event.clone() }));
            }
            if let Some(Due { mark, at }) = due {
                table.marks.insert(mark.clone(), *at);
                table.order.push_back((number, What::Mark { mark: mark.clone(), at: *at }));
            }
        }
    }

    /// The batches before this number are in the history.
    pub(super) fn took_in(&self, next: u64) {
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
                What::Mark { mark, at } => {
                    if table.marks.get(&mark) == Some(&at) {
                        table.marks.remove(&mark);
                    }
                }
            }
        }
    }

    /// The event of this key.
    pub(super) fn event_of(&self, key: &str, now: Timestamp) -> Option<Name> {
        let table = self.table();
        let (event, until) = table.keys.get(key)?;
        (*until > millis(now)).then(|| event.clone())
    }

    /// Up to when a calendar was followed.
    pub(super) fn reached(&self, mark: &str) -> Option<Timestamp> {
        self.table().marks.get(mark).copied()
    }
}
