//! The changes below a prefix, followed over everything that can happen to a watch.

mod known;
mod probe;
mod step;
mod task;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::EtcdClient;
pub use step::{ChangeAction, FollowMode, FollowSettings, FollowStep, KeyChange, ListReason};

/// Steps that wait to be taken. Each holds at most what one message of a watch holds.
const QUEUE: usize = 4;

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
