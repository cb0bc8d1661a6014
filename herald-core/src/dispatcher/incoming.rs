//! Events from outside on their way to their record, and the keys that tell a repeated one.

use std::sync::Arc;

use super::arrival::{IncomingEvent, Reply};
use super::engine::{Engine, Phase};
use crate::event::activation::{Activation, INTERNAL, Name, NewEvent, Refused};
use crate::event::arrivals::Awaited;
use crate::event::trigger_param::TriggerParam;
use crate::event::watch::{Ended, Made};
use crate::job::Job;
use crate::job::lifecycle::Verdict;
use crate::journal::{Decision, Record};
use crate::value::param::Params;

impl Engine {
    /// An event from outside: refused, known already, or taken as soon as it is recorded.
    pub(super) fn take_in(&mut self, event: NewEvent, reply: Reply) {
        let known = event.key.as_ref().map_or(Ok(None), |key| self.recent_keys.known(key, self.now));
        let known = match known {
            Ok(known) => known.cloned(),
            Err(refused) => return drop(reply.send(Err(refused))),
        };
        if let Some(event_id) = known {
            match self.incoming_unanswered().find(|event| event.activation.event_id == event_id) {
                Some(event) => event.replies.push(reply),
                None => drop(reply.send(Ok(event_id))),
            }
            return;
        }
        let size = event.trigger_param.size();
        if let Some(refused) = self.refuse_outside(|engine| engine.has_room_for(&event.trigger, size)) {
            let _ = reply.send(Err(refused));
            return;
        }
        let NewEvent { trigger, trigger_param, key, cursor, due, by, watch, lost } = event;
        let activation = Activation { by, ..self.activation(trigger, trigger_param, 0) };
        if let Some(watch) = watch {
            watch.take();
            self.watched.insert(activation.event_id.clone(), Arc::downgrade(&watch));
        }
        if lost {
            self.note_lost(&activation);
        }
        if let Some(key) = &key {
            self.recent_keys.remember(key, &activation.event_id, self.now);
        }
        self.board.take_event(&activation.trigger, size);
        self.incoming.push(IncomingEvent { activation, size, key, cursor, due, replies: vec![reply] });
    }

    /// Why nothing is taken from outside at the moment, if so.
    pub(super) fn refuse_outside(&self, has_room: impl Fn(&Self) -> bool) -> Option<Refused> {
        if !matches!(self.phase, Phase::Open) {
            Some(Refused::Stopping)
        } else if let Some((why, _)) = &self.held {
            Some(Refused::Unrecorded(why.clone()))
        } else if !has_room(self) {
            Some(Refused::Busy)
        } else {
            None
        }
    }

    /// Whether there is room for an event of this trigger. Where there is none, it waits until there is.
    fn has_room_for(&self, trigger: &Name, size: usize) -> bool {
        let has_room = self.board.has_room_for_event(&self.limits, trigger, size);
        if !has_room {
            self.room.send_modify(|room| room.refuse(trigger, size));
        }
        has_room
    }

    /// An event is routed: what it made waits in its place.
    pub(super) fn record_routed(&mut self, event: &Activation, decisions: Vec<Decision>) {
        self.show_routed(&event.event_id, &decisions);
        if event.chain_depth == 0 {
            self.board.end_event(&event.trigger, event.trigger_param.size());
        }
        let created_job = decisions.iter().any(|decision| decision.job_id.is_some());
        if !created_job && event.chain_depth == 0 && !INTERNAL.contains(&&*event.trigger) {
            self.unmatched.log(event);
        }
        let kept = !self.about_unkept.remove(&event.event_id) || created_job;
        let event_id = event.event_id.clone();
        self.records.push(Record::Routed { event_id, decisions, kept, at: self.now });
        self.lost_events.remove(&event.event_id);
    }

    pub(super) fn activation(&self, trigger: Name, params: TriggerParam, chain_depth: u32) -> Activation {
        let event_id = self.ids.next(self.now);
        Activation { event_id, trigger, trigger_param: Arc::new(params), chain_depth, by: None }
    }

    /// The records of the incoming events.
    pub(super) fn record_incoming(&mut self) {
        let (at, mask) = (self.now, &self.plan.mask);
        self.records.extend(self.incoming.iter().map(|event| Record::Accepted {
            activation: event.activation.clone(),
            mask: mask.clone(),
            key: event.key.clone(),
            cursor: event.cursor.clone(),
            due: event.due,
            at,
        }));
        let arrivals = &self.arrivals;
        let triggers = self.incoming.iter().map(|event| &event.activation.trigger);
        let arrived =
            triggers.filter_map(|trigger| arrivals.record(|| Awaited::Trigger(trigger.clone()), at));
        self.records.extend(arrived.map(Record::Reached));
    }

    /// Shows the watcher of the event which jobs it created.
    pub(super) fn show_routed(&mut self, event_id: &Name, decisions: &[Decision]) {
        let Some(watch) = self.watched.get(event_id).map(std::sync::Weak::upgrade) else { return };
        if let Some(watch) = &watch {
            let made = |decision: &Decision| {
                let (router, task) = (decision.router.clone(), decision.task.clone());
                decision.job_id.clone().map(|job_id| Made { job_id, router, task })
            };
            watch.route(decisions.iter().filter_map(made).collect());
        }
        if watch.is_none_or(|watch| watch.is_over()) {
            self.watched.remove(event_id);
        }
    }

    /// Shows the watcher of the event of a job how the job ended.
    pub(super) fn show_ended(&mut self, job: &Arc<Job>, verdict: &Verdict, answer: Option<Params>) {
        let Some(watch) = self.watched.get(&job.trigger_id).map(std::sync::Weak::upgrade) else { return };
        if let Some(watch) = &watch {
            watch.end(Ended {
                job_id: job.id.clone(),
                router: job.router.clone(),
                task: job.task.clone(),
                status: verdict.status,
                error: verdict.error.clone(),
                result: answer.unwrap_or_else(|| verdict.result.clone()),
            });
        }
        if watch.is_none_or(|watch| watch.is_over()) {
            self.watched.remove(&job.trigger_id);
        }
    }

    /// They could not be recorded: nothing of them remains.
    pub(super) fn refuse_incoming(&mut self, incoming: Vec<IncomingEvent>, why: &str) {
        for event in incoming {
            if let Some(key) = &event.key {
                self.recent_keys.forget(key);
            }
            self.watched.remove(&event.activation.event_id);
            self.lost_events.remove(&event.activation.event_id);
            self.board.end_event(&event.activation.trigger, event.size);
            for reply in event.replies {
                let _ = reply.send(Err(Refused::Unrecorded(why.to_owned())));
            }
        }
    }
}
