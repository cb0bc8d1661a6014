//! What commands show out of the history of a daemon that is down.

use std::path::Path;

use serde_json::Value;

use crate::client::{DaemonSocket, ReadAborted};
use crate::command_output::CommandOutput;

/// What is said of an answer that no daemon gave.
const DOWN: &str = "heraldd: the daemon is down; this is its history as it was left, and jobs and events of its last \
                    moments may be missing or not be shown as ended";

/// A question that the history answers as the API would.
#[derive(Debug)]
pub enum HistoryQuestion<'a> {
    /// A page of jobs, with the query of `/v1/jobs` as one object.
    Jobs(Value),
    /// One job: its id, a part of it, or the latest.
    Job(&'a str),
    /// A page of events, with the query of `/v1/events` as one object.
    Events(Value),
    /// One event.
    Event {
        /// Its id, that of a job of it, a part of either, or the latest.
        id: &'a str,
        /// Only what the selectors of this router said.
        router: Option<&'a str>,
    },
}

/// Which output of a job.
#[derive(Debug)]
pub struct LogQuestion<'a> {
    /// The job's id, a part of it, or the latest.
    pub id: &'a str,
    /// The attempt, from 1; the latest unless given.
    pub attempt: Option<u32>,
    /// Only this stream.
    pub stream: Option<&'a str>,
    /// Only the last lines, so many.
    pub lines: Option<u32>,
    /// As JSON.
    pub json: bool,
}

/// Gets output, piece by piece.
pub type OutputReader<'a> = dyn FnMut(&[u8]) -> Result<(), ReadAborted> + 'a;

/// Answers from what a daemon that does not run left in its `state_dir`.
pub trait StoppedDaemon {
    /// As the API would answer; nothing where there is no history.
    ///
    /// # Errors
    /// What a command says instead.
    fn ask(&self, state_dir: &Path, question: &HistoryQuestion<'_>) -> Result<Option<Value>, CommandOutput>;

    /// The output of a job as the API would give it; false where there is no history.
    ///
    /// # Errors
    /// What a command says instead.
    fn log(
        &self,
        state_dir: &Path,
        question: &LogQuestion<'_>,
        take: &mut OutputReader<'_>,
    ) -> Result<bool, CommandOutput>;
}

/// What a daemon said, or the history of one that is down.
pub(crate) struct Said {
    pub(crate) answer: Result<Value, CommandOutput>,
    pub(crate) is_offline: bool,
}

impl Said {
    /// What the daemon said; where it is down, what its history says.
    pub(crate) fn by(
        daemon: &DaemonSocket,
        answer: Result<Value, CommandOutput>,
        question: &HistoryQuestion<'_>,
        stopped: &dyn StoppedDaemon,
    ) -> Self {
        let folder = if answer.is_err() { daemon.folder_of_stopped() } else { None };
        match folder.map(|folder| stopped.ask(&folder, question)) {
            Some(Ok(Some(kept))) => Self { answer: Ok(kept), is_offline: true },
            Some(Err(output)) => Self { answer: Err(output), is_offline: true },
            Some(Ok(None)) | None => Self { answer, is_offline: false },
        }
    }

    /// Shows it, and says where it comes from.
    pub(crate) fn show(
        self,
        show: impl FnOnce(Result<Value, CommandOutput>) -> CommandOutput,
    ) -> CommandOutput {
        let output = show(self.answer);
        if self.is_offline { marked(output) } else { output }
    }
}

/// With the remark that no daemon said it.
pub(crate) fn marked(output: CommandOutput) -> CommandOutput {
    CommandOutput { remarks: format!("{DOWN}\n{}", output.remarks).trim_end().to_owned(), ..output }
}
