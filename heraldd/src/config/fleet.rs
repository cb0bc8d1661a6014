//! What is known of a fleet: which node this is, the nodes, and what components are given of them.

use std::time::Duration;

use herald_core::context::Context;
use herald_core::problem::{Path, Problem, Severity};
use herald_remote::{ConfiguredNode, DrainedNodes, Nodes, OwnNode, RunnerAddress};
use herald_wire::secret::Secrets;
use serde_json::{Map, Value};

use super::node;

/// The secret of a node that is wrong, for those who only look whether it is there.
const NO_SECRET: &str = "no secret: the node is wrong";

/// What is known of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSettings {
    /// Which node this is.
    pub id: Option<String>,
    /// Every node. Holds secrets.
    pub nodes: Nodes,
    /// How often each is asked how it is.
    pub heartbeat: Duration,
    /// The runner that this daemon is as well. Holds secrets.
    pub runner: Option<herald_runner::config::RunnerConfig>,
}

/// What components are given. With wrong settings the nodes are still known, an invalid one by its name and tags, since
/// its problems are reported already.
pub(super) fn context(
    read: Option<&FleetSettings>,
    drained: &DrainedNodes,
    top: &Map<String, Value>,
    problems: &[Problem],
) -> Context {
    let mut context = Context::default();
    context.share(read.map_or_else(|| as_written(top, problems), |read| read.nodes.clone()));
    context.share(drained.clone());
    if let Some(id) = read.and_then(|read| read.id.clone()) {
        context.share(OwnNode(id));
    }
    context
}

fn as_written(top: &Map<String, Value>, problems: &[Problem]) -> Nodes {
    let section = Path::top().key("node");
    let is_wrong = |name: &str| {
        let at = section.key(name);
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.into_iter().any(|problem| problem.path.starts_with(&at))
    };
    let written = top.get("node").and_then(Value::as_object).into_iter().flatten();
    let usable = written.enumerate().filter_map(|(n, (name, body))| {
        let right = body.as_object().filter(|_| !is_wrong(name)).and_then(|body| node::of(name, body).ok());
        right.or_else(|| stand_in(n, name, body))
    });
    Nodes(usable.collect())
}

/// In the place of a node that is wrong. Its URL is that of no other one.
fn stand_in(n: usize, name: &str, body: &Value) -> Option<ConfiguredNode> {
    let url = format!("http://n{n}.invalid/").parse().ok()?;
    let runner = RunnerAddress { url, secrets: Secrets::new([NO_SECRET]).ok()?, tls: None };
    Some(ConfiguredNode { name: name.to_owned(), runner, tags: node::tags(body.get("tags")) })
}
