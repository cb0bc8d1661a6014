//! Watching one event: which jobs it made, and how they ended.
//!
//! The sender of an event may wait for its result. Nothing waits for the watcher: when it is dropped, the event
//! goes on all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::job::status::Status;
use crate::value::param::Params;

/// What one job of the event gave, secrets hidden.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The job.
    pub job_id: Arc<str>,
    /// Its router.
    pub router: Arc<str>,
    /// Its task.
    pub task: Arc<str>,
    /// How it ended.
    pub status: Status,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// What it gave.
    pub result: Params,
}

/// How far an event is, as a journal knows it.
#[derive(Debug, Clone)]
pub enum EventProgress {
    /// The journal does not know it, or not all of its jobs any more.
    Unknown,
    /// The journal cannot be read now, for this reason.
    Unreadable(String),
    /// A selector has not answered, or a job has not ended.
    Unfinished,
    /// All its jobs have ended, in the order in which they were made.
    Ended(Vec<Ended>),
}

/// A job of the event, made and perhaps not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The job.
    pub job_id: Arc<str>,
    /// Its router.
    pub router: Arc<str>,
    /// Its task.
    pub task: Arc<str>,
}

/// One event as it is watched.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Mutex<WatchState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct WatchState {
    taken: bool,
    /// The jobs that it made, in order; `None` until all selectors have answered.
    jobs: Option<Vec<Made>>,
    ended: HashMap<Arc<str>, Ended>,
}

impl Watch {
    /// Watches nothing yet: give it to a [`NewEvent`](crate::activation::NewEvent).
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether it is the event that was sent that is watched, rather than nothing: a repeated one runs nothing.
    #[must_use]
    pub fn is_of_a_new_event(&self) -> bool {
        self.seen().taken
    }

    /// How many jobs it made, once all selectors have answered.
    pub async fn matched(&self) -> usize {
        loop {
            let changed = self.changed.notified();
            if let Some(jobs) = &self.seen().jobs {
                return jobs.len();
            }
            changed.await;
        }
    }

    /// How its jobs ended, in the order in which they were made, once all have.
    pub async fn ended(&self) -> Vec<Ended> {
        loop {
            let changed = self.changed.notified();
            if let Some(all) = self.seen().all() {
                return all;
            }
            changed.await;
        }
    }

    /// One of its jobs, an open one first.
    #[must_use]
    pub fn first_job(&self) -> Option<Arc<str>> {
        let (ended, open) = self.so_far();
        let made = open.first().map(|made| &made.job_id);
        made.or(ended.first().map(|ended| &ended.job_id)).cloned()
    }

    /// How those of its jobs ended that have, and those that have not.
    #[must_use]
    pub fn so_far(&self) -> (Vec<Ended>, Vec<Made>) {
        let seen = self.seen();
        let jobs = seen.jobs.as_deref().unwrap_or_default();
        let ended = jobs.iter().filter_map(|made| seen.ended.get(&made.job_id)).cloned().collect();
        let open = jobs.iter().filter(|made| !seen.ended.contains_key(&made.job_id)).cloned().collect();
        (ended, open)
    }

    pub(crate) fn take(&self) {
        self.seen().taken = true;
    }

    pub(crate) fn route(&self, jobs: Vec<Made>) {
        self.seen().jobs = Some(jobs);
        self.changed.notify_waiters();
    }

    pub(crate) fn end(&self, ended: Ended) {
        self.seen().ended.insert(ended.job_id.clone(), ended);
        self.changed.notify_waiters();
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.seen().all().is_some()
    }

    fn seen(&self) -> MutexGuard<'_, WatchState> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchState {
    fn all(&self) -> Option<Vec<Ended>> {
        self.jobs.as_ref()?.iter().map(|made| self.ended.get(&made.job_id).cloned()).collect()
    }
}
