//! What a dispatcher is started with.

use std::sync::Arc;

use super::paused::PausedRouters;
use crate::clock::Clock;
use crate::component::executor::{NoOutput, Outputs};
use crate::journal::{Journal, Recovered};
use crate::plan::{Limits, Plan};

/// What a dispatcher works with.
pub struct Setup {
    /// The routers and their components.
    pub plan: Arc<Plan>,
    /// The bounds.
    pub limits: Limits,
    /// Where everything is recorded before it is done.
    pub journal: Arc<dyn Journal>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What takes the output of jobs.
    pub outputs: Arc<dyn Outputs>,
    /// Unfinished work of the previous run; it is resumed first.
    pub recovered: Recovered,
    /// Routers that start nothing.
    pub paused: PausedRouters,
}

impl Setup {
    /// A fresh start, with output that nobody keeps.
    pub fn new(
        plan: impl Into<Arc<Plan>>,
        limits: Limits,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let plan = plan.into();
        Self {
            plan,
            limits,
            journal,
            clock,
            outputs: Arc::new(NoOutput),
            recovered: Recovered::default(),
            paused: PausedRouters::default(),
        }
    }
}
