//! Queues between servers: how they are, their messages and dead letters.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use herald_queue::{DeadLetter, Queue, QueueError, TopicStatus};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::act::{ApiAct, CommandAct};
use super::answer::{BadBody, CommonErrors, Conflict, ErrorResponse, HandlerResult, Missing};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::{Asked, Named};
use super::id::message_id;
use super::json::Json;
use super::view::View;
use herald_control::model;
use herald_metrics::{QueueSnapshot, TopicSnapshot};
use herald_overview::queues::{self as queue_resources, topics};
use herald_queue_jobs::QueueConnection;

/// How long a queue is waited for.
const LONGEST: Duration = Duration::from_secs(5);
/// The most dead letters of one page, and of one request to requeue.
const MOST: usize = 1000;

impl From<QueueError> for ErrorResponse {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Invalid { .. } | QueueError::Altered { .. } => Self::new(StatusCode::CONFLICT, error),
            error => Self::later(StatusCode::SERVICE_UNAVAILABLE, error),
        }
    }
}

/// Asks a queue, for a bounded time.
async fn ask<T>(queue: &dyn Queue, asked: impl Future<Output = Result<T, QueueError>>) -> HandlerResult<T> {
    match tokio::time::timeout(LONGEST, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            let why = format!("queue {}: no response within {} s", queue.name(), LONGEST.as_secs());
            Err(ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why))
        }
    }
}

/// The queue of this name.
fn named(api: &Api, name: &str) -> HandlerResult<QueueConnection> {
    let queues = api.view().queues.clone();
    let known: Vec<String> = queues.iter().map(|one| one.queue.name().to_owned()).collect();
    let unknown = || ErrorResponse::no_such("queue", name, known.iter().map(String::as_str));
    queues.get(name).cloned().ok_or_else(unknown)
}

/// The queues, with their topics
#[utoipa::path(get, path = "/v1/queues", tag = "queues",
    responses((status = 200, description = "The queues. One that cannot be reached is listed without topics.", body = model::QueueList), CommonErrors))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> HandlerResult<Json<model::QueueList>> {
    let queues = api.view().queues.clone();
    let mut items = Vec::new();
    for connection in queues.iter() {
        let queue = &*connection.queue;
        let topics = ask(queue, topics(queue)).await.unwrap_or_default();
        items.push(queue_resources::queue(queue, topics));
    }
    Ok(Json(model::QueueList { items }))
}

/// All queues, for metrics.
pub(super) async fn snapshots(view: &View, now: Timestamp) -> Vec<QueueSnapshot> {
    let mut all = Vec::new();
    for connection in view.queues.iter() {
        let queue = &*connection.queue;
        let topics = ask(queue, topics(queue)).await.unwrap_or_default();
        let status = queue.status();
        let since = status.unreachable_since.and_then(|since| Timestamp::from_millisecond(since).ok());
        let unreachable = since.map_or(0, |since| now.duration_since(since).as_secs());
        all.push(QueueSnapshot {
            queue: queue.name().to_owned(),
            connected: status.connected && status.unfit.is_none(),
            unreachable_seconds: u64::try_from(unreachable).unwrap_or_default(),
            topics: topics.into_iter().map(topic_snapshot).collect(),
        });
    }
    all
}

fn topic_snapshot(topic: TopicStatus) -> TopicSnapshot {
    TopicSnapshot {
        topic: topic.topic,
        waiting: topic.waiting + topic.delayed,
        unfinished: topic.unfinished,
        oldest_seconds: topic.oldest.map_or(0, |oldest| oldest.as_secs()),
        redelivered: topic.redelivered,
        dead: topic.dead,
    }
}

/// A topic
#[utoipa::path(get, path = "/v1/queues/{queue}/topics/{topic}", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("topic" = String, Path, description = "The topic.")),
    responses((status = 200, description = "The topic.", body = model::TopicResource), CommonErrors, Missing))]
pub(crate) async fn topic(
    State(api): State<Arc<Api>>,
    TopicInPath { queue, topic }: TopicInPath,
) -> HandlerResult<Json<model::TopicResource>> {
    let connection = named(&api, &queue)?;
    known_topic(&*connection.queue, &topic).await?;
    let status = ask(&*connection.queue, connection.queue.topic(&topic)).await?;
    Ok(Json(queue_resources::topic(status)))
}

