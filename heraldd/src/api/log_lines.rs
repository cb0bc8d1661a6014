//! The output of a job by lines.

use axum::response::{IntoResponse, Response};
use herald_control::model::LogPage;
use herald_core::executor::Stream;
use herald_overview::history::log_format::{Format, log_page, log_text};
use herald_overview::history::log_lines::{WantedLines, WrongLines};
use herald_store::job_log::{JobLogs, LogError};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::answer::{ErrorResponse, HandlerResult};
use super::json::Json;

impl From<WrongLines> for ErrorResponse {
    fn from(error: WrongLines) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl From<LogError> for ErrorResponse {
    fn from(error: LogError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// The lines of an attempt's log, as data.
pub(crate) async fn page(
    wanted: WantedLines,
    logs: &JobLogs,
    job_id: &str,
    attempt: u32,
) -> HandlerResult<LogPage> {
    Ok(log_page(attempt, &wanted.find(logs, job_id, attempt, None).await?))
}

/// The lines of an attempt's log. What was searched for is always JSON.
pub(super) async fn answer(
    wanted: WantedLines,
    logs: &JobLogs,
    job_id: &str,
    attempt: u32,
    stream: Option<Stream>,
    format: Format,
) -> HandlerResult<Response> {
    let is_json = format == Format::Json || matches!(wanted, WantedLines::Search { .. });
    let found = wanted.find(logs, job_id, attempt, stream).await?;
    if is_json {
        return Ok(Json(log_page(attempt, &found)).into_response());
    }
    Ok(([(CONTENT_TYPE, Format::Text.content_type())], log_text(&found)).into_response())
}
