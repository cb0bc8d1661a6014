//! The sections of a fleet: `node`, `runner`, `heartbeat`, and which node this is (`-id`).

use std::time::Duration;

use herald_core::problem::{Path, Problem, Severity, kind_of, near_miss};
use herald_core::spec::{Complaint, Description, OptionKind, OptionSpec, Options};
use herald_core::unit;
use herald_wire::secret::Secrets;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::tls;

/// How often every node is asked, unless told.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The port of a runner.
const PORT: u16 = 8124;

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
    /// The runner that this daemon is as well: its configuration, with the defaults filled in. Holds secrets.
    pub runner: Option<Map<String, Value>>,
}

/// A node.
pub(super) fn node_description() -> Description {
    let new = OptionSpec::new;
    Description::new("node", "A server of the fleet: its runner.")
        .option(new("host", OptionKind::Url, "The URL of its runner.").required())
        .option(
            new(
                "secret",
                OptionKind::Secrets,
                "The runner's secret, at least 16 bytes; of a list the first one signs.",
            )
            .required()
            .check(check_secret),
        )
        .option(new("tags", OptionKind::Texts, "What it is for: executors may name tags instead of nodes."))
        .option(tls::client_option())
}

/// Whether it can be the secret of a runner, or a list of such.
fn check_secret(secret: &Value) -> Result<(), Complaint> {
    Secrets::of_value(secret).map(drop).map_err(|error| Complaint::plain(error.to_string()))
}

/// The runner in the daemon: the keys that mean the same as in the configuration of a herald-runner.
pub(super) fn runner_description() -> Description {
    let new = OptionSpec::new;
    Description::new(
        "runner",
        "Makes this daemon a runner, too. With `-id`, what is not given here is taken from the own entry under `node`: the \
         secret, and the port of its URL.",
    )
    .option(new("host", OptionKind::Text, "The address to listen on. Default: `127.0.0.1`; with `-id`, the host of the own URL."))
    .option(new("port", OptionKind::Integer { min: 0, max: 65_535 }, "The port. Default: 8124; with `-id`, that of the own URL."))
    .option(tls::listener_option())
    .option(new("unix_socket", OptionKind::FilePath, "A unix socket to listen on."))
    .option(new("secret", OptionKind::Secrets, "The secret of those who send jobs, at least 16 bytes, or a list of those that count."))
    .option(new("work_dir", OptionKind::FilePath, "Where jobs run.").default("/var/lib/heraldd/runner"))
    .option(new("allow_v1", OptionKind::Boolean, "Whether the Go original may send jobs.").default(false))
    .option(new("max_jobs", OptionKind::Integer { min: 1, max: 10_000 }, "How many jobs run at once.").default(64))
    .option(new("output_limit", OptionKind::Size, "How much is kept of each output stream of a job.").default("1MiB"))
    .option(new("keep_results", OptionKind::Duration, "How long a result can be asked for again.").default("1h"))
    .option(new("shutdown_grace", OptionKind::Duration, "How long running jobs may go on at the end.").default("30s"))
}

/// The scalar setting.
pub(super) fn heartbeat_option() -> OptionSpec {
    OptionSpec::new("heartbeat", OptionKind::Duration, "How often every node of `node` is asked how it is.")
        .default("15s")
}

