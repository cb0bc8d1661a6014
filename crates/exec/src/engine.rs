//! The engine: from execution parameters to a report.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use herald_base::ending::Ending;
use herald_base::output::{NoOutput, Output};
use herald_base::stop::Stop;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::git::command::inside;
use crate::git::{Git, GitSource};
use crate::outcome::{ExecError, ParamProblem, Report};
use crate::param::redact;
use crate::param::{self, DEFAULT_NAME, EnvFile, JobParam};
use crate::process::environment::{self, Environment};
use crate::process::program::{LARGEST_VARIABLE, Owner, Program, ProgramError};
use crate::result;
use crate::scratch::{Folder, SMALL_FILE, Scratch, TempFile};

/// How an engine works.
#[derive(Debug, Clone)]
pub struct ExecSettings {
    /// Holds `run` (the current directory of jobs), `gitrepo` (mirrors) and `tmp` (checkouts and parameter files).
    pub work_dir: PathBuf,
    /// How many bytes of each output stream are kept; a job's own `output_limit` wins.
    pub output_limit: u64,
    /// The time between TERM and KILL.
    pub kill_grace: Duration,
    /// How long a Git checkout may take; a job's `timeout` may cut it shorter.
    pub git_timeout: Duration,
}

impl ExecSettings {
    /// The defaults: 1 MiB of each stream, 5 s between TERM and KILL, 10 min for Git.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
            output_limit: 1 << 20,
            kill_grace: Duration::from_secs(5),
            git_timeout: Duration::from_secs(600),
        }
    }
}

/// Runs jobs on this machine. Clones share one engine.
#[derive(Clone)]
pub struct ExecEngine(Arc<EngineState>);

struct EngineState {
    settings: ExecSettings,
    run_dir: PathBuf,
    environment: Environment,
    git: Git,
    scratch: OnceCell<Arc<Scratch>>,
    background: TaskTracker,
    /// Cancelled when background jobs are to end.
    closing: CancellationToken,
}

/// A job that is ready to start, and what must live as long as it runs.
struct Ready {
    program: Program,
    param_file: Option<TempFile>,
    /// Those of `env_file`.
    env_files: Vec<TempFile>,
    checkout: Option<Folder>,
}

impl ExecEngine {
    /// An engine with these settings. Nothing is touched yet.
    #[must_use]
    pub fn new(settings: ExecSettings) -> Self {
        // Programs get absolute paths only, whatever the current directory is later.
        let work_dir = std::path::absolute(&settings.work_dir).unwrap_or_else(|_| settings.work_dir.clone());
        Self(Arc::new(EngineState {
            run_dir: work_dir.join("run"),
            environment: environment::clean(),
            git: Git::new(work_dir.join("gitrepo"), settings.git_timeout),
            scratch: OnceCell::new(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
            settings: ExecSettings { work_dir, ..settings },
        }))
    }

    /// Makes the folders below `work_dir`, ends what jobs of processes that were killed left running, and removes their
    /// checkouts and parameter files. The first job does the same. Other living processes may use the same
    /// `work_dir`.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub async fn open(&self) -> Result<(), ExecError> {
        self.scratch().await.map(drop)
    }

