//! The section `runner`: makes the daemon a runner, too. Its options are those of herald-runner.

use herald_core::problem::{Path, Problem, kind_of};
use herald_core::spec::Description;
use herald_runner::config::{PORT, RunnerConfig};
use reqwest::Url;
use serde_json::{Map, Value};

use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "runner",
    holds: "makes the daemon a runner, too",
    references: References::Everywhere,
    shape: Shape::Options(description),
};

fn description() -> Description {
    herald_runner::config::section(
        "Makes this daemon a runner, too. With `-id NAME`, what is not given here is taken from the own entry under \
         `node`: the secret, and host and port of its URL.",
        "/var/lib/heraldd/runner",
    )
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Option<RunnerConfig>, Invalid> {
    let at = Path::top().key("runner");
    let given = match reading.top.get("runner") {
        None => return Ok(None),
        Some(Value::Null) => Map::new(),
        Some(Value::Object(given)) => given.clone(),
        Some(other) => {
            let message = format!("expected a map, found {}", kind_of(other));
            return Err(reading.wrong(Problem::error(at, message)));
        }
    };
    let description = description();
    let mut given = reading.resolver.typed(&description, &given, &at);
    if let Some(own) = &reading.own_node {
        take_from_own_node(&mut given, own);
    }
    let has_secret = given.contains_key("secret");
    // What is wrong with -id, or with the own node, is reported there.
    if !has_secret && reading.id.is_none() {
        let help = "write  runner: {secret: …}, or start with -id NAME to take that of the own node";
        reading.wrong(Problem::error(at.clone(), "the runner has no secret").at_key().help(help));
    }
    let options = reading.check(&description, &given, &at)?;
    if !has_secret {
        return Err(Invalid);
    }
    RunnerConfig::of(&options).map(Some).map_err(|error| reading.wrong(error.problem(&options.0, &at)))
}

/// What the section does not say is as the own node has it.
fn take_from_own_node(given: &mut Map<String, Value>, own: &Map<String, Value>) {
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
