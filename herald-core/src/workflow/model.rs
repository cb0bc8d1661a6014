//! What a workflow is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::index::RouteIndex;
use super::route::Route;
use crate::component::selector::Selector;
use crate::component::spec::Description;
use crate::event::activation::{Name, NameMap, TaskMap};
use crate::event::trigger_param::TriggerParam;
use crate::job::policy::Policy;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// Every name that a router may use: configured components, and types that may be named without one; with the
/// description of their type, where there is one (components written in code have none).
#[derive(Default)]
pub struct KnownComponents<'a> {
    /// Triggers. `exe_done` is always known.
    pub triggers: BTreeMap<String, Option<&'a Description>>,
    /// Selectors.
    pub selectors: BTreeMap<String, Option<&'a Description>>,
    /// Executors.
    pub executors: BTreeMap<String, Option<&'a Description>>,
    /// What is secret: such a text is never taken for a template.
    pub secrets: Option<&'a Mask>,
}

/// All routers, found by trigger.
#[derive(Default)]
pub struct Workflow {
    routes: NameMap<Vec<Arc<Route>>>,
    /// Of the triggers with many routes.
    indexes: NameMap<RouteIndex>,
}

impl Workflow {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        let mut by_trigger: NameMap<Vec<Arc<Route>>> = NameMap::default();
        for route in routes {
            by_trigger.entry(route.trigger.clone()).or_default().push(Arc::new(route));
        }
        Self { routes: by_trigger, indexes: NameMap::default() }
    }

    /// The tasks of the routers that name this trigger, in the order in which they were written. The cost does
    /// not depend on how many other routers there are.
    #[must_use]
    pub fn routes(&self, trigger: &str) -> &[Arc<Route>] {
        self.routes.get(trigger).map_or(&[], Vec::as_slice)
    }

    /// Prepares that an event finds the routes that it can match without a question about each. `selectors`: those of
    /// the same plan, by name.
    pub fn index(&mut self, selectors: &NameMap<Arc<dyn Selector>>) {
        let of = |(trigger, routes): (&Name, &Vec<Arc<Route>>)| {
            Some((trigger.clone(), RouteIndex::of(routes, selectors)?))
        };
        self.indexes = self.routes.iter().filter_map(of).collect();
        // What selectors are asked about for every event is at hand.
        for (trigger, routes) in &mut self.routes {
            let index = self.indexes.get(trigger);
            let asked = |at: usize| index.is_none_or(|index| !index.is_looked_up(at));
            let asked = routes.iter_mut().enumerate().filter(|(at, _)| asked(*at));
            // Nobody else has them yet.
            for route in asked.filter_map(|(_, route)| Arc::get_mut(route)) {
                route.select_param.unpack();
            }
        }
    }

    /// The routes that an event of this trigger can match, in the order in which they were written: those that are not
    /// among them it cannot match, and nobody is asked about them. With an index, the cost depends on how many are
    /// among them, and on how many different places in the event the others look at.
    #[must_use]
    pub fn candidates(&self, trigger: &str, event: &TriggerParam) -> Vec<Arc<Route>> {
        let routes = self.routes(trigger);
        match self.indexes.get(trigger) {
            None => routes.to_vec(),
            Some(index) => {
                index.candidates(event).into_iter().filter_map(|at| routes.get(at).cloned()).collect()
            }
        }
    }

    /// The route of this task, if there is one.
    #[must_use]
    pub fn route(&self, router: &str, task: &str) -> Option<&Arc<Route>> {
        self.all().find(|route| *route.router == *router && *route.task == *task)
    }

    /// The policies of all tasks, by router and task.
    #[must_use]
    pub fn policies(&self) -> TaskMap<Arc<Policy>> {
        let policy = |route: &Arc<Route>| ((route.router.clone(), route.task.clone()), route.policy.clone());
        self.all().map(policy).collect()
    }

    /// Every route, trigger by trigger.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values().flatten()
    }
}

/// A router written in code.
#[derive(Debug, Clone)]
pub struct Router {
    name: String,
    body: Params,
    tasks: Params,
}

impl Router {
    /// A router of this name, from this trigger, through this selector.
    #[must_use]
    pub fn new(name: &str, trigger: &str, selector: &str) -> Self {
        let mut body = Params::new();
        body.insert("trigger".to_owned(), Value::from(trigger));
        body.insert("selector".to_owned(), Value::from(selector));
        Self { name: name.to_owned(), body, tasks: Params::new() }
    }

    /// Adds a task on this executor.
    #[must_use]
    pub fn task(mut self, name: &str, executor: &str) -> Self {
        self.tasks.insert(name.to_owned(), Value::from(executor));
        self
    }

    /// Adds a task with parameters of its own (JSON objects), which win over the router's.
    #[must_use]
    pub fn task_with(mut self, name: &str, executor: &str, select_param: Value, job_param: Value) -> Self {
        let body = json!({"executor": executor, "select_param": select_param, "job_param": job_param});
        self.tasks.insert(name.to_owned(), body);
        self
    }

    /// The parameters of the selector (a JSON object).
    #[must_use]
    pub fn select_param(mut self, params: Value) -> Self {
        self.body.insert("select_param".to_owned(), params);
        self
    }

    /// The parameters of the executors (a JSON object).
    #[must_use]
    pub fn job_param(mut self, params: Value) -> Self {
        self.body.insert("job_param".to_owned(), params);
        self
    }

    /// What is demanded of its jobs (a JSON object), see [`crate::workflow::policy`].
    #[must_use]
    pub fn policy(mut self, policy: Value) -> Self {
        self.body.insert("policy".to_owned(), policy);
        self
    }

    /// The name and the body as in the `router` section.
    pub(crate) fn into_section(mut self) -> (String, Value) {
        self.body.insert("task".to_owned(), Value::Object(self.tasks));
        (self.name, Value::Object(self.body))
    }
}
