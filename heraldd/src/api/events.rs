//! Events: what one matched, and creating one; the triggers that create them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use herald_core::activation::{EventSink, INTERNAL, NewEvent};
use herald_core::dispatcher::{Explained, explain};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::act::{CommandAct, RequestAct};
use super::answer::{
    BadBody, CommonErrors, Conflict, ErrorResponse, HandlerResult, Missing, TooManyRequests, UnknownId,
};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::{Asked, Named, Object};
use super::id::EventInPath;
use super::jobs::rejected;
use super::resources;
use super::trial::{in_turn, rehearsed};
use herald_control::model;

/// One event, and for each router of its trigger whether the selector matched, and why
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", params(EventInPath, ExplainQuery),
    responses((status = 200, description = "The event.", body = model::EventResource), CommonErrors, UnknownId))]
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    EventInPath { id }: EventInPath,
    Asked(query): Asked<ExplainQuery>,
) -> HandlerResult<Json<model::EventResource>> {
    let mut event = api.history.event(&id).await?.ok_or_else(|| ErrorResponse::unknown("event", &id))?;
    let recorded = std::mem::take(&mut event.decisions);
    // What was sealed with another key cannot be asked about again.
    let past = api.history.activation(&event.id).await.ok().flatten();
    let explained = match past.filter(|_| event.routed_at.is_some()) {
        Some(past) => {
            let (view, past) = (api.view(), Arc::new(past));
            in_turn(&view, explain(&view.plan, &past, recorded, query.router.as_deref())).await?
        }
        None => Explained::recorded(recorded),
    };
    Ok(Json(resources::event(event, explained)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// Only what the selectors of this router said.
    #[param(max_length = 200)]
    router: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplayQuery {
    /// Create a new event of the same trigger with the same parameters, rather than show which jobs it would create.
    #[serde(default)]
    #[param(required = false)]
    run: bool,
    /// Why, in your own words: 500 characters at most. It is recorded. The header `Herald-Reason` does the same.
    #[expect(dead_code, reason = "described here, and read by `CommandAct`")]
    #[param(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

impl ExplainQuery {
    /// About one router.
    pub(crate) fn of(router: &str) -> Self {
        Self { router: Some(router.to_owned()) }
    }
}

impl ReplayQuery {
    /// One that creates the event again.
    pub(crate) fn for_run() -> Self {
        Self { run: true, ..Self::default() }
    }
}

/// Shows which jobs a past event would create with the current configuration; with `run`, creates the event again
#[utoipa::path(post, path = "/v1/events/{id}/replay", tag = "events",
    params(EventInPath, ReplayQuery),
    responses((status = 200, description = "The jobs that it would create, or the id of the new event.", body = model::Replayed), CommonErrors,
        Conflict, TooManyRequests))]
pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    EventInPath { id }: EventInPath,
    Asked(query): Asked<ReplayQuery>,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::Replayed>> {
    let past = api.history.activation(&id).await?.ok_or_else(|| ErrorResponse::unknown("event", &id))?;
    let view = api.view();
    if !query.run {
        act.rehearse(format!("event {id}"), view.routers_of(&past.trigger)).await?;
        let rehearsal = rehearsed(&view, past).await?;
        return Ok(Json(model::Replayed { event_id: None, rehearsal: Some(rehearsal) }));
    }
    if INTERNAL.contains(&&*past.trigger) {
        let why = format!(
            "{} reports what Herald itself saw; run the job or the event that led to it again",
            past.trigger
        );
        return Err(ErrorResponse::new(StatusCode::CONFLICT, why));
    }
    let by = act.begin(format!("event {id}"), view.routers_of(&past.trigger)).await?;
    let event =
        NewEvent { by: Some(by), ..NewEvent::new(past.trigger, Arc::unwrap_or_clone(past.trigger_param)) };
    match api.handle.accept_event(event).await {
        Ok(event_id) => Ok(Json(model::Replayed { event_id: Some(event_id.to_string()), rehearsal: None })),
        Err(refused) => Err(rejected(&refused)),
    }
}

/// All triggers, with their next due times
#[utoipa::path(get, path = "/v1/triggers", tag = "events",
    responses((status = 200, description = "The triggers, by name.", body = Vec<model::TriggerResource>), CommonErrors))]
pub(crate) async fn triggers(State(api): State<Arc<Api>>) -> Json<Vec<model::TriggerResource>> {
    Json(api.view().triggers(api.clock.now()))
}

/// Fires a trigger now, with a JSON object as its parameters
#[utoipa::path(post, path = "/v1/triggers/{name}", tag = "events", params(("name" = String, Path, description = "The trigger's name."), ReasonQuery),
    request_body(content = Option<serde_json::Map<String, serde_json::Value>>, description = "The `trigger_param`; nothing is an empty one."),
    responses((status = 200, description = "The event is recorded.", body = model::Activated), CommonErrors, Missing, TooManyRequests, BadBody))]
pub(crate) async fn activate(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    RequestAct(act): RequestAct,
    Object(params): Object,
) -> HandlerResult<Json<model::Activated>> {
    let view = api.view();
    let trigger =
        view.trigger(&name).ok_or_else(|| ErrorResponse::no_such("trigger", &name, view.trigger_names()))?;
    let by = act.begin(format!("trigger {trigger}"), view.routers_of(&trigger)).await?;
    match api.handle.accept_event(NewEvent { by: Some(by), ..NewEvent::new(trigger, params) }).await {
        Ok(event_id) => Ok(Json(model::Activated { event_id: event_id.to_string() })),
        Err(refused) => Err(rejected(&refused)),
    }
}
