//! The configuration: read, resolved and checked as a whole, with every problem at its place.

mod components;
mod file;
mod fleet;
mod reference;
mod schema;
mod secret;
mod sections;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;

use herald_core::executor::Executor;
use herald_core::problem::{Path, Problem, kind_of, near_miss};
use herald_core::registry::{Registry, Types};
use herald_core::secret::Mask;
use herald_core::selector::Selector;
use herald_core::trigger::Trigger;
use herald_core::workflow::{self, Known, Workflow};
use herald_core::yaml::{Found, Problems};
use serde_json::{Map, Value};

use crate::trigger::http;

pub use components::{Component, Instances};
use components::{Section, Uses};
pub use file::{ReadError, Source, read};
pub use fleet::FleetSettings;
pub use reference::markdown;
pub use schema::schema;
use secret::{At, Lookup, Secrets};
pub use sections::{ApiSettings, HistorySettings, LogFormat, LogOutput, LogSettings};
pub use settings::Settings;

/// Everything that may stand at the top of the file.
const SECTIONS: [&str; 17] = [
    "log",
    "plugin",
    "trigger",
    "selector",
    "executor",
    "preset",
    "router",
    "max_jobs",
    "max_queue",
    "max_chain_depth",
    "shutdown_grace",
    "state_dir",
    "history",
    "api",
    "node",
    "runner",
    "heartbeat",
];

/// A configuration in which nothing is wrong.
pub struct Config {
    /// The daemon's own settings.
    pub settings: Settings,
    /// Triggers that are configured, or named by their type in a router.
    pub triggers: Vec<Component>,
    /// Selectors, likewise.
    pub selectors: Vec<Component>,
    /// Executors, likewise.
    pub executors: Vec<Component>,
    /// The triggers, constructed.
    pub trigger_instances: Instances<dyn Trigger>,
    /// The selectors, constructed.
    pub selector_instances: Instances<dyn Selector>,
    /// The executors, constructed.
    pub executor_instances: Instances<dyn Executor>,
    /// The routers.
    pub workflow: Workflow,
    /// What hides the secrets of this configuration.
    pub mask: Mask,
    /// What is doubtful.
    pub warnings: Vec<Found>,
}

/// The plugins that the file lists, as paths to open. They are needed before anything else can be checked; what is
/// wrong with the list itself is told by [`check`].
#[must_use]
pub fn plugins(source: &Source) -> Vec<PathBuf> {
    let listed = source.document.value().get("plugin").map(plugin_list);
    listed.and_then(Result::ok).unwrap_or_default().iter().map(|path| source.folder.join(path)).collect()
}

/// The `state_dir` as it is written, for whoever looks for the daemon's socket.
#[must_use]
pub fn written_state_dir(source: &Source) -> Option<&str> {
    source.document.value().get("state_dir")?.as_str()
}

/// Checks everything else.
///
/// # Errors
/// Every problem, at once.
pub fn check(source: Source, registry: &Registry) -> Result<Config, Problems> {
    check_with(source, registry, &[], &|name| std::env::var_os(name))
}

/// As [`check`], with the plugins that could not be loaded: their place in [`plugins`] and why.
///
/// # Errors
/// Every problem, at once.
pub fn check_with_plugins(
    source: Source,
    registry: &Registry,
    not_loaded: &[(usize, String)],
) -> Result<Config, Problems> {
    check_with(source, registry, not_loaded, &|name| std::env::var_os(name))
}

fn check_with(
    mut source: Source,
    registry: &Registry,
    not_loaded: &[(usize, String)],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, Problems> {
    let plugins = plugins(&source);
    let mut checker = Checker {
        secrets: Secrets::new(Lookup { variable, folder: source.folder.clone() }),
        problems: Vec::new(),
        hidden: Vec::new(),
    };
    checker.plugins_not_loaded(source.document.value(), not_loaded);
    let id = source.id.clone();
    let parts = match source.document.take_value() {
        Value::Object(top) => Some(checker.parts(top, plugins, (registry, id.as_deref()))),
        Value::Null => {
            checker.problems.push(Problem::error(Path::top(), "the configuration is empty"));
            None
        }
        other => {
            let message = format!("a configuration is a map of sections, found {}", kind_of(&other));
            checker.problems.push(Problem::error(Path::top(), message));
            None
        }
    };
    checker.hidden.iter().chain(&checker.secrets.literal).for_each(|path| source.document.hide(path));
    checker.warn_of_readers(&source);
    let Checker { mut secrets, mut problems, .. } = checker;
    // Of a value that could not be had, nothing else is worth saying.
    let without: HashSet<Path> = secrets.problems.iter().map(|problem| problem.path.clone()).collect();
    problems.retain(|problem| !without.contains(&problem.path));
    problems.append(&mut secrets.problems);
    let problems: Vec<Problem> = problems.into_iter().map(|problem| secrets.masked(problem)).collect();
    let report = source.document.report(&problems);
    match parts {
        Some(Parts { settings: Some(settings), triggers, selectors, executors, workflow })
            if report.errors() == 0 =>
        {
            Ok(Config {
                settings,
                triggers: triggers.components,
                selectors: selectors.components,
                executors: executors.components,
                trigger_instances: triggers.instances,
                selector_instances: selectors.instances,
                executor_instances: executors.instances,
                workflow,
                mask: secrets.mask,
                warnings: report.warnings(),
            })
        }
        _ => Err(report),
    }
}

/// What the sections hold, as far as it is right.
struct Parts<'r> {
    settings: Option<Settings>,
    triggers: Section<'r, dyn Trigger>,
    selectors: Section<'r, dyn Selector>,
    executors: Section<'r, dyn Executor>,
    workflow: Workflow,
}

