//! Requests about the runner and its jobs that start nothing: output, status and cancel.

use std::time::Duration;

use herald_base::clock::{Clock as _, SystemClock};
use herald_wire::heartbeat::{HEARTBEAT, Heartbeat, RunnerState};
use herald_wire::job::{CancelAnswer, JobKey};
use herald_wire::log::{LOG, LogRequest};
use herald_wire::runner_id::RunnerId;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::job::jobs::{Jobs, SubmitError};
use crate::request::answer::SimpleResponse;

/// How long a request for output waits for some, at most.
const LONGEST_LOG_WAIT: Duration = Duration::from_secs(20);

/// Whether a request asks for the status of the runner, and cannot start a job whatever its body is.
pub(super) fn is_heartbeat(parts: &Parts, join: bool) -> bool {
    join && parts.uri.path().ends_with(HEARTBEAT)
}

/// Whether a request only asks for something, whatever its body is.
pub(super) fn is_read(parts: &Parts, join: bool) -> bool {
    parts.uri.path().ends_with(LOG) || is_heartbeat(parts, join)
}

/// Stops a job.
pub(super) fn cancel(jobs: &Jobs, body: &[u8]) -> SimpleResponse {
    let key = match object(body).map(|params| JobKey::of(&params)) {
        Ok(Ok(Some(key))) => key,
        Ok(Ok(None)) => {
            return SimpleResponse::text(StatusCode::BAD_REQUEST, "a cancel must name a job_id");
        }
        Ok(Err(error)) => return SimpleResponse::text(StatusCode::BAD_REQUEST, error),
        Err(short) => return short,
    };
    let state = jobs.cancel(&key);
    tracing::info!(job_id = %key.job_id, attempt = key.attempt, ?state, "cancel");
    let body = serde_json::to_string(&CancelAnswer { state }).unwrap_or_default();
    SimpleResponse::json(body.into(), None)
}

/// What the runner says of itself.
pub(super) fn heartbeat(jobs: &Jobs, id: &RunnerId) -> SimpleResponse {
    let beat = Heartbeat {
        state: if jobs.is_stopping() { RunnerState::Stopping } else { RunnerState::Ready },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running: jobs.running(),
        time_ms: SystemClock.unix_millis(),
        id: Some(id.clone()),
    };
    SimpleResponse::json(serde_json::to_string(&beat).unwrap_or_default().into(), None)
}

/// What a job wrote; waits for some, where the request wants that.
pub(super) async fn log(jobs: &Jobs, body: &[u8]) -> SimpleResponse {
    let request: LogRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return SimpleResponse::text(
                StatusCode::BAD_REQUEST,
                format_args!("a request for output must name a job_id and an attempt: {error}"),
            );
        }
    };
    let Some(log) = jobs.log(&request.key) else {
        return SimpleResponse::text(StatusCode::NOT_FOUND, SubmitError::Unknown);
    };
    match log.read(request.from, Duration::from_millis(request.wait_ms).min(LONGEST_LOG_WAIT)).await {
        Ok(answer) => SimpleResponse::json(serde_json::to_string(&answer).unwrap_or_default().into(), None),
        Err(error) => SimpleResponse::text(StatusCode::BAD_REQUEST, error),
    }
}

/// The execution parameters, or the key of a job.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, SimpleResponse> {
    let bad = |reason: &dyn std::fmt::Display| SimpleResponse::text(StatusCode::BAD_REQUEST, reason);
    match serde_json::from_slice(body) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(_) => Err(bad(&"the body is not a JSON object")),
        // The position is of use; the text may hold a secret and is not in this message.
        Err(error) => {
            Err(bad(&format_args!("the body is not JSON: line {}, column {}", error.line(), error.column())))
        }
    }
}
