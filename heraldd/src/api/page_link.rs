//! Links that let their holder in to the page.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_page::login_links::VALID;
use http::StatusCode;

use super::act::CommandAct;
use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::caller::ReasonQuery;
use super::context::Api;
use super::json::Json;

/// A one-time link to the page, for who is at the control socket; opens a port of this machine where the page has none
#[utoipa::path(post, path = "/v1/page-link", tag = "daemon", params(ReasonQuery),
    responses((status = 201, description = "The link.", body = model::PageLink), CommonErrors))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    CommandAct(act): CommandAct,
) -> HandlerResult<(StatusCode, Json<model::PageLink>)> {
    if !act.is_of_socket() {
        let why = "links to the page are made on the control socket only: run  heraldd page  on the daemon's machine";
        return Err(ErrorResponse::new(StatusCode::FORBIDDEN, why));
    }
    let by = act.begin_everywhere("page".to_owned()).await?;
    let later = |why: String| ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why);
    let address = api.page.address().await.map_err(|error| later(error.to_string()))?;
    let user = by.user.as_deref().map(str::to_owned);
    let secret = api.page.links.create(user, api.clock.now()).map_err(|error| later(error.to_string()))?;
    let link = model::PageLink {
        url: format!("{}/in/{secret}", address.url),
        port: address.opened,
        valid_seconds: VALID.as_secs().unsigned_abs(),
    };
    Ok((StatusCode::CREATED, Json(link)))
}
