//! Jobs: listing, showing, cancelling and re-running them.

use std::sync::Arc;

use axum::extract::State;
use herald_core::activation::Refused;
use herald_core::dispatcher::{RestoredJob, restore};
use http::StatusCode;

use super::act::CommandAct;
use super::answer::{CommonErrors, Conflict, ErrorResponse, HandlerResult, TooManyRequests, UnknownId};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::Asked;
use super::id::JobInPath;
use super::json::Json;
use herald_control::model;
use herald_overview::history::job_list::{self, JobsQuery};
use herald_overview::history::resources;

/// The jobs that are known, newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "A page of jobs.", body = model::JobList), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<JobsQuery>,
) -> HandlerResult<Json<model::JobList>> {
    let is_counted = query.counts == Some(true);
    let query = query.read(api.clock.now());
    let query = query.map_err(|error| ErrorResponse::new(StatusCode::BAD_REQUEST, error))?;
    let mut page = job_list::list(&*api.history, query, is_counted).await?;
    job_list::say_what_waits(&api.handle, &mut page.items).await;
    Ok(Json(page))
}

/// One job with its attempts, parameters (secrets masked), result and times
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(JobInPath),
    responses((status = 200, description = "The job.", body = model::JobResource), CommonErrors, UnknownId))]
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    JobInPath { id }: JobInPath,
) -> HandlerResult<Json<model::JobResource>> {
    let job = api.history.job(&id).await?.ok_or_else(|| ErrorResponse::unknown("job", &id))?;
    let mut job = resources::job(job);
    job_list::say_what_waits(&api.handle, [&mut job.summary]).await;
    Ok(Json(job))
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
    let who = by.user.as_ref().map(|user| format!(" by {user}"));
    let found = api.handle.cancel(&id, &format!("cancelled{}", who.unwrap_or_default()), Some(by)).await;
    let unrecorded = |error| {
        let why =
            format!("the end of the job cannot be recorded, so it is not cancelled for certain: {error}");
        ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why)
    };
    if found.map_err(unrecorded)? {
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
        Refused::TooDeep(_) => ErrorResponse::new(StatusCode::BAD_REQUEST, refused),
        _ => ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, refused),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

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