    async fn scratch(&self) -> Result<&Arc<Scratch>, ExecError> {
        self.0
            .scratch
            .get_or_try_init(|| async {
                let (work_dir, run_dir) = (self.0.settings.work_dir.clone(), self.0.run_dir.clone());
                let made = tokio::task::spawn_blocking(move || make_folders(&work_dir, &run_dir)).await;
                let unusable = |error: &dyn std::fmt::Display| {
                    ExecError::WorkDir(format!(
                        "work_dir {} cannot be used: {error}",
                        self.0.settings.work_dir.display()
                    ))
                };
                made.map_err(|error| unusable(&error))?.map_err(|error| unusable(&error))
            })
            .await
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
        let job = read(params)?;
        if stop.is_asked() {
            return Err(ExecError::Cancelled("before it was started"));
        }
        let deadline = job.timeout.map(|timeout| Instant::now() + timeout);
        let mut ready = self.prepare(&job, params, deadline, stop).await?;
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
                let report = self.report(finished.ending, result::result_of(&finished)).await;
                report.map(|report| Report { error_line: result::error_line(&finished), ..report })
            }
            Err(error) => Err(not_started(error)),
        };
        let report = report.map(|report| Report { timeout: job.timeout, ..report });
        tidy(report, ready.checkout).await
    }

    async fn prepare(
        &self,
        job: &JobParam,
        params: &Map<String, Value>,
        deadline: Option<Instant>,
        stop: &Stop,
    ) -> Result<Ready, ExecError> {
        let scratch = self.scratch().await?;
        let mut env = self.0.environment.clone();
        env.extend(job.env.iter().cloned());
        let (path, checkout) = match &job.source {
            Some(source) => {
                let (path, folder) = self.check_out(scratch, source, &job.cmd, deadline, stop).await?;
                (path, Some(folder))
            }
            None => {
                let found = environment::find(job.cmd.as_ref(), &env, &self.0.run_dir);
                (found.map_err(|error| ExecError::Start(error.to_string()))?, None)
            }
        };
        let env_files = self.lay_out(scratch, &job.env_files, &mut env).await?;
        let param_file = Some(self.hand_over(scratch, job.name.as_deref(), params, &mut env).await?);
        let output_limit = job.output_limit.unwrap_or(self.0.settings.output_limit);
        let program = Program {
            path,
            args: job.args.clone(),
            env,
            dir: self.0.run_dir.clone(),
            deadline,
            kill_grace: self.0.settings.kill_grace,
            output_limit: usize::try_from(output_limit).unwrap_or(usize::MAX),
            owner: Some(Owner(scratch.clone())),
        };
        Ok(Ready { program, param_file, env_files, checkout })
    }

    async fn check_out(
        &self,
        scratch: &Arc<Scratch>,
        source: &GitSource,
        cmd: &str,
        deadline: Option<Instant>,
        stop: &Stop,
    ) -> Result<(PathBuf, Folder), ExecError> {
        let folder = scratch.folder().map_err(|error| self.unusable(&error))?;
        let commit = match self.0.git.checkout(source, folder.path(), deadline, stop).await {
            Ok(commit) => commit,
            Err(error) => {
                folder.remove().await;
                return Err(error);
            }
        };
        match inside(folder.path(), cmd) {
            Ok(path) => Ok((path, folder)),
            Err(why) => {
                folder.remove().await;
                let repo = source.url.shown();
                Err(ExecError::Start(format!("`{cmd}` in Git repository {repo} at commit {commit} {why}")))
            }
        }
    }

    /// Writes the files of `env_file` and names them in the environment.
    async fn lay_out(
        &self,
        scratch: &Arc<Scratch>,
        files: &[EnvFile],
        env: &mut Environment,
    ) -> Result<Vec<TempFile>, ExecError> {
        let mut written = Vec::with_capacity(files.len());
        for EnvFile { name, content } in files {
            let file = write(scratch, content.clone()).await.map_err(|error| self.unusable(&error))?;
            env.retain(|(key, _)| key != name.as_str());
            env.push((name.into(), file.path().into()));
            written.push(file);
        }
        Ok(written)
    }

    /// Writes the parameter file and names it, and the JSON itself where it fits, in the environment.
    async fn hand_over(
        &self,
        scratch: &Arc<Scratch>,
        variable: Option<&str>,
        params: &Map<String, Value>,
        env: &mut Environment,
    ) -> Result<TempFile, ExecError> {
        let json = redact::json(params).map_err(|error| ExecError::Start(format!("parameters: {error}")))?;
        let fits = |name: &&str| name.len() + 1 + json.len() < LARGEST_VARIABLE;
        let text = variable.filter(fits).map(|name| (name, String::from_utf8_lossy(&json).into_owned()));
        let file = write(scratch, json).await.map_err(|error| self.unusable(&error))?;
        for name in variable.into_iter().chain([DEFAULT_NAME]) {
            env.retain(|(key, _)| key != name);
            env.push((file_variable(name).into(), file.path().into()));
        }
        if let Some((name, text)) = text {
            env.push((name.into(), text.into()));
        }
        Ok(file)
    }

    async fn report(&self, ending: Ending, mut result: Map<String, Value>) -> Result<Report, ExecError> {
        if !result.contains_key("file") {
            return Ok(Report::new(ending, result));
        }
        let run_dir = self.0.run_dir.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let files = result::files(&mut result, &run_dir);
            (files, result)
        });
        let (files, mut result) = checked.await.map_err(|error| ExecError::File(error.to_string()))?;
        let files = match files {
            Ok(files) => files,
            // The first failure is reported; what a failed job left behind may well be incomplete.
            Err(_) if !ending.is_success() => {
                result.remove("file");
                Vec::new()
            }
            Err(error) => return Err(ExecError::File(error.to_string())),
        };
        Ok(Report { files, ..Report::new(ending, result) })
    }

    async fn start_background(&self, ready: Ready) -> Result<Report, ExecError> {
        let mut child = ready.program.start_silent().await.map_err(not_started)?;
        let pid = child.id();
        let stop = Stop { asked: self.0.closing.clone(), forced: CancellationToken::new() };
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

    fn unusable(&self, error: &std::io::Error) -> ExecError {
        ExecError::WorkDir(format!("work_dir {} cannot be used: {error}", self.0.settings.work_dir.display()))
    }

    /// Ends the background jobs that still run: TERM, the grace, KILL. Returns when all are gone.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.background.close();
        self.0.background.wait().await;
    }
}

