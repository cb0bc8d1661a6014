//! The end of a message, out of the ends of the jobs of its event.

use herald_core::status::Status;
use herald_core::watch::Ended;
use herald_queue::{EndStatus, RunReport};
use serde_json::{Value, json};

/// The largest report in bytes; the queue takes 64 KiB.
const LONGEST: usize = 60 << 10;

/// Of an event that the history does not have any more.
pub(super) fn no_record() -> RunReport {
    let error = "the worker has no record any more of how it ended".to_owned();
    let detail = json!({ "error": error });
    RunReport { status: EndStatus::Lost, error: Some(error), detail }
}

/// Of an event whose jobs ended like this: the first that did not succeed counts.
pub(super) fn run_end(ended: &[Ended]) -> RunReport {
    let failed = ended.iter().find(|job| job.status != Status::Succeeded);
    let status = failed.map_or(EndStatus::Succeeded, |job| match job.status {
        Status::TimedOut => EndStatus::TimedOut,
        Status::Cancelled => EndStatus::Cancelled,
        Status::Lost => EndStatus::Lost,
        _ => EndStatus::Failed,
    });
    let error = failed.map(|job| match (&job.error, ended.len()) {
        (Some(error), 1) => error.clone(),
        (error, _) => {
            format!("{}/{}: {}", job.router, job.task, error.as_deref().unwrap_or(job.status.as_str()))
        }
    });
    RunReport { status, detail: detail(ended, error.as_deref()), error }
}

/// What the origin gets to know. A result that is too large stays in the history of the worker.
fn detail(ended: &[Ended], error: Option<&str>) -> Value {
    let mut detail = json!({"matched": ended.len()});
    if let Some(error) = error {
        detail["error"] = error.into();
    }
    let small = detail.clone();
    match ended {
        [] => {}
        [job] => detail["result"] = Value::Object(job.result.clone()),
        jobs => {
            let job = |job: &Ended| {
                json!({
                    "router": &*job.router,
                    "task": &*job.task,
                    "status": job.status.as_str(),
                    "error": job.error,
                    "result": job.result,
                })
            };
            detail["jobs"] = jobs.iter().map(job).collect();
        }
    }
    if serde_json::to_vec(&detail).is_ok_and(|bytes| bytes.len() <= LONGEST) {
        return detail;
    }
    let mut small = small;
    small["truncated"] = true.into();
    match serde_json::to_vec(&small).is_ok_and(|bytes| bytes.len() <= LONGEST) {
        true => small,
        false => {
            json!({"matched": ended.len(), "error": "the error is longer than 60 KiB", "truncated": true})
        }
    }
}
