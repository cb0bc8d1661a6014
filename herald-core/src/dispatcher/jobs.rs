//! What the loop does with single jobs: create, reject, move through their life, start, report.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::batch::Act;
use super::engine::{Engine, Phase};
use super::entry::{Entry, NewEntry};
use super::event::Answered;
use super::failures::CountedEnd;
use super::fill::{first_attempt, mask_of};
use super::origin::Origin;
use crate::component::selector::Answer;
use crate::event::activation::{Activation, EXE_DONE, Name, Refused};
use crate::event::actor::Actor;
use crate::event::arrivals::Awaited;
use crate::event::exe_done::{FinishedJob, exe_done_param};
use crate::failpoint;
use crate::job::Job;
use crate::job::lifecycle::{self, Effect, State, Status, Verdict, step};
use crate::job::policy::Policy;
use crate::journal::{Decision, Record, SelectorResult};
use crate::plan::Plan;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// What is recorded with the end of a job besides how it ended.
struct JobEndNotes {
    /// Who cancelled it.
    cancelled_by: Option<Arc<Actor>>,
    /// Whether a history keeps it.
    kept: bool,
}

impl Engine {
    /// A selector has answered: on a yes there is a job. `None` for a no that need not be recorded, since anyone who
    /// wants to know why can ask again.
    pub(super) fn decide(&mut self, answered: &Answered) -> Option<Decision> {
        let Answered { activation, route, plan, answer, filled, .. } = answered;
        let is_recorded = !matches!(answer, Ok(Answer { yes: false, .. })) || !plan.can_ask_again(route);
        if !is_recorded && !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        // A selector may show what a template took from a secret parameter.
        let mask = filled.as_ref().map_or(&plan.mask, |filled| &filled.mask);
        let (said, why) = match answer {
            Ok(answer) if answer.why.is_empty() => (said(answer.yes), Cow::Borrowed("")),
            Ok(answer) => (said(answer.yes), Cow::Owned(mask.text(&answer.why))),
            Err(error) => {
                let error = mask.text(&error.to_string());
                self.reporter.log_selector_error(&activation.event_id, route, &error);
                (SelectorResult::Error, Cow::Owned(error))
            }
        };
        if said != SelectorResult::Match {
            tracing::debug!(
                trigger = &*route.trigger,
                router = &*route.router,
                task = &*route.task,
                event_id = &*activation.event_id,
                "no match: {why}"
            );
        }
        let job_id = (said == SelectorResult::Match).then(|| self.make_job(answered));
        let (router, task) = (route.router.clone(), route.task.clone());
        is_recorded.then(|| Decision { router, task, selector: route.selector.clone(), said, why, job_id })
    }

    fn make_job(&mut self, answered: &Answered) -> Name {
        let Answered { activation, route, plan, filled, .. } = answered;
        let id = filled.as_ref().map_or_else(|| self.ids.next(self.now), |filled| filled.job_id.clone());
        let filled_in = filled.as_ref().and_then(|filled| filled.job_param.as_ref());
        let (job_param, broken) = match filled_in {
            Some(Ok(job_param)) => (job_param.clone(), None),
            Some(Err(why)) => (route.job_param.get(), Some(why.to_string())),
            None => (route.job_param.get(), None),
        };
        let select_param =
            filled.as_ref().map_or_else(|| route.select_param.get(), |filled| filled.select_param.clone());
        let job = first_attempt(activation, route, id.clone(), select_param, job_param);
        let mask = filled.as_ref().map_or(&plan.mask, |filled| &filled.mask).clone();
        self.admit(job, plan, mask, route.policy.clone(), broken);
        id
    }

    /// `broken`: why the job cannot be run at all, and fails at once.
    fn admit(&mut self, job: Job, plan: &Plan, mask: Arc<Mask>, policy: Arc<Policy>, broken: Option<String>) {
        let Some(executor) = plan.executors.get(&job.executor).cloned() else {
            let why = format!("there is no executor \"{}\"", job.executor);
            return self.reject(&Arc::new(job), &mask, &policy, why);
        };
        if let Some(why) = self.refusal(&job, &policy) {
            return self.reject(&Arc::new(job), &mask, &policy, why);
        }
        self.warn_without_key(&job, &policy);
        let lost = self.lost_events.get(&job.trigger_id).cloned();
        let (id, bounded) = (job.id.clone(), policy.queue_limit.is_some());
        let entry =
            Entry::new(NewEntry { job, executor, mask, policy, state: State::Made, queued_at: self.now });
        self.board.jobs.insert(id.clone(), entry);
        if let Some(why) = broken {
            return self.apply(&id, lifecycle::JobEvent::Break(why));
        }
        if let Some(why) = lost {
            return self.apply(&id, lifecycle::JobEvent::Lose(why));
        }
        self.apply(&id, lifecycle::JobEvent::Admit);
        if bounded {
            // What can start at once does not wait, and the next one of this turn must see that.
            self.schedule();
        }
    }

