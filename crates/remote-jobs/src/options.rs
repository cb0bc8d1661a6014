//! The options of `http_remote`.

use std::path::PathBuf;
use std::time::Duration;

use herald_core::context::Context;
use herald_core::problem::near_miss;
use herald_core::spec::{CheckError, OptionKind, OptionSpec, Options, PathUse};
use herald_core::trigger::ComponentError;
use herald_core::unit::{self, UnitError};
use herald_queue_jobs::{QueueConnection, QueueConnections};
use herald_remote::{
    ConfiguredNode, NodeRunner, Nodes, OwnNode, Protocol, RemoteSettings, RolloutStrategy, RunnerAddress,
};
use herald_wire::secret::Secrets;
use serde::Deserialize as _;
use serde_json::Value;

use crate::runner_address::runner_address;

/// `silence`, in seconds, where neither it nor `rejoin` is given.
const SILENCE: u64 = 40;
/// Shorter than this, `silence` would take every busy machine for one that hangs.
const LEAST_SILENCE: Duration = Duration::from_secs(1);

/// All options, in the order in which they are documented.
#[must_use]
pub fn specs() -> Vec<OptionSpec> {
    vec![
        OptionSpec::new(
            "host",
            OptionKind::Url,
            "The runner's URL; its path is kept, redirects are not followed. In its place `nodes` or `tags` name several.",
        ),
        herald_tls_options::client_option(),
        OptionSpec::new(
            "secret",
            OptionKind::Secrets,
            "The runner's secret, at least 16 bytes, with `host`. Of a list all are accepted in answers, and the first one signs.",
        )
        .check(check_secret),
        OptionSpec::new("nodes", OptionKind::Texts, "The nodes of `node` on which each job runs."),
        OptionSpec::new("tags", OptionKind::Texts, "The same by tag: every node that bears one of these."),
        strategy_option(),
        via_option(),
        OptionSpec::new("topic", OptionKind::Text, "With `via`: what the runners read."),
        OptionSpec::new(
            "data_dir",
            OptionKind::FilePath,
            "Result files are stored here as `<job_id>/<name>/<filename>`, those of `nodes` and `tags` as \
             `<job_id>/<node>/<name>/<filename>`: the files that a job names in the JSON object on its standard output, \
             as `file: {NAME: PATH}`. While a job on several nodes runs, also which of them got it. Default: `$STATE_DIRECTORY/data`, else \
             `/var/lib/heraldd/data` for root, else `$XDG_STATE_HOME/heraldd/data` (`~/.local/state`). Nothing removes them: a job \
             of your own has to, such as `find /var/lib/heraldd/data -mindepth 1 -mtime +90 -delete`.",
        )
        .used_as(PathUse::Folder),
        OptionSpec::new(
            "timeout",
            OptionKind::Duration,
            "For the whole job, its files included; after it the runner is asked to stop the job. A `timeout` in \
             `job_param` counts on the runner.",
        )
        .default("24h"),
        wire_option(),
        OptionSpec::new("connect_timeout", OptionKind::Duration, "For making a connection.").default("10s"),
        OptionSpec::new(
            "rejoin",
            OptionKind::Duration,
            "How long a broken connection to a running job is tried to be made again before the job counts as lost \
             (version 2).",
        )
        .default("15s"),
        OptionSpec::new(
            "silence",
            OptionKind::Duration,
            "How long no signed answer may come from the runner of a job (version 2). The runner is asked every third of this \
             time. After it the job is looked for once more, for another third, and is then lost: a runner that hangs \
             holds no place. At least 1 s. Default: 40s, or `rejoin` where that is longer.",
        ),
        OptionSpec::new(
            "max_files_size",
            OptionKind::Size,
            "The most bytes that the files of one job may have together; without it the disk is the bound.",
        ),
    ]
}

/// Several runners.
pub(crate) struct RolloutOptions {
    /// In the order in which they get the job.
    pub(crate) nodes: Vec<NodeRunner>,
    pub(crate) strategy: RolloutStrategy,
    /// Which of them this is.
    pub(crate) own: Option<String>,
}

/// Where jobs go.
pub(crate) enum Targets {
    One(RunnerAddress),
    Many(RolloutOptions),
    Queue(ViaOptions),
}

