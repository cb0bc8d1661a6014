//! The settings of the daemon itself, at the top of the file.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use herald_core::plan::Limits;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, PathUse};
use herald_core::unit;
use serde::Deserialize;
use serde_json::Value;

use herald_control::places::state_dir::{self, WrittenStateDir};
use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section =
    Section { name: "", holds: "", references: References::Nowhere, shape: Shape::Top(description) };

/// The settings at the top of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Jobs that run at once on each executor that runs its jobs here.
    pub max_jobs: usize,
    /// Events and jobs that wait.
    pub max_queue: usize,
    /// The deepest chain of jobs that feed each other.
    pub max_chain_depth: u32,
    /// How long running jobs may go on at the end.
    pub shutdown_grace: Duration,
    /// How often every node is asked how it is.
    pub heartbeat: Duration,
    /// Where the state is kept; none keeps everything in memory.
    pub state_dir: Option<PathBuf>,
    /// Why a start would leave a state behind, with what to do.
    pub left_behind: Option<String>,
}

/// The scalar settings at the top of the file.
fn description() -> Description {
    let limits = Limits::default();
    Description::new("heraldd", "Bounds of the daemon itself.")
        .option(
            OptionSpec::new(
                "max_jobs",
                OptionKind::Integer { min: 1, max: 100_000 },
                "How many jobs run at once on each executor that runs its jobs on this machine; further ones wait, and \
                 start in turns by router. While others wait, one router has at most half of an executor's places. An \
                 executor may have a `max_jobs` of its own; `none` and `print` need no place.",
            )
            .default(limits.max_jobs),
        )
        .option(
            OptionSpec::new(
                "max_queue",
                OptionKind::Integer { min: 1, max: 10_000_000 },
                "How many events and jobs wait at most; past that, triggers are held back. One trigger has at most half of \
                 that, and never more than others leave free.",
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
            .takes("duration or 0")
            .default("30s")
            .check(|grace| unit::duration_or_zero(grace).map(drop)),
        )
        .option(OptionSpec::new("heartbeat", OptionKind::Duration, "How often every node of `node` is asked how it is.")
                .default("15s"),
        )
        .option(
            OptionSpec::new(
                "state_dir",
                OptionKind::Text,
                "The folder of the journal, in which every event and job is recorded before anything is done, so that \
                 nothing is lost when the daemon or the machine goes down. One daemon at a time uses it. `none` keeps \
                 everything in memory. `heraldd state backup` copies it, without caches and working folders. A relative one begins at the folder of the file. Default: `$STATE_DIRECTORY`, else `/var/lib/heraldd` for root, else \
                 `$XDG_STATE_HOME/heraldd` (`~/.local/state/heraldd`).",
            )
            .check(|folder| match folder.as_str() {
                Some("") => Err(CheckError::new("name a folder, or write none")),
                _ => PathUse::Folder.check(folder),
            }),
        )
}

#[derive(Deserialize)]
struct DaemonOptions {
    max_jobs: usize,
    max_queue: usize,
    max_chain_depth: u32,
    #[serde(deserialize_with = "grace")]
    shutdown_grace: Duration,
    #[serde(deserialize_with = "unit::de_duration")]
    heartbeat: Duration,
    state_dir: Option<String>,
}

fn grace<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    unit::duration_or_zero(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Where the state goes; none is memory.
fn state_folder(
    reading: &mut SectionReader<'_, '_>,
    given: Option<&str>,
) -> Result<Option<PathBuf>, Invalid> {
    match given {
        Some(written) => {
            let place = Path::top().key("state_dir");
            match WrittenStateDir::of(reading.folders.of(&place), written) {
                WrittenStateDir::Memory => Ok(None),
                WrittenStateDir::Folder(folder) => Ok(Some(folder)),
            }
        }
        None => match state_dir::default() {
            Some(default) => Ok(Some(state_dir::absolute(&default))),
            None => {
                let what = "there is neither $STATE_DIRECTORY nor a home directory to keep the state in";
                let help = "write  state_dir: /path/of/a/folder  or  state_dir: none";
                Err(reading.wrong(Problem::error(Path::top(), what).help(help)))
            }
        },
    }
}

/// A warning here, for the commands that check; the daemon itself does not start with it.
fn left_behind(reading: &mut SectionReader<'_, '_>, written: &str, folder: &FilePath) -> Option<String> {
    let before = state_dir::left_behind(written, folder)?;
    let what = format!(
        "a relative state_dir begins at the folder of this file, which makes it {}; but there is a state in {}, the \
         current folder's, with which a daemon that starts here would go on before version 1.0",
        folder.display(),
        before.display()
    );
    let help = format!("to go on with that, write  state_dir: {}", before.display());
    let refused = format!("{what}; {help}");
    reading.problems.push(Problem::warning(Path::top().key("state_dir"), what).help(help));
    Some(refused)
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<DaemonSettings, Invalid> {
    let (description, top) = (description(), Path::top());
    let known = |key: &str| description.options.iter().any(|option| option.name == key);
    let given = reading.top.iter().filter(|(key, _)| known(key));
    let given = given.map(|(key, value)| (key.clone(), value.clone())).collect();
    let options = reading.options(&description, &given, &top)?;
    let given: DaemonOptions = reading.parse(&options, &top)?;
    let state_dir = state_folder(reading, given.state_dir.as_deref())?;
    let place = state_dir.as_ref().map(|folder| PathUse::Folder.problems(folder, &top.key("state_dir")));
    reading.problems.extend(place.into_iter().flatten());
    let written = given.state_dir.as_deref().zip(state_dir.as_deref());
    let left_behind = written.and_then(|(written, folder)| left_behind(reading, written, folder));
    Ok(DaemonSettings {
        max_jobs: given.max_jobs,
        max_queue: given.max_queue,
        max_chain_depth: given.max_chain_depth,
        shutdown_grace: given.shutdown_grace,
        heartbeat: given.heartbeat,
        state_dir,
        left_behind,
    })
}
