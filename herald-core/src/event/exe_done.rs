//! The event `exe_done` of a finished job.

use serde_json::Value;

use crate::job::Job;
use crate::job::lifecycle::{Status, Verdict};
use crate::value::param::Params;
use crate::value::secret::Mask;

/// The job's own parameters plus `success`, `error` (null when it succeeded) and `result`, secrets hidden.
#[must_use]
pub fn exe_done_param(job: &Job, verdict: &Verdict, mask: &Mask) -> Params {
    let mut params = mask.params(&job.params());
    let error = verdict.error.as_deref().map_or(Value::Null, |error| Value::String(mask.text(error)));
    params.insert("success".to_owned(), Value::Bool(verdict.status == Status::Succeeded));
    params.insert("error".to_owned(), error);
    params.insert("result".to_owned(), Value::Object(mask.params(&verdict.result)));
    params
}
