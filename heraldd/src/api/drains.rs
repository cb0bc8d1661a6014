//! Drained nodes: what runs there goes on, and new jobs wait.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_store::pauses::Pause;

use super::act::CommandAct;
use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::Named;
use super::json::Json;
use super::pauses::whole_second;
use herald_overview::history::resources;

/// Drains a node: it gets no new jobs until it is resumed. Those that run there finish; those that are for it wait, and
/// deployments take it for a node that is away
#[utoipa::path(post, path = "/v1/nodes/{name}/drain", tag = "configuration",
    params(("name" = String, Path, description = "The node."), ReasonQuery),
    responses((status = 200, description = "It is drained.", body = model::DrainResource), CommonErrors, Missing))]
pub(crate) async fn drain(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::DrainResource>> {
    known(&api, &name)?;
    let since = whole_second(&api);
    let by = act.begin_everywhere(format!("node {name}")).await?;
    let drain = Pause { name, since, until: None, by: by.masked(&api.view().plan.mask) };
    let _changing = api.drains.change().await;
    api.drains.pause(drain.clone()).await?;
    pass_on(&api).await;
    Ok(Json(resources::drain(drain)))
}

/// Resumes a node that was drained: what waits for it starts
#[utoipa::path(post, path = "/v1/nodes/{name}/resume", tag = "configuration",
    params(("name" = String, Path, description = "The node."), ReasonQuery),
    responses((status = 200, description = "The drain that was; null where there was none.", body = Option<model::DrainResource>),
        CommonErrors, Missing))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<Option<model::DrainResource>>> {
    // The drain of a node that is not configured any more can be ended as well.
    if !api.drains.current(api.clock.now()).contains_key(&name) {
        known(&api, &name)?;
    }
    act.begin_everywhere(format!("node {name}")).await?;
    let _changing = api.drains.change().await;
    let ended = api.drains.resume(&name).await?;
    pass_on(&api).await;
    Ok(Json(ended.map(resources::drain)))
}

/// The components and the dispatcher go by what is recorded now.
async fn pass_on(api: &Api) {
    api.view().drained.show(api.drains.current(api.clock.now()).into_keys());
    api.handle.look_at_executors().await;
}

fn known(api: &Api, name: &str) -> HandlerResult<()> {
    let nodes = api.nodes.nodes();
    let names = || nodes.iter().map(|node| node.name.as_str());
    if names().any(|known| known == name) {
        Ok(())
    } else {
        Err(ErrorResponse::no_such("node", name, names()))
    }
}
