//! `herald-runner check --probe`: whether what a valid configuration needs can be had on this machine, now.

use herald_config::problem::{Path, Severity};
use herald_config::spec::PathUse;
use herald_net::listen::not_free;

use crate::config::RunnerConfig;

/// What was found, as text for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RunnerProbe {
    /// What could not be had and what is doubtful, one after the other.
    pub texts: Vec<String>,
    /// How much could not be had.
    pub problems: usize,
}

/// Tries everything. Blocks.
#[must_use]
pub fn probe(config: &RunnerConfig) -> RunnerProbe {
    let port = config.listen.tcp.as_ref().and_then(|(host, port)| not_free(host, *port));
    let default = default_work_dir(config);
    let missing = config.probed.iter().filter(|found| found.severity == Severity::ProbeError).count();
    let at_place = config.probed.iter().map(|found| found.to_string().trim_end().to_owned());
    RunnerProbe {
        problems: missing + default.len() + usize::from(port.is_some()),
        texts: at_place.chain(default).chain(port.map(|why| format!("probe: {why}"))).collect(),
    }
}

/// What is wrong with the `work_dir` where none is written: it has no place in the file.
fn default_work_dir(config: &RunnerConfig) -> Vec<String> {
    let found = PathUse::OwnFolder.problems(&config.work_dir, &Path::top().key("work_dir"));
    let is_located = |message: &str| config.probed.iter().any(|known| known.to_string().contains(message));
    let found = found.into_iter().filter(|problem| !is_located(&problem.message));
    found.map(|problem| format!("probe: {problem}")).collect()
}
