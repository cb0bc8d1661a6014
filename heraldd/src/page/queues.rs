//! The screens and acts of queues.

use axum::extract::State;
use axum::response::Response;
use herald_page::screens::queues as shown;

use super::acts::ActForm;
use super::visit::{ApiState, Visit, unavailable};
use crate::api::act::CommandAct;
use crate::api::answer::HandlerResult;
use crate::api::given::Asked;
use crate::api::queues::{self, DeadQuery, RequeueQuery, TopicInPath};

/// Dead letters of a page.
const DEAD: usize = 50;

pub(super) async fn list(State(api): ApiState, visit: Visit) -> HandlerResult<Response> {
    let list = queues::list(State(api.clone())).await?.0;
    Ok(visit.screen(&api, |frame| shown::screen(frame, &list)))
}

#[derive(Default, serde::Deserialize)]
pub(super) struct TopicAsked {
    cursor: Option<String>,
}

pub(super) async fn topic(
    State(api): ApiState,
    visit: Visit,
    path: TopicInPath,
    Asked(asked): Asked<TopicAsked>,
) -> HandlerResult<Response> {
    let topic = queues::topic(State(api.clone()), path.clone()).await?.0;
    let query = DeadQuery { cursor: asked.cursor, limit: Some(DEAD) };
    let dead = queues::dead(State(api.clone()), path.clone(), Asked(query)).await;
    let dead = dead.map(|page| page.0).map_err(unavailable);
    let data = shown::TopicData { queue: path.queue, topic, dead };
    Ok(visit.screen(&api, |frame| shown::topic(frame, &data)))
}

/// Back to the topic.
fn done(visit: &Visit, path: &TopicInPath, act: &str) -> Response {
    visit.done("/queues", &[&path.queue, "topics", &path.topic], act)
}

pub(super) async fn pause(
    api: ApiState,
    visit: Visit,
    path: TopicInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = queues::pause(api, path.clone(), CommandAct(form.act)).await?;
    Ok(done(&visit, &path, "queue_pause"))
}

pub(super) async fn resume(
    api: ApiState,
    visit: Visit,
    path: TopicInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = queues::resume(api, path.clone(), CommandAct(form.act)).await?;
    Ok(done(&visit, &path, "queue_resume"))
}

pub(super) async fn requeue(
    api: ApiState,
    visit: Visit,
    path: TopicInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let query = RequeueQuery::of(form.fields.get("id").cloned());
    let _ = queues::requeue(api, path.clone(), Asked(query), CommandAct(form.act)).await?;
    Ok(done(&visit, &path, "queue_requeue"))
}
