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
pub(super) struct Routing {
    pub(super) to_come: usize,
    pub(super) size: usize,
}

/// Everything that waits and runs.
#[derive(Default)]
pub(super) struct Board {
    pub(super) jobs: HashMap<Name, Entry>,
    queue: VecDeque<Name>,
    pub(super) running: usize,
    pub(super) routing: HashMap<Name, Routing>,
    waiting_bytes: usize,
}

impl Board {
    /// Puts a job at the end of the queue.
    pub(super) fn enqueue(&mut self, id: &Name) {
        self.waiting_bytes += self.size_of(id);
        self.queue.push_back(id.clone());
    }

    /// The next job in the queue, taken out of it.
    pub(super) fn next(&mut self) -> Option<Name> {
        let id = self.queue.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(self.size_of(&id));
        Some(id)
    }

    /// Takes a job out of the queue, wherever it stands.
    pub(super) fn dequeue(&mut self, id: &Name) {
        let before = self.queue.len();
        self.queue.retain(|queued| queued != id);
        if self.queue.len() < before {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(self.size_of(id));
        }
    }

    /// Remembers that selectors have still to answer about this event.
    pub(super) fn await_answers(&mut self, event_id: Name, to_come: usize, size: usize) {
        self.waiting_bytes += size;
        self.routing.insert(event_id, Routing { to_come, size });
    }

    /// One answer about this event has come. Returns whether it was the last.
    pub(super) fn answered(&mut self, event_id: &Name) -> bool {
        let Some(routing) = self.routing.get_mut(event_id) else { return false };
        routing.to_come -= 1;
        if routing.to_come > 0 {
            return false;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(routing.size);
        self.routing.remove(event_id);
        true
    }

    /// Asks a job to end in good order.
    pub(super) fn ask_to_stop(&self, id: &Name) {
        if let Some(entry) = self.jobs.get(id) {
            entry.stop.asked.cancel();
        }
    }

    /// Whether a waiting job could start.
    pub(super) fn can_start(&self, limits: &Limits) -> bool {
        self.running < limits.max_jobs && !self.queue.is_empty()
    }

    /// Events and jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.routing.len()
    }

    /// Whether another event may be taken, when `more` were taken that are not counted yet.
    pub(super) fn has_room(&self, limits: &Limits, more: usize) -> bool {
        self.waiting() + more < limits.max_queue && self.waiting_bytes < limits.max_queue_bytes
    }

    /// Whether jobs that a chain feeds must be turned away. They get as much again as events from outside: a
    /// chain is not to die because the outside fills the queue, nor to fill the memory.
    pub(super) fn chain_is_over(&self, limits: &Limits) -> bool {
        self.waiting() >= limits.max_queue.saturating_mul(2)
            || self.waiting_bytes >= limits.max_queue_bytes.saturating_mul(2)
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.routing.is_empty()
    }

    fn size_of(&self, id: &Name) -> usize {
        self.jobs.get(id).map_or(0, |entry| entry.size)
    }
}

/// What these parameters take in memory, roughly.
pub(super) fn rough_size(params: &Params) -> usize {
    const NODE: usize = 32;
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
