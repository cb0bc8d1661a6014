//! From routers and presets as they are written to routes, with all problems at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::internal_events::InternalEvents;
use super::merge::{Layer, MergedParams, origin};
use super::misplaced::{block_with_task, misplaced};
use super::model::KnownComponents;
use super::policy;
use super::route::{Route, Templates};
use super::route_params::RouteParams;
use super::unknown_keys::unknown_keys;
use crate::component::spec::Description;
use crate::event::activation::{INTERNAL, Name};
use crate::job::policy::Policy;
use crate::template::{Compiler, For, Template};
use crate::value::param::Params;
use herald_config::problem::{Path, PathStep, Problem, kind_of, near_miss};

const ROUTER_KEYS: [&str; 6] = ["trigger", "selector", "task", "select_param", "job_param", "policy"];
/// What a preset without anything in it holds.
static EMPTY: LazyLock<Params> = LazyLock::new(Params::new);
/// The presets by name.
pub(super) type Presets<'a> = HashMap<&'a str, &'a Params>;
const TASK_KEYS: [&str; 4] = ["executor", "select_param", "job_param", "policy"];

/// What came of reading routers.
pub(super) struct ReadRouters {
    pub(super) routes: Vec<Route>,
    pub(super) problems: Vec<Problem>,
}

/// Reads routers one by one.
pub(super) struct WorkflowReader<'a> {
    known: &'a KnownComponents<'a>,
    internal_events: &'a InternalEvents<'a>,
    presets: Presets<'a>,
    /// Names seen so far, so that routers share one `print`: all of them, or those that one thread
    /// reads.
    names: HashSet<Name>,
    no_policy: Arc<Policy>,
    merged: MergedParams<'a>,
    compiler: Compiler,
    problems: Vec<Problem>,
}

impl<'a> WorkflowReader<'a> {
    /// Of a configuration with so many routers; no preset is known yet.
    pub(super) fn new(
        known: &'a KnownComponents<'_>,
        internal_events: &'a InternalEvents<'a>,
        routers: usize,
    ) -> Self {
        Self {
            known,
            internal_events,
            presets: HashMap::new(),
            names: HashSet::new(),
            no_policy: Arc::default(),
            merged: MergedParams::new(routers),
            compiler: Compiler::default(),
            problems: Vec::new(),
        }
    }

