//! What answers and faults mean for a job.

use std::sync::Arc;

use herald_base::output::{Output, Stream};
use herald_wire::ending::EndingName;
use herald_wire::log::OutputSummary;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::job_answer::JobAnswer;
use crate::outcome::{RunnerFailure, RunnerFailureKind, RunnerOutcome};

/// A job that was answered.
pub(super) struct Completed {
    pub(super) outcome: RunnerOutcome,
    /// What it wrote, where its runner says that with its answer.
    pub(super) output: Option<OutputSummary>,
}

/// The failure of a job whose request cannot be repeated.
pub(super) fn failure_of(at: &str, fault: &Fault) -> RunnerFailure {
    match fault {
        Fault::Refused { accepted, ending, .. } => {
            let kind = match ending {
                Some(EndingName::TimedOut) => RunnerFailureKind::TimedOut,
                Some(EndingName::Cancelled) => RunnerFailureKind::Cancelled,
                _ => RunnerFailureKind::Failed,
            };
            let what =
                if *accepted { "accepted the job, but did not complete it" } else { "rejected the job" };
            RunnerFailure::new(kind, format!("the runner {at} {what}: {fault}"))
        }
        Fault::Unauthorized(_) => RunnerFailure::failed(format!("the runner {at} rejected the job: {fault}")),
        Fault::NotARunner(_) => RunnerFailure::failed(format!("{at} is {fault}")),
        Fault::Invalid(_) => RunnerFailure::failed(format!("invalid answer from the runner {at}: {fault}")),
        _ => RunnerFailure::failed(format!("lost the connection to the runner {at}: {fault}")),
    }
}

/// The outcome of a job that ran.
pub(super) fn outcome_of(answer: JobAnswer) -> RunnerOutcome {
    let JobAnswer { result, ending, error_line, .. } = answer;
    let ending = EndingName::with_result(ending, &result);
    if ending.is_success() {
        return Ok(result);
    }
    let kind = match ending.into() {
        EndingName::TimedOut => RunnerFailureKind::TimedOut,
        EndingName::Cancelled => RunnerFailureKind::Cancelled,
        _ => RunnerFailureKind::Failed,
    };
    let error_line = error_line.or_else(|| last_line(&result)).filter(|_| kind == RunnerFailureKind::Failed);
    Err(RunnerFailure { result, error_line, ..RunnerFailure::new(kind, ending) })
}

/// The last line of standard error in the result of a runner that does not send it by itself. Of what was cut, the last
/// line is not known.
fn last_line(result: &Map<String, Value>) -> Option<String> {
    let whole = result.get("truncated") != Some(&Value::Bool(true));
    let stderr = result.get("stderr").and_then(Value::as_str).filter(|_| whole)?;
    let line = stderr.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).collect())
}

/// Writes the output that is part of the result.
pub(super) async fn write_result(outcome: &RunnerOutcome, output: &Arc<dyn Output>) {
    let result = match outcome {
        Ok(result) => result,
        Err(failure) => &failure.result,
    };
    for (key, stream) in [("output", Stream::Stdout), ("stderr", Stream::Stderr)] {
        if let Some(text) = result.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            output.write(stream, text.as_bytes()).await;
        }
    }
}
