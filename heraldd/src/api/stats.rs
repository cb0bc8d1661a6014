//! How many jobs there were, how they ended, and how long they took.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_overview::stats::{self, StatsQueryError, StatsRange};
use herald_store::history::SampledBy;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::context::Api;
use super::given::Asked;
use super::json::Json;
use herald_overview::time_range::{read_time, time_or_ago};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// How long a bucket is, 1m or more: `1h` by default. There are at most 1000.
    #[param(pattern = "^[1-9][0-9]{0,2}(m|h|d)$")]
    bucket: Option<String>,
    /// What jobs are counted by: `router` by default. By `node` those count that ran on nodes.
    #[serde(default)]
    #[param(schema_with = stats::by_schema, required = false)]
    by: SampledBy,
    /// Only jobs of this router.
    #[param(min_length = 1)]
    router: Option<String>,
    /// Only jobs created after this time (RFC 3339), or within this long (`90m`, `2d`). Default: 24 buckets.
    #[param(schema_with = time_or_ago)]
    since: Option<String>,
    /// Only jobs created before this time. Default: now.
    #[param(schema_with = time_or_ago)]
    until: Option<String>,
    /// Maximum number of names, those with the most jobs: 1 to 500, by default 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

impl From<StatsQueryError> for ErrorResponse {
    fn from(error: StatsQueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

/// How many jobs there were, how they ended and how long they took, by time and by name
///
/// One call looks at 100,000 jobs, by `node` at 5,000, and gives 5,000 rows at most: `complete_since` and `left_out`
/// say what is missing.
#[utoipa::path(get, path = "/v1/stats", tag = "jobs", params(StatsQuery),
    responses((status = 200, description = "The jobs.", body = model::StatsResource), CommonErrors, Missing))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<StatsQuery>,
) -> HandlerResult<Json<model::StatsResource>> {
    let now = api.clock.now();
    let time = |name, given: Option<String>| given.map(|given| read_time(name, &given, now)).transpose();
    let bad = |error: &dyn std::fmt::Display| ErrorResponse::new(StatusCode::BAD_REQUEST, error);
    let since = time("since", query.since).map_err(|error| bad(&error))?;
    let until = time("until", query.until).map_err(|error| bad(&error))?;
    let range = StatsRange::new(since, until, query.bucket.as_deref(), query.by, now)?;
    let router = query.router.clone();
    let range = range.limited(query.router, query.limit)?;
    let stats = stats::gather(&*api.history, range).await?;
    // One that was removed is known as long as its jobs are.
    if let Some(router) = router.filter(|_| stats.rows.is_empty()) {
        let view = api.view();
        let known = view.router_names();
        if !known.contains(&*router) {
            return Err(ErrorResponse::no_such("router", &router, known));
        }
    }
    Ok(Json(stats))
}
