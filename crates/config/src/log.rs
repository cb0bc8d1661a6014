//! The options of a log that daemon and runner share: how important its lines are, and what they look like.

use serde::Deserialize;
use serde_json::Value;

use crate::problem::near_miss;
use crate::spec::{CheckError, OptionKind, OptionSpec};

const NAMES: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The least important lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// What deserves a look.
    Warn,
    /// Every job.
    Info,
    /// Every request.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// By its name, in small or large letters.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "off" => Some(Self::Off),
            "error" => Some(Self::Error),
            "warn" | "warning" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// The option for the level, under this name.
#[must_use]
pub fn level_option(name: &str) -> OptionSpec {
    OptionSpec::new(
        name,
        OptionKind::Text,
        "The least important lines that are written: off, error, warn, info, debug or trace, in small or large \
         letters.",
    )
    .default("info")
    .check(check_level)
}

/// The option for the format, under this name.
#[must_use]
pub fn format_option(name: &str) -> OptionSpec {
    OptionSpec::new(
        name,
        OptionKind::OneOf(&["text", "json"]),
        "`text` for people, or `json` with one object a line.",
    )
    .default("text")
}

fn check_level(value: &Value) -> Result<(), CheckError> {
    let given = value.as_str().unwrap_or("");
    if LogLevel::named(given).is_some() {
        return Ok(());
    }
    let known = NAMES.join(", ");
    Err(CheckError::new(match near_miss(&given.to_ascii_lowercase(), NAMES) {
        Some(meant) => format!("unknown level; did you mean \"{meant}\"?"),
        None => format!("unknown level; expected one of: {known}"),
    }))
}
