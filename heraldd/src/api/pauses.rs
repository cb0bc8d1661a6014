//! Pauses of routers: their events are accepted, and their jobs wait.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_core::unit;
use herald_store::pauses::{Pause, PauseError};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::act::CommandAct;
use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::{Asked, Named};
use super::json::Json;
use herald_overview::history::resources;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PauseQuery {
    /// How long, such as `2h`; without it until the router is resumed.
    #[serde(rename = "for")]
    #[param(max_length = 50)]
    pub(crate) lasting: Option<String>,
}

impl From<PauseError> for ErrorResponse {
    fn from(error: PauseError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// Pauses a router: it starts no job until it is resumed. Its jobs wait within the bounds of the queue (`max_queue`,
/// `queue_limit`, `on_full`)
#[utoipa::path(post, path = "/v1/routers/{name}/pause", tag = "configuration",
    params(("name" = String, Path, description = "The router."), PauseQuery, ReasonQuery),
    responses((status = 200, description = "It is paused.", body = model::PauseResource), CommonErrors, Missing))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<PauseQuery>,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::PauseResource>> {
    known(&api, &name)?;
    let bad =
        |why: &dyn std::fmt::Display| ErrorResponse::new(StatusCode::BAD_REQUEST, format!("for: {why}"));
    let lasting = query.lasting.map(|lasting| unit::duration(&lasting.into())).transpose();
    let lasting = lasting.map_err(|error| bad(&error))?;
    let since = whole_second(&api);
    let until =
        lasting.map(|lasting| SignedDuration::try_from(lasting).and_then(|for_| since.checked_add(for_)));
    let until = until.transpose().map_err(|error| bad(&error))?;
    let by = act.begin(format!("router {name}"), [&*name]).await?;
    let pause = Pause { name, since, until, by: by.masked(&api.view().plan.mask) };
    let _changing = api.pauses.change().await;
    api.pauses.pause(pause.clone()).await?;
    pass_on(&api).await;
    Ok(Json(resources::pause(pause)))
}

/// Resumes a router: what waits starts
#[utoipa::path(post, path = "/v1/routers/{name}/resume", tag = "configuration",
    params(("name" = String, Path, description = "The router."), ReasonQuery),
    responses((status = 200, description = "The pause that was; null where there was none.", body = Option<model::PauseResource>),
        CommonErrors, Missing))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<Option<model::PauseResource>>> {
    // The pause of a router that is not configured any more can be ended as well.
    if !api.pauses.current(api.clock.now()).contains_key(&name) {
        known(&api, &name)?;
    }
    act.begin(format!("router {name}"), [&*name]).await?;
    let _changing = api.pauses.change().await;
    let ended = api.pauses.resume(&name).await?;
    pass_on(&api).await;
    Ok(Json(ended.map(resources::pause)))
}

/// Now, for people.
pub(super) fn whole_second(api: &Api) -> Timestamp {
    let now = api.clock.now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The dispatcher goes by what is recorded now.
async fn pass_on(api: &Api) {
    api.handle.pause(api.pauses.routers(api.clock.now())).await;
}

fn known(api: &Api, name: &str) -> HandlerResult<()> {
    let view = api.view();
    let names = view.router_names();
    if names.contains(name) { Ok(()) } else { Err(ErrorResponse::no_such("router", name, names)) }
}
