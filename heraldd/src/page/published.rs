//! The screens and acts of projects that are published from etcd.

use axum::extract::State;
use axum::response::Response;
use herald_page::screens::published as shown;

use super::acts::ActForm;
use super::visit::{ApiState, Visit, unavailable};
use crate::api::act::CommandAct;
use crate::api::answer::HandlerResult;
use crate::api::given::{Asked, Named};
use crate::api::published::{self, PublishQuery};

pub(super) async fn list(State(api): ApiState, visit: Visit) -> HandlerResult<Response> {
    let list = published::list(State(api.clone())).await?.0;
    Ok(visit.screen(&api, |frame| shown::screen(frame, &list)))
}

pub(super) async fn project(api: ApiState, visit: Visit, name: Named) -> HandlerResult<Response> {
    project_screen(api, visit, name, false).await
}

pub(super) async fn diff(api: ApiState, visit: Visit, name: Named) -> HandlerResult<Response> {
    project_screen(api, visit, name, true).await
}

async fn project_screen(
    State(api): ApiState,
    visit: Visit,
    Named(name): Named,
    with_diff: bool,
) -> HandlerResult<Response> {
    let (project, routers) = published::one(&api, &name).await?;
    let diff = match with_diff {
        true => Some(published::diff(State(api.clone()), Named(name.clone())).await),
        false => None,
    };
    let diff = diff.map(|diff| diff.map(|diff| diff.0).map_err(unavailable));
    let data = shown::ProjectData { name, project, routers, diff };
    Ok(visit.screen(&api, |frame| shown::project(frame, &data)))
}

pub(super) async fn publish(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let query = PublishQuery::of(&form.fields);
    let _ = published::publish(api, Named(name.clone()), Asked(query), CommandAct(form.act)).await?;
    Ok(visit.done("/published", &[&name], "publish"))
}