/// A file that only this user can read.
async fn write(scratch: &Arc<Scratch>, content: Vec<u8>) -> std::io::Result<TempFile> {
    // Handing a small one to another thread would cost more than writing it.
    if content.len() <= SMALL_FILE {
        return scratch.file(&content);
    }
    let scratch = scratch.clone();
    let written = tokio::task::spawn_blocking(move || scratch.file(&content)).await;
    written.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

fn read(params: &Map<String, Value>) -> Result<JobParam, ExecError> {
    match params.get("job_param") {
        Some(Value::Object(job_param)) => param::read(job_param).map_err(ExecError::Param),
        None | Some(Value::Null) => param::read(&Map::new()).map_err(ExecError::Param),
        Some(_) => Err(ExecError::Param(vec![ParamProblem::new("job_param", "expected a map")])),
    }
}

fn not_started(error: ProgramError) -> ExecError {
    ExecError::Start(error.to_string())
}

fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}

/// Leaves only the file when the JSON and everything else are too large together.
fn drop_json(program: &mut Program, job: &JobParam) -> bool {
    let Some(name) = &job.name else { return false };
    let before = program.env.len();
    program.env.retain(|(key, _)| key != &OsString::from(name));
    program.env.len() < before
}

/// The checkout goes, unless result files lie in it: then it goes with the report.
async fn tidy(report: Result<Report, ExecError>, checkout: Option<Folder>) -> Result<Report, ExecError> {
    let Some(folder) = checkout else { return report };
    match report {
        Ok(mut report) if report.files.iter().any(|file| lies_in(&file.path, folder.path())) => {
            report.checkout = Some(folder);
            Ok(report)
        }
        report => {
            folder.remove().await;
            report
        }
    }
}

fn lies_in(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(path).starts_with(real(folder))
}

fn make_folders(work_dir: &Path, run_dir: &Path) -> std::io::Result<Arc<Scratch>> {
    std::fs::create_dir_all(run_dir)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(work_dir.join("gitrepo"))?;
    Scratch::open(work_dir).map(Arc::new)
}
