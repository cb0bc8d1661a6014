//! Taking up what an earlier process left undone: the same steps as ever, from where it stopped.

use std::sync::Arc;

use async_trait::async_trait;

use super::batch::Act;
use super::engine::Engine;
use super::entry::{Entry, NewEntry};
use super::restore::restore_all;
use crate::component::executor::{Execution, Executor, Failure, Outcome};
use crate::failpoint;
use crate::job::lifecycle::State;
use crate::job::policy::Policy;
use crate::journal::{InterruptedState, Recovered, RecoveredJob, StoredJob};

impl Engine {
    /// Puts everything back where it stood; what is to be done follows in the first turn.
    pub(super) async fn take_up(&mut self, recovered: Recovered) {
        let (events, jobs) = (recovered.events.len(), recovered.jobs.len());
        if events + jobs == 0 {
            return;
        }
        let policies = self.plan.workflow.policies();
        for recovered in restore_all(&self.plan, recovered.jobs).await {
            let job = &recovered.stored.job;
            let task = (job.router.clone(), job.task.clone());
            let policy = policies.get(&task).cloned().unwrap_or_default();
            self.take_up_job(recovered, policy);
        }
        for event in recovered.events {
            let activation = &event.activation;
            if activation.chain_depth == 0 {
                self.board.take_event(&activation.trigger, activation.trigger_param.size());
            }
            self.acts.push(Act::Route(event.activation, event.made));
        }
        failpoint!("dispatcher-after-take-up");
        tracing::info!(events, jobs, "recovering unfinished work of the previous run");
    }

    fn take_up_job(&mut self, recovered: RecoveredJob, policy: Arc<Policy>) {
        let RecoveredJob { stored: StoredJob { job, broken, .. }, interrupted, queued_at, started_at } =
            recovered;
        let (id, attempt) = (job.id.clone(), job.attempt);
        let executor = self.plan.executors.get(&job.executor).cloned();
        let missing = || format!("there is no executor \"{}\" any more", job.executor);
        let broken = broken.or_else(|| executor.is_none().then(missing));
        let state = match interrupted {
            InterruptedState::Queued { .. } => State::Queued { attempt },
            InterruptedState::Running => State::Running { attempt, stopping: false },
        };
        let executor = executor.unwrap_or_else(|| Arc::new(Gone));
        let mask = self.plan.mask.clone();
        let mut entry = Entry::new(NewEntry { job, executor, mask, policy, state, queued_at });
        entry.started_at = started_at;
        entry.attempts =
            if interrupted == InterruptedState::Running { attempt } else { attempt.saturating_sub(1) };
        entry.broken = broken;
        entry.resumed = interrupted == InterruptedState::Running;
        let is_ordered = entry.policy.is_ordered();
        self.board.jobs.insert(id.clone(), entry);
        match interrupted {
            InterruptedState::Running => {
                self.board.goes_on(&id);
                self.board.enter_pool_anyway(&id);
                self.acts.push(Act::Execute(id));
            }
            InterruptedState::Queued { not_before: Some(at) } => {
                if is_ordered {
                    self.board.enter_pool_anyway(&id);
                }
                let wait = at.duration_since(self.now);
                self.enqueue_later(&id, wait.try_into().unwrap_or_default());
            }
            InterruptedState::Queued { not_before: None } => self.enqueue(&id),
        }
    }
}

/// Takes the place of an executor that is not configured any more.
struct Gone;

#[async_trait]
impl Executor for Gone {
    async fn execute(&self, execution: Execution) -> Outcome {
        Err(Failure::new(format!("there is no executor \"{}\" any more", execution.job.executor)))
    }
}
