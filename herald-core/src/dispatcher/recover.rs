//! Taking up what an earlier process left undone: the same steps as ever, from where it stopped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::batch::Act;
use super::engine::Engine;
use super::entry::{Entry, NewEntry};
use super::failures;
use super::fill::mask_of;
use super::queue::JITTER;
use super::restore::restore_all;
use crate::component::executor::{Execution, Executor, Failure, Outcome};
use crate::event::arrivals;
use crate::failpoint;
use crate::job::lifecycle::State;
use crate::job::policy::Policy;
use crate::journal::{InterruptedState, Recovered, RecoveredJob, StoredJob};

/// How long a job waits for another attempt at most, where its policy says nothing about that any more.
const UNKNOWN_WAIT: Duration = Duration::from_secs(3 * 60 * 60);
/// Times are stored to the millisecond, and the clock may have been set back a little.
const INEXACT: Duration = Duration::from_secs(1);

impl Engine {
    /// Goes on with the counts and arrivals that earlier processes recorded.
    pub(super) async fn resume_counts(&mut self) {
        match self.journal.reached_below(arrivals::SOURCES).await {
            Ok(recorded) => self.arrivals.resume(&recorded),
            Err(error) => tracing::warn!("what came last cannot be read, and may seem to be silent: {error}"),
        }
        match self.journal.reached_below(failures::SOURCES).await {
            Ok(recorded) => self.failures.resume(recorded),
            Err(error) => {
                tracing::warn!(
                    "how often jobs failed in a row cannot be read, and is counted from 0: {error}"
                );
            }
        }
    }

    /// Puts everything back where it stood; what is to be done follows in the first turn.
    pub(super) async fn take_up(&mut self, recovered: Recovered) {
        if let Some(newest) = &recovered.newest {
            self.ids.go_on_after(newest);
        }
        let (events, jobs) = (recovered.events.len(), recovered.jobs.len());
        if events + jobs == 0 {
            return;
        }
        let policies = self.plan.workflow.policies();
        let mut not_believed = 0_u64;
        for recovered in restore_all(&self.plan, recovered.jobs).await {
            let job = &recovered.stored.job;
            let task = (job.router.clone(), job.task.clone());
            let policy = policies.get(&task).cloned().unwrap_or_default();
            not_believed += u64::from(self.take_up_job(recovered, policy));
        }
        if not_believed > 0 {
            tracing::warn!(
                jobs = not_believed,
                "the next attempts of these jobs are further ahead than their policies allow: the clock was wrong when they \
                 failed, or the policies have changed; they wait from now on"
            );
        }
        for event in recovered.events {
            let activation = &event.activation;
            if activation.chain_depth == 0 {
                self.board.take_event(&activation.trigger, activation.trigger_param.size());
            }
            self.note_lost(activation);
            self.acts.push(Act::Route(event.activation, event.made));
        }
        failpoint!("dispatcher-after-take-up");
        tracing::info!(events, jobs, "recovering unfinished work of the previous run");
    }

    /// Returns whether the time of its next attempt is not believed.
    fn take_up_job(&mut self, recovered: RecoveredJob, policy: Arc<Policy>) -> bool {
        let RecoveredJob { stored, interrupted, queued_at, started_at, earlier } = recovered;
        let StoredJob { job, broken, .. } = stored;
        let (id, attempt) = (job.id.clone(), job.attempt);
        let executor = self.plan.executors.get(&job.executor).cloned();
        let missing = || format!("there is no executor \"{}\" any more", job.executor);
        let broken = broken.or_else(|| executor.is_none().then(missing));
        let state = match interrupted {
            InterruptedState::Queued { .. } => State::Queued { attempt },
            InterruptedState::Running => State::Running { attempt, stopping: false },
        };
        let longest = longest_wait(&policy, attempt);
        let mut not_believed = false;
        let executor = executor.unwrap_or_else(|| Arc::new(Gone));
        let route = self.plan.workflow.route(&job.router, &job.task).cloned();
        let mask = mask_of(&job, route.as_deref(), &self.plan);
        let earlier = earlier.filter(|_| executor.continues_attempts()).map(Arc::new);
        let mut entry = Entry::new(NewEntry { job, executor, mask, policy, state, queued_at });
        (entry.started_at, entry.earlier) = (started_at, earlier);
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
                let wait = Duration::try_from(at.duration_since(self.now)).unwrap_or_default();
                not_believed = wait > longest;
                self.enqueue_later(&id, wait.min(longest));
            }
            InterruptedState::Queued { not_before: None } => self.enqueue(&id),
        }
        not_believed
    }
}

/// How long a job may wait for this attempt by its policy, jitter included: a time further ahead was recorded by a
/// clock
/// that was wrong. A policy that has no retry any more says nothing about it.
fn longest_wait(policy: &Policy, attempt: u32) -> Duration {
    let wait = policy.retry.as_ref().map(|retry| retry.wait(attempt.saturating_sub(1)));
    wait.map_or(UNKNOWN_WAIT, |wait| wait.mul_f64(1.0 + JITTER) + INEXACT)
}

/// Takes the place of an executor that is not configured any more.
struct Gone;

#[async_trait]
impl Executor for Gone {
    async fn execute(&self, execution: Execution) -> Outcome {
        Err(Failure::new(format!("there is no executor \"{}\" any more", execution.job.executor)))
    }
}
