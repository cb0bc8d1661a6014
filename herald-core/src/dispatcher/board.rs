//! The jobs that live, the queue, and how much of everything there is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::activation::Name;
use crate::executor::{Executor, Stop};
use crate::job::Job;
use crate::lifecycle::State;
use crate::param::Params;
use crate::plan::{Limits, Plan};

/// A job that lives.
pub(super) struct Entry {
    pub(super) job: Arc<Job>,
    pub(super) state: State,
    pub(super) executor: Arc<dyn Executor>,
    /// The configuration that made it: its secrets are hidden by that one's mask.
    pub(super) plan: Arc<Plan>,
    pub(super) stop: Stop,
    /// Rough bytes of its parameters.
    pub(super) size: usize,
}

/// An event of which selectors have still to answer.
struct Routing {
    to_come: usize,
    size: usize,
    from: Origin,
}

/// Where work comes from. Each origin has its own queue and its own bounds, and they take turns: a chain neither dies
/// because the outside fills the queue, nor shuts the outside out by growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A trigger.
    Outside,
    /// The end of another job.
    Chain,
}

impl Origin {
    pub(super) fn of(chain_depth: u32) -> Self {
        if chain_depth == 0 { Self::Outside } else { Self::Chain }
    }
}

/// What waits from one origin.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Name>,
    /// Events of which selectors have still to answer.
    routing: usize,
    bytes: usize,
}

impl Lane {
    fn has_room(&self, limits: &Limits, more: usize) -> bool {
        self.queue.len() + self.routing + more < limits.max_queue && self.bytes < limits.max_queue_bytes
    }
}

/// Everything that waits and runs.
#[derive(Default)]
pub(super) struct Board {
    pub(super) jobs: HashMap<Name, Entry>,
    pub(super) running: usize,
    routing: HashMap<Name, Routing>,
    outside: Lane,
    chain: Lane,
    /// Whose turn it is when both wait.
    chain_is_next: bool,
}

impl Board {
    fn lane(&mut self, from: Origin) -> &mut Lane {
        match from {
            Origin::Outside => &mut self.outside,
            Origin::Chain => &mut self.chain,
        }
    }

    /// Puts a job at the end of its queue.
    pub(super) fn enqueue(&mut self, id: &Name) {
        let Some((from, size)) = self.weight(id) else { return };
        let lane = self.lane(from);
        lane.bytes += size;
        lane.queue.push_back(id.clone());
    }

    /// The next job whose turn it is, taken out of its queue.
    pub(super) fn next(&mut self) -> Option<Name> {
        let (first, second) = if self.chain_is_next {
            (Origin::Chain, Origin::Outside)
        } else {
            (Origin::Outside, Origin::Chain)
        };
        let (from, id) = [first, second]
            .into_iter()
            .find_map(|from| self.lane(from).queue.pop_front().map(|id| (from, id)))?;
        self.chain_is_next = from == Origin::Outside;
        self.lighten(&id);
        Some(id)
    }

    /// Takes a job out of its queue, wherever it stands.
    pub(super) fn dequeue(&mut self, id: &Name) {
        let Some((from, _)) = self.weight(id) else { return };
        let lane = self.lane(from);
        let before = lane.queue.len();
        lane.queue.retain(|queued| queued != id);
        if lane.queue.len() < before {
            self.lighten(id);
        }
    }

    /// Remembers that selectors have still to answer about this event.
    pub(super) fn await_answers(&mut self, event_id: Name, to_come: usize, size: usize, from: Origin) {
        let lane = self.lane(from);
        lane.bytes += size;
        lane.routing += 1;
        self.routing.insert(event_id, Routing { to_come, size, from });
    }

    /// One answer about this event has come. Returns whether it was the last.
    pub(super) fn answered(&mut self, event_id: &Name) -> bool {
        let Some(routing) = self.routing.get_mut(event_id) else { return false };
        routing.to_come -= 1;
        if routing.to_come > 0 {
            return false;
        }
        if let Some(Routing { size, from, .. }) = self.routing.remove(event_id) {
            let lane = self.lane(from);
            lane.bytes = lane.bytes.saturating_sub(size);
            lane.routing -= 1;
        }
        true
    }

    /// Waits for no more answers. Returns how many events had still some to come.
    pub(super) fn forget_answers(&mut self) -> usize {
        let events = self.routing.len();
        self.routing.clear();
        self.outside.routing = 0;
        self.chain.routing = 0;
        events
    }

    /// Asks a job to end in good order.
    pub(super) fn ask_to_stop(&self, id: &Name) {
        if let Some(entry) = self.jobs.get(id) {
            entry.stop.asked.cancel();
        }
    }

    /// Whether a waiting job could start.
    pub(super) fn can_start(&self, limits: &Limits) -> bool {
        self.running < limits.max_jobs && !(self.outside.queue.is_empty() && self.chain.queue.is_empty())
    }

    /// Whether more may wait from this origin, when `more` were taken that are not counted yet.
    pub(super) fn has_room(&self, limits: &Limits, from: Origin, more: usize) -> bool {
        match from {
            Origin::Outside => self.outside.has_room(limits, more),
            Origin::Chain => self.chain.has_room(limits, more),
        }
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.routing.is_empty()
    }

    fn weight(&self, id: &Name) -> Option<(Origin, usize)> {
        self.jobs.get(id).map(|entry| (Origin::of(entry.job.chain_depth), entry.size))
    }

    fn lighten(&mut self, id: &Name) {
        if let Some((from, size)) = self.weight(id) {
            let lane = self.lane(from);
            lane.bytes = lane.bytes.saturating_sub(size);
        }
    }
}

/// What these parameters take in memory, roughly.
pub(super) fn rough_size(params: &Params) -> usize {
    const NODE: usize = 80;
    let mut open: Vec<&Value> = Vec::new();
    let mut size = 0;
    for (key, value) in params {
        size += NODE + key.len();
        open.push(value);
    }
    while let Some(value) = open.pop() {
        size += NODE;
        match value {
            Value::String(text) => size += text.len(),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                for (key, value) in map {
                    size += NODE + key.len();
                    open.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    size
}
