//! The check before every call: whether the caller has the role that the call needs.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use herald_control::rights::{UNKNOWN_CALL, right_of};
use http::StatusCode;

use super::act::RequestAct;
use super::answer::ErrorResponse;
use super::caller::ApiCaller;
use super::context::Api;

/// Lets a request through to its handler whose caller has the role that the table names. What is refused is recorded.
pub(crate) async fn check_role(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let right = path.map_or(&UNKNOWN_CALL, |path| right_of(request.method(), path.as_str()));
    let Some(caller) = request.extensions().get::<ApiCaller>() else {
        let why = "the caller is not known";
        return ErrorResponse::new(StatusCode::UNAUTHORIZED, why).into_response();
    };
    let allowed = right.check(&caller.caller);
    request.extensions_mut().insert(right);
    let Err(forbidden) = allowed else {
        let response = next.run(request).await;
        if right.act.is_some() && (response.status().is_success() || response.status().is_redirection()) {
            api.changes.announce(api.clock.now());
        }
        return response;
    };
    match RequestAct::from_request_parts(&mut request.into_parts().0, &api).await {
        Ok(RequestAct(act)) => act.refused(forbidden).await.into_response(),
        Err(bad) => bad.into_response(),
    }
}
