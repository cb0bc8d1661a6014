//! Answers of the API, and what the OpenAPI document says of errors.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use herald_base::near_miss::expected;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::json::Json;
use herald_control::model;
use herald_overview::history::typed_id;
use herald_store::history::{HistoryError, Unreadable};

const PROBLEM_JSON: &str = "application/problem+json";

/// An error: what is wrong and what to do.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    status: StatusCode,
    detail: String,
    /// After how many seconds it is worth another try.
    retry_after: Option<u64>,
    /// What an ambiguous id may mean.
    candidates: Option<Vec<String>>,
}

/// What a handler gives.
pub(crate) type HandlerResult<T> = Result<T, ErrorResponse>;

impl ErrorResponse {
    pub(crate) fn new(status: StatusCode, detail: impl std::fmt::Display) -> Self {
        Self { status, detail: detail.to_string(), retry_after: None, candidates: None }
    }

    /// Try again later.
    pub(crate) fn later(status: StatusCode, detail: impl std::fmt::Display) -> Self {
        Self::after(status, 5, detail)
    }

    /// Try again after so many seconds.
    pub(crate) fn after(status: StatusCode, seconds: u64, detail: impl std::fmt::Display) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, detail) }
    }

    /// Nothing has this name; these are the names that there are.
    pub(crate) fn no_such<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let help = expected(name, known);
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what} \"{name}\"; {help}"))
    }

    /// Nothing is known under this id.
    pub(crate) fn unknown(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, typed_id::unknown(what, id))
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, in words.
    pub(crate) fn detail(self) -> String {
        self.detail
    }

    /// Several ids have this part.
    pub(crate) fn ambiguous(what: &str, part: &str, candidates: Vec<String>) -> Self {
        let detail = typed_id::ambiguous(what, part);
        Self { candidates: Some(candidates), ..Self::new(StatusCode::CONFLICT, detail) }
    }
}

impl From<HistoryError> for ErrorResponse {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Cursor => Self::new(StatusCode::BAD_REQUEST, error),
            // It will not be better later.
            HistoryError::Unreadable(Unreadable::Damaged(_)) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
            }
            HistoryError::Unreadable(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, error),
        }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let body = model::ProblemDetails {
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: self.detail,
            candidates: self.candidates,
        };
        let mut response = (self.status, Json(&body)).into_response();
        // The page shows it as HTML.
        response.extensions_mut().insert(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What every call may answer: the request is wrong, its token is, or the daemon cannot tell at the moment.
pub(crate) struct CommonErrors;
/// Those of them that come as a problem.
struct AnyError;
/// Calls about something that may be missing.
pub(crate) struct Missing;
/// Calls about a job or an event, whose id may be shortened.
pub(crate) struct UnknownId;
/// Calls that something may be in the way of.
pub(crate) struct Conflict;
/// Calls that make an event or a job.
pub(crate) struct TooManyRequests;
/// Calls with a body.
pub(crate) struct BadBody;

type Responses = BTreeMap<String, RefOr<utoipa::openapi::response::Response>>;

macro_rules! problems {
    ($($name:ident: $($status:literal $what:literal),+;)+) => {$(
        impl utoipa::IntoResponses for $name {
            fn responses() -> Responses {
                [$(($status.to_string(), problem($what))),+].into()
            }
        }
    )+};
}

impl utoipa::IntoResponses for CommonErrors {
    fn responses() -> Responses {
        let mut responses = <AnyError as utoipa::IntoResponses>::responses();
        for (status, what) in OVERLONG {
            responses.insert(status.to_owned(), ResponseBuilder::new().description(what).build().into());
        }
        responses
    }
}

/// What the HTTP server answers by itself, without a body, before it has read a request.
const OVERLONG: [(&str, &str); 2] =
    [("414", "The path with its query is too long."), ("431", "The headers are too long.")];

problems! {
    AnyError: 400 "The request is wrong: `detail` says what to write instead.", 401 "The token or the password is missing or wrong (TCP only).",
        403 "The role of the caller does not allow it: `detail` names the one that does. Or a web page of another site sent it.",
        405 "Method not allowed: `Allow` lists those that are.", 503 "Herald cannot answer at the moment; try again later.";
    Missing: 404 "There is nothing of this id or name.";
    UnknownId: 404 "There is nothing of this id.", 409 "The id is ambiguous: `candidates` lists those that may be meant.";
    Conflict: 404 "There is nothing of this id.",
        409 "The job has already finished, or has not finished yet. Or the id is ambiguous: see `candidates`.";
    TooManyRequests: 429 "The queue is full (`max_queue`), or its trigger has its share of it; try again later.";
    BadBody: 408 "The body did not arrive in time.", 413 "The body is too long.";
}

pub(super) fn problem(what: &str) -> RefOr<utoipa::openapi::response::Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(what).content(PROBLEM_JSON, content).build().into()
}
