//! Routers and triggers that options and parameters name: whether they are there.

use std::collections::BTreeSet;

use herald_core::activation::{EXE_DONE, INTERNAL};
use herald_core::problem::{Path, Problem};
use herald_core::spec::NamedParts;
use herald_core::workflow::{KnownComponents, Route, Workflow};
use serde_json::{Map, Value};

/// What is wrong with such names in the options of triggers and selectors, and in `select_param`. `top` has the
/// sections of the components.
pub(super) fn problems(
    top: &Map<String, Value>,
    routers: &Value,
    known: &KnownComponents<'_>,
    workflow: &Workflow,
) -> Vec<Problem> {
    let internal = INTERNAL.into_iter().filter(|name| *name != EXE_DONE);
    let mut parts = NamedParts::default();
    parts
        .0
        .insert("router", routers.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect());
    parts.0.insert("trigger", known.triggers.keys().map(String::as_str).chain(internal).collect());
    let mut problems = Vec::new();
    for (section, names) in [("trigger", &known.triggers), ("selector", &known.selectors)] {
        let components = top.get(section).and_then(Value::as_object).into_iter().flatten();
        for (name, options) in components {
            let described = names.get(name).copied().flatten().zip(options.as_object());
            let at = Path::top().key(section).key(name);
            if let Some((of_type, options)) = described {
                problems.extend(of_type.check_option_names(options, &at, &parts));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for route in workflow.all() {
        let of_type = known.selectors.get(&*route.selector).copied().flatten();
        let Some(of_type) = of_type.filter(|it| it.has_param_names()) else { continue };
        let at = select_param(routers, route);
        for problem in of_type.check_param_names(&route.select_param.get(), &at, &parts) {
            // Tasks share what their router says.
            if seen.insert(problem.to_string()) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// Where the parameters of the selector of this route are written.
fn select_param(routers: &Value, route: &Route) -> Path {
    const KEY: &str = "select_param";
    let at = Path::top().key("router").key(&route.router);
    let task = &routers[&*route.router]["task"][&*route.task];
    if task.get(KEY).is_some() { at.key("task").key(&route.task).key(KEY) } else { at.key(KEY) }
}