    /// Says once for a router that a job has nothing at `concurrency.key`: all such jobs share one limit.
    fn warn_without_key(&mut self, job: &Job, policy: &Policy) {
        let Some(concurrency) = &policy.concurrency else { return };
        let Some(key) = &concurrency.key else { return };
        if self.keyless.contains(&job.router) || !concurrency.pool(job).is_null() {
            return;
        }
        tracing::warn!(
            router = &*job.router,
            task = &*job.task,
            job = &*job.id,
            "concurrency.key: there is no {key} in this job; all jobs without it share one limit (said once for this router)"
        );
        self.keyless.insert(job.router.clone());
    }

    /// Why a job is refused, if it is.
    fn refusal(&self, job: &Job, policy: &Policy) -> Option<String> {
        let limits = &self.limits;
        if job.chain_depth > limits.max_chain_depth {
            Some(format!(
                "the chain of jobs that start each other through exe_done is longer than max_chain_depth ({}); \
                 probably a selector matches its own router's jobs",
                limits.max_chain_depth
            ))
        } else if job.chain_depth > 0 && !self.board.has_room_for_job(limits, job) {
            Some(format!("queue full (max_queue {}): the chain of jobs ends here", limits.max_queue))
        } else if matches!(self.phase, Phase::Closing) && !self.journal.is_durable() {
            Some("Herald is stopping".to_owned())
        } else {
            let limit = policy.queue_limit?;
            let full = self.board.waiting_of(&job.router, &job.task) >= limit;
            full.then(|| format!("{limit} jobs of this task wait already (queue_limit)"))
        }
    }

    fn reject(&mut self, job: &Arc<Job>, mask: &Arc<Mask>, policy: &Policy, why: String) {
        let (_, effects) = step(State::Made, lifecycle::JobEvent::Reject(why), policy);
        for effect in effects {
            if let Effect::RecordEnded(verdict) = effect {
                let kept = policy.keeps(verdict.status);
                self.record_ended(job, mask, verdict, JobEndNotes { cancelled_by: None, kept });
            }
        }
    }

    /// Runs a job once more, as a new one of the same event.
    pub(super) fn run_again(&mut self, job: Job, reply: oneshot::Sender<Result<Name, Refused>>) {
        let has_room = |engine: &Self| engine.board.has_room_for_job(&engine.limits, &job);
        if let Some(refused) = self.refuse_outside(has_room) {
            let _ = reply.send(Err(refused));
            return;
        }
        let id = self.ids.next(self.now);
        let route = self.plan.workflow.route(&job.router, &job.task).cloned();
        let policy = route.as_ref().map(|route| route.policy.clone()).unwrap_or_default();
        let plan = self.plan.clone();
        let mask = mask_of(&job, route.as_deref(), &plan);
        self.admit(Job { id: id.clone(), attempt: 1, ..job }, &plan, mask, policy, None);
        self.acts.push(Act::Reply(reply, id));
    }

    /// Lets the life cycle decide about one job, and notes what follows.
    pub(super) fn apply(&mut self, id: &Name, event: lifecycle::JobEvent) {
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        let (state, effects) = step(entry.state, event, &entry.policy);
        entry.state = state;
        let mask = entry.mask.clone();
        for effect in effects {
            self.effect(id, &mask, effect);
        }
        if matches!(state, State::Ended(_)) {
            self.board.jobs.remove(id);
        }
    }

    fn effect(&mut self, id: &Name, mask: &Arc<Mask>, effect: Effect) {
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        let (job, at) = (entry.job.clone(), self.now);
        match effect {
            Effect::RecordQueued => self.records.push(Record::Queued { job, mask: mask.clone(), at }),
            Effect::RecordStarted { attempt } => {
                (entry.started_at, entry.attempts) = (Some(at), attempt);
                self.records.push(Record::Started { job, at });
            }
            Effect::RecordAttemptEnded { attempt, verdict, wait } => {
                let wait = self.with_jitter(id, wait);
                self.record_attempt_ended(id, &job, attempt, &verdict, wait);
            }
            Effect::RecordEnded(verdict) => {
                let cancelled = verdict.status == Status::Cancelled;
                let cancelled_by = entry.cancelled_by.take().filter(|_| cancelled);
                let kept = entry.policy.keeps(verdict.status);
                self.record_ended(&job, mask, verdict, JobEndNotes { cancelled_by, kept });
            }
            Effect::Enqueue => self.enqueue(id),
            Effect::EnqueueLater(wait) => {
                // With the jitter that was recorded.
                let wait = entry.retry_wait.take().unwrap_or(wait);
                self.enqueue_later(id, wait);
            }
            // Chains take the longer way: they can grow without end, and must not fill a turn.
            Effect::Execute { .. } if job.chain_depth == 0 && entry.is_over_at_once() => {
                self.at_once.push(id.clone());
            }
            Effect::Execute { .. } => self.acts.push(Act::Execute(id.clone())),
            // Nothing is recorded before it, so it does not wait for a journal that fails.
            Effect::AskToStop => self.board.ask_to_stop(id),
            Effect::FreeSlot { keep_place } => self.board.free_slot(id, keep_place),
            Effect::Dequeue => self.board.dequeue(id),
            Effect::Feed(verdict) => self.feed(id, &verdict),
        }
    }

