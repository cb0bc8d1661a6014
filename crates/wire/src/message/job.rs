//! Which job a message is about.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::{self, NameError};

/// What is appended to the path of a runner to stop a job.
pub const CANCEL: &str = "/cancel";
/// The header (signed) of a request that only joins a job: a runner that does not know it must not start it.
pub const JOIN: &str = "herald-join";
/// The one value of [`JOIN`].
pub const JOIN_ONLY: &str = "only";

/// One attempt at one job: what a runner keeps its jobs by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobKey {
    /// The job's id.
    pub job_id: String,
    /// From 1.
    pub attempt: u32,
}

/// Why execution parameters do not say which job they are about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The id is not a string.
    #[error("the job_id is not a string")]
    Kind,
    /// The id cannot be a folder's name.
    #[error("the job_id cannot be used as a name: {0}")]
    Name(#[from] NameError),
    /// The attempt is not a whole number from 1.
    #[error("the attempt is not a whole number from 1")]
    Attempt,
}

impl JobKey {
    /// Reads `job_id` (or, as the original sends it, `id`) and `attempt` (1 when absent) from execution parameters.
    /// `None` when there is no id.
    ///
    /// # Errors
    /// When they are there and of the wrong kind.
    pub fn of(params: &Map<String, Value>) -> Result<Option<Self>, KeyError> {
        let Some(id) = params.get("job_id").or_else(|| params.get("id")) else { return Ok(None) };
        let job_id = id.as_str().ok_or(KeyError::Kind)?;
        name::check(job_id)?;
        let attempt = match params.get("attempt") {
            None => 1,
            Some(attempt) => attempt
                .as_u64()
                .and_then(|attempt| u32::try_from(attempt).ok())
                .filter(|attempt| *attempt > 0)
                .ok_or(KeyError::Attempt)?,
        };
        Ok(Some(Self { job_id: job_id.to_owned(), attempt }))
    }
}

/// The answer to a cancel: the status of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelState {
    /// It runs and is being stopped.
    Stopping,
    /// It had ended already.
    Ended,
    /// The runner never had it; should it still come, it will not be run.
    Unknown,
}

/// The body of the answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAnswer {
    /// The status of the job.
    pub state: CancelState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_execution_parameters() {
        let key = |id: &str, attempt| Ok(Some(JobKey { job_id: id.to_owned(), attempt }));
        for (params, expected) in [
            (r#"{"job_id":"a","id":"b","attempt":2}"#, key("a", 2)),
            (r#"{"id":"b"}"#, key("b", 1)),
            (r#"{}"#, Ok(None)),
            (r#"{"id":7}"#, Err(KeyError::Kind)),
            (r#"{"id":"../x"}"#, Err(KeyError::Name(NameError::Slash))),
            (r#"{"id":""}"#, Err(KeyError::Name(NameError::Empty))),
            (r#"{"id":"a","attempt":0}"#, Err(KeyError::Attempt)),
            (r#"{"id":"a","attempt":"1"}"#, Err(KeyError::Attempt)),
            (r#"{"id":"a","attempt":99999999999}"#, Err(KeyError::Attempt)),
        ] {
            let params: Map<String, Value> = serde_json::from_str(params).unwrap();
            assert_eq!(JobKey::of(&params), expected, "{params:?}");
        }
    }
}
