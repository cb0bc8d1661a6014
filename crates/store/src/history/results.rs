//! Values of ended jobs, by their path: what they gave, in the order of time.

use herald_core::activation::Name;
use herald_core::param::{Params, lookup, rough_size};
use herald_core::status::Status;
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use super::column::object;
use super::job_state::JobStatus;
use super::summary_row::{COLUMNS, SUMMARY, summary};
use super::view::JobSummaryView;

/// How many jobs one question looks at.
const LOOK: usize = 500;
/// About how many bytes of JSON it reads at most, beside those of one job.
const BYTES: usize = 1 << 20;

/// Which values, newest first.
#[derive(Debug, Clone, Default)]
pub struct ResultQuery {
    /// Of jobs of this router.
    pub router: String,
    /// Only of this task.
    pub task: Option<String>,
    /// Where in a job the value is, as `exe_done` has it: `result/size`.
    pub path: String,
    /// Only of jobs created at this time or later.
    pub since: Option<Timestamp>,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most; at least 1.
    pub limit: usize,
    /// What is kept of a value; all of it unless given.
    pub shorten: Option<fn(Value) -> Value>,
}

/// The value of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultView {
    /// The job's id.
    pub id: Name,
    /// Its task.
    pub task: Name,
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub status: JobStatus,
    /// The value.
    pub value: Value,
}

/// Values of jobs, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultPage {
    /// The values.
    pub results: Vec<ResultView>,
    /// Where to go on; `None` where no older job is known.
    pub next_cursor: Option<Name>,
}

/// A part of a job that is an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueRoot {
    State,
    TriggerParam,
    SelectParam,
    JobParam,
    Result,
}

impl ResultQuery {
    /// The part that has the value.
    pub(super) fn part(&self) -> ValueRoot {
        match self.path.split('/').next().unwrap_or_default() {
            "result" => ValueRoot::Result,
            "trigger_param" => ValueRoot::TriggerParam,
            "select_param" => ValueRoot::SelectParam,
            "job_param" => ValueRoot::JobParam,
            _ => ValueRoot::State,
        }
    }

    /// The value in the part of a job; null is none.
    fn value(&self, job: &JobSummaryView, part: Params) -> Option<Value> {
        let found = match (self.part(), self.path.split_once('/')) {
            (ValueRoot::State, _) => lookup(&state(job), &self.path).cloned(),
            (_, None) => Some(Value::Object(part)),
            (_, Some((_, path))) => lookup(&part, path).cloned(),
        };
        found.filter(|value| !value.is_null()).map(self.shorten.unwrap_or(std::convert::identity))
    }

    /// Whether jobs of this time are older than all that are asked for.
    fn is_over(&self, queued_at: Timestamp) -> bool {
        self.since.is_some_and(|since| queued_at < since)
    }
}

/// What is known of an ended job without its parameters, under the names of `exe_done`.
fn state(job: &JobSummaryView) -> Params {
    let (state, text) = (&job.state, |name: &Name| Value::from(&**name));
    let time = |at: Timestamp| Value::from(format!("{at:.3}"));
    let optional = |at: Option<Timestamp>| at.map_or(Value::Null, time);
    let entries = [
        ("id", text(&job.id)),
        ("job_id", text(&job.id)),
        ("trigger_id", text(&job.event_id)),
        ("router", text(&job.router)),
        ("trigger", text(&job.trigger)),
        ("task", text(&job.task)),
        ("executor", text(&job.executor)),
        ("chain_depth", Value::from(job.chain_depth)),
        ("attempt", Value::from(state.attempt)),
        ("attempts", Value::from(state.attempt)),
        ("success", Value::from(state.status == JobStatus::Ended(Status::Succeeded))),
        ("status", Value::from(state.status.as_str())),
        ("error", state.error.as_deref().map_or(Value::Null, Value::from)),
        ("queued_at", time(job.queued_at)),
        ("started_at", optional(state.started_at)),
        ("ended_at", optional(state.ended_at)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Takes jobs, newest first, up to the bounds of one question.
pub(super) struct ResultCollector<'q> {
    query: &'q ResultQuery,
    page: ResultPage,
    looked: usize,
    bytes: usize,
}

impl<'q> ResultCollector<'q> {
    pub(super) fn new(query: &'q ResultQuery) -> Self {
        Self { query, page: ResultPage::default(), looked: 0, bytes: 0 }
    }

    /// Takes one more job; whether it wants another one.
    pub(super) fn take(&mut self, job: &JobSummaryView, part: Params) -> bool {
        self.page.next_cursor = None;
        if self.query.is_over(job.queued_at) {
            return false;
        }
        self.looked += 1;
        self.bytes += rough_size(&part);
        let is_task = self.query.task.as_deref().is_none_or(|task| task == &*job.task);
        if let Some(at) = job.state.ended_at.filter(|_| is_task)
            && let Some(value) = self.query.value(job, part)
        {
            let (id, task) = (job.id.clone(), job.task.clone());
            self.page.results.push(ResultView { id, task, at, status: job.state.status, value });
        }
        let is_full = self.page.results.len() >= self.query.limit.max(1);
        let goes_on = !is_full && self.looked < LOOK && self.bytes < BYTES;
        if !goes_on {
            self.page.next_cursor = Some(job.id.clone());
        }
        goes_on
    }

    pub(super) fn into_page(self) -> ResultPage {
        self.page
    }
}

/// Values out of the file.
pub(super) fn results(connection: &Connection, query: &ResultQuery) -> rusqlite::Result<ResultPage> {
    let part = match query.part() {
        ValueRoot::State => "NULL",
        ValueRoot::TriggerParam => "(SELECT param FROM events WHERE events.id = jobs.event_id)",
        ValueRoot::SelectParam => "select_param",
        ValueRoot::JobParam => "job_param",
        ValueRoot::Result => "result",
    };
    let mut values = vec![Sql::Text(query.router.clone())];
    values.extend(query.cursor.clone().map(Sql::Text));
    let before = if query.cursor.is_some() { "AND id < ?" } else { "" };
    // What else is asked for is looked at here: in the file it would make a question of any length.
    let sql = format!(
        "SELECT {SUMMARY}, {part} FROM jobs WHERE router = ? {before} ORDER BY id DESC LIMIT {}",
        LOOK + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut collector = ResultCollector::new(query);
    while let Some(row) = rows.next()? {
        if !collector.take(&summary(row)?, object(row, COLUMNS)?) {
            break;
        }
    }
    Ok(collector.into_page())
}
