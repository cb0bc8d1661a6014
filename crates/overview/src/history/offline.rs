//! The history of a daemon that is down, as its control API would show it.

use std::path::Path;

use herald_base::clock::Clock;
use herald_control::client::{NOT_FOUND, ReadAborted};
use herald_control::command_output::{CommandOutput, FAILED};
use herald_control::stopped::{HistoryQuestion, LogQuestion, OutputReader, StoppedDaemon};
use herald_core::dispatcher::Explained;
use herald_core::executor::Stream;
use herald_store::history::{IdKind, IdLookup, JobView, OfflineError, OfflineHistory, WantedId};
use herald_store::job_log::{LineQuery, LineStart, OfflineLogs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::event_list::EventsQuery;
use super::job_list::{self, JobsQuery};
use super::log_format::{Format, OutputFormatter, log_page, log_text, no_such_attempt};
use super::{resources, typed_id};

/// Reads what a daemon that does not run left.
pub struct OfflineReader<'a> {
    /// For times like "an hour ago".
    pub clock: &'a dyn Clock,
}

impl StoppedDaemon for OfflineReader<'_> {
    fn ask(&self, state_dir: &Path, question: &HistoryQuestion<'_>) -> Result<Option<Value>, CommandOutput> {
        let Some(history) = open(state_dir)? else { return Ok(None) };
        let now = self.clock.now();
        match question {
            HistoryQuestion::Jobs(asked) => {
                let query = parse::<JobsQuery>(asked)?.read(now).map_err(|error| bad(&error))?;
                json(&job_list::page(history.jobs(&query).map_err(unreadable)?))
            }
            HistoryQuestion::Job(id) => json(&resources::job(job(&history, id)?)),
            HistoryQuestion::Events(asked) => {
                let query = parse::<EventsQuery>(asked)?.read(now).map_err(|error| bad(&error))?;
                json(&resources::events(history.events(&query).map_err(unreadable)?))
            }
            HistoryQuestion::Event { id, router } => {
                let id = whole_id(&history, IdKind::Event, id)?;
                let found = history.event(&id).map_err(unreadable)?;
                let mut event = found.ok_or_else(|| not_found(&typed_id::unknown("event", &id)))?;
                let mut decisions = std::mem::take(&mut event.decisions);
                decisions.retain(|decision| router.is_none_or(|router| *decision.router == *router));
                json(&resources::event(event, Explained::recorded(decisions)))
            }
        }
    }

    fn log(
        &self,
        state_dir: &Path,
        question: &LogQuestion<'_>,
        take: &mut OutputReader<'_>,
    ) -> Result<bool, CommandOutput> {
        let Some(history) = open(state_dir)? else { return Ok(false) };
        let job = job(&history, question.id)?;
        let attempt = question.attempt.unwrap_or(job.summary.state.attempt_with_output());
        if let Some(sentence) = no_such_attempt(&job, attempt) {
            return Err(not_found(&sentence));
        }
        let log = OfflineLog {
            logs: OfflineLogs::of(state_dir),
            id: &job.summary.id,
            attempt,
            stream: match question.stream {
                Some("stdout") => Some(Stream::Stdout),
                Some(_) => Some(Stream::Stderr),
                None => None,
            },
            format: if question.json { Format::Json } else { Format::Text },
        };
        match question.lines {
            Some(lines) => log.last_lines(usize::try_from(lines).unwrap_or(usize::MAX), take)?,
            None => log.whole(take)?,
        }
        Ok(true)
    }
}

/// The log of one attempt.
struct OfflineLog<'a> {
    logs: OfflineLogs,
    id: &'a str,
    attempt: u32,
    stream: Option<Stream>,
    format: Format,
}

impl OfflineLog<'_> {
    fn last_lines(&self, lines: usize, take: &mut OutputReader<'_>) -> Result<(), CommandOutput> {
        let query = LineQuery { start: LineStart::Tail, lines, stream: self.stream };
        let found = self.logs.lines(self.id, self.attempt, query).map_err(failed)?.unwrap_or_default();
        let text = match self.format {
            Format::Text => log_text(&found),
            Format::Json => serde_json::to_vec(&log_page(self.attempt, &found)).unwrap_or_default(),
        };
        take(&text).map_err(unwritten)
    }

    fn whole(&self, take: &mut OutputReader<'_>) -> Result<(), CommandOutput> {
        let mut formatter = OutputFormatter::new(self.format);
        let mut from = 0;
        while let Some(chunk) = self.logs.read(self.id, self.attempt, from, self.stream).map_err(failed)? {
            if chunk.next > from {
                take(&formatter.part(self.attempt, &chunk)).map_err(unwritten)?;
            }
            if chunk.end || chunk.next <= from {
                break;
            }
            from = chunk.next;
        }
        Ok(())
    }
}

fn open(state_dir: &Path) -> Result<Option<OfflineHistory>, CommandOutput> {
    match OfflineHistory::open(state_dir) {
        Ok(history) => Ok(Some(history)),
        Err(OfflineError::Missing(_)) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

fn job(history: &OfflineHistory, typed: &str) -> Result<JobView, CommandOutput> {
    let id = whole_id(history, IdKind::Job, typed)?;
    let found = history.job(&id).map_err(unreadable)?;
    found.ok_or_else(|| not_found(&typed_id::unknown("job", &id)))
}

/// The whole id that is meant. What cannot be a part of an id stays as it is, and is unknown.
fn whole_id(history: &OfflineHistory, kind: IdKind, typed: &str) -> Result<String, CommandOutput> {
    let what = typed_id::word(kind);
    let Some(wanted) = typed_id::wanted(typed) else { return Ok(typed.to_owned()) };
    let none = match &wanted {
        WantedId::Latest { router: Some(router) } => {
            format!("the history has no job of a router \"{router}\"")
        }
        WantedId::Latest { router: None } => format!("the history has no {what}"),
        WantedId::Part(_) => typed_id::unknown(what, typed),
    };
    let found = history.ids(&IdLookup { kind, wanted }).map_err(unreadable)?;
    match found.as_slice() {
        [] => Err(not_found(&none)),
        [one] => Ok(one.id.to_string()),
        several => {
            let candidates: String =
                several.iter().map(|found| format!("\n  {}", typed_id::candidate(found))).collect();
            Err(not_found(&format_args!("{}{candidates}", typed_id::ambiguous(what, typed))))
        }
    }
}

fn parse<T: DeserializeOwned>(asked: &Value) -> Result<T, CommandOutput> {
    T::deserialize(asked).map_err(|error| bad(&error))
}

fn json(found: &impl Serialize) -> Result<Option<Value>, CommandOutput> {
    serde_json::to_value(found).map(Some).map_err(|error| CommandOutput::unexpected(&error))
}

/// An argument is wrong.
fn bad(why: &dyn std::fmt::Display) -> CommandOutput {
    CommandOutput::refused(&format_args!("heraldd: {why}"))
}

fn not_found(why: &dyn std::fmt::Display) -> CommandOutput {
    CommandOutput { code: NOT_FOUND, ..bad(why) }
}

fn failed(why: impl std::fmt::Display) -> CommandOutput {
    CommandOutput { code: FAILED, ..bad(&why) }
}

fn unwritten(ReadAborted(why): ReadAborted) -> CommandOutput {
    failed(why)
}

fn unreadable(error: OfflineError) -> CommandOutput {
    match error {
        OfflineError::Cursor => bad(&error),
        _ => failed(error),
    }
}
