//! The jobs of this runner: those that run, and the results of those that ended, by job id and attempt.
//!
//! A job is a task of its own, so a connection that breaks ends nothing. Who submits the same pair again joins the
//! running job or gets the kept result. A job is a command, or a step of a deployment.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herald_base::ending::Ending;
use herald_base::stop::Stop;
use herald_exec::{ExecEngine, NoOutput, Output};
use herald_wire::job::{CancelState, JobKey};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::job::deploy_job::DeployJob;
use crate::job::ended::{JobEnd, JobLabels};
use crate::job::http_health::HttpHealth;
use crate::job::output::OutputLog;

/// The most results that are kept.
const MOST_KEPT: usize = 10_000;
/// The most bytes that kept results may take.
const MOST_KEPT_BYTES: usize = 64 << 20;

/// The most jobs that have ended whose output can still be read; each holds a file open.
const MOST_LOGS: usize = 64;

/// A job that was taken.
#[derive(Clone)]
pub struct JobHandle {
    stop: Stop,
    ended: watch::Receiver<Option<Arc<JobEnd>>>,
}

impl JobHandle {
    /// Waits for its end.
    pub async fn ended(&mut self) -> Arc<JobEnd> {
        match self.ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Arc::new(JobEnd::not_run("the runner stopped while the job ran")),
        }
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stop.asked.cancel();
    }
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many run as may.
    #[error("the runner is at capacity (max_jobs); try again later")]
    Full,
    /// The runner stops.
    #[error("the runner is stopping")]
    Stopping,
    /// It was only to be joined, and is not here.
    #[error("unknown job: the runner was restarted, or the result is no longer kept")]
    Unknown,
}

/// What a request wants.
#[derive(Debug)]
pub struct Submission {
    /// Which job; none runs without being kept.
    pub key: Option<JobKey>,
    /// The execution parameters.
    pub params: Map<String, Value>,
    /// Only join it.
    pub join: bool,
}

struct JobEntry {
    handle: JobHandle,
    running: bool,
    /// What it writes; the output of old jobs is forgotten before their results.
    log: Option<Arc<OutputLog>>,
}

#[derive(Default)]
struct RunningJobs {
    jobs: HashMap<JobKey, JobEntry>,
    /// Those that ended, the oldest first.
    kept: VecDeque<(JobKey, Instant, usize)>,
    kept_bytes: usize,
    /// Those that ended and whose output is there, the oldest first.
    logs: VecDeque<JobKey>,
    running: usize,
    /// Of the jobs that run, also those without a key.
    stops: HashMap<u64, Stop>,
    next: u64,
    stopping: bool,
}

/// Where and how much of the output of each job is kept for the daemon to read.
#[derive(Debug, Clone)]
pub struct OutputLimits {
    /// The folder.
    pub folder: PathBuf,
    /// The most bytes of one job.
    pub bytes: u64,
}

struct JobsInner {
    table: Mutex<RunningJobs>,
    engine: ExecEngine,
    health: HttpHealth,
    max_jobs: usize,
    keep: Duration,
    output: OutputLimits,
    tasks: TaskTracker,
}

impl JobsInner {
    /// Runs a command or a step to its end.
    async fn end_of(&self, params: &Map<String, Value>, stop: &Stop, output: &dyn Output) -> JobEnd {
        match DeployJob::of(params) {
            Ok(None) => JobEnd::of(self.engine.run_with_output(params, stop, output).await),
            Ok(Some(step)) => JobEnd::of(step.run(&self.engine, &self.health, stop, output).await),
            Err(error) => JobEnd::not_run(error.to_string()),
        }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<JobsInner>,
}

impl Jobs {
    /// At most `max_jobs` run at once; results are kept for `keep`.
    #[must_use]
    pub fn new(engine: ExecEngine, max_jobs: usize, keep: Duration, output: OutputLimits) -> Self {
        let (table, tasks) = (Mutex::new(RunningJobs::default()), TaskTracker::new());
        let health = HttpHealth::default();
        Self { shared: Arc::new(JobsInner { table, engine, health, max_jobs, keep, output, tasks }) }
    }

    /// The output of a job. `None` when it is not known, or no longer kept.
    #[must_use]
    pub fn log(&self, key: &JobKey) -> Option<Arc<OutputLog>> {
        self.table().jobs.get(key)?.log.clone()
    }