struct Checker<'a> {
    secrets: Secrets<'a>,
    problems: Vec<Problem>,
    /// Places of secrets that bear no secret name.
    hidden: Vec<Path>,
}

impl Checker<'_> {
    fn parts<'r>(
        &mut self,
        mut top: Map<String, Value>,
        plugins: Vec<PathBuf>,
        (registry, id): (&'r Registry, Option<&str>),
    ) -> Parts<'r> {
        self.unknown_sections(&top);
        if let Some(Err(problem)) = top.get("plugin").map(plugin_list) {
            self.problems.push(problem);
        }
        self.resolve(&mut top);
        let settings = settings::read(&top, (plugins, id), &mut self.problems);
        let shared = fleet::shared(settings.as_ref().map(|settings| &settings.fleet), &top, &self.problems);
        let section = |name: &str| top.get(name).unwrap_or(&Value::Null);
        let router = section("router");
        let [in_trigger, in_selector, in_executor] = uses(router);
        let mut triggers =
            self.components(("trigger", section("trigger")), &registry.triggers, (&in_trigger, &shared));
        let mut selectors =
            self.components(("selector", section("selector")), &registry.selectors, (&in_selector, &shared));
        let mut executors =
            self.components(("executor", section("executor")), &registry.executors, (&in_executor, &shared));
        self.problems.extend(clashes(&triggers));
        let references = self.secrets.references();
        let known = Known {
            triggers: std::mem::take(&mut triggers.names),
            selectors: std::mem::take(&mut selectors.names),
            executors: std::mem::take(&mut executors.names),
            secrets: Some(&references),
        };
        let (workflow, problems) = workflow::read(router, section("preset"), &known);
        self.problems.extend(problems);
        if matches!(router, Value::Null) || router.as_object().is_some_and(Map::is_empty) {
            self.problems.push(
                Problem::warning(Path::top(), "there is no router, so nothing will ever run")
                    .help("add one under `router`"),
            );
        }
        Parts { settings, triggers, selectors, executors, workflow }
    }

    /// The components of a section.
    fn components<'r, C: ?Sized>(
        &mut self,
        (kind, section): (&'static str, &Value),
        types: &'r Types<C>,
        (uses, shared): (&Uses<'_>, &Map<String, Value>),
    ) -> Section<'r, C> {
        let mut read = components::read(kind, section, types, uses, (&mut self.secrets, shared));
        self.problems.append(&mut read.problems);
        self.hidden.append(&mut read.secret);
        read
    }

    fn unknown_sections(&mut self, top: &Map<String, Value>) {
        for key in top.keys().filter(|key| !SECTIONS.contains(&key.as_str())) {
            let help = match key.as_str() {
                "log_level" => "write  log: {level: …}".to_owned(),
                "log_output" => "write  log: {output: …}".to_owned(),
                _ => match near_miss(key, SECTIONS) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known are: {}", SECTIONS.join(", ")),
                },
            };
            let problem = Problem::error(Path::top().key(key), format!("unknown section `{key}`"));
            self.problems.push(problem.at_key().help(help));
        }
    }

    /// Resolves references where they may stand, and refuses them elsewhere.
    fn resolve(&mut self, top: &mut Map<String, Value>) {
        for (section, value) in top.iter_mut() {
            let at = At::section(section);
            match section.as_str() {
                "trigger" | "selector" | "executor" | "preset" => {
                    for (name, options) in value.as_object_mut().into_iter().flatten() {
                        self.resolve_options(options, &at.key(name), section != "preset");
                    }
                }
                "router" => {
                    for (name, router) in value.as_object_mut().into_iter().flatten() {
                        self.resolve_router(router, &at.key(name));
                    }
                }
                "api" | "node" | "runner" => self.secrets.resolve(value, &at),
                _ => self.secrets.refuse(value, &at),
            }
        }
    }

    fn resolve_options(&mut self, options: &mut Value, at: &At<'_>, has_type: bool) {
        if has_type && let Some(type_name) = options.get("type") {
            self.secrets.refuse(type_name, &at.key("type"));
            let type_name = type_name.clone();
            self.secrets.resolve(options, at);
            // A type named like a secret is none.
            options["type"] = type_name;
            return;
        }
        self.secrets.resolve(options, at);
    }

    fn resolve_router(&mut self, router: &mut Value, at: &At<'_>) {
        for (key, value) in router.as_object_mut().into_iter().flatten() {
            let at = at.key(key);
            match key.as_str() {
                "select_param" | "job_param" => self.secrets.resolve(value, &at),
                "task" => {
                    for (task, body) in value.as_object_mut().into_iter().flatten() {
                        self.resolve_task(body, &at.key(task));
                    }
                }
                _ => self.secrets.refuse(value, &at),
            }
        }
    }

    fn resolve_task(&mut self, body: &mut Value, at: &At<'_>) {
        let Value::Object(map) = body else { return self.secrets.refuse(body, at) };
        for (key, value) in map {
            match key.as_str() {
                "select_param" | "job_param" => self.secrets.resolve(value, &at.key(key)),
                _ => self.secrets.refuse(value, &at.key(key)),
            }
        }
    }

    fn plugins_not_loaded(&mut self, document: &Value, not_loaded: &[(usize, String)]) {
        let at = Path::top().key("plugin");
        let is_list = matches!(document.get("plugin"), Some(Value::Array(_)));
        for (n, why) in not_loaded {
            let at = if is_list { at.index(*n) } else { at.clone() };
            self.problems.push(Problem::error(at, why.clone()));
        }
    }

    fn warn_of_readers(&mut self, source: &Source) {
        if let (true, Some(first)) = (source.open_to_others, self.secrets.literal.first()) {
            let warning = Problem::warning(first.clone(), "others may read this file, and it holds a secret");
            let help =
                format!("chmod go-rwx {}, or write ${{env:NAME}} or ${{file:/path}} here", source.name);
            self.problems.push(warning.help(help));
        }
    }
}

