//! Errors of making a connection, and what an error of the HTTP client means.

use std::error::Error;

use herald_base::os_error;

use crate::tls::{TlsError, explain};

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The files of `tls` cannot be used.
    #[error("tls: {}: {error}", error.option)]
    Tls {
        /// Which one, and what is wrong with it.
        #[from]
        error: TlsError,
    },
    /// The HTTP client cannot be created.
    #[error("cannot create the HTTP client: {0}")]
    Client(String),
}

/// The meaning of [`is_not_http`].
const NOT_HTTP: &str = "no HTTP response: is its address https:// rather than http://?";

/// What the HTTP client says without its own wrapping, and without the URL, which may contain a password.
#[must_use]
pub fn reason(error: &reqwest::Error) -> String {
    if let Some(reason) = explain(error) {
        return reason;
    }
    if is_not_http(error) {
        return NOT_HTTP.to_owned();
    }
    let texts: Vec<String> =
        causes(error).map(ToString::to_string).filter(|text| !is_wrapping(text)).collect();
    match texts.as_slice() {
        [] => "the request failed".to_owned(),
        texts => resolved(os_error::plain(&texts.join(": "))),
    }
}

/// A name that is not known, without the layers that looked it up.
fn resolved(text: String) -> String {
    match text.split_once("failed to lookup address information: ") {
        Some((_, why)) => format!("the name of the host cannot be resolved: {}", why.to_lowercase()),
        None => text,
    }
}

/// Texts of the library's layers that add nothing for the user.
fn is_wrapping(text: &str) -> bool {
    text.starts_with("client error (") || text == "tcp connect error"
}

/// Whether what came back does not begin like an HTTP response. In most cases it is TLS.
#[must_use]
pub fn is_not_http(error: &reqwest::Error) -> bool {
    // The library has no predicate for this.
    let of_version = |error: &hyper::Error| error.is_parse() && error.to_string().contains("HTTP version");
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(of_version))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| Error::source(*cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_is_said_once() {
        let said =
            "dns error: error resolving DNS: failed to lookup address information: Name or service not known";
        assert_eq!(
            resolved(said.to_owned()),
            "the name of the host cannot be resolved: name or service not known"
        );
        assert_eq!(resolved("connection refused".to_owned()), "connection refused");
    }
}
