//! The options of an executor `queue`.

use std::time::Duration;

use herald_core::context::Context;
use herald_core::spec::{OptionKind, OptionSpec};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_queue::WhenOffline;
use herald_remote::Nodes;
use serde::Deserialize;
use serde_json::Value;

use crate::connections::queue_option;

/// How long a message waits before it is pushed again into a list that was full.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// How long the id of a message is remembered after its end.
pub(super) const MARKER_TTL: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum WaitFor {
    Accepted,
    Result,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum PutForm {
    Stream,
    List,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Offline {
    Wait,
    Fail,
}

#[derive(Debug, Deserialize)]
pub(super) struct QueueExecutorOptions {
    pub(super) queue: String,
    pub(super) topic: String,
    pub(super) wait: WaitFor,
    pub(super) max_length: u64,
    offline: Offline,
    pub(super) wire: PutForm,
    #[serde(default)]
    nodes: Value,
    #[serde(default)]
    tags: Value,
}

impl QueueExecutorOptions {
    pub(super) fn offline(&self) -> WhenOffline {
        match self.offline {
            Offline::Wait => WhenOffline::Wait,
            Offline::Fail => WhenOffline::Fail,
        }
    }

    /// The nodes that must answer; none where the first answer is enough.
    pub(super) fn nodes(&self, context: &Context) -> Result<Vec<String>, ComponentError> {
        let (mut nodes, tags) = (texts(&self.nodes), texts(&self.tags));
        if (!nodes.is_empty() || !tags.is_empty()) && self.wait == WaitFor::Accepted {
            let option = if nodes.is_empty() { "tags" } else { "nodes" };
            return Err(ComponentError::of_option(
                option,
                "it names who must answer, and needs `wait: result`",
            ));
        }
        if self.wait == WaitFor::Result && self.wire == PutForm::List {
            return Err(ComponentError::of_option(
                "wait",
                "a plain list (`wire: list`) brings no results back",
            ));
        }
        let all = context.get::<Nodes>().unwrap_or_default();
        for tag in &tags {
            let tagged: Vec<String> =
                all.0.iter().filter(|node| node.tags.contains(tag)).map(|node| node.name.clone()).collect();
            if tagged.is_empty() {
                let wrong = format!("no node under `node` has the tag \"{tag}\"");
                return Err(ComponentError::of_option("tags", wrong));
            }
            nodes.extend(tagged);
        }
        nodes.sort_unstable();
        nodes.dedup();
        Ok(nodes)
    }
}

fn texts(given: &Value) -> Vec<String> {
    match given {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn specs() -> [OptionSpec; 8] {
    let new = OptionSpec::new;
    [
        queue_option(),
        new("topic", OptionKind::Text, "What the workers read. With `wire: list`: the key of the list.").required(),
        new(
            "wait",
            OptionKind::OneOf(&["accepted", "result"]),
            "When the job ends: once the queue has the message (`accepted`), or as the jobs of the worker ended \
             (`result`); then the result is at `node/NAME` of the worker. Where Redis lost the message and it was put again, \
             or another server took over while it waited, `put_again` is true there: a worker that Redis forgot may \
             have run it, too.",
        )
        .default("accepted"),
        new(
            "max_length",
            OptionKind::Integer { min: 1, max: 100_000_000 },
            "How many unfinished messages the topic may hold; further ones wait here.",
        )
        .default(100_000),
        new(
            "offline",
            OptionKind::OneOf(&["wait", "fail"]),
            "What happens to the job while the queue cannot be reached.",
        )
        .default("wait"),
        new(
            "nodes",
            OptionKind::Texts,
            "With `wait: result`, for workers with `mode: every`: the names of the nodes that must answer. Default: \
             the first answer is the result.",
        ),
        new("tags", OptionKind::Texts, "The same by tag: every node under `node` with one of these."),
        new(
            "wire",
            OptionKind::OneOf(&["stream", "list"]),
            "`list`: a plain Redis list, as go_git_webhooks uses it. Such messages are not signed: anyone who \
             reaches Redis can put some.",
        )
        .default("stream"),
    ]
}

/// What is read from `job_param`.
pub(super) fn params() -> [OptionSpec; 5] {
    let new = OptionSpec::new;
    [
        new(
            "message",
            OptionKind::Any,
            "What the workers get as `trigger_param`: a map. Default: the `trigger_param` of this job.",
        )
        .takes("map"),
        new(
            "key",
            OptionKind::Any,
            "Messages with the same key run one at a time, and in the order in which their events were accepted, over all \
             workers.",
        )
        .takes("text or number"),
        new("delay", OptionKind::Any, "How long no worker gets it: a duration, or 0.")
            .takes("duration or 0")
            .check(|delay| unit::duration_or_zero(delay).map(drop)),
        new(
            "max_age",
            OptionKind::Duration,
            "How long it may wait; when it is older, it becomes a dead letter.",
        ),
        new(
            "seal",
            OptionKind::Boolean,
            "Encrypt the message in Redis. A message that holds a secret of the configuration is always encrypted.",
        ),
    ]
}
