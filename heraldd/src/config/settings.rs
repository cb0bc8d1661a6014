//! The settings of the daemon itself: everything but components, presets and routers. Those that are maps are in
//! `sections`.

use std::path::PathBuf;
use std::time::Duration;

use herald_core::plan::Limits;
use herald_core::problem::{Path, Problem, Severity};
use herald_core::spec::{Description, OptionKind, OptionSpec};
use herald_core::unit;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fleet::{self, FleetSettings};
use super::sections::{self, ApiSettings, HistorySettings, LogSettings};
use crate::state::folder;

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
    /// The control API over TCP; none serves it on the socket alone.
    pub api: Option<ApiSettings>,
    /// The nodes, and which this one is.
    pub fleet: FleetSettings,
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
        .option(fleet::heartbeat_option())
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

#[derive(Deserialize)]
struct Given {
    max_jobs: usize,
    max_queue: usize,
    max_chain_depth: u32,
    #[serde(deserialize_with = "grace")]
    shutdown_grace: Duration,
}

fn grace<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    unit::duration_or_zero(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Where the state goes: the inner `None` is memory. The outer one: nobody can say where.
#[expect(clippy::option_option, reason = "memory is a place as well")]
fn state_dir(given: Option<&str>, problems: &mut Vec<Problem>) -> Option<Option<PathBuf>> {
    match given {
        Some("none") => Some(None),
        Some(folder) => Some(Some(folder::absolute(folder.as_ref()))),
        None => match folder::default() {
            Some(folder) => Some(Some(folder::absolute(&folder))),
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
    (plugins, id): (Vec<PathBuf>, Option<&str>),
    problems: &mut Vec<Problem>,
) -> Option<Settings> {
    let description = description();
    let known = |key: &str| description.options.iter().any(|option| option.name == key);
    let given = top.iter().filter(|(key, _)| known(key)).map(|(key, value)| (key.clone(), value.clone()));
    let (options, mut found) = description.check(&given.collect(), &Path::top());
    let log = sections::log(top.get("log"), &mut found);
    let history = sections::history(top.get("history"), &mut found);
    let api = sections::api(top.get("api"), &mut found);
    let fleet = fleet::read(top, id, &mut found);
    let state_dir = state_dir(top.get("state_dir").and_then(Value::as_str), &mut found);
    let wrong = found.iter().any(|problem| problem.severity == Severity::Error);
    problems.extend(found);
    if wrong {
        return None;
    }
    let given: Result<Given, _> = options.parse();
    let (Some(log), Some(history), Some(api), Some(state_dir), Some(fleet)) =
        (log, history, api, state_dir, fleet)
    else {
        return None;
    };
    match given {
        Ok(given) => Some(Settings {
            log,
            max_jobs: given.max_jobs,
            max_queue: given.max_queue,
            max_chain_depth: given.max_chain_depth,
            shutdown_grace: given.shutdown_grace,
            plugins,
            state_dir,
            history,
            api,
            fleet,
        }),
        Err(error) => {
            problems.push(Problem::error(Path::top(), error.to_string()));
            None
        }
    }
}
