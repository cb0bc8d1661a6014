//! The engine: from execution parameters to a report.

mod prepare;
pub(crate) mod settings;
mod state;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use herald_base::ending::Ending;
use herald_base::output::{NoOutput, Output};
use herald_base::stop::Stop;
use serde_json::{Map, Value};
use tokio::time::Instant;

use self::prepare::Ready;
pub use self::settings::{ExecSettings, GitLimits, RunDir};
use self::state::EngineState;
use crate::outcome::{ExecError, ParamProblem, Report};
use crate::param::{self, JobParam};
use crate::process::environment::Environment;
use crate::process::program::{Owner, Program, ProgramError};
use crate::result;
use crate::scratch::Folder;

/// Runs jobs on this machine. Clones share one engine.
#[derive(Clone)]
pub struct ExecEngine(Arc<EngineState>);

impl ExecEngine {
    /// An engine with these settings. Nothing is touched yet.
    #[must_use]
    pub fn new(settings: ExecSettings) -> Self {
        Self(Arc::new(EngineState::new(settings)))
    }

    /// How it works; `work_dir` is absolute.
    #[must_use]
    pub fn settings(&self) -> &ExecSettings {
        &self.0.settings
    }

    /// Makes the folders below `work_dir`, ends what jobs of processes that were killed left running, and removes their
    /// checkouts and parameter files. The first job does the same. Other living processes may use the same
    /// `work_dir`.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub async fn open(&self) -> Result<(), ExecError> {
        self.0.scratch().await.map(drop)
    }

    /// Who ends a program that this process started beside its jobs, should it be killed: the next [`Self::open`] on
    /// the same `work_dir`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn owner(&self) -> Result<Owner, ExecError> {
        self.0.scratch().await.map(|scratch| Owner(scratch.clone()))
    }

    /// Runs one job to its end (or to its start, in the background). `params` are the whole execution parameters
    /// (contract, section 3). Dropping the future kills what it started.
    ///
    /// # Errors
    /// When the job could not be run, or names result files that cannot be had.
    pub async fn run(&self, params: &Map<String, Value>, stop: &Stop) -> Result<Report, ExecError> {
        self.run_with_output(params, stop, &NoOutput).await
    }

    /// As [`Self::run`], and gives on what the job prints as it comes, also what is past its `output_limit`. A job in
    /// the background gives nothing.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_with_output(
        &self,
        params: &Map<String, Value>,
        stop: &Stop,
        output: &dyn Output,
    ) -> Result<Report, ExecError> {
        let job = read(params, &self.0.environment)?;
        if stop.is_asked() {
            return Err(ExecError::Cancelled("before it was started"));
        }
        let deadline = job.timeout.map(|timeout| Instant::now() + timeout);
        let mut ready = self.0.prepare(&job, params, deadline, stop).await?;
        if job.background {
            return self.start_background(ready).await;
        }
        let finished = match ready.program.run_with_output(stop, output).await {
            Err(error) if error.too_large && drop_json(&mut ready.program, &job) => {
                ready.program.run_with_output(stop, output).await
            }
            other => other,
        };
        drop((ready.param_file.take(), std::mem::take(&mut ready.env_files)));
        let report = match finished {
            Ok(finished) => {
                let Program { dir, restrictions, .. } = &ready.program;
                let owner = restrictions.user.as_ref().map(|user| user.account.uid);
                let result = result::result_of(&finished);
                if let Some(note) = result.get(result::NOTE).filter(|_| result.contains_key("output")) {
                    let job = params.get("job_id").and_then(Value::as_str).unwrap_or_default();
                    tracing::warn!(job, "{}", note.as_str().unwrap_or_default());
                }
                let report = report(finished.ending, result, dir.clone(), owner).await;
                report.map(|report| Report { error_line: result::error_line(&finished), ..report })
            }
            Err(error) => Err(not_started(error)),
        };
        let report = report.map(|report| Report { timeout: job.timeout, ..report });
        tidy(report, ready.folders).await
    }

    async fn start_background(&self, ready: Ready) -> Result<Report, ExecError> {
        let mut child = ready.program.start_silent().await.map_err(not_started)?;
        let pid = child.id();
        let stop = Stop { asked: self.0.closing.clone(), ..Stop::new() };
        self.0.background.spawn(async move {
            match ready.program.end_of(&mut child, &stop).await {
                Ok((ending, exit)) => tracing::info!(pid, ?ending, ?exit, "a background job ended"),
                Err(error) => tracing::warn!(pid, %error, "a background job cannot be waited for"),
            }
            drop(ready);
        });
        let result = Map::from_iter([("pid".to_owned(), Value::from(pid))]);
        Ok(Report::new(Ending::Background, result))
    }

    /// Ends the background jobs that still run: TERM, the grace, KILL. Returns when all are gone.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.background.close();
        self.0.background.wait().await;
    }
}

/// What a job reports, with the result files that it names. Their paths are relative to `run_dir`.
async fn report(
    ending: Ending,
    mut result: Map<String, Value>,
    run_dir: PathBuf,
    owner: Option<u32>,
) -> Result<Report, ExecError> {
    if !result.contains_key("file") {
        return Ok(Report::new(ending, result));
    }
    let checked = tokio::task::spawn_blocking(move || {
        let files = result::files(&mut result, &run_dir, owner);
        (files, result)
    });
    let failed = |why: String, result| ExecError::File { why, result };
    let (files, mut result) = checked.await.map_err(|error| failed(error.to_string(), Map::new()))?;
    let files = match files {
        Ok(files) => files,
        // The first failure is reported; what a failed job left behind may well be incomplete.
        Err(_) if !ending.is_success() => {
            result.remove("file");
            Vec::new()
        }
        Err(error) => {
            result.remove("file");
            return Err(failed(error.to_string(), result));
        }
    };
    Ok(Report { files, ..Report::new(ending, result) })
}

fn read(params: &Map<String, Value>, environment: &Environment) -> Result<JobParam, ExecError> {
    let home = environment.iter().rev().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, path)| Path::new(path)).filter(|path| path.is_absolute());
    match params.get("job_param") {
        Some(Value::Object(job_param)) => param::read(job_param, home).map_err(ExecError::Param),
        None | Some(Value::Null) => param::read(&Map::new(), home).map_err(ExecError::Param),
        Some(_) => Err(ExecError::Param(vec![ParamProblem::new("job_param", "expected a map")])),
    }
}

fn not_started(error: ProgramError) -> ExecError {
    ExecError::Start(error.to_string())
}

/// Leaves only the file when the JSON and everything else are too large together.
fn drop_json(program: &mut Program, job: &JobParam) -> bool {
    let Some(name) = &job.name else { return false };
    let before = program.env.len();
    program.env.retain(|(key, _)| key != &OsString::from(name));
    program.env.len() < before
}

/// The folders of the job go, unless result files lie in one: then it goes with the report.
async fn tidy(report: Result<Report, ExecError>, folders: Vec<Folder>) -> Result<Report, ExecError> {
    let mut report = report;
    for folder in folders {
        match &mut report {
            Ok(report) if report.files.iter().any(|file| lies_in(&file.path, folder.path())) => {
                report.folders.push(folder);
            }
            _ => folder.remove().await,
        }
    }
    report
}

fn lies_in(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(path).starts_with(real(folder))
}
