//! Answers of the API.

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::model;
use crate::server::{Reply, json_reply};

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_reply(status, bytes),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// An error: what is wrong and what to do.
pub(super) fn problem(status: StatusCode, detail: &str) -> Reply {
    let body = model::Problem {
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        detail: detail.to_owned(),
    };
    // Texts and a number: never fails.
    let mut reply = json_reply(status, serde_json::to_vec(&body).unwrap_or_default());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    reply
}

/// Nothing is known under this id.
pub(super) fn unknown(what: &str, id: &str) -> Reply {
    problem(
        StatusCode::NOT_FOUND,
        &format!("there is no {what} \"{id}\"; it may be older than the history that is kept"),
    )
}

/// The path is right and the method is not.
pub(super) fn wrong_method(allowed: &'static str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is taken here"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// Try again later.
pub(super) fn later(status: StatusCode, detail: &str) -> Reply {
    let mut reply = problem(status, detail);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    reply
}
