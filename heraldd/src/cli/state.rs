//! `heraldd state`: checking, copying and repairing the state_dir.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use herald_control::command_output::{CommandOutput, FAILED, STOPPED};
use herald_control::places::config_places;
use herald_control::places::state_dir::{self, WrittenStateDir};
use herald_core::clock::Clock;
use herald_store::whole_state::{self, StateError, StateReport};
use serde_json::json;

/// Check, back up, restore or repair the state_dir
///
/// `check` and `backup` work while the daemon runs; `restore` and `salvage` need it stopped. The exit code is 0 when
/// everything is whole, 1 when something is damaged or failed, 2 for wrong arguments.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd state backup /var/backups/heraldd-$(date +%F)")]
pub(super) struct StateArguments {
    #[command(subcommand)]
    action: StateAction,
}

#[derive(Debug, Subcommand)]
enum StateAction {
    /// Read everything and report what is damaged; exit 1 if anything is
    #[command(after_help = "Example:\n  heraldd state check")]
    Check {
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON object: ok, events, jobs, batches, problems
        #[arg(long)]
        json: bool,
    },
    /// Copy the state_dir into an empty or new folder, also while the daemon runs
    ///
    /// In it are: the journal and the history with positions of triggers, idempotency keys, pauses, drained nodes,
    /// sessions and the audit; `seal.key`; logs of jobs; records of applications and of deployments under way; the name
    /// on queues; and what was published from an etcd, with the contents that `publish --rollback` needs. Not in it are
    /// caches of repositories, working folders of jobs, the users file, the configuration, and the published files.
    #[command(after_help = "Example:\n  heraldd state backup /var/backups/heraldd-$(date +%F)")]
    Backup {
        /// The folder for the copy
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
        #[command(flatten)]
        state: StateDir,
    },
    /// Put a backup into an empty state_dir
    #[command(after_help = "Example:\n  heraldd state restore /var/backups/heraldd-2026-11-28")]
    Restore {
        /// The backup
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
        #[command(flatten)]
        state: StateDir,
    },
    /// Write what is whole of a damaged state_dir into a new one, and report what is lost
    #[command(after_help = "Example:\n  heraldd state salvage /var/lib/heraldd.new")]
    Salvage {
        /// The new folder. Default: the state_dir with `.salvaged` at its end
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        folder: Option<PathBuf>,
        #[command(flatten)]
        state: StateDir,
    },
}

/// Which state_dir
#[derive(Debug, Args)]
struct StateDir {
    /// The state_dir. Default: that of the configuration, else `$STATE_DIRECTORY`, else as the daemon's default
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// The daemon's configuration, which names the state_dir
    #[arg(short, long, value_name = "FILE", conflicts_with = "state_dir", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl StateDir {
    fn path(&self) -> Result<PathBuf, CommandOutput> {
        if let Some(given) = &self.state_dir {
            return Ok(state_dir::absolute(given));
        }
        let config = self.config.clone().or_else(|| config_places::or_default(None).ok());
        let written = config.as_deref().map(state_dir::written).transpose();
        match written.map_err(|wrong| CommandOutput::refused(&wrong))?.flatten() {
            Some(WrittenStateDir::Memory) => {
                Err(CommandOutput::refused(&"heraldd: with `state_dir: none` there is no state on disk"))
            }
            Some(WrittenStateDir::Folder(folder)) => Ok(folder),
            None => state_dir::default().ok_or_else(|| {
                CommandOutput::refused(&"heraldd: the state_dir is unknown; name it with --state-dir, or the configuration with -c")
            }),
        }
    }
}

pub(super) fn run(arguments: &StateArguments, clock: &dyn Clock) -> CommandOutput {
    let answered = match &arguments.action {
        StateAction::Check { state, json } => state.path().map(|state| check(&state, *json)),
        StateAction::Backup { folder, state } => state.path().map(|state| {
            let made = whole_state::backup(&state, folder, clock.now());
            made.map(|()| {
                CommandOutput::good(format!("{} is backed up in {}", state.display(), folder.display()))
            })
        }),
        StateAction::Restore { folder, state } => state.path().map(|state| {
            let restored = whole_state::restore(folder, &state)?;
            let counts = counts(&restored);
            Ok(CommandOutput::good(format!("{}: restored {counts}", state.display())))
        }),
        StateAction::Salvage { folder, state } => state.path().map(|state| {
            let folder = folder.clone().unwrap_or_else(|| {
                let mut name = state.clone().into_os_string();
                name.push(".salvaged");
                PathBuf::from(name)
            });
            salvage(&state, &folder, clock)
        }),
    };
    match answered {
        Ok(Ok(output)) | Err(output) => output,
        Ok(Err(error)) => {
            CommandOutput { out: String::new(), remarks: format!("heraldd: {error}"), code: FAILED }
        }
    }
}

fn check(state: &Path, as_json: bool) -> Result<CommandOutput, StateError> {
    let report = whole_state::check(state)?;
    let code = if report.problems.is_empty() { STOPPED } else { FAILED };
    if as_json {
        let (events, jobs, batches) = (report.events, report.jobs, report.batches);
        let problems = &report.problems;
        let out = json!({"ok": code == STOPPED, "events": events, "jobs": jobs, "batches": batches, "problems": problems});
        return Ok(CommandOutput { out: out.to_string(), remarks: String::new(), code });
    }
    let mut out = format!("{}: {}", state.display(), counts(&report));
    out.push_str(if code == STOPPED { "; ok" } else { "; damaged" });
    let remarks = listed(&report.problems);
    Ok(CommandOutput { out, remarks, code })
}

fn salvage(state: &Path, folder: &Path, clock: &dyn Clock) -> Result<CommandOutput, StateError> {
    let salvaged = whole_state::salvage(state, folder, clock.now())?;
    let code = if salvaged.lost.is_empty() { STOPPED } else { FAILED };
    let out = format!(
        "{}: {} events and {} jobs; to use it, move {} away and this folder to its place",
        folder.display(),
        salvaged.events,
        salvaged.jobs,
        state.display()
    );
    let remarks = listed(&salvaged.lost.iter().map(|lost| format!("lost: {lost}")).collect::<Vec<_>>());
    Ok(CommandOutput { out, remarks, code })
}

/// What the history holds, and what it has not taken in yet.
fn counts(report: &StateReport) -> String {
    let (events, jobs, batches) = (report.events, report.jobs, report.batches);
    format!("{events} events, {jobs} jobs, {batches} batches in the journal")
}

fn listed(sentences: &[String]) -> String {
    let mut text = String::new();
    for sentence in sentences {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sentence}");
    }
    text
}
