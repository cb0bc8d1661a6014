//! How a job ended, for the daemon and for the log.

use std::time::Duration;

use bytes::Bytes;
use herald_base::ending::Ending;
use herald_exec::{ExecError, Report, ResultFile};
use herald_wire::MAX_RESULT;
use serde_json::{Map, Value};

/// How a job ended.
#[derive(Debug)]
pub enum JobEnd {
    /// It ran.
    Ran {
        /// The result as JSON, without `file`.
        body: Bytes,
        /// Its result files, which live as long as this does. The result itself is taken out.
        report: Report,
    },
    /// It could not be run, or its result cannot be sent.
    NotRun {
        /// Why not.
        reason: String,
        /// Whether it ran.
        ran: bool,
        /// When it was stopped, or its time was over, before its program ran.
        ending: Option<Ending>,
    },
}

impl JobEnd {
    pub(crate) fn of(outcome: Result<Report, ExecError>) -> Self {
        let mut report = match outcome {
            Ok(report) => report,
            Err(error) => {
                let ran = matches!(error, ExecError::File { .. });
                return Self::NotRun { reason: error.to_string(), ran, ending: error.ending() };
            }
        };
        let mut result = std::mem::take(&mut report.result);
        // The daemon puts its own paths there.
        result.remove("file");
        let body = Bytes::from(Value::Object(result).to_string());
        if body.len() > MAX_RESULT {
            let reason = format!(
                "the job ran, but its result of {} bytes is larger than the {MAX_RESULT} that a daemon takes",
                body.len()
            );
            return Self::NotRun { reason, ran: true, ending: None };
        }
        Self::Ran { body, report }
    }

    pub(crate) fn not_run(reason: impl Into<String>) -> Self {
        Self::NotRun { reason: reason.into(), ran: false, ending: None }
    }

    /// Its result files.
    #[must_use]
    pub fn files(&self) -> &[ResultFile] {
        match self {
            Self::Ran { report, .. } => &report.files,
            Self::NotRun { .. } => &[],
        }
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Ran { body, .. } => body.len(),
            Self::NotRun { reason, .. } => reason.len(),
        }
    }
}

/// What the log says about a job: names only, never parameters.
pub(crate) struct JobLabels {
    pub(crate) id: String,
    pub(crate) attempt: u64,
    pub(crate) router: String,
    pub(crate) task: String,
}

impl JobLabels {
    pub(crate) fn of(params: &Map<String, Value>) -> Self {
        let text = |key: &str| {
            let text = params.get(key).and_then(Value::as_str).unwrap_or("-");
            text.chars().take(256).collect::<String>()
        };
        let id = if params.contains_key("job_id") { text("job_id") } else { text("id") };
        let attempt = params.get("attempt").and_then(Value::as_u64).unwrap_or(1);
        Self { id, attempt, router: text("router"), task: text("task") }
    }

    pub(crate) fn log_end(&self, ended: &JobEnd, took: Duration) {
        let Self { id, attempt, router, task } = self;
        match ended {
            JobEnd::Ran { report, .. } => {
                let (exit_code, signal) = (report.ending.exit_code(), report.ending.signal());
                tracing::info!(
                    job_id = %id, attempt, router = %router, task = %task, ending = %report.ending, exit_code, signal,
                    files = report.files.len(), took = %format_args!("{:.1} s", took.as_secs_f32()), "job ended"
                );
            }
            JobEnd::NotRun { reason, ran, .. } => {
                let what =
                    if *ran { "job ran, but its result cannot be sent" } else { "job could not be run" };
                tracing::warn!(job_id = %id, attempt, router = %router, task = %task, reason, "{what}");
            }
        }
    }
}