/// The runners that read a topic of a queue.
pub(crate) struct ViaOptions {
    pub(crate) connection: QueueConnection,
    pub(crate) topic: String,
}

/// The options, read.
pub(crate) struct RemoteOptions {
    pub(crate) settings: RemoteSettings,
    pub(crate) targets: Targets,
}

impl RemoteOptions {
    /// Reads them.
    pub(crate) fn of(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
        let bad = |name: &'static str| move |why: UnitError| ComponentError::of_option(name, why);
        let time = |name: &'static str, default: u64| match given(name) {
            Some(value) => unit::duration(value).map_err(bad(name)),
            None => Ok(Duration::from_secs(default)),
        };
        let data_dir = match given("data_dir").and_then(Value::as_str) {
            Some(path) => PathBuf::from(path),
            None => default_data_dir().ok_or_else(|| {
                let what = "there is neither $STATE_DIRECTORY nor a home directory; name a folder";
                ComponentError::of_option("data_dir", what)
            })?,
        };
        let rejoin = time("rejoin", 15)?;
        let silence = time("silence", rejoin.as_secs().max(SILENCE))?;
        if silence < LEAST_SILENCE {
            return Err(ComponentError::of_option("silence", "it must be at least 1 s"));
        }
        let settings = RemoteSettings {
            data_dir: std::path::absolute(&data_dir)
                .map_err(|error| ComponentError::of_option("data_dir", error))?,
            timeout: time("timeout", 24 * 3600)?,
            protocol: match given("wire").and_then(Value::as_u64) {
                Some(1) => Protocol::V1,
                _ => Protocol::V2,
            },
            connect_timeout: time("connect_timeout", 10)?,
            rejoin,
            silence,
            max_files_size: given("max_files_size")
                .map(unit::size)
                .transpose()
                .map_err(bad("max_files_size"))?,
        };
        Ok(Self { settings, targets: targets(options, context)? })
    }
}

