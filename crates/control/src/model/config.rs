//! The running configuration, and its file now.

use herald_config::problem::Severity;
use herald_config::yaml::LocatedProblem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The running configuration, and what is wrong with its file now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Configuration)]
pub struct ConfigResource {
    /// Its files: the main one, then those that it includes.
    pub files: Vec<String>,
    /// Whether what the files say now differs from what runs, but for comments and layout.
    pub differs: bool,
    /// Whether a reload would accept the files as they are now.
    pub is_valid: bool,
    /// How many errors and warnings there are in the files now.
    pub problem_count: u64,
    /// Those, for an admin: they may quote what is written. At most 100.
    pub problems: Vec<ConfigProblem>,
    /// What runs: its sections, and the entries of those that name things. Secrets read `***`, and references such as
    /// `${env:NAME}` are shown as they are written.
    pub entries: Vec<ConfigEntry>,
    /// Gives the next page of entries, if there are more.
    pub next_cursor: Option<String>,
}

/// An entry of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConfigEntry {
    /// Its section.
    pub section: String,
    /// Its name; null for a section that names nothing.
    pub name: Option<String>,
    /// The file in which it is written.
    pub file: String,
    /// Its line there when it was loaded, from 1.
    pub line: u64,
    /// What it says.
    pub value: Value,
}

/// A problem of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigProblem {
    /// `error` or `warning`.
    pub severity: String,
    /// The file; null where it concerns no place.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The character of that line, from 1.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl ConfigProblem {
    /// `file:line:column: what is wrong`.
    #[must_use]
    pub fn placed_message(&self) -> String {
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: {}", self.message),
            _ => self.message.clone(),
        }
    }
}

impl From<&LocatedProblem> for ConfigProblem {
    fn from(found: &LocatedProblem) -> Self {
        let severity = match found.severity {
            Severity::Error | Severity::ProbeError => "error",
            Severity::Warning | Severity::ProbeWarning => "warning",
        };
        Self {
            severity: severity.to_owned(),
            file: Some(found.file.clone()),
            line: Some(found.line as u64),
            column: Some(found.column as u64),
            message: found.message.clone(),
            help: found.help.clone(),
        }
    }
}
