//! What a request gives: parts of its path, its query, its body; what is wrong with them is a problem in JSON.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use herald_core::depth::{self, TooDeep};
use herald_core::param::Params;
use herald_core::problem::kind_of;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::ErrorResponse;
use herald_net::serve::{BodyError, read_whole};

/// The longest body, and how long it may take.
const MAX_BODY: u64 = 1 << 20;
const BODY_TIME: Duration = Duration::from_secs(30);

/// The part of the path that names something.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorResponse> {
        let named: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(name) = named.map_err(|why| ErrorResponse::new(StatusCode::BAD_REQUEST, why.body_text()))?;
        Ok(Self(name))
    }
}

/// The query; a key without a value counts as one that is not there.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ErrorResponse> {
        // As a form sends fields that nobody filled in.
        let given = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.ends_with('='));
        let given = given.collect::<Vec<_>>().join("&");
        let uri = http::Uri::builder().path_and_query(format!("/?{given}")).build();
        let asked: Result<Query<T>, QueryRejection> = Query::try_from_uri(&uri.unwrap_or_default());
        let wrong = |why: QueryRejection| {
            ErrorResponse::new(
                StatusCode::BAD_REQUEST,
                herald_control::query_error::in_words(&why.body_text()),
            )
        };
        let Query(query) = asked.map_err(wrong)?;
        Ok(Self(query))
    }
}

/// A body that is a JSON object, or nothing or null, which is an empty one.
pub(crate) struct Object(pub(crate) Params);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, ErrorResponse> {
        let body = match read_whole(request.into_body(), MAX_BODY, BODY_TIME).await {
            Ok(body) => body,
            Err(error) => return Err(unread(&error)),
        };
        if matches!(body.trim_ascii(), b"" | b"null") {
            return Ok(Self(Params::new()));
        }
        let wrong = |why: String| {
            ErrorResponse::new(StatusCode::BAD_REQUEST, format!("the body must be a JSON object{why}"))
        };
        match serde_json::from_slice(&body) {
            Ok(Value::Object(params)) => Ok(Self(params)),
            Ok(other) => Err(wrong(format!(", this is {}", kind_of(&other)))),
            Err(error) => match TooDeep::check(depth::of_json(&body)) {
                Ok(()) => Err(wrong(format!("; this is not JSON: {error}"))),
                Err(why) => Err(ErrorResponse::new(StatusCode::BAD_REQUEST, format!("the body is {why}"))),
            },
        }
    }
}

pub(crate) fn unread(error: &BodyError) -> ErrorResponse {
    match error {
        BodyError::TooLarge => {
            ErrorResponse::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB")
        }
        BodyError::TooSlow => {
            ErrorResponse::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
        }
        BodyError::NoRoom => ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error),
        BodyError::Broken(_) => ErrorResponse::new(StatusCode::BAD_REQUEST, "the body could not be read"),
    }
}
