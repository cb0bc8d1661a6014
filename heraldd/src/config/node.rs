//! The section `node`: the servers of a fleet.

use herald_core::problem::{Path, Problem, kind_of, near_miss};
use herald_core::spec::{Description, OptionKind, OptionSpec};
use herald_runner::config::check_secret;
use serde_json::{Map, Value};

use super::section::{Invalid, References, Section, SectionReader, Shape};
use crate::tls;

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

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Map<String, Value>, Invalid> {
    let at = Path::top().key("node");
    let given = match reading.given("node") {
        None => Map::new(),
        Some(Value::Object(given)) => given.clone(),
        Some(other) => {
            let message = format!("expected a map of nodes by name, found {}", kind_of(other));
            return Err(reading.wrong(Problem::error(at, message)));
        }
    };
    let nodes: Vec<_> = given.iter().map(|(name, body)| (name, one(reading, name, body, &at))).collect();
    if let Some(id) = reading.id.filter(|id| !given.contains_key(*id)) {
        let message = format!("there is no node \"{id}\", and -id says that this is it");
        let problem = Problem::error(at, message);
        return Err(reading.wrong(match near_miss(id, given.keys().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean -id {meant}?")),
            None => problem.help("add it under `node`, or name one that is there"),
        }));
    }
    // The own node counts for the runner even where another one is wrong.
    let own = nodes.iter().find(|(name, _)| Some(name.as_str()) == reading.id);
    reading.own_node = own.and_then(|(_, node)| node.as_ref().ok().cloned());
    nodes.into_iter().map(|(name, node)| Ok((name.clone(), node?))).collect()
}

fn one(reading: &mut SectionReader<'_, '_>, name: &str, body: &Value, at: &Path) -> Result<Value, Invalid> {
    let at = at.key(name);
    let Value::Object(body) = body else {
        let message = format!("expected a map with host and secret, found {}", kind_of(body));
        let help = "write  NAME: {host: https://…, secret: …}";
        return Err(reading.wrong(Problem::error(at, message).help(help)));
    };
    let named = herald_wire::name::check(name).map_err(|why| {
        let message = format!("a node cannot be called that: {why}");
        reading.wrong(Problem::error(at.clone(), message).at_key())
    });
    let options = reading.options(&description(), body, &at)?;
    named.map(|()| Value::Object(options.0))
}
