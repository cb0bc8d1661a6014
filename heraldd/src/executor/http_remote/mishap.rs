//! What went wrong on the way to a runner, for people.

use std::error::Error;

/// What [`speaks_no_http`] means.
const NO_HTTP: &str = "it does not speak HTTP: is its address https:// rather than http://?";

/// All that an error of the HTTP client says, without the URL, which may hold a password.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if let Some(told) = herald_net::tls::explain(error) {
        return told;
    }
    if speaks_no_http(error) {
        return NO_HTTP.to_owned();
    }
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    if texts.is_empty() { "the exchange failed".to_owned() } else { texts.join(": ") }
}

/// Whether what came back does not begin as an answer in HTTP does. TLS is what comes back most often.
pub(super) fn speaks_no_http(error: &reqwest::Error) -> bool {
    // The library has no question for this one.
    let of_version = |error: &hyper::Error| error.is_parse() && error.to_string().contains("HTTP version");
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(of_version))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| Error::source(*cause))
}