/// The two names in the path.
#[derive(Clone)]
pub(crate) struct TopicInPath {
    pub(crate) queue: String,
    pub(crate) topic: String,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for TopicInPath {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, ErrorResponse> {
        let named: Result<Path<[String; 2]>, _> = Path::from_request_parts(parts, state).await;
        let Path([queue, topic]) =
            named.map_err(|why| ErrorResponse::new(StatusCode::BAD_REQUEST, why.body_text()))?;
        Ok(Self { queue, topic })
    }
}

async fn known_topic(queue: &dyn Queue, topic: &str) -> HandlerResult<()> {
    let known = ask(queue, queue.topics()).await?;
    if known.iter().any(|known| known == topic) {
        return Ok(());
    }
    Err(ErrorResponse::no_such("topic", topic, known.iter().map(String::as_str)))
}

/// A message: where it is, and why
#[utoipa::path(get, path = "/v1/queue-messages/{id}", tag = "queues", params(("id" = String, Path, description = "The id of the message: that of the job that put it, or a part of it that no other job of this server has, or `last`, or `last:ROUTER`.")),
    responses((status = 200, description = "The message, in each topic that knows the id.", body = Vec<model::MessageResource>), CommonErrors, Missing))]
pub(super) async fn message(
    State(api): State<Arc<Api>>,
    Named(id): Named,
) -> HandlerResult<Json<Vec<model::MessageResource>>> {
    let id = message_id(&api, id).await?;
    let view = api.view();
    let mut found = Vec::new();
    for connection in view.queues.iter() {
        let queue = &*connection.queue;
        let views = ask(queue, queue.show(&id)).await?;
        found.extend(
            views.into_iter().map(|one| queue_resources::message(queue.name(), one, &view.plan.mask)),
        );
    }
    match found.is_empty() {
        false => Ok(Json(found)),
        true => {
            let why = format!("no queue knows the message \"{id}\"; what ended is remembered for an hour");
            Err(ErrorResponse::new(StatusCode::NOT_FOUND, why))
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadQuery {
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 100)]
    pub(crate) cursor: Option<String>,
    /// How many, 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

/// The dead letters of a topic, oldest first
#[utoipa::path(get, path = "/v1/queues/{queue}/topics/{topic}/dead", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("topic" = String, Path, description = "The topic."), DeadQuery),
    responses((status = 200, description = "A page of them.", body = model::Page<model::DeadLetterResource>), CommonErrors, Missing, BadBody))]
pub(crate) async fn dead(
    State(api): State<Arc<Api>>,
    TopicInPath { queue, topic }: TopicInPath,
    Asked(query): Asked<DeadQuery>,
) -> HandlerResult<Json<model::Page<model::DeadLetterResource>>> {
    let connection = named(&api, &queue)?;
    let queue = &*connection.queue;
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    let letters = ask(queue, queue.dead_letters(&topic, query.cursor.as_deref(), limit)).await?;
    let next_cursor =
        (letters.len() == limit).then(|| letters.last().map(|letter| letter.entry.clone())).flatten();
    let items =
        letters.into_iter().map(|letter| queue_resources::dead_letter(queue.name(), letter)).collect();
    Ok(Json(model::Page { items, next_cursor }))
}

/// Pauses a topic on all workers: they get no messages of it; what they have, they finish
#[utoipa::path(post, path = "/v1/queues/{queue}/topics/{topic}/pause", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("topic" = String, Path, description = "The topic."), ReasonQuery),
    responses((status = 200, description = "It is paused.", body = model::TopicPaused), CommonErrors, Missing))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    path: TopicInPath,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::TopicPaused>> {
    set_paused(&api, act, path, true).await
}

/// Resumes a topic
#[utoipa::path(post, path = "/v1/queues/{queue}/topics/{topic}/resume", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("topic" = String, Path, description = "The topic."), ReasonQuery),
    responses((status = 200, description = "It is resumed.", body = model::TopicPaused), CommonErrors, Missing))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    path: TopicInPath,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::TopicPaused>> {
    set_paused(&api, act, path, false).await
}

