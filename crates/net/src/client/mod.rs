//! The HTTP client of everything that connects to another machine by URL: connections with TLS whose files may change,
//! and single requests within limits of size and redirects.

mod connect_error;
mod connector;
mod exchange;
mod expected_status;
mod invalid_request;
mod request;
mod request_parts;

pub use connect_error::{ConnectError, is_not_http, reason};
pub use connector::{ClientSettings, HttpConnector};
pub use exchange::{ExchangeError, HttpAnswer, exchange};
pub use expected_status::ExpectedStatus;
pub use invalid_request::InvalidRequest;
pub use request::{HttpRequest, RequestContext};