    fn table(&self) -> MutexGuard<'_, RunningJobs> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a job, or joins the one that has the same key.
    ///
    /// # Errors
    /// [`SubmitError`] says why it was not taken; nothing runs then.
    pub fn submit(&self, submission: Submission) -> Result<JobHandle, SubmitError> {
        let Submission { key, params, join } = submission;
        let mut table = self.table();
        table.expire(self.shared.keep);
        if let Some(entry) = key.as_ref().and_then(|key| table.jobs.get(key)) {
            return Ok(entry.handle.clone());
        }
        if join {
            return Err(SubmitError::Unknown);
        }
        if table.stopping {
            return Err(SubmitError::Stopping);
        }
        if table.running >= self.shared.max_jobs {
            return Err(SubmitError::Full);
        }
        let stop = Stop::new();
        let (tell, ended) = watch::channel(None);
        let handle = JobHandle { stop: stop.clone(), ended };
        let OutputLimits { folder, bytes } = self.shared.output.clone();
        let log = Arc::new(OutputLog::new(folder, bytes));
        table.running += 1;
        table.next += 1;
        let number = table.next;
        table.stops.insert(number, stop.clone());
        if let Some(key) = &key {
            let log = Some(log.clone());
            table.jobs.insert(key.clone(), JobEntry { handle: handle.clone(), running: true, log });
        }
        drop(table);
        let jobs = self.clone();
        self.shared.tasks.spawn(async move {
            let output = key.is_some().then(|| log.clone());
            let ended = jobs.run(params, stop, output).await;
            log.end();
            jobs.end(key, number, &ended);
            tell.send_replace(Some(ended));
        });
        Ok(handle)
    }

    /// Without `output` nobody can ask for it.
    async fn run(
        &self,
        params: Map<String, Value>,
        stop: Stop,
        output: Option<Arc<OutputLog>>,
    ) -> Arc<JobEnd> {
        let about = JobLabels::of(&params);
        let JobLabels { id, attempt, router, task } = &about;
        tracing::info!(job_id = %id, attempt, router = %router, task = %task, "job starts");
        let began = Instant::now();
        let shared = self.shared.clone();
        // A task of its own, so that a fault inside ends this job and not the table.
        let running = tokio::spawn(async move {
            match output {
                Some(output) => shared.end_of(&params, &stop, &*output).await,
                None => shared.end_of(&params, &stop, &NoOutput).await,
            }
        });
        let ended = match running.await {
            Ok(ended) => ended,
            Err(_) => JobEnd::not_run("internal error; see the log of the runner"),
        };
        about.log_end(&ended, began.elapsed());
        Arc::new(ended)
    }

    fn end(&self, key: Option<JobKey>, number: u64, ended: &Arc<JobEnd>) {
        let mut table = self.table();
        table.running -= 1;
        table.stops.remove(&number);
        if let Some(key) = key {
            if let Some(entry) = table.jobs.get_mut(&key) {
                entry.running = false;
            }
            table.keep_log(key.clone());
            table.keep(key, ended.size());
        }
        table.expire(self.shared.keep);
    }

    /// Stops a job. One that is not known will not be run should it still come.
    #[must_use]
    pub fn cancel(&self, key: &JobKey) -> CancelState {
        let mut table = self.table();
        table.expire(self.shared.keep);
        if let Some(entry) = table.jobs.get(key) {
            if !entry.running {
                return CancelState::Ended;
            }
            entry.handle.stop();
            return CancelState::Stopping;
        }
        let reason = "the job was cancelled before it began".to_owned();
        let ended = JobEnd::NotRun { reason, ran: false, ending: Some(Ending::Cancelled) };
        let size = ended.size();
        let (_, ended) = watch::channel(Some(Arc::new(ended)));
        let handle = JobHandle { stop: Stop::new(), ended };
        table.jobs.insert(key.clone(), JobEntry { handle, running: false, log: None });
        table.keep(key.clone(), size);
        table.expire(self.shared.keep);
        CancelState::Unknown
    }

    /// Takes no more jobs and waits until those that run have ended.
    pub async fn drain(&self) {
        self.table().stopping = true;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Whether it takes no more jobs.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.table().stopping
    }

    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.table().running
    }

    /// Asks all that run to stop; at once when `forced`.
    pub fn stop_all(&self, forced: bool) {
        for stop in self.table().stops.values() {
            stop.asked.cancel();
            if forced {
                stop.forced.cancel();
            }
        }
    }
}

impl RunningJobs {
    fn keep_log(&mut self, key: JobKey) {
        self.logs.push_back(key);
        if self.logs.len() > MOST_LOGS
            && let Some(oldest) = self.logs.pop_front()
            && let Some(entry) = self.jobs.get_mut(&oldest)
        {
            entry.log = None;
        }
    }

    fn keep(&mut self, key: JobKey, size: usize) {
        self.kept_bytes += size;
        self.kept.push_back((key, Instant::now(), size));
    }

    fn expire(&mut self, keep: Duration) {
        while let Some((_, since, _)) = self.kept.front() {
            let over = self.kept.len() > MOST_KEPT || self.kept_bytes > MOST_KEPT_BYTES;
            // The newest stays whatever its size: somebody waits for it.
            if since.elapsed() < keep && !(over && self.kept.len() > 1) {
                return;
            }
            if let Some((key, _, size)) = self.kept.pop_front() {
                self.kept_bytes -= size;
                self.jobs.remove(&key);
            }
        }
    }
}
