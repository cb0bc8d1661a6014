//! Jobs that are cancelled, and events that are taken back. The reply is sent once that is recorded: a job that was
//! said to be cancelled does not start after a crash.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::batch::Act;
use super::engine::Engine;
use super::event::Cancellation;
use crate::event::activation::{Activation, Name};
use crate::job::lifecycle::{JobEvent, State};
use crate::journal::JournalError;

impl Engine {
    /// A job that waits ends, and its end is recorded before the answer. One that runs is asked to end.
    pub(super) fn cancel(&mut self, cancellation: Cancellation) {
        let Cancellation { job_id, why, by, reply } = cancellation;
        let Some(entry) = self.board.jobs.get_mut(&job_id) else {
            return drop(reply.send(Ok(false)));
        };
        let runs = matches!(entry.state, State::Running { .. });
        if !runs && let Some((why, _)) = &self.held {
            return drop(reply.send(Err(JournalError(why.clone()))));
        }
        entry.cancelled_by = by;
        self.apply(&job_id, JobEvent::Cancel(why));
        if runs {
            return drop(reply.send(Ok(true)));
        }
        self.acts.push(Act::Cancelled(reply));
    }

    /// Takes an event back, if none of its jobs has started. One whose selectors have not all answered stays, and so
    /// does every one while nothing can be recorded.
    pub(super) fn withdraw(&mut self, event_id: &Name, why: &str, reply: oneshot::Sender<bool>) {
        let Some(jobs) = self.withdrawable(event_id) else {
            let _ = reply.send(false);
            return;
        };
        for id in &jobs {
            self.apply(id, JobEvent::Reject(why.to_owned()));
        }
        self.acts.push(Act::Withdrawn(reply));
    }

    /// The jobs of an event, if all of them can be taken back.
    fn withdrawable(&self, event_id: &Name) -> Option<Vec<Name>> {
        let is_answered = |(event, _): &(Arc<Activation>, _)| event.event_id == *event_id;
        if self.held.is_some() || self.board.answers.awaits(event_id) || self.answered.iter().any(is_answered)
        {
            return None;
        }
        let of_event = self.board.jobs.iter().filter(|(_, entry)| entry.job.trigger_id == *event_id);
        let new = |state| matches!(state, State::Queued { attempt: 1 });
        let jobs: Option<Vec<Name>> =
            of_event.map(|(id, entry)| new(entry.state).then(|| id.clone())).collect();
        jobs.filter(|jobs| !jobs.is_empty())
    }
}
