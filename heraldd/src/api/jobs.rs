//! Jobs: listing, showing, cancelling and re-running them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use herald_core::activation::Refused;
use herald_core::dispatcher::{RestoredJob, restore};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::act::CommandAct;
use super::answer::{CommonErrors, Conflict, ErrorResponse, HandlerResult, TooManyRequests, UnknownId};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::Asked;
use super::id::JobInPath;
use super::resources;
use super::time_range::{TimeError, read_time, time_or_ago};
use herald_control::model::{self, STATUSES};
use herald_store::history::{JobQuery, JobStatus};

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    /// Only jobs of this router.
    pub(crate) router: Option<String>,
    /// Only jobs of this task.
    pub(crate) task: Option<String>,
    /// Only jobs of events of this trigger.
    pub(crate) trigger: Option<String>,
    /// Only these states, separated by commas: `queued`, `running`, `succeeded`, `failed`, `timed_out`, `cancelled`,
    /// `lost` or `rejected`.
    #[param(schema_with = statuses)]
    pub(crate) status: Option<String>,
    /// Only jobs created after this time (RFC 3339), or within this long (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub(crate) since: Option<String>,
    /// Only jobs created before this time (RFC 3339), or longer ago than this (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub(crate) until: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-fA-F-]{36}$")]
    pub(crate) cursor: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

/// What `status` may be, for the document.
fn statuses() -> Schema {
    let one = STATUSES.join("|");
    let list = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({one})(,({one}))*$")));
    Schema::Object(list.build())
}

/// What is wrong with a query for jobs.
#[derive(Debug, thiserror::Error)]
enum JobsQueryError {
    #[error("status: expected one of: {}", STATUSES.join(", "))]
    Status,
    #[error("limit: expected a number from 1 to {LARGEST_PAGE}")]
    Limit,
    #[error(transparent)]
    Time(#[from] TimeError),
}

impl JobsQuery {
    fn read(self, now: Timestamp) -> Result<JobQuery, JobsQueryError> {
        let parse = |word: &str| JobStatus::parse(word.trim()).ok_or(JobsQueryError::Status);
        let words = self.status.iter().flat_map(|list| list.split(','));
        let status = words.map(parse).collect::<Result<Vec<_>, _>>()?;
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(JobsQueryError::Limit);
        }
        let time = |name, given: Option<String>| given.map(|given| read_time(name, &given, now)).transpose();
        let (since, until) = (time("since", self.since)?, time("until", self.until)?);
        let Self { router, task, trigger, cursor, .. } = self;
        Ok(JobQuery { router, task, trigger, status, since, until, cursor, limit })
    }
}

/// The jobs that are known, newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "A page of jobs.", body = model::Page<model::JobSummary>), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<JobsQuery>,
) -> HandlerResult<Json<model::Page<model::JobSummary>>> {
    let query = query.read(api.clock.now());
    let query = query.map_err(|error| ErrorResponse::new(StatusCode::BAD_REQUEST, error))?;
    Ok(Json(resources::jobs(api.history.jobs(query).await?)))
}

/// One job with its attempts, parameters (secrets masked), result and times
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(JobInPath),
    responses((status = 200, description = "The job.", body = model::JobResource), CommonErrors, UnknownId))]
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    JobInPath { id }: JobInPath,
) -> HandlerResult<Json<model::JobResource>> {
    let job = api.history.job(&id).await?;
    job.map(|job| Json(resources::job(job))).ok_or_else(|| ErrorResponse::unknown("job", &id))
}

