//! The loop's dealings with single jobs: made, refused, moved through their life, started, told of.

use std::sync::Arc;

use super::board::{Entry, Origin, rough_size};
use super::engine::{Act, Engine, Phase};
use super::event::Answered;
use crate::activation::{EXE_DONE, Name};
use crate::executor::Stop;
use crate::feedback::exe_done_param;
use crate::job::Job;
use crate::journal::Record;
use crate::lifecycle::{self, Effect, State, Verdict, step};
use crate::plan::Plan;

impl Engine {
    /// A selector has answered: on a yes there is a job.
    pub(super) fn make_job(&mut self, answered: &Answered) {
        let Answered { activation, route, plan, answer } = answered;
        match answer {
            Ok(answer) if answer.yes => {}
            Ok(_) => return,
            Err(error) => {
                let error = plan.mask.text(&error.0);
                tracing::warn!(
                    router = &*route.router,
                    task = &*route.task,
                    selector = &*route.selector,
                    event_id = &*activation.event_id,
                    "selector failed, taken as no: {error}"
                );
                return;
            }
        }
        let id = self.ids.next(self.now);
        let job = Arc::new(Job {
            id: id.clone(),
            trigger_id: activation.event_id.clone(),
            router: route.router.clone(),
            trigger: route.trigger.clone(),
            selector: route.selector.clone(),
            task: route.task.clone(),
            executor: route.executor.clone(),
            trigger_param: activation.trigger_param.clone(),
            select_param: route.select_param.clone(),
            job_param: route.job_param.clone(),
            chain_depth: activation.chain_depth,
            attempt: 1,
        });
        let Some(executor) = plan.executors.get(&route.executor).cloned() else {
            return self.reject(job, plan, format!("there is no executor \"{}\"", route.executor));
        };
        if let Some(why) = self.refusal(activation.chain_depth) {
            return self.reject(job, plan, why);
        }
        let size = rough_size(&job.trigger_param);
        let (plan, stop) = (plan.clone(), Stop::new());
        self.board.jobs.insert(id.clone(), Entry { job, state: State::Made, executor, plan, stop, size });
        self.apply(&id, lifecycle::Event::Admit);
    }

    /// Why a job of this depth is refused, if it is.
    fn refusal(&self, chain_depth: u32) -> Option<String> {
        if chain_depth > self.limits.max_chain_depth {
            Some(format!(
                "the chain of jobs that feed each other through exe_done is deeper than max_chain_depth ({}); \
                 a selector probably lets its own jobs through",
                self.limits.max_chain_depth
            ))
        } else if chain_depth > 0 && !self.board.has_room(&self.limits, Origin::Chain, 0) {
            Some(format!(
                "a chain may not go on while so much is waiting (max_queue {})",
                self.limits.max_queue
            ))
        } else if matches!(self.phase, Phase::Closing) {
            Some("Herald is stopping".to_owned())
        } else {
            None
        }
    }

    fn reject(&mut self, job: Arc<Job>, plan: &Plan, why: String) {
        let (_, effects) = step(State::Made, lifecycle::Event::Reject(why));
        for effect in effects {
            if let Effect::RecordEnded(verdict) = effect {
                self.record_ended(&job, plan, verdict);
            }
        }
    }

    /// Lets the life cycle decide about one job, and notes what follows.
    pub(super) fn apply(&mut self, id: &Name, event: lifecycle::Event) {
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        let (state, effects) = step(entry.state, event);
        entry.state = state;
        let (job, plan) = (entry.job.clone(), entry.plan.clone());
        let at = self.now;
        for effect in effects {
            match effect {
                Effect::RecordQueued => {
                    self.records.push(Record::Queued { job: job.clone(), mask: plan.mask.clone(), at })
                }
                Effect::RecordStarted { .. } => {
                    self.records.push(Record::Started { job: job.clone(), at });
                }
                Effect::RecordEnded(verdict) => self.record_ended(&job, &plan, verdict),
                Effect::Enqueue => self.board.enqueue(id),
                Effect::Execute { .. } => self.acts.push(Act::Execute(id.clone())),
                // Nothing is recorded before it, so it does not wait for a journal that fails.
                Effect::AskToStop => self.board.ask_to_stop(id),
                Effect::FreeSlot => self.board.running -= 1,
                Effect::Dequeue => self.board.dequeue(id),
                Effect::Feed(verdict) => self.feed(&job, &plan, &verdict),
            }
        }
        if matches!(state, State::Ended(_)) {
            self.board.jobs.remove(id);
        }
    }

    fn record_ended(&mut self, job: &Arc<Job>, plan: &Plan, verdict: Verdict) {
        let masked = Verdict {
            status: verdict.status,
            error: verdict.error.as_deref().map(|error| plan.mask.text(error)),
            result: plan.mask.params(&verdict.result),
        };
        self.acts.push(Act::Log(job.clone(), masked.clone()));
        self.records.push(Record::Ended {
            job: job.clone(),
            mask: plan.mask.clone(),
            verdict: masked,
            at: self.now,
        });
    }

    /// Tells of the end of a job, in the same batch of records as the end itself.
    fn feed(&mut self, job: &Job, plan: &Plan, verdict: &Verdict) {
        if matches!(self.phase, Phase::Closing) || self.plan.workflow.routes(EXE_DONE).is_empty() {
            return;
        }
        let params = exe_done_param(job, verdict, &plan.mask);
        let activation = self.activation(Name::from(EXE_DONE), params, job.chain_depth.saturating_add(1));
        self.records.push(Record::Accepted {
            activation: activation.clone(),
            mask: plan.mask.clone(),
            key: None,
            due: None,
            at: self.now,
        });
        self.acts.push(Act::Route(activation));
    }

    /// Starts waiting jobs while there are places.
    pub(super) fn schedule(&mut self) {
        while self.board.running < self.limits.max_jobs && self.held.is_none() {
            let Some(id) = self.board.next() else { break };
            self.board.running += 1;
            self.apply(&id, lifecycle::Event::Start);
        }
    }
}
