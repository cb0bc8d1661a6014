//! The list of events.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_overview::history::event_list::EventsQuery;
use herald_overview::history::resources;
use http::StatusCode;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;
use super::json::Json;

/// The events that are known, newest first
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventsQuery),
    responses((status = 200, description = "A page of events.", body = model::Page<model::EventSummary>), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<EventsQuery>,
) -> HandlerResult<Json<model::Page<model::EventSummary>>> {
    let query = query.read(api.clock.now());
    let query = query.map_err(|error| ErrorResponse::new(StatusCode::BAD_REQUEST, error))?;
    Ok(Json(resources::events(api.history.events(query).await?)))
}
