//! The output of a job, also while it comes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use herald_core::executor::Stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, ToSchema};

use super::answer::{CommonErrors, ErrorResponse, HandlerResult, UnknownId};
use super::context::Api;
use super::given::Asked;
use super::id::JobInPath;
use super::log_lines;
use herald_control::model;
use herald_overview::history::log_format::{Format, OutputFormatter, no_such_attempt};
use herald_overview::history::log_lines::LineParams;
use herald_store::history::JobView;
use herald_store::job_log::LogError;

/// How long a change of the job is waited for before its state is looked at all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    Stdout,
    Stderr,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Whether to go on until the job ends, also with its further attempts.
    #[serde(default)]
    follow: bool,
    /// Only this stream; otherwise both, in the order in which they were written.
    #[param(inline)]
    stream: Option<Which>,
    /// Which attempt, from 1; the latest unless given.
    #[param(schema_with = from_one)]
    attempt: Option<NonZeroU32>,
    /// `text` as it was written (unless given), or `json`: an object a line with time and stream.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
    /// The first line, from 1; with `search`, the first line to look at.
    #[param(minimum = 1)]
    from_line: Option<u64>,
    /// How many lines: 1 to 10000, 1000 unless given.
    #[param(minimum = 1, maximum = 10000)]
    lines: Option<usize>,
    /// Only the last lines, so many: 1 to 10000.
    #[param(minimum = 1, maximum = 10000)]
    tail: Option<usize>,
    /// The lines around this one: the number of a line, or a time (RFC 3339).
    #[param(schema_with = line_or_time)]
    around: Option<String>,
    /// Only lines that hold this text; the answer is JSON, with their numbers.
    #[param(min_length = 1)]
    search: Option<String>,
}

/// What `around` may be, for the document.
fn line_or_time() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let line = text().pattern(Some("^[1-9][0-9]{0,9}$"));
    Schema::AnyOf(AnyOfBuilder::new().item(line).item(time).build())
}

fn from_one() -> Object {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    number.minimum(Some(1)).maximum(Some(u32::MAX)).build()
}

/// The output of a job; with `follow` live, until it ends. Or only some lines of it: by number, from the end, around a
/// line or a time, or those that contain a text; with `format=json` and with `search` as one JSON object
#[utoipa::path(get, path = "/v1/jobs/{id}/log", tag = "jobs",
    params(JobInPath, LogQuery),
    responses((status = 200, description = "The output, secrets masked.",
        content((String = "text/plain"), (model::LogPieceResource = "application/x-ndjson"),
            (model::LogPage = "application/json"))), CommonErrors, UnknownId))]
pub(crate) async fn log(
    State(api): State<Arc<Api>>,
    JobInPath { id }: JobInPath,
    Asked(query): Asked<LogQuery>,
) -> HandlerResult<Response> {
    let job = api.history.job(&id).await?.ok_or_else(|| ErrorResponse::unknown("job", &id))?;
    let stream = query.stream.map(|which| match which {
        Which::Stdout => Stream::Stdout,
        Which::Stderr => Stream::Stderr,
    });
    let attempt = query.attempt.map_or(job.summary.state.attempt_with_output(), NonZeroU32::get);
    if let Some(sentence) = no_such_attempt(&job, attempt).filter(|_| !query.follow) {
        return Err(ErrorResponse::new(StatusCode::NOT_FOUND, sentence));
    }
    let LogQuery { from_line, lines, tail, around, search, .. } = query;
    if let Some(wanted) = (LineParams { from_line, lines, tail, around, search }).read()? {
        if query.follow {
            let sentence = "follow cannot be used with from_line, lines, tail, around or search";
            return Err(ErrorResponse::new(StatusCode::BAD_REQUEST, sentence));
        }
        return log_lines::answer(wanted, &api.logs, &id, attempt, stream, query.format).await;
    }
    let followed = FollowedLog {
        api,
        id,
        attempt,
        only: query.attempt.is_some(),
        stream,
        from: 0,
        last_look: !query.follow,
        formatter: OutputFormatter::new(query.format),
    };
    let parts = stream::try_unfold(followed, |mut followed| async move {
        let part = followed.next().await?;
        Ok::<_, LogError>(part.map(|part| (part, followed)))
    });
    let content_type = [(CONTENT_TYPE, query.format.content_type())];
    Ok((content_type, Body::from_stream(parts)).into_response())
}

/// Where somebody who reads the output of a job has come to.
struct FollowedLog {
    api: Arc<Api>,
    id: String,
    attempt: u32,
    /// Only this attempt.
    only: bool,
    stream: Option<Stream>,
    from: u64,
    /// Nothing more will come, or is waited for: what there is now is the rest.
    last_look: bool,
    formatter: OutputFormatter,
}

impl FollowedLog {
    /// The next part of the output, once there is one.
    async fn next(&mut self) -> Result<Option<Bytes>, LogError> {
        while !self.api.closing.is_cancelled() {
            match self.read().await? {
                Some(part) if !part.is_empty() => return Ok(Some(part)),
                Some(_) => {}
                None if self.last_look => return Ok(None),
                None => self.wait_for_more().await,
            }
        }
        Ok(None)
    }

    /// What comes next of this attempt; `None` at its end.
    async fn read(&mut self) -> Result<Option<Bytes>, LogError> {
        let logs = &self.api.logs;
        let chunk = if self.last_look {
            logs.read(&self.id, self.attempt, self.from, self.stream).await?
        } else {
            logs.next(&self.id, self.attempt, self.from, self.stream, &self.api.closing).await?
        };
        let Some(chunk) = chunk else { return Ok(None) };
        let progress = chunk.next > self.from;
        self.from = chunk.next;
        Ok(progress.then(|| self.formatter.part(self.attempt, &chunk).into()))
    }

    /// Waits until the job may have written more; notices when it has ended, or is at its next attempt.
    async fn wait_for_more(&mut self) {
        // Before the look, so that nothing is missed in between.
        let mut changes = self.api.changes.of_job(&self.id);
        match self.api.history.job(&self.id).await {
            Ok(Some(job)) if job.summary.state.attempt > self.attempt && !self.only => {
                self.attempt += 1;
                self.from = 0;
            }
            Ok(Some(job)) if self.is_over(&job) => self.last_look = true,
            Ok(Some(_)) => {
                let closing = self.api.closing.clone();
                tokio::select! {
                    () = closing.cancelled() => {}
                    _ = tokio::time::timeout(LOOK_AGAIN, changes.next()) => {}
                }
            }
            Ok(None) | Err(_) => self.last_look = true,
        }
    }

    fn is_over(&self, job: &JobView) -> bool {
        job.summary.state.ended_at.is_some() || job.summary.state.attempt > self.attempt
    }
}
