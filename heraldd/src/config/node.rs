//! The section `node`: the servers of a fleet.

use herald_base::near_miss::expected;
use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{Description, OptionKind, OptionSpec};
use herald_core::trigger::ComponentError;
use herald_runner::config::check_secret;
use serde_json::{Map, Value};

use herald_remote::{ConfiguredNode, Nodes};
use herald_remote_jobs::runner_address;
use herald_sections::{Invalid, NamedOptions, References, Section, SectionReader, Shape};
use herald_tls_options as tls;

pub(super) const SECTION: Section = Section {
    name: "node",
    holds: "the servers of a fleet: `NAME: {host: URL, secret: SECRET, tags: [TAG, …]}`",
    references: References::Everywhere,
    shape: Shape::Named(description),
};

fn description() -> Description {
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
        .doubts(tls::client_doubts)
}

/// What is said of the section.
const NAMED: NamedOptions = NamedOptions {
    section: "node",
    things: "nodes",
    needs: "host and secret",
    example: "{host: https://…, secret: …}",
};

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Nodes, Invalid> {
    let nodes = reading.named(&NAMED, one);
    let given = match reading.given("node") {
        None => &Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => return nodes.map(Nodes),
    };
    // With queues alone, a node is no more than a name.
    let is_name_only = given.is_empty() && reading.given("queue").is_some();
    if let Some(id) = reading.id.filter(|id| !given.contains_key(*id) && !is_name_only) {
        let at = Path::top().key("node");
        let problem = Problem::error(at, format!("-id {id}: there is no node \"{id}\" under `node`"));
        return Err(reading.wrong(match given.is_empty() {
            true => problem.help(format!("add it:  node: {{{id}: {{host: https://…, secret: …}}}}")),
            false => problem.help(expected(id, given.keys().map(String::as_str))),
        }));
    }
    nodes.map(Nodes)
}

fn one(
    reading: &mut SectionReader<'_, '_>,
    name: &str,
    body: &Params,
    at: &Path,
) -> Result<ConfiguredNode, Invalid> {
    let named = herald_wire::name::check(name).map_err(|why| {
        let message = format!("a node cannot be called that: {why}");
        reading.wrong(Problem::error(at.clone(), message).at_key())
    });
    let options = reading.options(&description(), body, at)?;
    named?;
    // The own node counts for the runner even where another one is wrong.
    if reading.id == Some(name) {
        reading.own_node = Some(options.0.clone());
    }
    of(name, &options.0).map_err(|error| reading.wrong(error.problem(&options.0, at)))
}

/// A node of these options, which are checked already.
pub(super) fn of(name: &str, options: &Map<String, Value>) -> Result<ConfiguredNode, ComponentError> {
    let runner = runner_address(options)?;
    Ok(ConfiguredNode { name: name.to_owned(), runner, tags: tags(options.get("tags")) })
}

/// A tag, or a list of them.
pub(super) fn tags(given: Option<&Value>) -> Vec<String> {
    match given {
        Some(Value::String(tag)) => vec![tag.clone()],
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
