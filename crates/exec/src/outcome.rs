//! What comes out of a job, and why there may be nothing.

use std::path::PathBuf;
use std::time::Duration;

use herald_base::ending::Ending;
use herald_base::os_error;
use serde_json::{Map, Value};

use crate::scratch::Folder;

/// A file that the job names as part of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// The job's name for it; any text, so never a path by itself.
    pub name: String,
    /// Where it is: absolute.
    pub path: PathBuf,
    /// To whom it must belong: the job's user, where that is not the one of this process.
    pub owner: Option<u32>,
}

/// A job that was run.
#[derive(Debug)]
pub struct Report {
    /// `exit_code` or `signal`, and what the job printed (contract, section 3).
    pub result: Map<String, Value>,
    /// The result files, all of them present and readable when the job ended.
    pub files: Vec<ResultFile>,
    /// How it ended.
    pub ending: Ending,
    /// The job's own `timeout`.
    pub timeout: Option<Duration>,
    /// The last line of its standard error, where it ended by itself and failed.
    pub error_line: Option<String>,
    /// Folders of the job that hold result files live as long as the report.
    pub(crate) folders: Vec<Folder>,
}

impl Report {
    /// Of a job without result files.
    #[must_use]
    pub fn new(ending: Ending, result: Map<String, Value>) -> Self {
        Self { result, files: Vec::new(), ending, timeout: None, error_line: None, folders: Vec::new() }
    }

    /// Removes what is kept only for the result files: a Git checkout, or the folder of a job, that holds some of them.
    /// Dropping the report does the same, but does not wait for it.
    pub async fn release(&mut self) {
        for folder in std::mem::take(&mut self.folders) {
            folder.remove().await;
        }
    }
}

/// Why a job could not be run. The texts are for people and hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// Parameters that cannot be right.
    #[error("{}", list(.0))]
    Param(Vec<ParamProblem>),
    /// The program could not be started.
    #[error("{}", os_error::plain(.0))]
    Start(String),
    /// The Git repository could not be checked out.
    #[error("{0}")]
    Git(String),
    /// The job ran, but the files that it names cannot be sent.
    #[error("the job ran, but its result files cannot be used: {}", os_error::plain(.why))]
    File {
        /// Why not.
        why: String,
        /// The rest of what it gave.
        result: Map<String, Value>,
    },
    /// The working directory cannot be used.
    #[error("{}", os_error::plain(.0))]
    WorkDir(String),
    /// Somebody asked to stop before the program was started.
    #[error("cancelled {0}")]
    Cancelled(&'static str),
    /// The time was over before the program was started.
    #[error("timed out {0}")]
    TimedOut(&'static str),
}

impl ExecError {
    /// What the job gave all the same.
    #[must_use]
    pub fn into_result(self) -> Map<String, Value> {
        match self {
            Self::File { result, .. } => result,
            _ => Map::new(),
        }
    }

    /// How the job ended, where Herald ended it before its program ran.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self {
            Self::Cancelled(_) => Some(Ending::Cancelled),
            Self::TimedOut(_) => Some(Ending::TimedOut),
            Self::Param(_) | Self::Start(_) | Self::Git(_) | Self::File { .. } | Self::WorkDir(_) => None,
        }
    }
}

/// What is wrong with one key of `job_param`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamProblem {
    /// The key, or a path such as `env/NAME` or `arg/2`.
    pub key: String,
    /// What is wrong, as one sentence without a full stop and without the value of a secret.
    pub message: String,
}

impl ParamProblem {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl std::fmt::Display for ParamProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

fn list(problems: &[ParamProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
