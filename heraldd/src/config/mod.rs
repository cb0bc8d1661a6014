//! The configuration: read, resolved and checked as a whole, with every problem at its place.

mod access;
mod api;
mod app;
mod board;
mod components;
mod daemon;
mod etcd;
mod fleet;
mod history;
mod include;
mod log;
mod named;
mod node;
mod page;
mod plugin;
mod queue;
mod router;
mod runner;
mod sections;
mod together;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

pub use herald_config::file::ReadError;
use herald_config::include::{Folders, MergedConfiguration, WrittenConfiguration};
use herald_config::listener_override::ListenerOverride;
use herald_config::secret::{Lookup, Resolved, SecretResolver};
use herald_core::context::Context;
use herald_core::executor::Executor;
use herald_core::problem::{Path, Problem, Severity, kind_of, near_miss};
use herald_core::registry::{ComponentTypes, Registry};
use herald_core::secret::Mask;
use herald_core::secret_place::SecretPlaces;
use herald_core::selector::Selector;
use herald_core::trigger::Trigger;
use herald_core::workflow::{self, KnownComponents, Workflow};
use herald_core::yaml::{LocatedProblem, Problems};
use herald_queue_jobs::{QueueConnections, node_name};
use herald_sections::SectionReader;
use serde_json::{Map, Value};

use crate::state::folder::StateFolder;
use crate::trigger::http;
use herald_apps::AppMemories;
use herald_projects::{EtcdConnections, EtcdTextReader};
use herald_remote::DrainedNodes;

pub use api::ApiSettings;
use components::{ComponentSection, Uses};
pub use components::{ConfiguredComponent, Instances};
pub use daemon::DaemonSettings;
pub use fleet::FleetSettings;
pub use history::HistorySettings;
pub use log::{LogOutput, LogSettings};
pub use page::PageSettings;
pub use sections::{AllSettings, SECTIONS};

/// A configuration file and those that it includes, which are YAML; nothing more is known of it yet.
pub struct ConfigSource {
    file: MergedConfiguration,
    /// Which node of the fleet reads it.
    pub id: Option<String>,
    /// Where `http` triggers listen, instead of where it says.
    pub http_host: Option<ListenerOverride>,
    /// The connections of the configuration before it, which are kept where they are the same.
    pub etcd: EtcdConnections,
    /// Those to queues.
    pub queues: QueueConnections,
    /// What is known of applications.
    pub apps: AppMemories,
    /// The nodes that get no new jobs.
    pub drained: DrainedNodes,
}

impl ConfigSource {
    /// Differs where anything is written differently.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.file.digest()
    }
}

/// Reads a configuration file and those that it includes.
///
/// # Errors
/// When it cannot be read, is not text, or is not YAML: every problem at its place.
pub fn read(path: &FilePath) -> Result<ConfigSource, ReadError> {
    Ok(ConfigSource {
        file: herald_config::include::read(path)?,
        id: None,
        http_host: None,
        etcd: EtcdConnections::default(),
        queues: QueueConnections::default(),
        apps: AppMemories::default(),
        drained: DrainedNodes::default(),
    })
}

/// A configuration in which nothing is wrong.
pub struct DaemonConfig {
    /// The daemon's own settings.
    pub settings: AllSettings,
    /// Triggers that are configured, or named by their type in a router.
    pub triggers: Vec<ConfiguredComponent>,
    /// Selectors, in the same way.
    pub selectors: Vec<ConfiguredComponent>,
    /// Executors, in the same way.
    pub executors: Vec<ConfiguredComponent>,
    /// The triggers, constructed.
    pub trigger_instances: Instances<dyn Trigger>,
    /// The selectors, constructed.
    pub selector_instances: Instances<dyn Selector>,
    /// The executors, constructed.
    pub executor_instances: Instances<dyn Executor>,
    /// The connections to every etcd.
    pub etcd: EtcdConnections,
    /// The connections to every queue.
    pub queues: QueueConnections,
    /// What is known of applications.
    pub apps: AppMemories,
    /// The routers.
    pub workflow: Workflow,
    /// What is written in it.
    pub written: Arc<WrittenConfiguration>,
    /// What hides the secrets of this configuration.
    pub mask: Mask,
    /// What is doubtful.
    pub warnings: Vec<LocatedProblem>,
    /// What prevents that on this machine.
    pub probed: Vec<LocatedProblem>,
}

/// The plugins that the file lists, as paths to open. They are needed before anything else can be checked; what is
/// wrong with the list itself is reported by [`check`].
#[must_use]
pub fn plugins(source: &ConfigSource) -> Vec<PathBuf> {
    let listed = source.file.value().get("plugin");
    let folders = source.file.folders();
    listed.map(|listed| plugin::paths(listed, &folders)).unwrap_or_default()
}

