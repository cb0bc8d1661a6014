//! The list of events.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use herald_control::model;
use herald_store::history::EventQuery;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;
use super::resources;
use herald_overview::time_range::{TimeError, read_time, time_or_ago};

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only events of this trigger.
    trigger: Option<String>,
    /// Only events that created a job of this router.
    router: Option<String>,
    /// Only events that matched no router.
    #[serde(default)]
    #[param(required = false)]
    unmatched: bool,
    /// Only events accepted after this time (RFC 3339), or within this long (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    since: Option<String>,
    /// Only events accepted before this time (RFC 3339), or longer ago than this (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    until: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-fA-F-]{36}$")]
    cursor: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The events that are known, newest first
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventsQuery),
    responses((status = 200, description = "A page of events.", body = model::Page<model::EventSummary>), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<EventsQuery>,
) -> HandlerResult<Json<model::Page<model::EventSummary>>> {
    let now = api.clock.now();
    let bad = |error: TimeError| ErrorResponse::new(StatusCode::BAD_REQUEST, error);
    let since = query.since.map(|given| read_time("since", &given, now)).transpose().map_err(bad)?;
    let until = query.until.map(|given| read_time("until", &given, now)).transpose().map_err(bad)?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let why = format!("limit: expected a number from 1 to {LARGEST_PAGE}");
        return Err(ErrorResponse::new(StatusCode::BAD_REQUEST, why));
    }
    let EventsQuery { trigger, router, unmatched, cursor, .. } = query;
    let query = EventQuery { trigger, router, unmatched, since, until, cursor, limit };
    Ok(Json(resources::events(api.history.events(query).await?)))
}
