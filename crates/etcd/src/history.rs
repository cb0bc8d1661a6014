//! Whether two answers of an etcd are of one history: a store that was wiped or restored from a backup counts its
//! revisions from before again, with the same ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::{KeyValue, shown_key};

/// Where the history of a store was when it gave an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// The id of the cluster. A server that was started again with the same flags and no data has the same.
    pub cluster_id: u64,
    /// The revision of the store.
    pub revision: i64,
    /// The term of the leader.
    pub raft_term: u64,
}

/// Why an answer is not of the history that was seen before: etcd was wiped, or restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryBreak {
    /// Another cluster.
    #[error("etcd is another cluster than before (its id was {before:x}, now it is {now:x})")]
    Cluster {
        /// The id that was seen before.
        before: u64,
        /// The id now.
        now: u64,
    },
    /// The revision is lower than one that was seen.
    #[error("etcd was wiped or restored: its revision was {before}, now it is {now}")]
    Revision {
        /// The revision that was seen before.
        before: i64,
        /// The revision now.
        now: i64,
    },
    /// The term is lower than one that was seen.
    #[error("etcd was wiped or restored: its raft term was {before}, now it is {now}")]
    Term {
        /// The term that was seen before.
        before: u64,
        /// The term now.
        now: u64,
    },
    /// A key was changed at a revision that had been seen already, and was not like that then.
    #[error(
        "etcd was wiped or restored: the key {key} is of revision {revision}, and was not there when revision {seen} \
         was read"
    )]
    Key {
        /// The key, quoted.
        key: String,
        /// Its revision now.
        revision: i64,
        /// The revision up to which everything had been seen.
        seen: i64,
    },
    /// At a revision that was seen, a key is not what it was.
    #[error(
        "etcd was wiped or restored: when revision {seen} was read, the key {key} was of revision {revision}, and at that \
         revision etcd does not have it like that any more"
    )]
    Past {
        /// The key, quoted.
        key: String,
        /// Its revision as it was seen.
        revision: i64,
        /// The revision up to which everything had been seen.
        seen: i64,
    },
}

impl HistoryPoint {
    /// Why `later` cannot follow on this point. `None`: as far as the two show, it can. `later` must be of a request
    /// that was sent after this answer had arrived, and both must be of linearizable requests.
    #[must_use]
    pub fn break_before(&self, later: &Self) -> Option<HistoryBreak> {
        if self.cluster_id != later.cluster_id && self.cluster_id != 0 {
            return Some(HistoryBreak::Cluster { before: self.cluster_id, now: later.cluster_id });
        }
        if later.revision < self.revision {
            return Some(HistoryBreak::Revision { before: self.revision, now: later.revision });
        }
        if later.raft_term < self.raft_term {
            return Some(HistoryBreak::Term { before: self.raft_term, now: later.raft_term });
        }
        None
    }
}

/// The keys of a range, each with the revision that changed it last, as everything was at one point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenKeys {
    /// When it was like that.
    pub point: HistoryPoint,
    /// The keys and their `mod_revision`.
    pub keys: BTreeMap<Vec<u8>, i64>,
}

impl SeenKeys {
    /// Why keys that were read at `later` are not of the same history. Catches a store that was wiped, filled again,
    /// and has passed the old revision: a key of a revision up to the one that was seen must have been seen like that.
    #[must_use]
    pub fn break_before<'a>(
        &self,
        later: &HistoryPoint,
        keys: impl IntoIterator<Item = &'a KeyValue>,
    ) -> Option<HistoryBreak> {
        self.point.break_before(later).or_else(|| {
            let unseen = |key: &&KeyValue| {
                key.mod_revision <= self.point.revision && self.keys.get(&key.key) != Some(&key.mod_revision)
            };
            let key = keys.into_iter().find(unseen)?;
            Some(HistoryBreak::Key {
                key: shown_key(&key.key),
                revision: key.mod_revision,
                seen: self.point.revision,
            })
        })
    }

    /// Whether these are the keys that were seen, and each is as it was.
    pub(crate) fn is_exactly(&self, keys: &[KeyValue]) -> bool {
        let is_same = |key: &KeyValue| self.keys.get(&key.key) == Some(&key.mod_revision);
        self.keys.len() == keys.len() && keys.iter().all(is_same)
    }

    /// The key that changed last.
    pub(crate) fn newest(&self) -> Option<(&[u8], i64)> {
        let newest = self.keys.iter().max_by_key(|(_, revision)| **revision);
        newest.map(|(key, revision)| (key.as_slice(), *revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(cluster_id: u64, revision: i64, raft_term: u64) -> HistoryPoint {
        HistoryPoint { cluster_id, revision, raft_term }
    }

    #[test]
    fn what_went_back_is_another_history() {
        let before = point(7, 10, 3);
        for (later, says) in [
            (point(7, 10, 3), ""),
            (point(7, 11, 9), ""),
            (point(8, 11, 3), "another cluster"),
            (point(7, 9, 3), "its revision was 10, now it is 9"),
            (point(7, 30, 2), "its raft term was 3, now it is 2"),
        ] {
            let said = before.break_before(&later).map(|found| found.to_string()).unwrap_or_default();
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{later:?}: {said}");
        }
        assert_eq!(HistoryPoint::default().break_before(&before), None, "nothing was seen yet");
    }

    #[test]
    fn a_key_that_should_have_been_seen_is_of_another_history() {
        let seen = SeenKeys { point: point(7, 10, 3), keys: BTreeMap::from([(b"a".to_vec(), 5)]) };
        let key = |key: &str, mod_revision| KeyValue { key: key.into(), mod_revision, ..KeyValue::default() };
        for (key, same) in [
            (key("a", 5), true),
            (key("a", 11), true),
            (key("b", 12), true),
            (key("a", 6), false),
            (key("a", 4), false),
            (key("b", 10), false),
        ] {
            assert_eq!(seen.break_before(&point(7, 20, 3), [&key]).is_none(), same, "{key:?}");
        }
    }
}
