//! The section `queue`: where components put messages, and receive them.

use herald_config::tls::file_doubts;
use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{Description, Options};
use herald_queue::{Durability, QueueAddress, QueueSettings};
use herald_queue_jobs::{QueueConnections, QueueNode};
use herald_runner::config::{queue_options, queue_settings};
use serde_json::{Map, Value};

use herald_sections::{Invalid, NamedOptions, References, Section, SectionReader, Shape};
use herald_tls_options::{self as tls, TlsClient};

pub(super) const SECTION: Section = Section {
    name: "queue",
    holds: "queues between servers, on Redis or Valkey: `NAME: {url: URL, sign: SECRET, password: SECRET, …}`",
    references: References::Everywhere,
    shape: Shape::Named(description),
};

fn description() -> Description {
    let description =
        Description::new("queue", "A queue between servers. Components name it with their option `queue`.");
    queue_options()
        .into_iter()
        .fold(description, Description::option)
        .option(tls::client_option())
        .doubts(doubts)
        .example("queue: {main: {url: 'redis://localhost:6379', sign: \"${env:HERALD_QUEUE_SIGN}\"}}")
}

/// What deserves a warning. Paths begin at the options.
fn doubts(options: &Options) -> Vec<Problem> {
    let client = options.0.get("tls").and_then(|tls| TlsClient::read(tls).ok());
    let mut found = client.map(|TlsClient(files)| file_doubts(files.warnings())).unwrap_or_default();
    let url = options.0.get("url").and_then(Value::as_str).unwrap_or_default();
    if QueueAddress::parse(url).is_ok_and(|address| !address.is_encrypted() && !address.is_local()) {
        let what =
            "this is another machine, and what is exchanged with it is not encrypted: messages, passwords";
        found.push(Problem::warning(Path::top().key("url"), what).help("write rediss://"));
    }
    found
}

/// What is said of the section.
const NAMED: NamedOptions = NamedOptions {
    section: "queue",
    things: "queues",
    needs: "url and sign",
    example: "{url: 'redis://localhost:6379', sign: …}",
};

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Vec<QueueSettings>, Invalid> {
    reading.named(&NAMED, one)
}

fn one(
    reading: &mut SectionReader<'_, '_>,
    name: &str,
    body: &Params,
    at: &Path,
) -> Result<QueueSettings, Invalid> {
    let options = reading.options(&description(), body, at)?;
    let settings = queue_settings(name, &options.0);
    let is_encrypted = QueueAddress::parse(&settings.url).is_ok_and(|address| address.is_encrypted());
    let tls = options.0.get("tls").filter(|tls| !tls.is_null()).and_then(|tls| TlsClient::read(tls).ok());
    if tls.is_some() && !is_encrypted {
        let problem = Problem::error(at.key("tls"), "the URL is not one with TLS, so `tls` has no effect");
        return Err(reading.wrong(problem.help("write rediss://")));
    }
    Ok(QueueSettings { tls: tls.map(|TlsClient(files)| files), ..settings })
}

/// The connections of these settings; those of `before` that are the same are kept. With wrong settings the names are
/// still known, since the problems are reported already.
pub(super) fn connections(
    read: Option<&[QueueSettings]>,
    top: &Map<String, Value>,
    before: &QueueConnections,
    node: QueueNode,
    problems: &mut Vec<Problem>,
) -> QueueConnections {
    let at = Path::top().key("queue");
    if let Some(read) = read {
        match before.updated(read, node.clone()) {
            Ok(connections) => return connections,
            Err(wrong) => problems.extend(
                wrong
                    .into_iter()
                    .filter_map(|(n, why)| Some(Problem::error(at.key(&read.get(n)?.name), why.to_string()))),
            ),
        }
    }
    let stand_in = |name: &String| QueueSettings {
        name: name.clone(),
        url: "redis://127.0.0.1".to_owned(),
        username: None,
        password: None,
        sign: vec!["0123456789abcdef".to_owned()],
        durable: Durability::Write,
        tls: None,
    };
    let written = top.get("queue").and_then(Value::as_object).into_iter().flatten();
    let names: Vec<QueueSettings> = written.map(|(name, _)| stand_in(name)).collect();
    before.updated(&names, node).unwrap_or_default()
}
