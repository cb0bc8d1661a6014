//! The ends that this process has said shortly before: a replica that takes over may not know them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::DeliveryToken;
use crate::redis::worker_name::WorkerName;

/// How long a replica may lag behind for its ends to be said again.
const KEPT: Duration = Duration::from_secs(60);
/// How many are kept.
const ENDS: usize = 20_000;
/// How many bytes they may have.
const BYTES: usize = 16 << 20;

/// An end that a server has accepted.
#[derive(Debug, Clone)]
pub(crate) struct RecentEnd {
    at: Instant,
    owner: Arc<str>,
    pub(crate) topic: String,
    pub(crate) id: String,
    /// Those of done.lua.
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl RecentEnd {
    pub(crate) fn new(worker: &WorkerName, token: &DeliveryToken, arguments: &[&[u8]]) -> Self {
        Self {
            at: Instant::now(),
            owner: worker.owner.clone(),
            topic: token.topic.clone(),
            id: token.id.clone(),
            arguments: arguments.iter().map(|argument| argument.to_vec()).collect(),
        }
    }

    fn bytes(&self) -> usize {
        self.arguments.iter().map(Vec::len).sum()
    }
}

/// All of them, oldest first.
#[derive(Default)]
pub(crate) struct RecentEnds(Mutex<KeptEnds>);

#[derive(Default)]
struct KeptEnds {
    ends: VecDeque<RecentEnd>,
    bytes: usize,
}

impl RecentEnds {
    /// Keeps one, and drops what is too old or too much.
    pub(crate) fn add(&self, end: RecentEnd) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += end.bytes();
        kept.ends.push_back(end);
        while let Some(first) = kept.ends.front()
            && (first.at.elapsed() > KEPT || kept.ends.len() > ENDS || kept.bytes > BYTES)
        {
            kept.bytes = kept.bytes.saturating_sub(first.bytes());
            kept.ends.pop_front();
        }
    }

    /// Those of a worker and a topic.
    pub(crate) fn of(&self, worker: &WorkerName, topic: &str) -> Vec<RecentEnd> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own =
            |end: &&RecentEnd| end.at.elapsed() <= KEPT && end.owner == worker.owner && end.topic == topic;
        kept.ends.iter().filter(is_own).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn old_ends_and_too_many_are_dropped() {
        let worker = |name: &str| WorkerName { owner: name.into(), group: String::new() };
        let end = |owner: &str, topic: &str, bytes: usize| RecentEnd {
            at: Instant::now(),
            owner: owner.into(),
            topic: topic.to_owned(),
            id: String::new(),
            arguments: vec![vec![0; bytes]],
        };
        let ends = RecentEnds::default();
        for (owner, topic) in [("a", "t"), ("a", "u"), ("b", "t"), ("a", "t")] {
            ends.add(end(owner, topic, 10));
        }
        assert_eq!(ends.of(&worker("a"), "t").len(), 2);
        tokio::time::advance(KEPT + Duration::from_secs(1)).await;
        assert_eq!(ends.of(&worker("a"), "t").len(), 0);
        for _ in 0..=ENDS {
            ends.add(end("a", "t", 1));
        }
        assert_eq!(ends.of(&worker("a"), "t").len(), ENDS);
        ends.add(end("a", "t", BYTES));
        assert_eq!(ends.of(&worker("a"), "t").len(), 1);
    }
}
