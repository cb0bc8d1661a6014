//! `heraldd drain` and `heraldd undrain`: a node gets no new jobs for a while.

use clap::Args;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::client::{DaemonSocket, Reason, step};
use crate::command_output::CommandOutput;
use crate::model;
use herald_terminal::human_time;

/// Which node, and why
#[derive(Debug, Args)]
struct NodeArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The node
    node: String,
    #[command(flatten)]
    reason: Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Drain a node: it gets no new jobs, and those that run there finish
///
/// Jobs that are for it alone wait in the queue; a job for several nodes runs on the others and leaves it out (with
/// `offline: wait` it waits for it, within its timeout). To a deployment it is away. Jobs that a runner takes from a
/// queue by itself go on. A drain outlives a restart of the daemon.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd drain web1 --reason 'a new kernel'")]
pub struct DrainArguments {
    #[command(flatten)]
    of: NodeArguments,
}

/// Let a drained node get jobs again: what waits for it starts
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd undrain web1")]
pub struct UndrainArguments {
    #[command(flatten)]
    of: NodeArguments,
}

/// Carries it out.
#[must_use]
pub fn drain(arguments: &DrainArguments) -> CommandOutput {
    let node = &arguments.of.node;
    arguments.of.act("drain", |_| format!("{node} is drained; `heraldd undrain {node}` ends that"))
}

/// Carries it out.
#[must_use]
pub fn undrain(arguments: &UndrainArguments) -> CommandOutput {
    let node = &arguments.of.node;
    arguments.of.act("resume", |drain| match drain {
        Value::Null => format!("{node} was not drained"),
        _ => format!("{node} gets jobs again"),
    })
}

impl NodeArguments {
    fn act(&self, act: &str, done: impl FnOnce(&Value) -> String) -> CommandOutput {
        let path = self.reason.put(format!("/v1/nodes/{}/{act}", step(&self.node)));
        match self.daemon.ask(Method::POST, &path, None) {
            Ok(answer) if self.json => CommandOutput::good(answer.to_string()),
            Ok(answer) => CommandOutput::good(done(&answer)),
            Err(failure) => failure,
        }
    }
}

/// The lines of `heraldd status` about drained nodes.
pub(super) fn status_lines(nodes: &[model::NodeResource], now: Timestamp) -> Vec<String> {
    let line = |drain: &model::DrainResource| {
        let (since, by) = (human_time::ago_of(&drain.since, now), drain.by.by_whom());
        format!("drained        node {}, {since}{by}", drain.node)
    };
    nodes.iter().filter_map(|node| node.drained.as_ref()).map(line).collect()
}
