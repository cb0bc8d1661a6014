//! `heraldd check --probe`: whether what a valid configuration needs can be had on this machine, now.

use std::time::Duration;

use herald_core::problem::Severity;
use herald_core::yaml::LocatedProblem;
use herald_net::listen::not_free;
use herald_queue_jobs::QueueConnection;
use herald_store::whole_state;
use serde_json::Value;

use crate::config::{ConfiguredComponent, DaemonConfig};
use herald_projects::EtcdConnection;

/// How long a queue is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// What was found, a sentence each.
#[derive(Debug, Default)]
pub(super) struct ProbeFindings {
    /// Which values of the configuration cannot be used, at their places; errors and warnings.
    pub(super) located: Vec<LocatedProblem>,
    /// What could not be had.
    pub(super) missing: Vec<String>,
    /// What is there and must not be used as it is: the start would refuse it.
    pub(super) unfit: Vec<String>,
    /// What deserves a warning.
    pub(super) warnings: Vec<String>,
}

/// Tries everything.
pub(super) fn probe(config: &DaemonConfig) -> ProbeFindings {
    let ports = ports(config)
        .into_iter()
        .filter_map(|Listens { owner, host, port }| Some(format!("{owner}: {}", not_free(&host, port)?)));
    let state_dir = config.settings.daemon.state_dir.as_deref();
    let refused = state_dir.and_then(|folder| whole_state::check_access(folder).err());
    let refused = refused.map(|error| error.to_string()).into_iter();
    let mut found = queues(config);
    found.missing = refused.chain(ports).chain(etcds(config)).chain(found.missing).collect();
    found.located.clone_from(&config.probed);
    found
}

impl ProbeFindings {
    /// What was found at its place: what is missing, or what is doubtful.
    pub(super) fn at_place(&self, severity: Severity) -> impl Iterator<Item = &LocatedProblem> {
        self.located.iter().filter(move |found| found.severity == severity)
    }

    /// How much cannot be had or must not be used.
    pub(super) fn problems(&self) -> usize {
        self.at_place(Severity::ProbeError).count() + self.missing.len() + self.unfit.len()
    }
}

/// Why an etcd cannot be used, for each of which that is so.
fn etcds(config: &DaemonConfig) -> Vec<String> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![format!("the runtime could not be made: {error}")],
    };
    let ask = |connection: &EtcdConnection| {
        let asked = runtime.block_on(connection.client.status());
        asked.err().map(|error| format!("etcd.{}: {error}", connection.client.name()))
    };
    config.etcd.iter().filter_map(ask).collect()
}

/// How each queue is.
fn queues(config: &DaemonConfig) -> ProbeFindings {
    let mut found = ProbeFindings::default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            found.missing.push(format!("the runtime could not be made: {error}"));
            return found;
        }
    };
    for QueueConnection { queue, .. } in config.queues.iter() {
        let asked = runtime.block_on(async { tokio::time::timeout(LONGEST, queue.fitness()).await });
        match asked {
            Ok(Ok(fitness)) => {
                for finding in fitness.findings {
                    let list = if finding.is_error { &mut found.unfit } else { &mut found.warnings };
                    list.push(format!("queue.{}: {}", queue.name(), finding.text));
                }
            }
            Ok(Err(error)) => found.missing.push(error.to_string()),
            Err(_) => {
                let why = format!("queue.{}: no response within {} s", queue.name(), LONGEST.as_secs());
                found.missing.push(why);
            }
        }
    }
    found
}

/// A TCP address that something listens on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listens {
    owner: String,
    host: String,
    port: u16,
}

/// Each TCP address that the daemon will listen on. Triggers may share one.
fn ports(config: &DaemonConfig) -> Vec<Listens> {
    let mut ports: Vec<Listens> = config.triggers.iter().filter_map(of_trigger).collect();
    if let Some(api) = &config.settings.api {
        ports.push(Listens { owner: "api".to_owned(), host: api.host.clone(), port: api.port });
    }
    if let Some(page) = &config.settings.page {
        ports.push(Listens { owner: "page".to_owned(), host: page.host.clone(), port: page.port });
    }
    let of_runner = config.settings.runner.as_ref().and_then(|runner| runner.listen.tcp.clone());
    ports.extend(of_runner.map(|(host, port)| Listens { owner: "runner".to_owned(), host, port }));
    ports.sort_by(|a, b| (&a.host, a.port, &a.owner).cmp(&(&b.host, b.port, &b.owner)));
    ports.dedup_by(|second, first| (&second.host, second.port) == (&first.host, first.port));
    ports
}

fn of_trigger(trigger: &ConfiguredComponent) -> Option<Listens> {
    let option = |name: &str| trigger.options.0.get(name);
    let port = option("port")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
    let host = option("host").and_then(Value::as_str).unwrap_or("127.0.0.1").to_owned();
    let asked = option("unix_socket").is_none_or(Value::is_null);
    asked.then(|| Listens { owner: format!("trigger.{}", trigger.name), host, port })
}