/// Where jobs go: exactly one of `host`, `nodes` and `tags` says it.
fn targets(options: &Options, context: &Context) -> Result<Targets, ComponentError> {
    let given = |name: &str| options.0.get(name).filter(|value| !value.is_null());
    let wrong = |option: &str, why: String| Err(ComponentError::of_option(option, why));
    let ways: Vec<&str> =
        ["host", "nodes", "tags", "via"].into_iter().filter(|name| given(name).is_some()).collect();
    let way = match ways.as_slice() {
        [one] => *one,
        [] => {
            let what =
                "name where jobs run: `host` with `secret`, or `nodes`, or `tags`, or `via` with `topic`";
            return Err(ComponentError::new(what));
        }
        [first, second, ..] => {
            return wrong(second, format!("jobs run where `{first}` says; give one of them"));
        }
    };
    if way == "via" {
        if let Some(name) = ["secret", "tls", "strategy"].into_iter().find(|name| given(name).is_some()) {
            return wrong(name, "it has no effect with `via`".to_owned());
        }
        let text = |name: &str| given(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let connection = QueueConnections::named_by(context, "via", &text("via"))?;
        return match text("topic") {
            topic if topic.is_empty() => {
                Err(ComponentError::new("the option `topic` is missing: what the runners read"))
            }
            topic => Ok(Targets::Queue(ViaOptions { connection, topic })),
        };
    }
    if given("topic").is_some() {
        return wrong("topic", "it is for `via`".to_owned());
    }
    if way == "host" {
        if given("strategy").is_some() {
            return wrong("strategy", "it is for `nodes` and `tags`".to_owned());
        }
        if given("secret").is_none() {
            return Err(ComponentError::new("the option `secret` is missing"));
        }
        return Ok(Targets::One(runner_address(&options.0)?));
    }
    if let Some(name) = ["secret", "tls"].into_iter().find(|name| given(name).is_some()) {
        return wrong(name, "every node has its own, under `node`".to_owned());
    }
    let all = context.get::<Nodes>().unwrap_or_default();
    let wanted = texts(given(way));
    let nodes = if way == "nodes" { named(&wanted, &all)? } else { tagged(&wanted, &all)? };
    for (n, NodeRunner { name, address }) in nodes.iter().enumerate() {
        let same = |other: &&NodeRunner| other.address.url == address.url;
        if let Some(other) = nodes.iter().take(n).find(same) {
            return wrong(way, format!("{} and {name} are the same runner, {}", other.name, address.url));
        }
    }
    let strategy = given("strategy")
        .map(RolloutStrategy::deserialize)
        .transpose()
        .map_err(|error| ComponentError::of_option("strategy", error))?;
    let own = context.get::<OwnNode>().map(|own| own.0.clone());
    Ok(Targets::Many(RolloutOptions { nodes, strategy: strategy.unwrap_or_default(), own }))
}

fn texts(given: Option<&Value>) -> Vec<&str> {
    match given {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn named(names: &[&str], all: &Nodes) -> Result<Vec<NodeRunner>, ComponentError> {
    if names.is_empty() {
        return Err(ComponentError::of_option("nodes", "the list is empty"));
    }
    let unknown: Vec<&str> = names.iter().filter(|name| all.get(name).is_none()).copied().collect();
    if !unknown.is_empty() {
        let meant = unknown.iter().find_map(|name| near_miss(name, all.0.iter().map(|node| &*node.name)));
        let advice =
            meant.map_or("add it under `node`".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
        let unknown = unknown.join("\", \"");
        return Err(ComponentError::of_option("nodes", format!("there is no node \"{unknown}\"; {advice}")));
    }
    Ok(names.iter().filter_map(|name| all.get(name)).map(node_runner).collect())
}

fn tagged(tags: &[&str], all: &Nodes) -> Result<Vec<NodeRunner>, ComponentError> {
    let unknown: Vec<&str> = tags.iter().filter(|tag| all.tagged(tag).next().is_none()).copied().collect();
    if !unknown.is_empty() {
        let unknown = unknown.join("\", \"");
        let what = format!("no node bears the tag \"{unknown}\"; see `tags` under `node`");
        return Err(ComponentError::of_option("tags", what));
    }
    let wanted = all.0.iter().filter(|node| node.tags.iter().any(|tag| tags.contains(&&**tag)));
    Ok(wanted.map(node_runner).collect())
}

fn node_runner(node: &ConfiguredNode) -> NodeRunner {
    NodeRunner { name: node.name.clone(), address: node.runner.clone() }
}

/// The option `via`.
fn via_option() -> OptionSpec {
    OptionSpec::new(
        "via",
        OptionKind::Text,
        "The name of a queue under `queue`: jobs go to the herald-runners that read `topic` there (their option `queue`), \
             each to one of them, and no runner needs an open port. Result files of up to 8 MiB each come back.",
    )
}

/// The option `wire`.
fn wire_option() -> OptionSpec {
    OptionSpec::new(
        "wire",
        OptionKind::Integer { min: 1, max: 2 },
        "The version of the wire: 2 signs requests and answers; 1 speaks to the runner of the Go original.",
    )
    .default(2)
}

/// The option `strategy`.
fn strategy_option() -> OptionSpec {
    let new = OptionSpec::new;
    let count = |min| OptionKind::Integer { min, max: 100_000 };
    let fields = vec![
        new("max_parallel", count(1), "On how many nodes a job runs at once. Default: on all."),
        new("canary", count(0), "On how many nodes it must succeed before the others get it.").default(0),
        new("stop_on_failure", OptionKind::Boolean, "Whether no further node gets it once it has failed on one.").default(false),
        new(
            "offline",
            OptionKind::OneOf(&["fail", "skip", "wait"]),
            "A node that is offline: the job fails there, is not run there, or waits for it within its `timeout`. On one that \
             is not trusted, or does not trust us, it always fails. On one that is drained it is not run, or waits for \
             it with `wait`.",
        )
        .default("fail"),
    ];
    new(
        "strategy",
        OptionKind::Fields(fields),
        "How a job goes to several nodes; another attempt, to those that remain.",
    )
}

/// Where result files are stored unless `data_dir` says it; none where no folder is known.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(state) = set("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next()) {
        return Some(state.join("data"));
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/heraldd/data"));
    }
    let state = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    state.map(|state| state.join("heraldd/data"))
}

fn check_secret(value: &Value) -> Result<(), CheckError> {
    Secrets::of_value(value).map(drop).map_err(|error| CheckError::plain(error.to_string()))
}
