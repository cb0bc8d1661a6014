//! A request to the page, as far as every screen needs to know it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{Html, IntoResponse, Response};
use herald_page::elements::PartUnavailable;
use herald_page::frame::Frame;
use herald_store::sessions::Session;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use jiff::tz::TimeZone;

use super::state::PageLook;
use crate::api::answer::ErrorResponse;
use crate::api::caller::ApiCaller;
use crate::api::context::Api;

/// What handlers ask.
pub(super) type ApiState = State<Arc<Api>>;

/// Why a password is refused that others could read on its way.
pub(super) const UNENCRYPTED: &str =
    "passwords are not accepted over an unencrypted connection; use https://";

/// A request to the page.
#[derive(Clone)]
pub(super) struct Visit {
    /// How the page looks.
    pub(super) look: Arc<PageLook>,
    /// The path below the base, with its query.
    pub(super) address: String,
    /// Whether only the changing part of the screen is wanted.
    pub(super) is_fragment: bool,
    /// Who sends it, where that is known.
    pub(super) caller: Option<ApiCaller>,
    /// The session that proves that.
    pub(super) session: Option<Session>,
    /// Where the client is.
    pub(super) client: Option<IpAddr>,
    /// Whether a password may be sent this way: nobody listens in.
    pub(super) is_private: bool,
}

impl Visit {
    /// A screen as the response.
    pub(super) fn screen(&self, api: &Api, screen: impl FnOnce(&Frame<'_>) -> String) -> Response {
        let mut key = [0; 16];
        // Without random numbers, keys of screens could be the same.
        let is_random = getrandom::fill(&mut key).is_ok();
        let form_key = if is_random { format!("{:032x}", u128::from_be_bytes(key)) } else { String::new() };
        let frame = Frame {
            site: &self.look.site,
            caller: self.caller.as_ref().map(|known| &*known.caller),
            address: &self.address,
            now: api.clock.now(),
            zone: TimeZone::system(),
            is_fragment: self.is_fragment,
            screens: api.view().screens,
            form_key: &form_key,
        };
        Html(screen(&frame)).into_response()
    }

    /// On to this path below the base.
    pub(super) fn see_other(&self, path: &str) -> Response {
        see_other(&self.look.site.to(path))
    }

    /// On to what is at this path and these steps, where it is said that this act was accepted.
    pub(super) fn done(&self, path: &str, steps: &[&str], act: &str) -> Response {
        see_other(&format!("{}?done={act}", self.look.site.at(path, steps)))
    }
}

/// Why a part of a screen is not shown.
pub(super) fn unavailable(error: ErrorResponse) -> PartUnavailable {
    PartUnavailable(error.detail())
}

fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(error) => ErrorResponse::new(StatusCode::BAD_REQUEST, error).into_response(),
    }
}

impl FromRequestParts<Arc<Api>> for Visit {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ErrorResponse> {
        let unknown = || ErrorResponse::new(StatusCode::UNAUTHORIZED, "the caller is not known");
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}
