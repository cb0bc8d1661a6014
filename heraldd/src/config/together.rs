//! What is wrong or doubtful about parts of a configuration together, each of which is right by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use herald_config::listener::ListenerOptions;
use herald_core::activation::EXE_DONE;
use herald_core::problem::{Path, Problem};
use herald_core::spec::Description;
use herald_core::trigger::{Timetable, Trigger};
use herald_core::unit;
use herald_core::workflow::{KnownComponents, Workflow};
use herald_schedule::gap::longest;
use serde_json::Value;

use super::components::ComponentSection;
use super::sections::AllSettings;
use crate::trigger::http;

/// Types of triggers whose events say nothing of a job.
const WITHOUT_JOBS: [&str; 4] = ["cron", "tick", "expect", "etcd"];

/// A part that opens a port.
struct OpenedPort {
    at: Path,
    what: String,
    host: String,
    port: u16,
    is_of_trigger: bool,
}

impl OpenedPort {
    fn is_that_of(&self, other: &Self) -> bool {
        fn name(host: &str) -> &str {
            if host == "localhost" { "127.0.0.1" } else { host }
        }
        // Triggers share a port of the same host with each other.
        if self.is_of_trigger && other.is_of_trigger && self.host == other.host {
            return false;
        }
        let (own, others) = (name(&self.host), name(&other.host));
        let is_all = ["0.0.0.0", "::"].iter().any(|all| own == *all || others == *all);
        self.port != 0 && self.port == other.port && (own == others || is_all)
    }
}

/// Ports that cannot be opened, since another part of this configuration has them.
pub(super) fn ports(
    settings: Option<&AllSettings>,
    triggers: &ComponentSection<'_, dyn Trigger>,
) -> Vec<Problem> {
    let Some(settings) = settings else { return Vec::new() };
    let section = |name: &str, host: &str, port: u16| OpenedPort {
        at: Path::top().key(name).key("port"),
        what: format!("`{name}`"),
        host: host.to_owned(),
        port,
        is_of_trigger: false,
    };
    let api = settings.api.as_ref().map(|api| section("api", &api.host, api.port));
    let page = settings.page.as_ref().map(|page| section("page", &page.host, page.port));
    let runner = settings.runner.as_ref().and_then(|runner| runner.listen.tcp.as_ref());
    let runner = runner.map(|(host, port)| section("runner", host, *port));
    let of_triggers = triggers.components.iter().filter(|trigger| trigger.type_name == "http");
    let of_triggers = of_triggers.filter_map(|trigger| {
        let listens = ListenerOptions::of(&trigger.options, http::PORT);
        let at = Path::top().key("trigger").key(&trigger.name);
        let at = if trigger.options.0.contains_key("port") { at.key("port") } else { at };
        let what = format!("the trigger \"{}\"", trigger.name);
        let (host, port) = (listens.host, listens.port);
        listens.has_port.then_some(OpenedPort { at, what, host, port, is_of_trigger: true })
    });
    let mut opened: Vec<OpenedPort> = Vec::new();
    let mut problems = Vec::new();
    for port in of_triggers.chain(api).chain(page).chain(runner) {
        let taken = opened.iter().find(|other| port.is_that_of(other));
        if let Some(other) = taken {
            let message = format!("port {} is that of {}, too", port.port, other.what);
            problems.push(Problem::error(port.at.clone(), message).help("give each a port of its own"));
        }
        opened.push(port);
    }
    problems
}

/// What deserves a warning, of routers and triggers in which nothing is wrong.
pub(super) fn doubts(
    settings: Option<&AllSettings>,
    router: &Value,
    known: &KnownComponents<'_>,
    workflow: &Workflow,
    triggers: &ComponentSection<'_, dyn Trigger>,
) -> Vec<Problem> {
    let mut found = changes_without_jobs(known, workflow, triggers);
    found.extend(too_early(router, triggers));
    // The router of an application is under the name of the application.
    let names = router.as_object().into_iter().flat_map(|routers| routers.keys());
    let names: Vec<&str> = names.map(|name| name.strip_prefix("app:").unwrap_or(name)).collect();
    let may = Path::top().key("access").key("may");
    found.extend(settings.into_iter().flat_map(|all| all.access.may.without_use(&names, &may)));
    found
}

/// Routers with `changed` whose events are never about jobs.
fn changes_without_jobs(
    known: &KnownComponents<'_>,
    workflow: &Workflow,
    triggers: &ComponentSection<'_, dyn Trigger>,
) -> Vec<Problem> {
    let is_changed = |name: &str| {
        let description: Option<&Description> = known.selectors.get(name).copied().flatten();
        description.is_some_and(|description| description.type_name == "changed")
    };
    let has_no_jobs = |name: &str| {
        let configured = triggers.components.iter().find(|trigger| trigger.name == name);
        configured.is_some_and(|trigger| WITHOUT_JOBS.contains(&trigger.type_name.as_str()))
    };
    let mut seen = BTreeSet::new();
    let routes = workflow.all().filter(|route| is_changed(&route.selector) && has_no_jobs(&route.trigger));
    let doubt = |router: &str, trigger: &str| {
        let what = format!(
            "`changed` matches jobs that ended, and an event of the trigger \"{trigger}\" is not one, so it never matches"
        );
        let at = Path::top().key("router").key(router).key("selector");
        Problem::warning(at, what).help(format!("write  trigger: {EXE_DONE}"))
    };
    routes
        .filter(|route| seen.insert(route.router.clone()))
        .map(|route| doubt(&route.router, &route.trigger))
        .collect()
}

/// Triggers `expect` that fire although what they await came in time, since it comes more seldom.
fn too_early(router: &Value, triggers: &ComponentSection<'_, dyn Trigger>) -> Vec<Problem> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let doubt = |name: &str, options: &herald_core::param::Params| {
        let awaited = text(options.get("trigger"));
        let awaited = awaited.or_else(|| text(router.get(text(options.get("router"))?)?.get("trigger")))?;
        let longest = longest_gap(&**triggers.instances.get(&awaited)?)?;
        let within = unit::duration(options.get("within")?).ok()?;
        let what = format!(
            "`within`: up to {} pass between two runs of the trigger \"{awaited}\", so this fires although it came in time",
            unit::text(longest)
        );
        let help = format!("write a little more than  {}", unit::text(longest));
        let at = Path::top().key("trigger").key(name).key("within");
        (within < longest).then(|| Problem::warning(at, what).help(help))
    };
    let expecting = triggers.components.iter().filter(|trigger| trigger.type_name == "expect");
    expecting.filter_map(|trigger| doubt(&trigger.name, &trigger.options.0)).collect()
}

/// The longest time between two events, where that is known beforehand.
fn longest_gap(trigger: &dyn Trigger) -> Option<Duration> {
    match trigger.timetable()? {
        Timetable::Every(period) => Some(period),
        Timetable::Calendar(calendar) => longest(|at| calendar.next_after(at)),
    }
}
