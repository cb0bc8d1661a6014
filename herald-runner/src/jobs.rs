//! The jobs of this runner: those that run, and the results of those that ended, by job id and attempt.
//!
//! A job is a task of its own, so a connection that breaks ends nothing. Who submits the same pair again joins the
//! running job or gets the kept result.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use herald_exec::{Engine, ExecError, Report, ResultFile, Stop};
use herald_wire::MAX_RESULT;
use herald_wire::job::{CancelState, JobKey};
use herald_wire::manifest::Ending;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The most results that are kept.
const MOST_KEPT: usize = 10_000;
/// The most bytes that kept results may take.
const MOST_KEPT_BYTES: usize = 64 << 20;

/// How a job ended.
#[derive(Debug)]
pub enum Ended {
    /// It ran.
    Ran {
        /// The result as JSON, without `file`.
        body: Bytes,
        /// Its result files, which live as long as this does. The result itself is taken out.
        report: Report,
        /// How its process ended.
        ending: Ending,
    },
    /// It could not be run.
    NotRun {
        /// Why not.
        reason: String,
        /// When it was stopped, or its time was over, before its program ran.
        ending: Option<Ending>,
    },
}

impl Ended {
    fn of(outcome: Result<Report, ExecError>) -> Self {
        let mut report = match outcome {
            Ok(report) => report,
            Err(error) => {
                let cancelled = error.is_cancelled().then_some(Ending::Cancelled);
                let ending = cancelled.or_else(|| error.is_timed_out().then_some(Ending::TimedOut));
                return Self::NotRun { reason: error.to_string(), ending };
            }
        };
        let mut result = std::mem::take(&mut report.result);
        // The daemon puts its own paths there.
        result.remove("file");
        let body = Bytes::from(Value::Object(result).to_string());
        if body.len() > MAX_RESULT {
            return Self::not_run(format!(
                "the job ran, but its result of {} bytes is larger than the {MAX_RESULT} that a daemon takes",
                body.len()
            ));
        }
        let ending = match report.ending {
            herald_exec::Ending::Exited(_) => Ending::Exited,
            herald_exec::Ending::Signaled(_) => Ending::Signaled,
            herald_exec::Ending::TimedOut => Ending::TimedOut,
            herald_exec::Ending::Cancelled => Ending::Cancelled,
            herald_exec::Ending::Background => Ending::Background,
        };
        Self::Ran { body, report, ending }
    }

    fn not_run(reason: impl Into<String>) -> Self {
        Self::NotRun { reason: reason.into(), ending: None }
    }

    /// Its result files.
    #[must_use]
    pub fn files(&self) -> &[ResultFile] {
        match self {
            Self::Ran { report, .. } => &report.files,
            Self::NotRun { .. } => &[],
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Ran { body, .. } => body.len(),
            Self::NotRun { reason, .. } => reason.len(),
        }
    }
}

/// A job that was taken.
#[derive(Clone)]
pub struct Handle {
    stop: Stop,
    ended: watch::Receiver<Option<Arc<Ended>>>,
}

impl Handle {
    /// Waits for its end.
    pub async fn ended(&mut self) -> Arc<Ended> {
        match self.ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Arc::new(Ended::not_run("the runner was ended while the job ran")),
        }
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stop.asked.cancel();
    }
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many run as may.
    #[error("as many jobs run as this runner takes (max_jobs); try again later")]
    Full,
    /// The runner stops.
    #[error("the runner is stopping")]
    Stopping,
    /// It was only to be joined, and is not here.
    #[error("this runner does not know the job; it was restarted, or the result is no longer kept")]
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

struct Entry {
    handle: Handle,
    running: bool,
}

#[derive(Default)]
struct Table {
    jobs: HashMap<JobKey, Entry>,
    /// Those that ended, the oldest first.
    kept: VecDeque<(JobKey, Instant, usize)>,
    kept_bytes: usize,
    running: usize,
    /// Of the jobs that run, also those without a key.
    stops: HashMap<u64, Stop>,
    next: u64,
    stopping: bool,
}

struct Shared {
    table: Mutex<Table>,
    engine: Engine,
    max_jobs: usize,
    keep: Duration,
    tasks: TaskTracker,
}

/// See the module.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

