//! Values of jobs over time.

use std::sync::Arc;

use axum::extract::State;
use herald_boards::section::check_value_path;
use herald_control::model;
use herald_overview::tiles::result_resource;
use herald_store::history::{ResultQuery, result_series};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::context::Api;
use super::given::Asked;
use super::json::Json;
use herald_overview::time_range::{read_time, time_or_ago};

/// Values of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;
/// Questions to the history for one call: it looks at 10,000 jobs at most.
const QUESTIONS: usize = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResultsQuery {
    /// The router whose jobs have the value.
    #[param(min_length = 1)]
    router: String,
    /// Where the value is in a job, as `exe_done` has it: `result/size`.
    #[param(min_length = 1)]
    path: String,
    /// Only jobs of this task.
    task: Option<String>,
    /// Only jobs created after this time (RFC 3339), or within this long (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    since: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-fA-F-]{36}$")]
    cursor: Option<String>,
    /// Maximum number of values: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A value of a router's finished jobs, newest first
///
/// Jobs that do not have it are left out. One call looks at 10,000 jobs and gives about 4 MiB of values at most: a page
/// may be empty and have a `next_cursor`.
#[utoipa::path(get, path = "/v1/results", tag = "jobs", params(ResultsQuery),
    responses((status = 200, description = "A page of values.", body = model::Page<model::ResultResource>), CommonErrors, Missing))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<ResultsQuery>,
) -> HandlerResult<Json<model::Page<model::ResultResource>>> {
    let bad = |why: &dyn std::fmt::Display| ErrorResponse::new(StatusCode::BAD_REQUEST, why);
    check_value_path(&query.path).map_err(|error| bad(&format_args!("path: {error}")))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(bad(&format_args!("limit: expected a number from 1 to {LARGEST_PAGE}")));
    }
    let now = api.clock.now();
    let since = query.since.map(|given| read_time("since", &given, now)).transpose();
    let since = since.map_err(|error| bad(&error))?;
    let ResultsQuery { router, path, task, cursor, .. } = query;
    let is_first = cursor.is_none();
    let asked = ResultQuery { router: router.clone(), task, path, since, cursor, limit, shorten: None };
    let page = result_series(&*api.history, asked, QUESTIONS).await?;
    let view = api.view();
    let known = view.router_names();
    if is_first && page.results.is_empty() && page.next_cursor.is_none() && !known.contains(&*router) {
        return Err(ErrorResponse::no_such("router", &router, known));
    }
    Ok(Json(model::Page {
        items: page.results.into_iter().map(result_resource).collect(),
        next_cursor: page.next_cursor.map(|id| id.to_string()),
    }))
}
