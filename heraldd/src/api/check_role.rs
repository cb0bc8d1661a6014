//! The check before every call: whether the caller has the role that the call needs.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::act::RefusedAct;
use super::answer::ErrorResponse;
use super::caller::ApiCaller;
use super::context::Api;
use super::rights::{UNKNOWN, right_of};

/// Lets a request through to its handler whose caller has the role that the table names. What is refused is recorded.
pub(super) async fn check_role(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let right = path.map_or(&UNKNOWN, |path| right_of(request.method(), path.as_str()));
    let Some(caller) = request.extensions().get::<ApiCaller>().cloned() else {
        let why = "the caller is not known";
        return ErrorResponse::new(StatusCode::UNAUTHORIZED, why).into_response();
    };
    if let Err(forbidden) = right.check(&caller.caller) {
        return match RefusedAct::of(&caller, right, &request, forbidden) {
            Ok(refused) => refused.recorded(&api).await.into_response(),
            Err(bad) => bad.into_response(),
        };
    }
    request.extensions_mut().insert(right);
    next.run(request).await
}
