//! What a running Herald goes by: the routers and the components that they name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::component::executor::Executor;
use crate::component::selector::Selector;
use crate::event::activation::Name;
use crate::value::secret::Mask;
use crate::workflow::Workflow;

/// Routers, selectors and executors that belong together. Exchanged whole at a reload.
#[derive(Default)]
pub struct Plan {
    /// The routers.
    pub workflow: Workflow,
    /// Selectors by name.
    pub selectors: HashMap<Name, Arc<dyn Selector>>,
    /// Executors by name.
    pub executors: HashMap<Name, Arc<dyn Executor>>,
    /// What hides this configuration's secrets.
    pub mask: Arc<Mask>,
}

/// The bounds of a running Herald.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that run at once.
    pub max_jobs: usize,
    /// Events and jobs that wait. One event may bring this over by as many jobs as it has routes.
    pub max_queue: usize,
    /// Bytes of parameters that wait, counted roughly.
    pub max_queue_bytes: usize,
    /// The deepest chain of jobs that feed each other.
    pub max_chain_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_jobs: 64, max_queue: 10_000, max_queue_bytes: 64 << 20, max_chain_depth: 64 }
    }
}
