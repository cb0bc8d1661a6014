//! Events: what became of one, and making one; the triggers that make them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use herald_core::activation::Accept;
use http::StatusCode;

use super::answer::{Answer, BadBody, Crowded, Missing, Problem, Usual};
use super::context::Api;
use super::given::{Named, Object};
use super::jobs::turned_away;
use crate::model;

/// An event, and for every router that was asked what its selector said and why
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", params(("id" = String, Path, description = "The event's id.")),
    responses((status = 200, description = "The event.", body = model::Event), Usual, Missing))]
pub(super) async fn one(State(api): State<Arc<Api>>, Named(id): Named) -> Answer<Json<model::Event>> {
    let event = api.history.event(&id).await?;
    event.map(Json).ok_or_else(|| Problem::unknown("event", &id))
}

/// All triggers, with the next times at which they are due
#[utoipa::path(get, path = "/v1/triggers", tag = "events",
    responses((status = 200, description = "The triggers, by name.", body = Vec<model::Trigger>), Usual))]
pub(super) async fn triggers(State(api): State<Arc<Api>>) -> Json<Vec<model::Trigger>> {
    Json(api.view().triggers(api.clock.now()))
}

/// Activates a trigger now, with a JSON object as what it tells
#[utoipa::path(post, path = "/v1/triggers/{name}", tag = "events", params(("name" = String, Path, description = "The trigger's name.")),
    request_body(content = Option<serde_json::Map<String, serde_json::Value>>, description = "The `trigger_param`; nothing is an empty one."),
    responses((status = 200, description = "The event is recorded.", body = model::Activated), Usual, Missing, Crowded, BadBody))]
pub(super) async fn activate(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Object(params): Object,
) -> Answer<Json<model::Activated>> {
    let trigger = api
        .view()
        .trigger(&name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no trigger \"{name}\"")))?;
    match api.handle.accept(trigger, params).await {
        Ok(event_id) => Ok(Json(model::Activated { event_id: event_id.to_string() })),
        Err(refused) => Err(turned_away(&refused)),
    }
}
