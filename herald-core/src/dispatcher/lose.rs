//! Events that another daemon has taken over: their jobs here end as lost.

use std::sync::Arc;

use serde_json::Value;

use super::engine::Engine;
use crate::component::executor::{Failure, FailureKind, Outcome};
use crate::event::activation::{Activation, LOST, Name};
use crate::job::lifecycle::JobEvent;

impl Engine {
    /// Ends the jobs of an event that is not ours any more, those of a selector that has not answered yet as well.
    pub(super) fn lose_event(&mut self, event_id: &Name, why: &str) {
        let is_answered = |(event, _): &(Arc<Activation>, _)| event.event_id == *event_id;
        if self.board.answers.awaits(event_id) || self.answered.iter().any(is_answered) {
            self.lost_events.insert(event_id.clone(), why.to_owned());
        }
        let jobs = self.board.jobs.iter().filter(|(_, entry)| entry.job.trigger_id == *event_id);
        let ids: Vec<Name> = jobs.map(|(id, _)| id.clone()).collect();
        ids.iter().for_each(|id| self.lose_job(id, why));
    }

    /// An event whose result nobody can know, if its parameters say so.
    pub(super) fn note_lost(&mut self, activation: &Activation) {
        if let Some(why) = activation.trigger_param.lookup(LOST).and_then(Value::as_str) {
            self.lost_events.insert(activation.event_id.clone(), why.to_owned());
        }
    }

    pub(super) fn lose_job(&mut self, id: &Name, why: &str) {
        if let Some(entry) = self.board.jobs.get_mut(id) {
            entry.lost = Some(why.to_owned());
        }
        self.apply(id, JobEvent::Lose(why.to_owned()));
    }

    /// The outcome of an attempt: what a job gave that is not ours any more counts for nothing.
    pub(super) fn or_lost(&self, job_id: &Name, outcome: Outcome) -> Outcome {
        let Some(why) = self.board.jobs.get(job_id).and_then(|entry| entry.lost.as_ref()) else {
            return outcome;
        };
        let result = outcome.unwrap_or_else(|failure| failure.result);
        Err(Failure { kind: FailureKind::Lost, error: why.clone(), result })
    }
}
