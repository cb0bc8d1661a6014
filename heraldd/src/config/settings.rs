//! The settings of the daemon itself: everything but components, presets and routers.

use std::path::PathBuf;
use std::time::Duration;

use herald_core::plan::Limits;
use herald_core::problem::{Path, Problem, near_miss};
use herald_core::spec::{Description, OptionKind, OptionSpec};
use herald_core::unit;
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use crate::state_dir;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The settings of the daemon itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `log`.
    pub log: LogSettings,
    /// Jobs that run at once.
    pub max_jobs: usize,
    /// Events and jobs that wait.
    pub max_queue: usize,
    /// The deepest chain of jobs that feed each other.
    pub max_chain_depth: u32,
    /// How long running jobs may go on at the end.
    pub shutdown_grace: Duration,
    /// Shared libraries, in the order in which they are asked.
    pub plugins: Vec<PathBuf>,
    /// Where the state is kept; none keeps everything in memory.
    pub state_dir: Option<PathBuf>,
    /// How much of the past is kept.
    pub history: HistorySettings,
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// How long a job is kept after it was made.
    pub keep: Duration,
    /// How many jobs are kept.
    pub max_jobs: u64,
}

impl Settings {
    /// The bounds that the dispatcher keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_jobs: self.max_jobs,
            max_queue: self.max_queue,
            max_chain_depth: self.max_chain_depth,
            ..Limits::default()
        }
    }
}

/// What the log looks like and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important lines that are written.
    pub level: LevelFilter,
    /// Where it goes.
    pub output: LogOutput,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

