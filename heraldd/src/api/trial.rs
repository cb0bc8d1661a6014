//! What an event would start: with parameters, or of a request. Nothing is started, and nothing recorded but a refusal.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use herald_control::model;
use herald_core::activation::{Activation, INTERNAL, Name};
use herald_core::param::Params;
use herald_webhook::recorded::RecordedRequest;
use http::StatusCode;
use serde_json::Value;

use super::act::RequestAct;
use super::answer::{BadBody, CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::caller::ReasonQuery;
use super::context::Api;
use super::given::{Named, Object};
use super::json::Json;
use super::view::View;
use crate::dry_run;
use crate::trigger::http::{self as http_trigger, NoEvent};

/// How long the selectors may take to say what an event would start.
const REHEARSAL: Duration = Duration::from_secs(60);
/// The id of an event that never is.
const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// Shows which jobs an event of a trigger would create, with their final parameters; creates none
///
/// Give the parameters of the event, or for a trigger of type `http` a request, which is checked as if it came now from
/// this machine, its signature included. Selectors that run programs run them.
#[utoipa::path(post, path = "/v1/triggers/{name}/try", tag = "events", params(("name" = String, Path, description = "The trigger's name, also that of an internal one."), ReasonQuery),
    request_body(content = Option<model::TrialWanted>, description = "The event; nothing is one without parameters."),
    responses((status = 200, description = "What it would start, or how the request would be answered.", body = model::TrialResource), CommonErrors, Missing, BadBody))]
pub(crate) async fn try_event(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    RequestAct(act): RequestAct,
    Object(body): Object,
) -> HandlerResult<Json<model::TrialResource>> {
    let view = api.view();
    let known = || view.trigger_names().chain(INTERNAL);
    if !known().any(|known| *known == *name) {
        return Err(ErrorResponse::no_such("trigger", &name, known()));
    }
    act.rehearse(format!("trigger {name}"), view.routers_of(&name)).await?;
    let wanted: model::TrialWanted = serde_json::from_value(Value::Object(body)).map_err(bad)?;
    let params = match (wanted.params, wanted.request) {
        (Some(_), Some(_)) => return Err(bad("give either `params` or `request`")),
        (params, None) => params.unwrap_or_default(),
        (None, Some(request)) => match of_request(&view, &name, &request, !wanted.unchecked).await? {
            Ok(params) => params,
            Err(response) => {
                return Ok(Json(model::TrialResource { rehearsal: None, response: Some(response) }));
            }
        },
    };
    let (event_id, trigger) = (Name::from(NO_ID), Name::from(&*name));
    let activation =
        Activation { event_id, trigger, trigger_param: Arc::new(params.into()), chain_depth: 0, by: None };
    let rehearsal = rehearsed(&view, activation).await?;
    Ok(Json(model::TrialResource { rehearsal: Some(rehearsal), response: None }))
}

fn bad(why: impl std::fmt::Display) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, why)
}

/// The parameters of the event that the request would create, or the response without one.
async fn of_request(
    view: &View,
    name: &str,
    request: &str,
    is_checked: bool,
) -> HandlerResult<Result<Params, model::TrialResponse>> {
    let recorded = RecordedRequest::read(request.as_bytes())
        .map_err(|error| bad(format_args!("this is not a request: {error}")))?;
    match http_trigger::dry_run(view.named_triggers(), name, recorded, is_checked).await {
        Ok(params) => Ok(Ok(params)),
        Err(NoEvent::Response { status, why }) => {
            Ok(Err(model::TrialResponse { status: status.as_u16(), why: view.plan.mask.text(&why) }))
        }
        Err(other) => Err(bad(other)),
    }
}

/// Asks every router about the event, within a time.
///
/// # Errors
/// As [`in_turn`].
pub(super) async fn rehearsed(view: &View, activation: Activation) -> HandlerResult<model::Rehearsal> {
    in_turn(view, dry_run::of(&view.plan, activation)).await
}

/// Asks selectors for a person, when few others do, and within a time.
///
/// # Errors
/// 503: some selector did not answer.
pub(super) async fn in_turn<T>(view: &View, questions: impl Future<Output = T>) -> HandlerResult<T> {
    let work = async {
        // It is never closed.
        let _turn = view.rehearsals.acquire().await;
        questions.await
    };
    tokio::time::timeout(REHEARSAL, work).await.map_err(|_| {
        let why = format!("the selectors did not all answer within {} s", REHEARSAL.as_secs());
        ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use herald_access::AuthenticatedCaller;
    use herald_store::audit::AuditQuery;
    use herald_store::history::MemoryHistory;
    use http::Request;

    use super::*;
    use crate::api::tests::{api, get, limited, send_as};

    #[tokio::test(start_paused = true)]
    async fn a_trial_shows_what_would_start_and_starts_nothing() {
        let recent = Arc::new(MemoryHistory::default());
        let (api, _dispatcher) = api(Arc::default(), recent, None);
        let own = || limited("r");
        let send = async |caller: AuthenticatedCaller, trigger: &str, body: &str| {
            let request = Request::post(format!("/v1/triggers/{trigger}/try"));
            let (status, body) =
                send_as(&api, Some(caller), request.body(Body::from(body.to_owned())).unwrap()).await;
            (status.as_u16(), body)
        };
        for (trigger, body, status, says) in [
            ("tick", "", 200, r#""router":"r","task":"u""#),
            (
                "tick",
                r#"{"params": {"n": 18446744073709551617}}"#,
                200,
                r#""trigger_param":{"n":18446744073709551617}"#,
            ),
            ("exe_done", r#"{"params": {"router": "x"}}"#, 200, r#""tasks":[]"#),
            ("tick", r#"{"request": "GET / HTTP/1.1\n\n"}"#, 400, "receives no requests"),
            ("tick", r#"{"request": "nonsense"}"#, 400, "this is not a request: line 1"),
            ("tick", r#"{"params": {}, "request": ""}"#, 400, "either `params` or `request`"),
            ("tick", r#"{"parms": {}}"#, 400, "unknown field `parms`"),
            ("tock", "", 404, "did you mean \\\"tick\\\"?"),
        ] {
            let caller = if trigger == "exe_done" {
                crate::api::tests::caller(herald_access::Role::Operator).await
            } else {
                own().await
            };
            let (found, text) = send(caller, trigger, body).await;
            assert!(found == status && text.contains(says), "{trigger} {body}: {found} {text}");
        }
        // Of no router at all an operator of one may not try anything.
        for (caller, trigger) in [(limited("other"), "tick"), (own(), "exe_done")] {
            assert_eq!(send(caller.await, trigger, "").await.0, 403, "{trigger}");
        }
        for list in ["/v1/events", "/v1/jobs"] {
            assert_eq!(get(&api, list).await.1, r#"{"items":[],"next_cursor":null}"#, "{list}");
        }
        let audit = api.audit.entries(AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
        let found = audit
            .entries
            .iter()
            .map(|entry| (&*entry.record.act, &*entry.record.target, entry.record.refused.is_some()));
        let refused = [("try", "trigger exe_done", true), ("try", "trigger tick", true)];
        assert_eq!(found.collect::<Vec<_>>(), refused, "only refusals are recorded");
    }
}