    /// The presets that are known.
    pub(super) fn known_presets(&self) -> Presets<'a> {
        self.presets.clone()
    }

    /// With these presets, which were checked.
    pub(super) fn with_presets(self, presets: &Presets<'a>) -> Self {
        Self { presets: presets.clone(), ..self }
    }

    /// Reads these routers, and ends.
    pub(super) fn routers(mut self, routers: impl Iterator<Item = (&'a String, &'a Value)>) -> ReadRouters {
        let (top, mut routes) = (Path::top().key("router"), Vec::new());
        for (name, body) in routers {
            self.read_router(name, body, &top.key(name), &mut routes);
        }
        self.compiler.finish();
        ReadRouters { routes, problems: self.problems }
    }

    /// There are no routers, but something else in their place.
    pub(super) fn no_routers(mut self, found: &Value) -> ReadRouters {
        if !found.is_null() {
            self.wrong(&Path::top().key("router"), "a map of routers", found);
        }
        self.compiler.finish();
        ReadRouters { routes: Vec::new(), problems: self.problems }
    }

    pub(super) fn read_presets(&mut self, preset: &'a Value) {
        let top = Path::top().key("preset");
        match preset {
            Value::Null => {}
            Value::Object(map) => {
                for (name, body) in map {
                    match body {
                        Value::Object(params) => {
                            if params.contains_key("preset") {
                                let at = top.key(name).key("preset");
                                self.problems.push(
                                    Problem::error(at, "a preset cannot name other presets")
                                        .at_key()
                                        .help("list them where the preset is used"),
                                );
                            }
                            self.presets.insert(name, params);
                        }
                        // Known all the same, so that one mistake is not reported twice.
                        other => {
                            if !other.is_null() {
                                self.wrong(&top.key(name), "a map of parameters", other);
                            }
                            self.presets.insert(name, &EMPTY);
                        }
                    }
                }
            }
            other => self.wrong(&top, "a map of presets", other),
        }
    }

    /// Templates in presets are checked even where the preset is not used, or where something else replaces them.
    pub(super) fn check_presets(&mut self) {
        let is_secret = |text: &str| self.known.secrets.is_some_and(|mask| mask.is_secret(text));
        let mut compiler = Compiler::default();
        for (name, params) in &self.presets {
            let mut found = Vec::new();
            compiler.compile(params, For::Job, &is_secret, &mut found);
            let at = Path::top().key("preset").key(name);
            let placed = found.into_iter().map(|problem| Problem { path: at.join(&problem.path), ..problem });
            self.problems.extend(placed);
        }
    }

    fn read_router(&mut self, name: &str, body: &'a Value, at: &Path, routes: &mut Vec<Route>) {
        let Value::Object(body) = body else {
            return self.wrong(at, "a map with trigger, selector and task", body);
        };
        self.named(name, "router", at);
        self.problems.extend(unknown_keys(body, &ROUTER_KEYS, at));
        let known = self.known;
        let trigger = self.component(body, "trigger", at, &known.triggers);
        let selector = self.component(body, "selector", at, &known.selectors);
        let select = self.layers(body.get("select_param"), &at.key("select_param"));
        let job = self.layers(body.get("job_param"), &at.key("job_param"));
        let tasks = match body.get("task") {
            Some(Value::Object(tasks)) if !tasks.is_empty() => tasks,
            Some(Value::Object(_)) | None => {
                let problem = Problem::error(at.clone(), format!("router \"{name}\" has no task"));
                let help = match block_with_task(body) {
                    Some(block) => {
                        format!("it is inside `{block}`: write it beside that, indented as that is")
                    }
                    None => "add  task: {NAME: EXECUTOR}".to_owned(),
                };
                self.problems.push(problem.at_key().help(help));
                return;
            }
            Some(other) => return self.wrong(&at.key("task"), "a map from task names to executors", other),
        };
        let router = self.name(name);
        self.merged.begin_router();
        let policy = policy::check(body.get("policy"), &at.key("policy"), &mut self.problems);
        // One that was not understood, and has its problem already.
        let no_trigger = Name::from("");
        for (task, value) in tasks {
            let task_at = at.key("task").key(task);
            self.named(task, "task", &task_at);
            let Some((executor, own_select, own_job)) = self.task(value, &task_at) else { continue };
            let select_spec = selector.as_deref().and_then(|s| known.selectors.get(s).copied().flatten());
            let selects = Some(trigger.as_ref().unwrap_or(&no_trigger));
            let job_spec = known.executors.get(&*executor).copied().flatten();
            let (select_param, select_template) =
                self.merge([&own_select, &select], select_spec, selects, &task_at);
            let (job_param, job_template) = self.merge([&own_job, &job], job_spec, None, &task_at);
            let templates = (select_template.is_some() || job_template.is_some())
                .then(|| Box::new(Templates { select_param: select_template, job_param: job_template }));
            if let (Some(trigger), Some(selector)) = (&trigger, &selector) {
                routes.push(Route {
                    router: router.clone(),
                    trigger: trigger.clone(),
                    selector: selector.clone(),
                    task: self.name(task),
                    executor,
                    select_param,
                    job_param,
                    policy: self.policy(value, &policy, &task_at),
                    templates,
                });
            }
        }
    }

    /// The policy of a task; those without any share one.
    fn policy(&mut self, task: &Value, router: &Params, at: &Path) -> Arc<Policy> {
        let own = policy::check(task.get("policy"), &at.key("policy"), &mut self.problems);
        if own.is_empty() && router.is_empty() {
            return self.no_policy.clone();
        }
        Arc::new(policy::merge(own, router))
    }

    /// The executor, and the task's own layers of `select_param` and `job_param`.
    fn task(&mut self, value: &'a Value, at: &Path) -> Option<(Name, Vec<Layer<'a>>, Vec<Layer<'a>>)> {
        match value {
            Value::String(executor) => {
                let known = self.known;
                let executor = self.known_name(executor, "executor", at.clone(), &known.executors)?;
                Some((executor, Vec::new(), Vec::new()))
            }
            Value::Object(body) => {
                self.problems.extend(unknown_keys(body, &TASK_KEYS, at));
                let known = self.known;
                let executor = self.component(body, "executor", at, &known.executors);
                let select = self.layers(body.get("select_param"), &at.key("select_param"));
                let job = self.layers(body.get("job_param"), &at.key("job_param"));
                Some((executor?, select, job))
            }
            other => {
                self.wrong(at, "the name of an executor, or a map with `executor`", other);
                None
            }
        }
    }

    /// The component named under `key`.
    fn component(
        &mut self,
        body: &Params,
        key: &str,
        at: &Path,
        names: &BTreeMap<String, Option<&Description>>,
    ) -> Option<Name> {
        match body.get(key) {
            Some(Value::String(name)) => self.known_name(name, key, at.key(key), names),
            Some(other) => {
                self.wrong(&at.key(key), &format!("the name of a {key}"), other);
                None
            }
            None => {
                self.problems.push(Problem::error(at.clone(), format!("`{key}` is missing")).at_key());
                None
            }
        }
    }

    fn known_name(
        &mut self,
        name: &str,
        kind: &str,
        at: Path,
        names: &BTreeMap<String, Option<&Description>>,
    ) -> Option<Name> {
        if names.contains_key(name) || (kind == "trigger" && INTERNAL.contains(&name)) {
            return Some(self.name(name));
        }
        let mut problem = Problem::error(at, format!("unknown {kind} \"{name}\""));
        let reserved = INTERNAL.into_iter().filter(|_| kind == "trigger");
        if let Some(meant) = near_miss(name, names.keys().map(String::as_str).chain(reserved)) {
            problem = problem.help(format!("did you mean \"{meant}\"?"));
        } else {
            problem =
                problem.help(format!("it is neither configured under `{kind}` nor a type of that kind"));
        }
        self.problems.push(problem);
        None
    }

    /// A level's parameters, highest priority first: its own keys, then its presets in order.
    fn layers(&mut self, value: Option<&'a Value>, at: &Path) -> Vec<Layer<'a>> {
        match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(params)) => {
                let mut layers = vec![Layer { params, at: at.clone(), is_preset: false }];
                if let Some(presets) = params.get("preset") {
                    layers.extend(self.presets(presets, &at.key("preset")));
                }
                layers
            }
            Some(names @ (Value::String(_) | Value::Array(_))) => self.presets(names, at),
            Some(other) => {
                self.wrong(at, "a map of parameters, or the name of a preset or a list of them", other);
                Vec::new()
            }
        }
    }

    fn presets(&mut self, names: &'a Value, at: &Path) -> Vec<Layer<'a>> {
        let list: Vec<(&'a Value, Path)> = match names {
            Value::Array(list) => list.iter().enumerate().map(|(n, name)| (name, at.index(n))).collect(),
            one => vec![(one, at.clone())],
        };
        let mut layers = Vec::new();
        for (name, at) in list {
            let Value::String(name) = name else {
                self.wrong(&at, "the name of a preset", name);
                continue;
            };
            match self.presets.get(name.as_str()) {
                Some(params) => {
                    layers.push(Layer { params, at: Path::top().key("preset").key(name), is_preset: true });
                }
                None => {
                    let mut problem = Problem::error(at, format!("unknown preset \"{name}\""));
                    if let Some(meant) = near_miss(name, self.presets.keys().copied()) {
                        problem = problem.help(format!("did you mean \"{meant}\"?"));
                    }
                    self.problems.push(problem);
                }
            }
        }
        layers
    }

    /// Merges the layers, and checks the result against the component's own description. Each problem is reported
    /// where the value was written. `of_trigger`: they are those of a selector, for events of this trigger; otherwise
    /// those of a job.
    fn merge(
        &mut self,
        layers: [&[Layer<'a>]; 2],
        description: Option<&'a Description>,
        of_trigger: Option<&Name>,
        task_at: &Path,
    ) -> (RouteParams, Option<Arc<Template>>) {
        let whose = if of_trigger.is_some() { For::Selector } else { For::Job };
        let secrets = self.known.secrets;
        let is_secret = |text: &str| secrets.is_some_and(|mask| mask.is_secret(text));
        let compiler = &mut self.compiler;
        let merged = self.merged.of(layers, of_trigger, |params| {
            let mut found = Vec::new();
            let template = compiler.compile(params, whose, &is_secret, &mut found);
            (template, found)
        });
        let result = (merged.held.clone(), merged.template.clone());
        if merged.is_right_for(description, of_trigger) {
            return result;
        }
        let params = &*merged.params;
        let mut found = merged.found.clone();
        found.extend(description.into_iter().flat_map(|it| it.check_params(params, &Path::top())));
        found.extend(misplaced(description, params, whose));
        if let Some(trigger) = of_trigger.filter(|_| merged.template.is_none()) {
            found.extend(self.internal_events.doubts(trigger, description, params));
        }
        if found.is_empty() {
            merged.set_right_for(description, of_trigger);
        }
        for mut problem in found {
            problem.path = match problem.path.first() {
                Some(PathStep::Key(key)) => match origin(layers, key) {
                    Some(layer) => layer.at.join(&problem.path),
                    None => task_at.clone(),
                },
                _ => task_at.clone(),
            };
            // The tasks of a router share its parameters: say it once.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        result
    }

    /// Checks that a router or a task has a name.
    fn named(&mut self, name: &str, what: &str, at: &Path) {
        if name.is_empty() {
            let message = format!("the name of a {what} must not be empty");
            self.problems.push(Problem::error(at.clone(), message).at_key());
        }
    }

    fn wrong(&mut self, at: &Path, expected: &str, found: &Value) {
        let message = format!("expected {expected}, found {}", kind_of(found));
        self.problems.push(Problem::error(at.clone(), message));
    }

    fn name(&mut self, name: &str) -> Name {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let made = Name::from(name);
        self.names.insert(made.clone());
        made
    }
}