async fn set_paused(
    api: &Api,
    act: ApiAct,
    path: TopicInPath,
    paused: bool,
) -> HandlerResult<Json<model::TopicPaused>> {
    let connection = named(api, &path.queue)?;
    let queue = &*connection.queue;
    let by = act.begin_everywhere(format!("topic {}/{}", path.queue, path.topic)).await?;
    // One that nobody knows is a misspelt one; a pause that is there can be ended all the same.
    if paused || ask(queue, queue.topic(&path.topic)).await?.pause.is_none() {
        known_topic(queue, &path.topic).await?;
    }
    let by = paused.then(|| queue_resources::paused_by(&by, &api.view().plan.mask));
    ask(queue, queue.set_paused(&path.topic, by.as_ref())).await?;
    Ok(Json(model::TopicPaused { topic: path.topic, paused }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RequeueQuery {
    /// The id of one message, or a part of it as for jobs; without it, all dead letters of the topic.
    #[param(max_length = 200)]
    id: Option<String>,
    /// How many at most, oldest first; 1000 if not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Why, in your own words: 500 characters at most. It is recorded. The header `Herald-Reason` does the same.
    #[expect(dead_code, reason = "described here, and read by `CommandAct`")]
    #[param(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

impl RequeueQuery {
    /// Of one message, or of as many as can be at once.
    pub(crate) fn of(id: Option<String>) -> Self {
        Self { id, ..Self::default() }
    }
}

/// Puts dead letters of a topic back into it
#[utoipa::path(post, path = "/v1/queues/{queue}/topics/{topic}/requeue", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("topic" = String, Path, description = "The topic."), RequeueQuery),
    responses((status = 200, description = "How many were.", body = model::Requeued), CommonErrors, Missing, Conflict))]
pub(crate) async fn requeue(
    State(api): State<Arc<Api>>,
    TopicInPath { queue, topic }: TopicInPath,
    Asked(query): Asked<RequeueQuery>,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::Requeued>> {
    let connection = named(&api, &queue)?;
    let queue = &*connection.queue;
    act.begin_everywhere(format!("topic {}/{topic}", queue.name())).await?;
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST);
    let id = match query.id {
        Some(id) => Some(message_id(&api, id).await?),
        None => None,
    };
    let (mut requeued, mut skipped, mut after) = (0, 0, None::<String>);
    while requeued < limit as u64 {
        let letters = ask(queue, queue.dead_letters(&topic, after.as_deref(), MOST)).await?;
        let Some(last) = letters.last().map(|letter| letter.entry.clone()) else { break };
        let wanted = |letter: &&DeadLetter| id.as_ref().is_none_or(|id| *id == letter.id);
        for letter in letters.iter().filter(wanted).take(limit - usize::try_from(requeued).unwrap_or(limit)) {
            let put = letter.message.is_ok() && ask(queue, queue.requeue_dead(letter)).await?;
            (requeued, skipped) = (requeued + u64::from(put), skipped + u64::from(!put));
        }
        after = Some(last);
    }
    match &id {
        Some(id) if requeued + skipped == 0 => {
            let why = format!("there is no dead letter with the id \"{id}\" in the topic \"{topic}\"");
            Err(ErrorResponse::new(StatusCode::NOT_FOUND, why))
        }
        Some(_) if requeued == 0 => {
            let why = "it is not signed as it must be, and cannot be requeued";
            Err(ErrorResponse::new(StatusCode::CONFLICT, why))
        }
        _ => Ok(Json(model::Requeued { requeued, skipped })),
    }
}

/// Removes what is kept for a node that does not come back
#[utoipa::path(delete, path = "/v1/queues/{queue}/nodes/{node}", tag = "queues",
    params(("queue" = String, Path, description = "The queue."), ("node" = String, Path, description = "The node. It must not be running."), ReasonQuery),
    responses((status = 200, description = "What was removed.", body = model::ForgottenResource), CommonErrors, Missing))]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    TopicInPath { queue, topic: node }: TopicInPath,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::ForgottenResource>> {
    let connection = named(&api, &queue)?;
    let queue = &*connection.queue;
    act.begin_everywhere(format!("node {node} of the queue {}", queue.name())).await?;
    let forgotten = ask(queue, queue.forget(&node)).await?;
    if forgotten.topics == 0 {
        let why = format!("no topic of the queue {} knows the node \"{node}\"", queue.name());
        return Err(ErrorResponse::new(StatusCode::NOT_FOUND, why));
    }
    Ok(Json(model::ForgottenResource {
        node,
        topics: forgotten.topics,
        released: forgotten.released,
        deleted: forgotten.deleted,
    }))
}