impl LogOutput {
    /// The names of the two streams are no files: whoever writes `stderr` does not want one of that name.
    fn of(output: Option<PathBuf>) -> Self {
        match output {
            None => Self::Stderr,
            Some(path) if path.as_os_str() == "stderr" => Self::Stderr,
            Some(path) if path.as_os_str() == "stdout" => Self::Stdout,
            Some(path) => Self::File(path),
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

/// The scalar settings at the top of the file.
pub(super) fn description() -> Description {
    let limits = Limits::default();
    Description::new("heraldd", "Bounds of the daemon itself.")
        .option(
            OptionSpec::new(
                "max_jobs",
                OptionKind::Integer { min: 1, max: 100_000 },
                "How many jobs run at once; further ones wait.",
            )
            .default(limits.max_jobs),
        )
        .option(
            OptionSpec::new(
                "max_queue",
                OptionKind::Integer { min: 1, max: 10_000_000 },
                "How many events and jobs wait at most; past that, triggers are held back.",
            )
            .default(limits.max_queue),
        )
        .option(
            OptionSpec::new(
                "max_chain_depth",
                OptionKind::Integer { min: 0, max: 1_000_000 },
                "How long a chain of jobs that start each other through `exe_done` may get.",
            )
            .default(limits.max_chain_depth),
        )
        .option(
            OptionSpec::new(
                "shutdown_grace",
                OptionKind::Any,
                "How long running jobs may go on after SIGTERM before their processes are ended: a duration, or 0 to \
                 end them at once.",
            )
            .default("30s")
            .check(|grace| unit::duration_or_zero(grace).map(drop)),
        )
        .option(
            OptionSpec::new(
                "state_dir",
                OptionKind::Text,
                "The folder of the journal, in which every event and job is recorded before anything is done, so that \
                 nothing is lost when the daemon or the machine goes down. One daemon at a time uses it. `none` keeps \
                 everything in memory. Default: `$STATE_DIRECTORY`, else `/var/lib/heraldd` for root, else \
                 `$XDG_STATE_HOME/heraldd` (`~/.local/state/heraldd`).",
            )
            .check(|folder| match folder.as_str() {
                Some("") => Err("name a folder, or write none".to_owned()),
                _ => Ok(()),
            }),
        )
}

/// The `history` section.
pub(super) fn history_description() -> Description {
    Description::new("history", "How much of the past is kept. Jobs that have not ended are always kept.")
        .option(
            OptionSpec::new("keep", OptionKind::Duration, "How long a job is kept after it was made.")
                .default("30d"),
        )
        .option(
            OptionSpec::new(
                "max_jobs",
                OptionKind::Integer { min: 1, max: 1_000_000_000 },
                "How many jobs are kept.",
            )
            .default(100_000),
        )
}

/// The `log` section.
pub(super) fn log_description() -> Description {
    Description::new("log", "What the daemon writes about its work, and where.")
        .option(
            OptionSpec::new(
                "level",
                OptionKind::Text,
                "The least important lines that are written: off, error, warn, info, debug or trace, in small or \
                 large letters.",
            )
            .default("info")
            .check(check_level),
        )
        .option(OptionSpec::new(
            "output",
            OptionKind::FilePath,
            "A file to append to, opened again at SIGHUP; or `stdout` or `stderr`. Left out, the log goes to standard \
             error.",
        ))
        .option(
            OptionSpec::new(
                "format",
                OptionKind::OneOf(&["text", "json"]),
                "`text` for people, or `json` with one object a line.",
            )
            .default("text"),
        )
}

fn check_level(value: &Value) -> Result<(), String> {
    let given = value.as_str().unwrap_or("");
    if level(given).is_some() {
        return Ok(());
    }
    let known = LEVELS.join(", ");
    Err(match near_miss(&given.to_ascii_lowercase(), LEVELS) {
        Some(meant) => format!("there is no such level; did you mean \"{meant}\"?"),
        None => format!("there is no such level; known are: {known}"),
    })
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Some(LevelFilter::OFF),
        "error" => Some(LevelFilter::ERROR),
        "warn" | "warning" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Given {
    max_jobs: usize,
    max_queue: usize,
    max_chain_depth: u32,
    #[serde(deserialize_with = "grace")]
    shutdown_grace: Duration,
}

#[derive(Deserialize)]
struct GivenHistory {
    #[serde(deserialize_with = "unit::de_duration")]
    keep: Duration,
    max_jobs: u64,
}

fn grace<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    unit::duration_or_zero(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct GivenLog {
    level: String,
    output: Option<PathBuf>,
    format: LogFormat,
}

/// Reads the `history` section; `None` when there are problems.
fn history(section: Option<&Value>, problems: &mut Vec<Problem>) -> Option<HistorySettings> {
    let at = Path::top().key("history");
    let given = match section {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => {
            let problem = Problem::error(at, "expected a map with keep and max_jobs");
            problems.push(problem.help("write  history: {keep: 30d}"));
            return None;
        }
    };
    let (options, found) = history_description().check(&given, &at);
    if !found.is_empty() {
        problems.extend(found);
        return None;
    }
    match options.parse::<GivenHistory>() {
        Ok(given) => Some(HistorySettings { keep: given.keep, max_jobs: given.max_jobs }),
        Err(error) => {
            problems.push(Problem::error(at, error.to_string()));
            None
        }
    }
}

/// Where the state goes: the inner `None` is memory. The outer one: nobody can say where.
#[expect(clippy::option_option, reason = "memory is a place as well")]
fn state_dir(given: Option<&str>, problems: &mut Vec<Problem>) -> Option<Option<PathBuf>> {
    match given {
        Some("none") => Some(None),
        Some(folder) => Some(Some(state_dir::absolute(folder.as_ref()))),
        None => match state_dir::default() {
            Some(folder) => Some(Some(state_dir::absolute(&folder))),
            None => {
                let what = "there is neither $STATE_DIRECTORY nor a home directory to keep the state in";
                let problem = Problem::error(Path::top(), what);
                problems.push(problem.help("write  state_dir: /path/of/a/folder  or  state_dir: none"));
                None
            }
        },
    }
}

/// Reads the settings from the top of the file; `None` when there are problems.
pub(super) fn read(
    top: &Map<String, Value>,
    plugins: Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<Settings> {
    let description = description();
    let known = |key: &str| description.options.iter().any(|option| option.name == key);
    let given = top.iter().filter(|(key, _)| known(key)).map(|(key, value)| (key.clone(), value.clone()));
    let (options, mut found) = description.check(&given.collect(), &Path::top());
    let at = Path::top().key("log");
    let log = match top.get("log") {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(_) => {
            let problem = Problem::error(at.clone(), "expected a map with level, output and format");
            found.push(problem.help("write  log: {level: info}"));
            None
        }
    };
    let log = log.map(|log| log_description().check(&log, &at));
    let log = log.map(|(options, more)| {
        found.extend(more);
        options
    });
    let history = history(top.get("history"), &mut found);
    let state_dir = state_dir(top.get("state_dir").and_then(Value::as_str), &mut found);
    if !found.is_empty() {
        problems.extend(found);
        return None;
    }
    let given: Result<Given, _> = options.parse();
    let (Some(history), Some(state_dir)) = (history, state_dir) else { return None };
    let log: Option<Result<GivenLog, _>> = log.map(|log| log.parse());
    match (given, log) {
        (Ok(given), Some(Ok(log))) => Some(Settings {
            log: LogSettings {
                level: level(&log.level).unwrap_or(LevelFilter::INFO),
                output: LogOutput::of(log.output),
                format: log.format,
            },
            max_jobs: given.max_jobs,
            max_queue: given.max_queue,
            max_chain_depth: given.max_chain_depth,
            shutdown_grace: given.shutdown_grace,
            plugins,
            state_dir,
            history,
        }),
        (given, log) => {
            let errors = given.err().into_iter().chain(log.and_then(Result::err));
            problems.extend(errors.map(|error| Problem::error(Path::top(), error.to_string())));
            None
        }
    }
}
