//! What a running Herald goes by: the routers and the components that they name.

use std::sync::Arc;

use crate::component::executor::{DefaultPlaces, Executor};
use crate::component::selector::Selector;
use crate::event::activation::{Name, NameMap};
use crate::template::PublishedSource;
use crate::value::secret::Mask;
use crate::workflow::{Route, Workflow};

/// How many jobs that need no place are started before the first of them is recorded as over.
const AT_ONCE_UNNEEDED: usize = 256;

/// Routers, selectors and executors that belong together. Exchanged whole at a reload.
#[derive(Default)]
pub struct Plan {
    /// The routers.
    pub workflow: Workflow,
    /// Selectors by name.
    pub selectors: NameMap<Arc<dyn Selector>>,
    /// Executors by name.
    pub executors: NameMap<Arc<dyn Executor>>,
    /// How many jobs of an executor run at once, where the configuration says it.
    pub max_jobs: NameMap<usize>,
    /// What hides this configuration's secrets.
    pub mask: Arc<Mask>,
    /// What the template function `heartbeat()` says of published configurations, where there are any.
    pub published: Option<Arc<dyn PublishedSource>>,
}

impl Plan {
    /// Whether a no about this route need not be recorded: it can be asked for again, without effect.
    #[must_use]
    pub fn can_ask_again(&self, route: &Route) -> bool {
        let is_filled_in = route.templates.as_ref().is_some_and(|templates| templates.select_param.is_some());
        let selector = self.selectors.get(&route.selector);
        !is_filled_in
            && selector.is_some_and(|selector| selector.can_be_asked_again(&route.select_param.get()))
    }

    /// How many jobs run at once on each executor.
    #[must_use]
    pub fn places(&self, limits: &Limits) -> NameMap<usize> {
        let of = |(name, executor): (&Name, &Arc<dyn Executor>)| {
            let default = || match executor.default_places() {
                DefaultPlaces::Here => limits.max_jobs,
                DefaultPlaces::Elsewhere(places) => places,
                DefaultPlaces::Unneeded => AT_ONCE_UNNEEDED,
            };
            (name.clone(), self.max_jobs.get(name).copied().unwrap_or_else(default))
        };
        self.executors.iter().map(of).collect()
    }
}

/// The bounds of a running Herald.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that run at once, on each executor that runs its jobs on this machine.
    pub max_jobs: usize,
    /// Events and jobs that wait; those of one trigger are at most half of that. One event may bring this over by as
    /// many jobs as it has routes.
    pub max_queue: usize,
    /// Bytes of parameters that wait, counted roughly; those of one trigger are at most half of that.
    pub max_queue_bytes: usize,
    /// The deepest chain of jobs that feed each other.
    pub max_chain_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_jobs: 64, max_queue: 10_000, max_queue_bytes: 64 << 20, max_chain_depth: 64 }
    }
}
