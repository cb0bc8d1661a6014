//! The list of jobs: what it is asked for, and how it is shown.

use std::collections::BTreeSet;

use herald_control::model::{JobList, JobSummary, Page, STATUSES};
use herald_core::activation::Name;
use herald_core::dispatcher::{Handle, RETRY};
use herald_store::history::{
    History, HistoryError, JobPage, JobQuery, JobSearch, JobStatus, JobSummaryView, Unreadable,
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::time_range::{TimeError, read_time, time_or_ago};

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;
/// The states of jobs that somebody has to look at.
const BAD: [&str; 4] = ["failed", "timed_out", "lost", "rejected"];
/// The failed jobs of each state, the routers, and the jobs of each that are looked at besides the newest jobs of all.
const FAILED: usize = 100;
const ROUTERS: usize = 20;
const OF_ROUTER: usize = 20;

/// Which jobs are listed, as people and programs ask for it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only jobs of this router.
    pub router: Option<String>,
    /// Only jobs of this task.
    pub task: Option<String>,
    /// Only jobs of events of this trigger.
    pub trigger: Option<String>,
    /// Only jobs of the event with this id.
    pub event: Option<String>,
    /// Only jobs that this person or account caused. A page with `by`, `node` or `q` can be shorter than `limit`: it
    /// ends after 2,000 jobs, and `next_cursor` goes on behind them.
    pub by: Option<String>,
    /// Only jobs whose result names this node.
    pub node: Option<String>,
    /// Only jobs with this text in their error, their parameters or those of their event, in small or capital letters.
    pub q: Option<String>,
    /// Whether to count the jobs of each state, for `router`, `task`, `trigger`, `event`, `status`, `since` and
    /// `until`.
    pub counts: Option<bool>,
    /// Only these states, separated by commas: `queued`, `running`, `succeeded`, `failed`, `timed_out`, `cancelled`,
    /// `lost` or `rejected`.
    #[param(schema_with = statuses)]
    pub status: Option<String>,
    /// Only jobs created after this time (RFC 3339), or within this long (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub since: Option<String>,
    /// Only jobs created before this time (RFC 3339), or longer ago than this (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub until: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-fA-F-]{36}$")]
    pub cursor: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// What `status` may be, for the document.
fn statuses() -> Schema {
    let one = STATUSES.join("|");
    let list = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({one})(,({one}))*$")));
    Schema::Object(list.build())
}

/// What is wrong with a query for a list.
#[derive(Debug, thiserror::Error)]
pub enum ListQueryError {
    /// There is no such state.
    #[error("status: expected one of: {}", STATUSES.join(", "))]
    Status,
    /// So many are not given.
    #[error("limit: expected a number from 1 to {LARGEST_PAGE}")]
    Limit,
    /// A time.
    #[error(transparent)]
    Time(#[from] TimeError),
}

impl JobsQuery {
    /// What the history is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self, now: Timestamp) -> Result<JobQuery, ListQueryError> {
        let parse = |word: &str| JobStatus::parse(word.trim()).ok_or(ListQueryError::Status);
        let words = self.status.iter().flat_map(|list| list.split(','));
        let status = words.map(parse).collect::<Result<Vec<_>, _>>()?;
        let limit = read_limit(self.limit)?;
        let time = |name, given: Option<String>| given.map(|given| read_time(name, &given, now)).transpose();
        let (since, until) = (time("since", self.since)?, time("until", self.until)?);
        // An empty field of a form.
        let some = |given: Option<String>| given.filter(|given| !given.is_empty());
        let search = JobSearch { by: some(self.by), node: some(self.node), text: some(self.q) };
        let Self { router, task, trigger, cursor, .. } = self;
        Ok(JobQuery {
            router,
            task,
            trigger,
            event: some(self.event),
            search,
            status,
            since,
            until,
            cursor,
            limit,
        })
    }
}

/// How many entries there are on a page.
pub(super) fn read_limit(asked: Option<usize>) -> Result<usize, ListQueryError> {
    let limit = asked.unwrap_or(PAGE);
    if (1..=LARGEST_PAGE).contains(&limit) { Ok(limit) } else { Err(ListQueryError::Limit) }
}

/// A page of jobs.
#[must_use]
pub fn page(page: JobPage) -> Page<JobSummary> {
    let items = page.jobs.into_iter().map(summary).collect();
    Page { items, next_cursor: page.next_cursor.as_ref().map(name) }
}

/// A page of jobs, and how many there are of each state where that was asked.
///
/// # Errors
/// [`HistoryError`].
pub async fn list(history: &dyn History, query: JobQuery, is_counted: bool) -> Result<JobList, HistoryError> {
    let counts = match is_counted {
        true => match history.job_counts(query.clone()).await {
            Ok(counts) => {
                Some(counts.into_iter().map(|(status, count)| (status.to_owned(), count)).collect())
            }
            // What is whole is listed all the same.
            Err(HistoryError::Unreadable(Unreadable::Damaged(_))) => None,
            Err(error) => return Err(error),
        },
        false => None,
    };
    let Page { items, next_cursor } = page(history.jobs(query).await?);
    Ok(JobList { items, next_cursor, counts })
}

/// The last jobs of the routers of which one has failed since then and none is among `newest`, the newest jobs of all:
/// what failed must not be out of sight because another router starts many jobs. What it costs is bounded.
///
/// # Errors
/// [`HistoryError`].
pub async fn out_of_sight(
    history: &dyn History,
    newest: &JobList,
    since: Timestamp,
) -> Result<Vec<JobSummary>, HistoryError> {
    let mut found = Vec::new();
    if newest.next_cursor.is_none() {
        return Ok(found);
    }
    let asked = |limit| JobQuery { since: Some(since), limit, ..JobQuery::default() };
    let mut failed: BTreeSet<Name> = BTreeSet::new();
    // One after the other: the newest of several states together are found by sorting all of them.
    for status in BAD.into_iter().filter_map(JobStatus::parse) {
        let query = JobQuery { status: vec![status], ..asked(FAILED) };
        failed.extend(history.jobs(query).await?.jobs.into_iter().map(|job| job.router));
    }
    let is_seen = |router: &str| {
        let ended = newest.items.iter().filter(|job| job.ended_at.is_some() || job.status == "rejected");
        ended.map(|job| &*job.router).any(|seen| seen == router)
    };
    for router in failed.iter().filter(|router| !is_seen(router)).take(ROUTERS) {
        let query = JobQuery { router: Some(router.to_string()), ..asked(OF_ROUTER) };
        found.extend(history.jobs(query).await?.jobs.into_iter().map(summary));
    }
    Ok(found)
}

/// A job in a list.
#[must_use]
pub fn summary(view: JobSummaryView) -> JobSummary {
    let state = view.state;
    JobSummary {
        id: name(&view.id),
        event_id: name(&view.event_id),
        router: name(&view.router),
        task: name(&view.task),
        trigger: name(&view.trigger),
        executor: name(&view.executor),
        status: state.status.as_str().to_owned(),
        attempt: state.attempt,
        chain_depth: view.chain_depth,
        queued_at: view.queued_at.to_string(),
        first_started_at: time(view.first_started_at),
        started_at: time(state.started_at),
        ended_at: time(state.ended_at),
        retry_at: time(state.retry_at),
        waits_for: None,
        error: state.error,
    }
}

/// Says of those that are queued what they wait for.
pub async fn say_what_waits(dispatcher: &Handle, jobs: impl IntoIterator<Item = &mut JobSummary>) {
    let queued = jobs.into_iter().filter(|job| job.status == JobStatus::Queued.as_str());
    let queued: Vec<&mut JobSummary> = queued.collect();
    if queued.is_empty() {
        return;
    }
    let ids = queued.iter().map(|job| Name::from(&*job.id)).collect();
    for (job, what) in queued.into_iter().zip(dispatcher.waits_for(ids).await) {
        job.waits_for = match (what, &job.retry_at) {
            (Some(what), Some(at)) if what == RETRY => Some(format!("{what}, at {at}")),
            (what, _) => what,
        };
    }
}

fn name(name: &Name) -> String {
    (**name).to_owned()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