/// Triggers that cannot have the port and path of their options beside each other.
fn clashes(triggers: &Section<'_, dyn Trigger>) -> Vec<Problem> {
    let in_order = triggers.components.iter().filter_map(|component| {
        let name = component.name.as_str();
        Some((name, &**triggers.instances.get(name)?))
    });
    let at = Path::top().key("trigger");
    let problem = |clash: http::Clash| Problem::error(at.key(&clash.trigger), clash.why).at_key();
    http::clashes(in_order).into_iter().map(problem).collect()
}

/// One path or a list of them.
fn plugin_list(value: &Value) -> Result<Vec<&str>, Problem> {
    let at = Path::top().key("plugin");
    let path = |value: &'_ Value, at: Path| match value {
        Value::String(path) if !path.is_empty() => Ok(()),
        other => Err(Problem::error(at, format!("expected the path of a plugin, found {}", describe(other)))),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => {
            list.iter().enumerate().try_for_each(|(n, item)| path(item, at.index(n)))?;
            Ok(list.iter().filter_map(Value::as_str).collect())
        }
        one => {
            path(one, at)?;
            Ok(one.as_str().into_iter().collect())
        }
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "an empty text",
        other => kind_of(other),
    }
}

/// Where the routers use each trigger, selector and executor first.
fn uses(router: &Value) -> [Uses<'_>; 3] {
    let [mut triggers, mut selectors, mut executors] = [Uses::new(), Uses::new(), Uses::new()];
    let top = Path::top().key("router");
    for (name, body) in router.as_object().into_iter().flatten() {
        if let Some(used) = body.get("trigger").and_then(Value::as_str) {
            triggers.entry(used).or_insert_with(|| top.key(name).key("trigger"));
        }
        if let Some(used) = body.get("selector").and_then(Value::as_str) {
            selectors.entry(used).or_insert_with(|| top.key(name).key("selector"));
        }
        for (task, body) in body.get("task").and_then(Value::as_object).into_iter().flatten() {
            let at = || top.key(name).key("task").key(task);
            if let Some(used) = body.as_str() {
                executors.entry(used).or_insert_with(at);
            } else if let Some(used) = body.get("executor").and_then(Value::as_str) {
                executors.entry(used).or_insert_with(|| at().key("executor"));
            }
        }
    }
    [triggers, selectors, executors]
}
