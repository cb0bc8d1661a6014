//! What is known of a fleet: which node this is, the nodes, and what components are given of them.

use std::time::Duration;

use herald_core::problem::{Path, Problem, Severity};
use serde_json::{Map, Value, json};

/// The secret of a node that is wrong, for those who only look whether it is there.
const NO_SECRET: &str = "no secret: the node is wrong";

/// What is known of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSettings {
    /// Which node this is.
    pub id: Option<String>,
    /// Every node by name, with the defaults filled in. Holds secrets.
    pub nodes: Map<String, Value>,
    /// How often each is asked how it is.
    pub heartbeat: Duration,
    /// The runner that this daemon is as well. Holds secrets.
    pub runner: Option<herald_runner::config::RunnerConfig>,
}

/// The sections that components may read. With wrong settings the nodes are still known, an invalid one by its name and
/// tags, since its problems are reported already.
pub(super) fn shared(
    read: Option<&FleetSettings>,
    top: &Map<String, Value>,
    problems: &[Problem],
) -> Map<String, Value> {
    let at = Path::top().key("node");
    let is_wrong = |name: &str| {
        let at = at.key(name);
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.into_iter().any(|problem| problem.path.0.starts_with(&at.0))
    };
    let as_written = || {
        let written = top.get("node").and_then(Value::as_object).into_iter().flatten();
        let usable = written.enumerate().map(|(n, (name, node))| {
            let stand_in =
                || json!({"host": format!("http://n{n}.invalid/"), "secret": NO_SECRET, "tags": node.get("tags")});
            (name.clone(), if is_wrong(name) { stand_in() } else { node.clone() })
        });
        usable.collect()
    };
    let nodes = read.map_or_else(as_written, |read| read.nodes.clone());
    let mut shared = Map::new();
    shared.insert("node".to_owned(), Value::Object(nodes));
    if let Some(id) = read.and_then(|read| read.id.clone()) {
        shared.insert("id".to_owned(), Value::from(id));
    }
    shared
}