impl Jobs {
    /// At most `max_jobs` run at once; results are kept for `keep`.
    #[must_use]
    pub fn new(engine: Engine, max_jobs: usize, keep: Duration) -> Self {
        let shared =
            Shared { table: Mutex::new(Table::default()), engine, max_jobs, keep, tasks: TaskTracker::new() };
        Self { shared: Arc::new(shared) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a job, or joins the one that has the same key.
    ///
    /// # Errors
    /// [`Refused`] says why it was not taken; nothing runs then.
    pub fn submit(&self, submission: Submission) -> Result<Handle, Refused> {
        let Submission { key, params, join } = submission;
        let mut table = self.table();
        table.expire(self.shared.keep);
        if let Some(entry) = key.as_ref().and_then(|key| table.jobs.get(key)) {
            return Ok(entry.handle.clone());
        }
        if join {
            return Err(Refused::Unknown);
        }
        if table.stopping {
            return Err(Refused::Stopping);
        }
        if table.running >= self.shared.max_jobs {
            return Err(Refused::Full);
        }
        let stop = Stop::default();
        let (tell, ended) = watch::channel(None);
        let handle = Handle { stop: stop.clone(), ended };
        table.running += 1;
        table.next += 1;
        let number = table.next;
        table.stops.insert(number, stop.clone());
        if let Some(key) = &key {
            table.jobs.insert(key.clone(), Entry { handle: handle.clone(), running: true });
        }
        drop(table);
        let jobs = self.clone();
        self.shared.tasks.spawn(async move {
            let ended = jobs.run(params, stop).await;
            jobs.end(key, number, &ended);
            tell.send_replace(Some(ended));
        });
        Ok(handle)
    }

    async fn run(&self, params: Map<String, Value>, stop: Stop) -> Arc<Ended> {
        let about = About::of(&params);
        let About { id, attempt, router, task } = &about;
        tracing::info!(job_id = %id, attempt, router = %router, task = %task, "job starts");
        let began = Instant::now();
        let engine = self.shared.engine.clone();
        // A task of its own, so that a fault inside ends this job and not the table.
        let running = tokio::spawn(async move { engine.run(&params, &stop).await });
        let ended = match running.await {
            Ok(outcome) => Ended::of(outcome),
            Err(_) => Ended::not_run("the runner failed inside while it ran the job; its log says more"),
        };
        about.log_end(&ended, began.elapsed());
        Arc::new(ended)
    }

    fn end(&self, key: Option<JobKey>, number: u64, ended: &Arc<Ended>) {
        let mut table = self.table();
        table.running -= 1;
        table.stops.remove(&number);
        if let Some(key) = key {
            if let Some(entry) = table.jobs.get_mut(&key) {
                entry.running = false;
            }
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
        let ended = Ended::NotRun { reason, ending: Some(Ending::Cancelled) };
        let size = ended.size();
        let (_, ended) = watch::channel(Some(Arc::new(ended)));
        let handle = Handle { stop: Stop::default(), ended };
        table.jobs.insert(key.clone(), Entry { handle, running: false });
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

    /// How many run.
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

impl Table {
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

/// What the log says about a job: names only, never parameters.
struct About {
    id: String,
    attempt: u64,
    router: String,
    task: String,
}

impl About {
    fn of(params: &Map<String, Value>) -> Self {
        let text = |key: &str| {
            let text = params.get(key).and_then(Value::as_str).unwrap_or("-");
            text.chars().take(256).collect::<String>()
        };
        let id = if params.contains_key("job_id") { text("job_id") } else { text("id") };
        let attempt = params.get("attempt").and_then(Value::as_u64).unwrap_or(1);
        Self { id, attempt, router: text("router"), task: text("task") }
    }

    fn log_end(&self, ended: &Ended, took: Duration) {
        let Self { id, attempt, router, task } = self;
        match ended {
            Ended::Ran { report, .. } => {
                let (exit_code, signal) = match report.ending {
                    herald_exec::Ending::Exited(code) => (Some(code), None),
                    herald_exec::Ending::Signaled(signal) => (None, Some(signal)),
                    _ => (None, None),
                };
                tracing::info!(
                    job_id = %id, attempt, router = %router, task = %task, ending = ?report.ending, exit_code, signal,
                    files = report.files.len(), seconds = took.as_secs_f32(), "job ended"
                );
            }
            Ended::NotRun { reason, .. } => {
                tracing::warn!(job_id = %id, attempt, router = %router, task = %task, reason, "job could not be run");
            }
        }
    }
}