    fn record_attempt_ended(
        &mut self,
        id: &Name,
        job: &Arc<Job>,
        attempt: u32,
        verdict: &Verdict,
        wait: std::time::Duration,
    ) {
        failpoint!("dispatcher-after-finish");
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        let verdict = masked(&entry.mask, verdict);
        let next = Job { attempt: attempt.saturating_add(1), ..job.as_ref().clone() };
        entry.job = Arc::new(next);
        // One that gave nothing does not take away what those before it gave.
        if entry.executor.continues_attempts() && !verdict.result.is_empty() {
            entry.earlier = Some(Arc::new(verdict.result.clone()));
        }
        entry.stop = std::sync::OnceLock::new();
        entry.resumed = false;
        entry.retry_wait = Some(wait);
        let retry_at = self.now.saturating_add(wait).unwrap_or(self.now);
        self.acts.push(Act::LogRetry(job.clone(), verdict.clone(), wait));
        self.records.push(Record::AttemptEnded { job: job.clone(), verdict, retry_at, at: self.now });
    }

    fn record_ended(&mut self, job: &Arc<Job>, mask: &Arc<Mask>, verdict: Verdict, notes: JobEndNotes) {
        let JobEndNotes { cancelled_by, kept } = notes;
        failpoint!("dispatcher-after-finish");
        let masked = masked(mask, &verdict);
        let status = verdict.status;
        let CountedEnd { before, cursor } = self.failures.end(job, status);
        if let Some(entry) = self.board.jobs.get_mut(&job.id) {
            entry.failures_before = before;
        }
        // To its sender goes what the event carries, under whatever name, but no secret of the configuration.
        let is_watched = self.watched.contains_key(&job.trigger_id);
        let answer = is_watched.then(|| by_value(mask, &verdict.result));
        self.acts.push(Act::Log { job: job.clone(), verdict: masked.clone(), answer });
        self.records.push(Record::Ended {
            job: job.clone(),
            mask: mask.clone(),
            verdict: masked,
            cancelled_by,
            kept,
            at: self.now,
        });
        self.records.extend(cursor.map(Record::Reached));
        if status != Status::Rejected {
            let arrived = self.arrivals.record(|| Awaited::Router(job.router.clone()), self.now);
            self.records.extend(arrived.map(Record::Reached));
        }
    }

    /// Fires `exe_done` for a job that ended, in the same batch of records as the end itself.
    fn feed(&mut self, id: &Name, verdict: &Verdict) {
        let closing = matches!(self.phase, Phase::Closing);
        if (closing && !self.journal.is_durable()) || self.plan.workflow.routes(EXE_DONE).is_empty() {
            return;
        }
        let Some(entry) = self.board.jobs.get(id) else { return };
        let (job, mask) = (&entry.job, &entry.mask);
        let kept = entry.policy.keeps(verdict.status);
        let params = exe_done_param(&FinishedJob {
            job,
            verdict,
            mask,
            queued_at: entry.queued_at,
            started_at: entry.started_at,
            ended_at: self.now,
            attempts: entry.attempts,
            failures_before: entry.failures_before,
        });
        let depth = job.chain_depth.saturating_add(1);
        let activation = self.activation(Name::from(EXE_DONE), params.into(), depth);
        let activation = Activation { by: job.by.clone(), ..activation };
        self.records.push(Record::Accepted {
            activation: activation.clone(),
            mask: mask.clone(),
            key: None,
            cursor: None,
            due: None,
            at: self.now,
        });
        // At the very end the next process routes it.
        if !closing {
            if !kept {
                self.about_unkept.insert(activation.event_id.clone());
            }
            self.acts.push(Act::Route(activation, Default::default()));
        }
    }

    /// Starts waiting jobs, and asks waiting questions, while there are places. At the end, what a durable journal
    /// keeps waits for the next process, except for what follows on jobs that were running: their `exe_done` events are
    /// still delivered within the grace period.
    pub(super) fn schedule(&mut self) {
        // Also while nothing can start: the loop waits for the next end of a pause.
        self.board.paused.end_by(self.now);
        self.cancel_paused();
        let open = matches!(self.phase, Phase::Open) || !self.journal.is_durable();
        let closing = matches!(self.phase, Phase::Closing);
        if self.held.is_some() || (closing && !open) {
            return;
        }
        let only = if open { None } else { Some(Origin::Chain) };
        while let Some(id) = self.board.next(&self.limits, only) {
            self.apply(&id, lifecycle::JobEvent::Start);
        }
        self.ask_next(only);
    }
}

fn said(yes: bool) -> SelectorResult {
    if yes { SelectorResult::Match } else { SelectorResult::NoMatch }
}

fn by_value(mask: &Mask, result: &Params) -> Params {
    result.iter().map(|(key, value)| (mask.text(key), mask.by_value(value))).collect()
}

fn masked(mask: &Mask, verdict: &Verdict) -> Verdict {
    Verdict {
        status: verdict.status,
        error: verdict.error.as_deref().map(|error| mask.text(error)),
        result: mask.params(&verdict.result),
    }
}
