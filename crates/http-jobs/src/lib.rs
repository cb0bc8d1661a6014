//! Jobs that send an HTTP request: what a request may have, what counts as a success, and what the result of a job is.
//! [`HttpSender`] does the work of the executor `http_request`; it is not a component itself.

mod options;
mod result;
mod sender;

pub use options::{conflicts, params, specs};
pub use sender::HttpSender;
