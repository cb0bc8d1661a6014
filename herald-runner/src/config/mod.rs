//! The runner's configuration. Everything that is wrong is found before anything starts, and reported at once.

mod job;
mod model;
mod options;
mod queue;
mod tls;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;

use herald_config::file::{self, ConfigurationFile, ReadError};
use herald_config::flat::{self, Checked};
use herald_config::problem::{Path as ProblemPath, Problem};
use herald_config::yaml::Problems;

pub use job::{JobOptions, job_options};
pub use model::{Listen, REQUEST_TIMEOUT, RunnerConfig};
pub use options::{PORT, check_secret, description, section};
pub use queue::{RunnerQueue, queue_options, queue_settings};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read, or is not YAML.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// Its options are wrong: every problem at its place.
    #[error("{0}")]
    Options(#[from] Problems),
}

impl LoadError {
    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        match self {
            Self::Read(ReadError::Yaml(problems)) | Self::Options(problems) => problems.errors(),
            Self::Read(_) => 1,
        }
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Every problem, at once.
pub fn load(path: &Path) -> Result<RunnerConfig, LoadError> {
    Ok(check(file::read(path)?, &|name| std::env::var_os(name))?)
}

/// The JSON Schema (draft 2020-12) of the file.
#[must_use]
pub fn schema() -> serde_json::Value {
    // One that takes jobs from a queue needs no secret, and a schema of either must accept both.
    let mut schema = options::with_queue().schema();
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.shift_remove("type");
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "The configuration of herald-runner".into();
    schema
}

/// Sections of heraldd that no file of a runner has.
const OF_HERALDD: [&str; 4] = ["router", "trigger", "selector", "executor"];

/// Whether it is a file for herald-runner.
fn of_runner(file: &ConfigurationFile) -> Result<(), Problems> {
    let mut keys = file.document.value().as_object().into_iter().flat_map(|top| top.keys());
    let Some(key) = keys.find(|key| OF_HERALDD.contains(&key.as_str())) else { return Ok(()) };
    let what =
        format!("`{key}` is a section of heraldd, and herald-runner has none: this is a file for heraldd");
    let problem = Problem::error(ProblemPath::top().key(key), what).at_key();
    Err(file.document.report(&[problem.help("write  heraldd check FILE;  a runner has  port: …, secret: …")]))
}

/// Checks what a file holds; `variable` gives the value of an environment variable.
///
/// # Errors
/// Every problem, at once.
pub fn check(
    file: ConfigurationFile,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<RunnerConfig, Problems> {
    of_runner(&file)?;
    let takes_from_queue = file.document.value().get("queue").is_some();
    let description = if takes_from_queue { options::with_queue() } else { description() };
    let Checked { value, warnings, probed } = flat::check(file, &description, RunnerConfig::of, variable)?;
    let warnings = warnings.iter().map(|warning| warning.to_string().trim_end().to_owned()).collect();
    Ok(RunnerConfig { warnings, probed, ..value })
}
