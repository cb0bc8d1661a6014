//! The changes below a prefix, followed over everything that can happen to a watch.

mod known;
mod probe;
mod task;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::EtcdClient;
use crate::history::HistoryPoint;
use crate::key::KeyRange;
use crate::watch::WatchEvent;

/// Steps that wait to be taken. Each holds at most what one message of a watch holds.
const QUEUE: usize = 4;

/// What is followed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowSettings {
    /// The keys.
    pub range: KeyRange,
    /// What is reported.
    pub mode: FollowMode,
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

/// Follows the changes of a range in a task of its own, which ends when this is dropped.
///
/// It never fails: while etcd cannot be used it tries again, 0.5 s to 30 s apart, and [`EtcdClient::connection`] says
/// why.
#[derive(Debug)]
pub struct PrefixFollower {
    steps: mpsc::Receiver<FollowStep>,
    task: JoinHandle<()>,
}

impl PrefixFollower {
    /// Begins. Call it inside a runtime.
    #[must_use]
    pub fn start(client: &EtcdClient, settings: FollowSettings) -> Self {
        let (sender, steps) = mpsc::channel(QUEUE);
        let task = tokio::spawn(task::FollowTask::new(client.clone(), settings, sender).run());
        Self { steps, task }
    }

    /// What happened next. `None`: its task has failed. Can be dropped and called again: nothing is lost.
    pub async fn next_step(&mut self) -> Option<FollowStep> {
        self.steps.recv().await
    }
}

impl Drop for PrefixFollower {
    fn drop(&mut self) {
        self.task.abort();
    }
}