/// Checks everything else.
///
/// # Errors
/// Every problem, at once.
pub fn check(source: ConfigSource, registry: &Registry) -> Result<DaemonConfig, Problems> {
    check_with(source, registry, &[], &|name| std::env::var_os(name))
}

/// As [`check`], with the plugins that could not be loaded: their place in [`plugins`] and why.
///
/// # Errors
/// Every problem, at once.
pub fn check_with_plugins(
    source: ConfigSource,
    registry: &Registry,
    not_loaded: &[(usize, String)],
) -> Result<DaemonConfig, Problems> {
    check_with(source, registry, not_loaded, &|name| std::env::var_os(name))
}

fn check_with(
    mut source: ConfigSource,
    registry: &Registry,
    not_loaded: &[(usize, String)],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<DaemonConfig, Problems> {
    let folders = source.file.folders();
    let folder = |at: &Path| folders.of(at).to_owned();
    let secrets = SecretResolver::new(Lookup { variable, folder: &folder });
    let mut checker = Checker { secrets, misses_types: !not_loaded.is_empty(), problems: Vec::new() };
    checker.plugins_not_loaded(source.file.value(), not_loaded);
    let written = source.file.written();
    let parts = match source.file.take_value() {
        Value::Object(top) => Some(checker.parts(top, &source, &folders, registry)),
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
    let Checker { secrets, problems, .. } = checker;
    secrets.places().for_each(|path| source.file.hide(path));
    let (literals, places) = (secrets.literals().to_vec(), secrets.places().cloned().collect::<Vec<_>>());
    let Resolved { problems, mask } = secrets.finish(problems);
    let mut report = source.file.report(problems, &literals);
    let probed = report.take_probed();
    match parts {
        Some(ConfigParts {
            settings: Some(settings),
            triggers,
            selectors,
            executors,
            etcd,
            queues,
            apps,
            workflow,
        }) if report.errors() == 0 => Ok(DaemonConfig {
            settings,
            triggers: triggers.components,
            selectors: selectors.components,
            executors: executors.components,
            trigger_instances: triggers.instances,
            selector_instances: selectors.instances,
            executor_instances: executors.instances,
            etcd,
            queues,
            apps,
            workflow,
            written: Arc::new(source.file.shown(written, places.iter(), &mask)),
            mask,
            warnings: report.warnings(),
            probed,
        }),
        _ => Err(report),
    }
}

/// What the sections hold, as far as it is right.
struct ConfigParts<'r> {
    settings: Option<AllSettings>,
    triggers: ComponentSection<'r, dyn Trigger>,
    selectors: ComponentSection<'r, dyn Selector>,
    executors: ComponentSection<'r, dyn Executor>,
    etcd: EtcdConnections,
    queues: QueueConnections,
    apps: AppMemories,
    workflow: Workflow,
}

struct Checker<'a> {
    secrets: SecretResolver<'a>,
    /// Whether a plugin could not be loaded: types that are not known may be its own.
    misses_types: bool,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn parts<'r>(
        &mut self,
        mut top: Map<String, Value>,
        source: &ConfigSource,
        folders: &Folders,
        registry: &'r Registry,
    ) -> ConfigParts<'r> {
        self.unknown_sections(&top);
        self.resolve(&mut top, source);
        let settings = self.settings(&top, source, folders);
        let fleet = settings.as_ref().map(AllSettings::fleet);
        let mut context = fleet::context(fleet.as_ref(), &source.drained, &top, &self.problems);
        let in_etcd = settings.as_ref().map(|settings| settings.etcd.as_slice());
        let etcd = etcd::connections(in_etcd, &top, &source.etcd);
        context.share(etcd.clone());
        if etcd.iter().next().is_some() {
            context.share(SecretPlaces::default().with("etcd", EtcdTextReader(etcd.clone())));
        }
        let state_dir = settings.as_ref().and_then(|settings| settings.daemon.state_dir.as_deref());
        let node = node_name(source.id.as_deref(), state_dir, &source.queues.node);
        let in_queue = settings.as_ref().map(|settings| settings.queues.as_slice());
        let queues = queue::connections(in_queue, &top, &source.queues, node, &mut self.problems);
        context.share(queues.clone());
        let folder = settings.as_ref().and_then(|settings| settings.daemon.state_dir.clone());
        let memories = app::memories(&source.apps, folder.as_ref());
        context.share(memories.clone());
        if let Some(folder) = folder {
            context.share(StateFolder(folder));
        }
        let apps = settings.as_ref().map(|settings| settings.apps.as_slice()).unwrap_or_default();
        let router = app::routers(apps, top.shift_remove("router"), &mut self.problems);
        board::check(settings.as_ref().map(|settings| &*settings.boards), &router, &mut self.problems);
        let page = settings.as_ref().and_then(|settings| settings.page.as_ref());
        page::check(page, &router, &mut self.problems);
        let router = &router;
        let section = |name: &str| top.get(name).unwrap_or(&Value::Null);
        let [in_trigger, in_selector, in_executor] = router::uses(router);
        let mut triggers = self.components("trigger", &top, &registry.triggers, &in_trigger, &context);
        let mut selectors = self.components("selector", &top, &registry.selectors, &in_selector, &context);
        let mut executors = self.components("executor", &top, &registry.executors, &in_executor, &context);
        app::executors(apps, &mut executors, &context, &mut self.problems);
        app::as_written(&top, &mut executors);
        self.problems.extend(clashes(&triggers));
        self.problems.extend(together::ports(settings.as_ref(), &triggers));
        let references = self.secrets.references();
        let known = KnownComponents {
            triggers: std::mem::take(&mut triggers.names),
            selectors: std::mem::take(&mut selectors.names),
            executors: std::mem::take(&mut executors.names),
            secrets: Some(&references),
        };
        let (workflow, problems) = workflow::read(router, section("preset"), &known);
        self.problems.extend(problems);
        self.problems.extend(named::problems(&top, router, &known, &workflow));
        if self.problems.iter().all(|problem| problem.severity != Severity::Error) {
            self.problems.extend(together::doubts(settings.as_ref(), router, &known, &workflow, &triggers));
        }
        self.problems.extend(router::missing(&top, router));
        ConfigParts { settings, triggers, selectors, executors, etcd, queues, apps: memories, workflow }
    }

    fn settings(
        &mut self,
        top: &Map<String, Value>,
        source: &ConfigSource,
        folders: &Folders,
    ) -> Option<AllSettings> {
        let mut reading = SectionReader {
            top,
            resolver: &mut self.secrets,
            folders,
            id: source.id.as_deref(),
            own_node: None,
            problems: Vec::new(),
        };
        let settings = sections::read(&mut reading).ok();
        self.problems.append(&mut reading.problems);
        settings
    }

    /// The components of a section, and every name that a router may use.
    fn components<'r, C: ?Sized>(
        &mut self,
        kind: &'static str,
        top: &Map<String, Value>,
        types: &'r ComponentTypes<C>,
        uses: &Uses<'_>,
        context: &Context,
    ) -> ComponentSection<'r, C> {
        let section = top.get(kind).unwrap_or(&Value::Null);
        let mut read =
            components::read(kind, section, types, uses, &mut self.secrets, context, self.misses_types);
        self.problems.append(&mut read.problems);
        read
    }

    /// What the file says, with its secrets, and with what the command line says instead.
    fn resolve(&mut self, top: &mut Map<String, Value>, source: &ConfigSource) {
        herald_sections::resolve(SECTIONS, &mut self.secrets, top);
        self.problems.extend(source.http_host.as_ref().and_then(|to| to.apply(top, http::PORT).err()));
    }

    fn unknown_sections(&mut self, top: &Map<String, Value>) {
        self.problems.extend(herald_sections::empty_names(top));
        let known = herald_sections::names(SECTIONS);
        for key in top.keys().filter(|key| !known.contains(key) && !key.starts_with("x-")) {
            let help = match key.as_str() {
                "log_level" => "write  log: {level: …}".to_owned(),
                "log_output" => "write  log: {output: …}".to_owned(),
                // A key of the file of a runner.
                "secret" | "work_dir" | "run_dir" | "user" | "limits" => format!(
                    "this is an option of herald-runner; for a file of it write  herald-runner check FILE,  or write  \
                     runner: {{{key}: …}}"
                ),
                _ => match near_miss(key, known.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("expected one of: {}", known.join(", ")),
                },
            };
            let problem = Problem::error(Path::top().key(key), format!("unknown section `{key}`"));
            self.problems.push(problem.at_key().help(help));
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
}

/// Triggers that cannot have the port and path of their options beside each other.
fn clashes(triggers: &ComponentSection<'_, dyn Trigger>) -> Vec<Problem> {
    let in_order = triggers.components.iter().filter_map(|component| {
        let name = component.name.as_str();
        Some((name, &**triggers.instances.get(name)?))
    });
    let at = Path::top().key("trigger");
    let problem = |clash: http::Clash| Problem::error(at.key(&clash.trigger), clash.why).at_key();
    http::clashes(in_order).into_iter().map(problem).collect()
}
