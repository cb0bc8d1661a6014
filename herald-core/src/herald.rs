//! A whole Herald in code: register components, add routers, start, stop.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::component::executor::Executor;
use crate::component::selector::Selector;
use crate::component::supervisor::Supervisor;
use crate::component::trigger::{ComponentError, Trigger};
use crate::dispatcher::{Dispatcher, Handle, Setup};
use crate::event::activation::{INTERNAL, Name, NameMap};
use crate::journal::{Journal, MemoryJournal};
use crate::plan::{Limits, Plan};
use crate::value::param::Params;
use crate::value::secret::Mask;
use crate::workflow::{KnownComponents, Router, read};
use herald_config::problem::{Problem, Severity};
use herald_config::yaml::Document;

/// Collects components and routers, then starts.
pub struct Herald {
    triggers: NameMap<Arc<dyn Trigger>>,
    selectors: NameMap<Arc<dyn Selector>>,
    executors: NameMap<Arc<dyn Executor>>,
    max_jobs: NameMap<usize>,
    routers: Params,
    presets: Params,
    problems: Vec<String>,
    limits: Limits,
    mask: Mask,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

/// Why a Herald did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The routers are not right; each line is one problem.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// A trigger could not get hold of what it needs.
    #[error("trigger \"{name}\": {error}")]
    Trigger {
        /// Its name.
        name: Name,
        /// Why.
        error: ComponentError,
    },
}

impl Default for Herald {
    fn default() -> Self {
        Self {
            triggers: NameMap::default(),
            selectors: NameMap::default(),
            executors: NameMap::default(),
            max_jobs: NameMap::default(),
            routers: Params::new(),
            presets: Params::new(),
            problems: Vec::new(),
            limits: Limits::default(),
            mask: Mask::new(),
            journal: Arc::new(MemoryJournal::keeping(0)),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Herald {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trigger.
    #[must_use]
    pub fn trigger(mut self, name: &str, trigger: impl Trigger) -> Self {
        if INTERNAL.contains(&name) {
            self.problems.push(format!("trigger: the name {name} is reserved"));
        }
        if self.triggers.insert(name.into(), Arc::new(trigger)).is_some() {
            self.problems.push(format!("trigger \"{name}\" was added twice"));
        }
        self
    }

    /// Adds a selector.
    #[must_use]
    pub fn selector(mut self, name: &str, selector: impl Selector) -> Self {
        if self.selectors.insert(name.into(), Arc::new(selector)).is_some() {
            self.problems.push(format!("selector \"{name}\" was added twice"));
        }
        self
    }

    /// Adds an executor.
    #[must_use]
    pub fn executor(mut self, name: &str, executor: impl Executor) -> Self {
        if self.executors.insert(name.into(), Arc::new(executor)).is_some() {
            self.problems.push(format!("executor \"{name}\" was added twice"));
        }
        self
    }

    /// How many jobs of this executor run at once; else as many as its
    /// [`default_places`](Executor::default_places) say.
    #[must_use]
    pub fn max_jobs(mut self, executor: &str, max_jobs: usize) -> Self {
        self.max_jobs.insert(executor.into(), max_jobs);
        self
    }

    /// Adds a router.
    #[must_use]
    pub fn router(mut self, router: Router) -> Self {
        let (name, body) = router.into_section();
        self.add_router(name, body);
        self
    }

    /// Adds the `router` and `preset` sections of a YAML text; other sections are an error.
    #[must_use]
    pub fn yaml(mut self, text: &str) -> Self {
        let document = match Document::parse(text, "routers") {
            Ok(document) => document,
            Err(problems) => {
                self.problems.push(problems.to_string());
                return self;
            }
        };
        let Value::Object(sections) = document.value().clone() else {
            self.problems.push("routers: expected a map with `router` and `preset`".to_owned());
            return self;
        };
        for (section, body) in sections {
            match (section.as_str(), body) {
                ("router", Value::Object(routers)) => {
                    for (name, body) in routers {
                        self.add_router(name, body);
                    }
                }
                ("preset", Value::Object(presets)) => self.presets.extend(presets),
                ("router" | "preset", _) => self.problems.push(format!("{section}: expected a map")),
                _ => self.problems.push(format!("{section}: only `router` and `preset` can be read here")),
            }
        }
        self
    }

    fn add_router(&mut self, name: String, body: Value) {
        if self.routers.contains_key(&name) {
            self.problems.push(format!("router \"{name}\" was added twice"));
        }
        self.routers.insert(name, body);
    }

    /// Sets the bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what hides secret values.
    #[must_use]
    pub fn mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Sets where it records.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = journal;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the routers, prepares the triggers, and starts.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<RunningHerald, StartError> {
        let known = KnownComponents {
            triggers: self.triggers.keys().map(|name| (name.to_string(), None)).collect(),
            selectors: self.selectors.keys().map(|name| (name.to_string(), None)).collect(),
            executors: self.executors.keys().map(|name| (name.to_string(), None)).collect(),
            secrets: Some(&self.mask),
        };
        let (mut workflow, found) = read(&Value::Object(self.routers), &Value::Object(self.presets), &known);
        let (errors, warnings): (Vec<Problem>, Vec<Problem>) =
            found.into_iter().partition(|problem| problem.severity == Severity::Error);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let problems: Vec<String> =
            self.problems.into_iter().chain(errors.iter().map(ToString::to_string)).collect();
        if !problems.is_empty() {
            return Err(StartError::Invalid(problems));
        }
        workflow.index(&self.selectors);
        let plan = Plan {
            published: None,
            workflow,
            selectors: self.selectors,
            executors: self.executors,
            max_jobs: self.max_jobs,
            mask: Arc::new(self.mask),
        };
        let dispatcher = Dispatcher::start(Setup::new(plan, self.limits, self.journal, self.clock.clone()));
        let mut triggers = Supervisor::new(Arc::new(dispatcher.handle().clone()), self.clock);
        let prepared = Supervisor::prepare(self.triggers).await;
        triggers.run(prepared.map_err(|(name, error)| StartError::Trigger { name, error })?).await;
        Ok(RunningHerald { dispatcher, triggers })
    }
}

/// A Herald at work.
pub struct RunningHerald {
    dispatcher: Dispatcher,
    triggers: Supervisor,
}

impl RunningHerald {
    /// The way to activate, cancel and wait.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.dispatcher.handle()
    }

    /// Ends the triggers, lets what waits and runs finish for `grace` at most, then ends that too.
    pub async fn stop(mut self, grace: Duration) {
        self.triggers.stop_all().await;
        self.dispatcher.stop(grace, std::future::pending()).await;
    }
}
