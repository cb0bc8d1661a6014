//! What is known of a range: each key with the revision that changed it last.

use std::collections::BTreeMap;

use super::step::{ChangeAction, KeyChange};
use crate::history::{HistoryPoint, SeenKeys};
use crate::key::KeyValue;
use crate::watch::WatchEvent;

/// What was delivered of a range.
#[derive(Debug, Default)]
pub(super) struct KnownRange {
    seen: SeenKeys,
    /// Whether `seen` holds every key of its revision. An earlier process knew them; this one does not.
    complete: bool,
}

impl KnownRange {
    /// Everything up to this point was delivered, by an earlier process.
    pub(super) fn since(point: HistoryPoint) -> Self {
        Self { seen: SeenKeys { point, keys: BTreeMap::new() }, complete: false }
    }

    /// Up to where everything was delivered.
    pub(super) fn point(&self) -> HistoryPoint {
        self.seen.point
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.seen.keys.len()).unwrap_or(i64::MAX)
    }

    /// Every key of one revision, where all are known.
    pub(super) fn seen(&self) -> Option<&SeenKeys> {
        self.complete.then_some(&self.seen)
    }

    /// The keys of a list that are not as they are known, and those that are gone, by revision.
    pub(super) fn changes(&self, revision: i64, keys: &[KeyValue]) -> Vec<KeyChange> {
        let put = |key: &KeyValue| KeyChange {
            key: key.key.clone(),
            action: ChangeAction::Put,
            revision: key.mod_revision,
        };
        let is_new = |key: &&KeyValue| match self.complete {
            true => self.seen.keys.get(&key.key) != Some(&key.mod_revision),
            false => key.mod_revision > self.seen.point.revision,
        };
        let mut changes: Vec<KeyChange> = keys.iter().filter(is_new).map(put).collect();
        let listed = |key: &[u8]| keys.binary_search_by(|listed| listed.key.as_slice().cmp(key)).is_ok();
        let gone = self.seen.keys.keys().filter(|key| !listed(key));
        changes.extend(gone.map(|key| KeyChange {
            key: key.clone(),
            action: ChangeAction::Delete,
            revision,
        }));
        changes.sort_by_key(|change| change.revision);
        changes
    }

    /// Everything is as listed.
    pub(super) fn replace(&mut self, point: HistoryPoint, keys: Vec<KeyValue>) {
        let keys = keys.into_iter().map(|key| (key.key, key.mod_revision)).collect();
        self.seen = SeenKeys { point, keys };
        self.complete = true;
    }

    /// What exists at `later` is as listed, and the changes after [`Self::point`] are still to be delivered.
    pub(super) fn learn(&mut self, later: &HistoryPoint, keys: Vec<KeyValue>) {
        let delivered = keys.into_iter().filter(|key| key.mod_revision <= self.seen.point.revision);
        self.seen.keys = delivered.map(|key| (key.key, key.mod_revision)).collect();
        self.seen.point.cluster_id = later.cluster_id;
        self.seen.point.raft_term = later.raft_term;
        self.complete = true;
    }

    /// Everything up to this revision is delivered. False: that was known.
    pub(super) fn advance(&mut self, revision: i64) -> bool {
        let is_new = revision > self.seen.point.revision;
        self.seen.point.revision = self.seen.point.revision.max(revision);
        is_new
    }

    /// These changes are delivered.
    pub(super) fn apply(&mut self, events: &[WatchEvent]) {
        for WatchEvent { key, deleted, .. } in events {
            match deleted {
                true => {
                    self.seen.keys.remove(&key.key);
                }
                false => {
                    self.seen.keys.insert(key.key.clone(), key.mod_revision);
                }
            }
            self.seen.point.revision = self.seen.point.revision.max(key.mod_revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, mod_revision: i64) -> KeyValue {
        KeyValue { key: key.into(), mod_revision, ..KeyValue::default() }
    }

    fn point(revision: i64) -> HistoryPoint {
        HistoryPoint { cluster_id: 1, revision, raft_term: 2 }
    }

    fn changed(changes: &[KeyChange]) -> Vec<(String, bool, i64)> {
        let one = |change: &KeyChange| {
            let key = String::from_utf8(change.key.clone()).unwrap();
            (key, change.action == ChangeAction::Put, change.revision)
        };
        changes.iter().map(one).collect()
    }

    #[test]
    fn lists_are_compared_by_revision() {
        let mut known = KnownRange::default();
        let list = [key("a", 4), key("b", 2)];
        assert_eq!(changed(&known.changes(5, &list)), [("b".into(), true, 2), ("a".into(), true, 4)]);
        known.replace(point(5), list.to_vec());
        assert_eq!(known.changes(9, &list), []);
        let later = [key("b", 7), key("c", 6)];
        assert_eq!(
            changed(&known.changes(9, &later)),
            [("c".into(), true, 6), ("b".into(), true, 7), ("a".into(), false, 9)]
        );
        let event = |key, deleted| WatchEvent { key, deleted, previous: None };
        known.apply(&[event(key("c", 6), false), event(key("b", 7), false), event(key("a", 8), true)]);
        assert_eq!((known.changes(9, &later), known.point().revision, known.count()), (vec![], 8, 2));
        let breaks = |key| known.seen().unwrap().break_before(&point(9), [&key]).is_some();
        assert!(breaks(key("d", 8)) && !breaks(key("d", 9)));
    }

    #[test]
    fn what_an_earlier_process_delivered_is_not_delivered_again() {
        let mut known = KnownRange::since(point(5));
        let list = [key("a", 4), key("b", 6)];
        assert!(known.seen().is_none());
        assert_eq!(changed(&known.changes(6, &list)), [("b".into(), true, 6)]);
        known.learn(&point(6), list.to_vec());
        assert_eq!((known.point().revision, known.count()), (5, 1), "b is still to come");
        assert_eq!(changed(&known.changes(6, &list)), [("b".into(), true, 6)]);
    }
}
