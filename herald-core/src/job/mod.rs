//! A job: one task of one router, for one event.

pub mod lifecycle;
pub mod param_path;
pub mod policy;
pub mod status;

use std::sync::Arc;

use serde_json::Value;

use crate::event::activation::Name;
use crate::event::actor::Actor;
use crate::event::trigger_param::TriggerParam;
use crate::value::param::Params;

/// Everything about a job that does not change while it lives. Holds secrets: show it only through a
/// [`crate::secret::Mask`].
#[derive(Clone)]
pub struct Job {
    /// Unique and ascending: a UUID of version 7.
    pub id: Name,
    /// The event that made it.
    pub trigger_id: Name,
    /// Router name.
    pub router: Name,
    /// Trigger name.
    pub trigger: Name,
    /// Selector name.
    pub selector: Name,
    /// Task name.
    pub task: Name,
    /// Executor name.
    pub executor: Name,
    /// What the trigger gave.
    pub trigger_param: Arc<TriggerParam>,
    /// What the task said to its selector.
    pub select_param: Arc<Params>,
    /// What the task says to its executor.
    pub job_param: Arc<Params>,
    /// How many jobs came before it in its chain.
    pub chain_depth: u32,
    /// From 1.
    pub attempt: u32,
    /// Who or what caused it, where that is known: who caused its event, or who ran it again.
    pub by: Option<Arc<Actor>>,
    /// Whether `by` ran it again, and did not cause its event.
    pub rerun: bool,
}

impl Job {
    /// The execution parameters (contract, section 3), secrets included.
    #[must_use]
    pub fn params(&self) -> Params {
        let text = |name: &Name| Value::String(name.to_string());
        let map = |params: &Arc<Params>| Value::Object(params.as_ref().clone());
        let entries = [
            ("id", text(&self.id)),
            ("job_id", text(&self.id)),
            ("trigger_id", text(&self.trigger_id)),
            ("router", text(&self.router)),
            ("trigger", text(&self.trigger)),
            ("selector", text(&self.selector)),
            ("task", text(&self.task)),
            ("executor", text(&self.executor)),
            ("trigger_param", map(self.trigger_param.params())),
            ("select_param", map(&self.select_param)),
            ("job_param", map(&self.job_param)),
            ("chain_depth", Value::from(self.chain_depth)),
            ("attempt", Value::from(self.attempt)),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl std::fmt::Debug for Job {
    /// Names and ids only: a job holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("router", &self.router)
            .field("task", &self.task)
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}