/// Cancels a queued or running job
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(JobInPath, ReasonQuery),
    responses((status = 202, description = "The job is being cancelled.", body = model::Cancelling), CommonErrors, Conflict))]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    JobInPath { id }: JobInPath,
    CommandAct(act): CommandAct,
) -> HandlerResult<(StatusCode, Json<model::Cancelling>)> {
    let router = match api.history.job(&id).await {
        Ok(job) => Some(job.ok_or_else(|| ErrorResponse::unknown("job", &id))?.summary.router),
        Err(error) if act.is_limited() => return Err(error.into()),
        // Others can cancel a running job even while the history cannot be read.
        Err(_) => None,
    };
    let by = act.begin(format!("job {id}"), router.as_deref()).await?;
    if api.handle.cancel(&id, "it was cancelled through the API", Some(by)).await {
        return Ok((StatusCode::ACCEPTED, Json(model::Cancelling { job_id: id })));
    }
    match api.history.job(&id).await? {
        Some(job) => {
            let sentence = format!("the job has ended already: {}", job.summary.state.status.as_str());
            Err(ErrorResponse::new(StatusCode::CONFLICT, sentence))
        }
        None => Err(ErrorResponse::unknown("job", &id)),
    }
}

/// Re-runs a finished job, as a new job of the same event with the same parameters
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(JobInPath, ReasonQuery),
    responses((status = 201, description = "The new job.", body = model::Retried), CommonErrors, Conflict, TooManyRequests))]
pub(crate) async fn retry(
    State(api): State<Arc<Api>>,
    JobInPath { id }: JobInPath,
    CommandAct(act): CommandAct,
) -> HandlerResult<(StatusCode, Json<model::Retried>)> {
    let conflict = |sentence: String| ErrorResponse::new(StatusCode::CONFLICT, sentence);
    let found = api.history.stored(&id).await?.ok_or_else(|| ErrorResponse::unknown("job", &id))?;
    let by = act.begin(format!("job {id}"), [&*found.stored.job.router]).await?;
    if !found.ended {
        return Err(conflict("the job has not ended yet; cancel it first, or wait".to_owned()));
    }
    let plan = api.view().plan.clone();
    // Templates may take a while.
    let restored = tokio::task::spawn_blocking(move || restore(&plan, found.stored)).await;
    let RestoredJob { job, broken } =
        restored.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    if let Some(why) = broken {
        return Err(conflict(why));
    }
    match api.handle.again(job, Some(by)).await {
        Ok(job_id) => Ok((StatusCode::CREATED, Json(model::Retried { job_id: job_id.to_string() }))),
        Err(refused) => Err(rejected(&refused)),
    }
}

/// Why nothing came of a wish for an event or a job.
pub(crate) fn rejected(refused: &Refused) -> ErrorResponse {
    match refused {
        Refused::Busy => ErrorResponse::later(StatusCode::TOO_MANY_REQUESTS, refused),
        _ => ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let read = |query: &str| {
            let asked: JobsQuery = axum::extract::Query::try_from_uri(&format!("/?{query}").parse().unwrap())
                .map_err(|error| error.body_text())?
                .0;
            asked.read(now).map_err(|error| error.to_string())
        };
        for (query, router, since, limit) in [
            ("", None, None, 50),
            ("router=a%20b&limit=3", Some("a b"), None, 3),
            ("since=90m", None, at("2026-11-24T10:30:00Z"), 50),
            ("since=2026-11-24T00:00:00%2B01:00", None, at("2026-11-23T23:00:00Z"), 50),
        ] {
            let read = read(query).unwrap();
            assert_eq!((read.router.as_deref(), read.since, read.limit), (router, since, limit), "{query}");
        }
        for (query, says) in [
            ("limit=0", "1 to 1000"),
            ("limit=1001", "1 to 1000"),
            ("limit=x", "limit"),
            ("since=soon", "2026-11-24T12:00:00Z"),
            ("since=2026", "2026-11-24T12:00:00Z"),
            ("since=0s", "2026-11-24T12:00:00Z"),
            ("since=99999d", "2026-11-24T12:00:00Z"),
            ("status=done", "succeeded"),
            ("x=1", "unknown field `x`"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(says), "{query}: {error}");
        }
    }
}
