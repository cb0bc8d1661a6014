//! Why a job waits, for people.

use super::engine::Engine;
use super::entry::Place;
use crate::event::activation::Name;

/// What a job waits for between two attempts. When the next one starts is a part of the job's own state.
pub const RETRY: &str = "a retry";

impl Engine {
    /// What a job waits for; `None` where it does not wait.
    pub(super) fn waits_for(&self, job_id: &Name) -> Option<String> {
        let entry = self.board.jobs.get(job_id)?;
        let (router, executor) = (&entry.job.router, &entry.job.executor);
        Some(match entry.place {
            Place::Running | Place::Nowhere => return None,
            _ if self.held.is_some() => "the disk, to which nothing can be written".to_owned(),
            _ if self.board.paused.has(router) => format!("router {router}, which is paused"),
            _ if self.board.closed.contains(executor) => {
                format!("executor {executor}, whose nodes are all drained")
            }
            Place::Pool => "its turn: as many jobs run as `concurrency` of its router allows".to_owned(),
            Place::Timer(_) => RETRY.to_owned(),
            Place::Debounce(_) => "the end of `debounce` of its router".to_owned(),
            Place::Lane if self.board.running >= self.limits.max_jobs => {
                format!("its turn: as many jobs run as max_jobs allows ({})", self.limits.max_jobs)
            }
            Place::Lane => format!("its turn at executor {executor}"),
        })
    }
}
