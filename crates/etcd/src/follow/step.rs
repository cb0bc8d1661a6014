//! What is followed, and what is reported of it.

use std::time::Duration;

use crate::history::HistoryPoint;
use crate::key::KeyRange;
use crate::watch::WatchEvent;

/// What is followed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowSettings {
    /// The keys.
    pub range: KeyRange,
    /// What is reported.
    pub mode: FollowMode,
    /// The point at which the first list is read, where there is one: what changed after it is reported as changes.
    /// `None` reads it when etcd can be reached.
    pub list_at: Option<HistoryPoint>,
    /// How often everything is listed and compared.
    pub resync: Duration,
}

/// What is reported of the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowMode {
    /// That a key is not as it was: what happened in between does not matter.
    State,
    /// Each change, in order.
    Events {
        /// Up to where an earlier process reported everything; `None` begins with a list.
        since: Option<HistoryPoint>,
    },
}

/// What happened next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowStep {
    /// Everything was listed and compared with what was known.
    Listed {
        /// Why.
        reason: ListReason,
        /// The revision up to which everything was known; 0 at first.
        from: i64,
        /// When it was listed.
        point: HistoryPoint,
        /// What is not as it was known, by revision. In [`FollowMode::Events`] only keys that exist.
        changes: Vec<KeyChange>,
    },
    /// Changes as they happened, complete revisions.
    Changed {
        /// The history that they are of, up to the last of them.
        point: HistoryPoint,
        /// The changes, in order.
        events: Vec<WatchEvent>,
    },
    /// Nothing of the range has changed up to this point. Reported now and then in [`FollowMode::Events`], so that an
    /// old position is not compacted while nothing happens.
    Reached {
        /// The history up to there.
        point: HistoryPoint,
    },
}

/// Why everything was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListReason {
    /// For the first time.
    First,
    /// It was time to compare, or the connection had been lost.
    Compared,
    /// Changes are missing: they were compacted, or a watch did not show them. Why, for people.
    Gap(String),
    /// etcd was wiped or restored from a backup. Why, for people.
    OtherHistory(String),
}

/// A key that is not as it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub key: Vec<u8>,
    /// What happened to it.
    pub action: ChangeAction,
    /// The revision that changed it; of a deletion that was found by listing, the one of the list.
    pub revision: i64,
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAction {
    /// It was written.
    Put,
    /// It was deleted, or its lease ended.
    Delete,
}
