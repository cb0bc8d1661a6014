//! The screen `/try`: its form, and what came of it.

use axum::extract::{Request, State};
use axum::response::Response;
use herald_core::activation::INTERNAL;
use herald_page::elements::PartUnavailable;
use herald_page::screens::try_form::{self, TryData, TryForm};
use http::StatusCode;

use super::acts::fields_in;
use super::visit::{ApiState, Visit};
use crate::api::act::{ApiAct, RequestAct};
use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::given::{Asked, Named, Object};
use crate::api::{events, trial};

#[derive(Default, serde::Deserialize)]
pub(super) struct TryAsked {
    trigger: Option<String>,
}

async fn data(api: &ApiState, form: TryForm) -> TryData {
    TryData {
        triggers: events::triggers(State(api.0.clone())).await.0,
        internal: INTERNAL.map(str::to_owned).into(),
        form,
        outcome: None,
    }
}

/// The form.
pub(super) async fn form(api: ApiState, visit: Visit, Asked(asked): Asked<TryAsked>) -> Response {
    let form = TryForm { trigger: asked.trigger.unwrap_or_default(), ..TryForm::default() };
    let data = data(&api, form).await;
    visit.screen(&api, |frame| try_form::screen(frame, &data))
}

/// The form with what came of it: errors are shown beside what was written.
pub(super) async fn try_event(api: ApiState, visit: Visit, request: Request) -> HandlerResult<Response> {
    let (parts, body) = request.into_parts();
    let form = TryForm::of(fields_in(body).await?);
    let mut data = data(&api, form).await;
    let act = RequestAct(ApiAct::of(&api, &parts, None)?);
    let outcome = match data.wanted() {
        Ok(wanted) => {
            trial::try_event(api.clone(), Named(data.form.trigger.clone()), act, Object(wanted)).await
        }
        Err(error) => Err(ErrorResponse::new(StatusCode::BAD_REQUEST, error)),
    };
    let status = outcome.as_ref().err().map_or(StatusCode::OK, ErrorResponse::status);
    let outcome = outcome.map(|trial| trial.0).map_err(|error| PartUnavailable(error.detail()));
    data.outcome = Some(outcome);
    let mut response = visit.screen(&api, |frame| try_form::screen(frame, &data));
    *response.status_mut() = status;
    Ok(response)
}
