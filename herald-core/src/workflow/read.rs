//! From the `router` and `preset` sections to a workflow, with all problems at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::model::{KnownComponents, Workflow};
use super::route::{Route, Templates};
use super::{cycle, policy};
use crate::component::spec::Description;
use crate::event::activation::{INTERNAL, Name};
use crate::job::policy::Policy;
use crate::template::{Compiler, For, Template};
use crate::value::param::Params;
use herald_config::problem::{Path, PathStep, Problem, Severity, kind_of, near_miss};

const ROUTER_KEYS: [&str; 6] = ["trigger", "selector", "task", "select_param", "job_param", "policy"];
/// What a preset without anything in it holds.
static EMPTY: LazyLock<Params> = LazyLock::new(Params::new);
const TASK_KEYS: [&str; 4] = ["executor", "select_param", "job_param", "policy"];

/// Reads the `router` and `preset` sections (JSON null: absent). The workflow holds what could be read; use it
/// only when no problem is an error. Paths begin with `router` or `preset`.
pub fn read(router: &Value, preset: &Value, known: &KnownComponents<'_>) -> (Workflow, Vec<Problem>) {
    let mut reader = WorkflowReader {
        known,
        presets: HashMap::new(),
        names: HashSet::new(),
        no_policy: Arc::default(),
        compiler: Compiler::default(),
        problems: Vec::new(),
    };
    reader.read_presets(preset);
    reader.check_presets();
    let mut routes = Vec::new();
    let top = Path::top().key("router");
    match router {
        Value::Null => {}
        Value::Object(map) => {
            for (name, body) in map {
                reader.read_router(name, body, &top.key(name), &mut routes);
            }
        }
        other => reader.wrong(&top, "a map of routers", other),
    }
    reader.compiler.finish();
    let mut problems = reader.problems;
    if problems.iter().all(|problem| problem.severity == Severity::Warning) {
        problems.extend(cycle::warnings(&routes, known));
    }
    (Workflow::new(routes), problems)
}

/// Keys of `policy` that are parameters instead, where they have no effect.
fn misplaced<'a>(description: &'a Description, params: &'a Params) -> impl Iterator<Item = Problem> + 'a {
    let is_known = |key: &str| description.params.iter().any(|param| param.name == key);
    // Without parameters of its own it is a plugin's, which may take any.
    let keys = params.iter().filter(move |(key, value)| {
        !description.params.is_empty() && !is_known(key) && policy::looks_like(key, value)
    });
    keys.map(|(key, _)| {
        let what =
            format!("`{key}` is not a parameter of `{}`, and has no effect here", description.type_name);
        let help = format!("it is a key of `policy`: write  policy: {{{key}: …}}  in the router or task");
        Problem::warning(Path::top().key(key), what).at_key().help(help)
    })
}

struct WorkflowReader<'a> {
    known: &'a KnownComponents<'a>,
    presets: HashMap<&'a str, &'a Params>,
    /// Names seen so far, so that ten thousand routers share one `print`.
    names: HashSet<Name>,
    no_policy: Arc<Policy>,
    compiler: Compiler,
    problems: Vec<Problem>,
}

/// One source of parameters: a level's own, or a preset.
struct Layer<'a> {
    params: &'a Params,
    at: Path,
}

impl<'a> WorkflowReader<'a> {
    fn read_presets(&mut self, preset: &'a Value) {
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
    fn check_presets(&mut self) {
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
        self.unknown_keys(body, &ROUTER_KEYS, at);
        let known = self.known;
        let trigger = self.component(body, "trigger", at, &known.triggers);
        let selector = self.component(body, "selector", at, &known.selectors);
        let select = self.layers(body.get("select_param"), &at.key("select_param"));
        let job = self.layers(body.get("job_param"), &at.key("job_param"));
        let tasks = match body.get("task") {
            Some(Value::Object(tasks)) if !tasks.is_empty() => tasks,
            Some(Value::Object(_)) | None => {
                let problem = Problem::error(at.clone(), format!("router \"{name}\" has no task"));
                self.problems.push(problem.at_key().help("add  task: {NAME: EXECUTOR}"));
                return;
            }
            Some(other) => return self.wrong(&at.key("task"), "a map from task names to executors", other),
        };
        let router = self.name(name);
        let policy = policy::check(body.get("policy"), &at.key("policy"), &mut self.problems);
        for (task, value) in tasks {
            let task_at = at.key("task").key(task);
            if task.is_empty() {
                self.problems
                    .push(Problem::error(task_at.clone(), "the name of a task must not be empty").at_key());
            }
            let Some((executor, own_select, own_job)) = self.task(value, &task_at) else { continue };
            let select_spec = selector.as_deref().and_then(|s| known.selectors.get(s).copied().flatten());
            let job_spec = known.executors.get(&*executor).copied().flatten();
            let (select_param, select_template) =
                self.merge(&own_select, &select, select_spec, For::Selector, &task_at);
            let (job_param, job_template) = self.merge(&own_job, &job, job_spec, For::Job, &task_at);
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
                self.unknown_keys(body, &TASK_KEYS, at);
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
                let mut layers = vec![Layer { params, at: at.clone() }];
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
                Some(params) => layers.push(Layer { params, at: Path::top().key("preset").key(name) }),
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

    /// Merges the layers, key by key, the first one wins; compiles what is a template, and checks the rest against the
    /// component's own description. Each problem is reported where the value was written.
    fn merge(
        &mut self,
        own: &[Layer<'a>],
        router: &[Layer<'a>],
        description: Option<&Description>,
        whose: For,
        task_at: &Path,
    ) -> (Arc<Params>, Option<Template>) {
        let mut merged = Params::new();
        let mut origin: HashMap<&str, &Path> = HashMap::new();
        for layer in own.iter().chain(router) {
            for (key, value) in layer.params {
                if key != "preset" && !merged.contains_key(key) {
                    merged.insert(key.clone(), value.clone());
                    origin.insert(key, &layer.at);
                }
            }
        }
        let mut found = Vec::new();
        let secrets = self.known.secrets;
        let is_secret = |text: &str| secrets.is_some_and(|mask| mask.is_secret(text));
        let template = self.compiler.compile(&merged, whose, &is_secret, &mut found);
        found.extend(description.into_iter().flat_map(|it| it.check_params(&merged, &Path::top())));
        found.extend(
            description.filter(|_| whose == For::Job).into_iter().flat_map(|it| misplaced(it, &merged)),
        );
        for mut problem in found {
            problem.path = match problem.path.0.first() {
                Some(PathStep::Key(key)) => match origin.get(key.as_str()) {
                    Some(layer) => layer.join(&problem.path),
                    None => task_at.clone(),
                },
                _ => task_at.clone(),
            };
            // The tasks of a router share its parameters: say it once.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        (Arc::new(merged), template)
    }

    fn unknown_keys(&mut self, body: &Params, known: &[&str], at: &Path) {
        for key in body.keys().filter(|key| !known.contains(&key.as_str())) {
            let help = match near_miss(key, known.iter().copied()) {
                _ if policy::holds(key) => format!("write  policy: {{{key}: …}}"),
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected one of: {}", known.join(", ")),
            };
            self.problems
                .push(Problem::error(at.key(key), format!("unknown key `{key}`")).at_key().help(help));
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
