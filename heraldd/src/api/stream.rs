//! What is recorded, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};

use super::answer::CommonErrors;
use super::context::Api;
use herald_control::model::Change;
use herald_overview::history::resources;

/// How often something is sent when nothing happens, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events and jobs as they are recorded, and that something else is different, as server-sent events named `event`,
/// `job`, `state` or `missed`, with a change as JSON
#[utoipa::path(get, path = "/v1/stream", tag = "events",
    responses((status = 200, description = "It goes on until you close it, or Herald ends.", body = Change,
        content_type = "text/event-stream"), CommonErrors))]
pub(super) async fn stream(
    State(api): State<Arc<Api>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let closing = api.closing.clone();
    let counted = api.metrics.streams.open();
    let changes = api.changes.follow().map(move |change| {
        // Counted until the stream is dropped.
        let _open = &counted;
        Ok(event(&resources::change(change)))
    });
    let changes = changes.take_until(async move { closing.cancelled().await });
    Sse::new(changes).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn event(change: &Change) -> Event {
    let name = match change {
        Change::Event { .. } => "event",
        Change::Job { .. } => "job",
        Change::State { .. } => "state",
        Change::Missed { .. } => "missed",
    };
    // Texts and numbers on one line: never fails.
    Event::default().event(name).data(serde_json::to_string(change).unwrap_or_default())
}