/// Reads the sections; `None` when there are problems.
pub(super) fn read(
    top: &Map<String, Value>,
    id: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<FleetSettings> {
    let errors =
        |problems: &[Problem]| problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let before = errors(problems);
    let nodes = nodes(top.get("node"), problems);
    if let Some(id) = id.filter(|id| !nodes.contains_key(*id)) {
        let problem = Problem::error(
            Path::top().key("node"),
            format!("there is no node \"{id}\", and -id says that this is it"),
        );
        problems.push(match near_miss(id, nodes.keys().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean -id {meant}?")),
            None => problem.help("add it under `node`, or name one that is there"),
        });
    }
    let own = id.and_then(|id| nodes.get(id));
    let runner = runner(top.get("runner"), (id, own), problems);
    let heartbeat = top.get("heartbeat").and_then(|value| unit::duration(value).ok()).unwrap_or(HEARTBEAT);
    (errors(problems) == before).then_some(FleetSettings {
        id: id.map(str::to_owned),
        nodes,
        heartbeat,
        runner,
    })
}

/// The sections that components may read. Where something is wrong with the settings, the nodes are known all the same: one
/// that is wrong itself by its name and tags, since its mistakes are told already.
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

fn nodes(given: Option<&Value>, problems: &mut Vec<Problem>) -> Map<String, Value> {
    let at = Path::top().key("node");
    let mut nodes = Map::new();
    let given = match given {
        None | Some(Value::Null) => return nodes,
        Some(Value::Object(given)) => given,
        Some(other) => {
            problems.push(Problem::error(
                at,
                format!("expected a map of nodes by name, found {}", kind_of(other)),
            ));
            return nodes;
        }
    };
    for (name, body) in given {
        let at = at.key(name);
        let Value::Object(body) = body else {
            let message = format!("expected a map with host and secret, found {}", kind_of(body));
            problems.push(Problem::error(at, message).help("write  NAME: {host: https://…, secret: …}"));
            continue;
        };
        if let Err(why) = herald_wire::name::check(name) {
            problems
                .push(Problem::error(at.clone(), format!("a node cannot be called that: {why}")).at_key());
        }
        let (options, found) = node_description().check(body, &at);
        if found.is_empty() {
            problems.extend(doubts(tls::client_doubts, &options, &at));
        }
        problems.extend(found);
        nodes.insert(name.clone(), Value::Object(options.0));
    }
    nodes
}

/// What deserves a warning of options that are right.
fn doubts(of: fn(&Options) -> Vec<Problem>, options: &Options, at: &Path) -> Vec<Problem> {
    of(options).into_iter().map(|doubt| Problem { path: at.join(&doubt.path), ..doubt }).collect()
}

fn runner(
    given: Option<&Value>,
    (id, own): (Option<&str>, Option<&Value>),
    problems: &mut Vec<Problem>,
) -> Option<Map<String, Value>> {
    let at = Path::top().key("runner");
    let mut given = match given {
        None => return None,
        Some(Value::Null) => Map::new(),
        Some(Value::Object(given)) => given.clone(),
        Some(other) => {
            problems.push(Problem::error(at, format!("expected a map, found {}", kind_of(other))));
            return None;
        }
    };
    if let Some(own) = own {
        let url = own.get("host").and_then(Value::as_str).and_then(|host| Url::parse(host).ok());
        if let Some(url) = url {
            let host = url.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']);
            given.entry("host").or_insert_with(|| Value::from(host));
            given.entry("port").or_insert_with(|| Value::from(url.port().unwrap_or(PORT)));
        }
        if let Some(secret) = own.get("secret") {
            given.entry("secret").or_insert_with(|| secret.clone());
        }
    }
    let (options, mut found) = runner_description().check(&given, &at);
    match given.get("secret").map(check_secret) {
        // What is wrong with -id, or with the own node, is told there.
        None if id.is_some() => {}
        None => {
            let help = "write  runner: {secret: …}, or start with -id NAME to take that of the own node";
            found.push(Problem::error(at.clone(), "the runner has no secret").at_key().help(help));
        }
        Some(Err(why)) => {
            let problem = Problem::error(at.key("secret"), format!("`secret`: {}", why.message));
            found.push(if why.plain { problem.plain() } else { problem });
        }
        Some(Ok(())) => {}
    }
    let good = found.is_empty();
    problems.extend(found);
    if good {
        problems.extend(doubts(tls::listener_doubts, &options, &at));
    }
    good.then_some(options.0)
}
