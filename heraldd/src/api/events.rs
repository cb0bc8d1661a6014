//! Events: what one matched, and creating one; the triggers that create them.

use std::sync::Arc;

use axum::extract::State;
use herald_core::activation::{Activation, EventSink, INTERNAL, NewEvent};
use herald_core::dispatcher::{Explained, explain};
use herald_store::history::EventView;
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
use super::json::Json;
use super::trial::{in_turn, rehearsed};
use herald_control::model;
use herald_overview::history::resources;

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
    let explained = if event.routed_at.is_some() {
        let (view, past) = (api.view(), Arc::new(shown(&event)));
        in_turn(&view, explain(&view.plan, &past, recorded, query.router.as_deref())).await?
    } else {
        Explained::recorded(recorded)
    };
    Ok(Json(resources::event(event, explained)))
}

/// A past event as it may be seen: what selectors say about it then shows no secret, not even one that the
/// configuration of now does not have any more.
fn shown(event: &EventView) -> Activation {
    Activation {
        event_id: event.id.clone(),
        trigger: event.trigger.clone(),
        trigger_param: Arc::new(event.trigger_param.clone().into()),
        chain_depth: event.chain_depth,
        by: event.by.clone().map(Arc::new),
    }
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

/// Nobody can fire a trigger of this name.
fn no_trigger<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> ErrorResponse {
    if INTERNAL.contains(&name) {
        let why = format!("the trigger \"{name}\" is internal: Herald alone fires it");
        return ErrorResponse::new(
            StatusCode::NOT_FOUND,
            format!("{why} (`heraldd try` shows what it would start)"),
        );
    }
    ErrorResponse::no_such("trigger", name, known)
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
    let trigger = view.trigger(&name).ok_or_else(|| no_trigger(&name, view.trigger_names()))?;
    let by = act.begin(format!("trigger {trigger}"), view.routers_of(&trigger)).await?;
    match api.handle.accept_event(NewEvent { by: Some(by), ..NewEvent::new(trigger, params) }).await {
        Ok(event_id) => Ok(Json(model::Activated { event_id: event_id.to_string() })),
        Err(refused) => Err(rejected(&refused)),
    }
}

#[cfg(test)]
mod tests {
    use herald_core::clock::SystemClock;
    use herald_core::journal::{Journal, Record, Records};
    use herald_core::secret::Mask;
    use herald_store::history::MemoryHistory;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::super::tests::{api_of, get};
    use super::*;

    #[tokio::test]
    async fn an_explanation_shows_no_secret_that_the_configuration_had_before() {
        let config = "selector: {m: {type: match_map}}
trigger: {hook: {type: cron, cron: '@yearly'}}
router: {r: {trigger: hook, selector: m, select_param: {match_key: key, match_value: x}, task: {t: none}}}";
        let recent = Arc::new(MemoryHistory::default());
        let (api, _dispatcher) = api_of(config, Arc::new(SystemClock), Arc::default(), recent.clone(), None);
        let mut mask = Mask::new();
        mask.add("an-old-secret");
        let (mask, at) = (Arc::new(mask), Timestamp::UNIX_EPOCH);
        let Value::Object(params) = json!({"key": "an-old-secret", "other": 1}) else { panic!() };
        let activation = Activation {
            event_id: "e1".into(),
            trigger: "hook".into(),
            trigger_param: Arc::new(params.into()),
            chain_depth: 0,
            by: None,
        };
        let records = vec![
            Record::Accepted { activation, mask, key: None, cursor: None, due: None, at },
            Record::Routed { event_id: "e1".into(), decisions: vec![], kept: true, at },
        ];
        recent.append(&Records::new(records)).await.unwrap();
        let (status, body) = get(&api, "/v1/events/e1").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(r#"key is \"***\", not \"x\""#), "it is asked again: {body}");
        assert!(!body.contains("an-old-secret"), "{body}");
    }
}
