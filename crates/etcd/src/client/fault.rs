//! What the errors of the HTTP client and of etcd mean.

use std::error::Error;

use herald_base::os_error;
use reqwest::StatusCode;

use crate::error::EtcdError;
use crate::message::response::ErrorAnswer;

/// The codes of gRPC that etcd uses.
pub(crate) mod code {
    pub(crate) const INVALID_ARGUMENT: i32 = 3;
    pub(crate) const DEADLINE: i32 = 4;
    pub(crate) const PERMISSION_DENIED: i32 = 7;
    pub(crate) const OUT_OF_RANGE: i32 = 11;
    pub(crate) const UNAVAILABLE: i32 = 14;
    pub(crate) const UNAUTHENTICATED: i32 = 16;
}

/// How etcd begins to reject a client certificate with a common name, as plain text.
const COMMON_NAME: &str = "CommonName of client";
/// The longest text of etcd that is shown, in characters.
const MAX_SHOWN: usize = 300;

/// What the HTTP client says without its own wrapping, and without the URL.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if let Some(reason) = herald_net::tls::explain(error) {
        return reason;
    }
    let wrapping = |text: &String| text.starts_with("client error (") || text == "tcp connect error";
    let texts: Vec<String> = causes(error).map(ToString::to_string).filter(|text| !wrapping(text)).collect();
    match texts.as_slice() {
        [] => "the request failed".to_owned(),
        texts => os_error::plain(&texts.join(": ")),
    }
}

/// Why the connection of a request failed; `encrypted`: it was one of TLS.
pub(crate) fn connection_failed(error: &reqwest::Error, encrypted: bool) -> String {
    let parse = |cause: &hyper::Error| cause.is_incomplete_message() || cause.is_parse();
    let cut = causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(parse));
    match (cut, reason(error)) {
        (true, _) if !encrypted => {
            "the connection was closed without an answer: is its address https:// rather than http://?"
                .to_owned()
        }
        // The listener of etcd closes connections that do not begin with HTTP.
        (_, reason) if encrypted && reason.contains("handshake eof") => {
            "the TLS handshake was cut off: is its address http:// rather than https://?".to_owned()
        }
        (_, reason) => reason,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| Error::source(*cause))
}

/// What an answer that is not 200 means. `username`: who asked.
pub(crate) fn of_answer(endpoint: String, status: StatusCode, body: &[u8], username: &str) -> EtcdError {
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => of_error(endpoint, &answer, username),
        Err(_) if body.starts_with(COMMON_NAME.as_bytes()) => EtcdError::CommonName { endpoint },
        Err(_) if status == StatusCode::NOT_FOUND => EtcdError::NoGateway { endpoint },
        Err(_) => {
            let text = printable(&String::from_utf8_lossy(body));
            EtcdError::Invalid { endpoint, why: format!("{status} {text}").trim_end().to_owned() }
        }
    }
}

/// What an error of etcd means.
pub(crate) fn of_error(endpoint: String, answer: &ErrorAnswer, username: &str) -> EtcdError {
    let text = match answer.message.as_str() {
        "" => answer.error.as_str().unwrap_or_default(),
        message => message,
    };
    of_text(endpoint, answer.code.max(answer.grpc_code), text, username)
}

/// What an error of etcd means, by its code and text.
pub(crate) fn of_text(endpoint: String, code: i32, text: &str, username: &str) -> EtcdError {
    let says = |part: &str| text.contains(part);
    match code {
        _ if says(COMMON_NAME) => EtcdError::CommonName { endpoint },
        _ if says("no leader") || says("leader changed") => EtcdError::NoLeader { endpoint },
        _ if says("invalid user ID or password") => {
            EtcdError::WrongPassword { endpoint, username: username.to_owned() }
        }
        _ if says("user name is empty") => EtcdError::NoCredentials { endpoint },
        code::UNAUTHENTICATED | code::INVALID_ARGUMENT if says("auth token") || says("auth store is old") => {
            EtcdError::Token { endpoint }
        }
        code::PERMISSION_DENIED => EtcdError::Denied { endpoint },
        code::OUT_OF_RANGE if says("compacted") => EtcdError::Compacted { endpoint, revision: 0 },
        // Errors of etcd itself name it; others are of the connection between its gateway and itself.
        code::UNAVAILABLE if !says("etcdserver: ") => {
            EtcdError::GatewayConnection { endpoint, why: printable(text) }
        }
        code::UNAVAILABLE | code::DEADLINE => {
            EtcdError::Unreachable { endpoint, why: format!("etcd cannot answer now: {}", printable(text)) }
        }
        code => EtcdError::Rejected { endpoint, why: printable(text), code },
    }
}

fn printable(text: &str) -> String {
    let plain = text.trim().strip_prefix("etcdserver: ").unwrap_or(text.trim());
    plain.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, body, part of what is said.
    const CASES: [(u16, &str, &str); 13] = [
        (400, r#"{"error":"etcdserver: user name is empty","code":3}"#, "requires authentication"),
        (
            400,
            r#"{"message":"etcdserver: authentication failed, invalid user ID or password","code":3}"#,
            "rejects the user name or the password of `u`",
        ),
        (401, r#"{"message":"etcdserver: invalid auth token","code":16}"#, "does not accept the token"),
        (
            400,
            r#"{"message":"etcdserver: revision of auth store is old","code":3}"#,
            "does not accept the token",
        ),
        (403, r#"{"message":"etcdserver: permission denied","code":7}"#, "permission denied: the role"),
        (
            400,
            r#"{"message":"etcdserver: mvcc: required revision has been compacted","code":11}"#,
            "is compacted",
        ),
        (503, r#"{"message":"etcdserver: no leader","code":14}"#, "no leader"),
        (
            503,
            r#"{"message":"etcdserver: request timed out","code":14}"#,
            "cannot answer now: request timed out",
        ),
        (
            503,
            r#"{"message":"connection error: desc = \"transport: authentication handshake failed: tls: bad certificate\"","code":14}"#,
            "clientAuth",
        ),
        (
            400,
            "CommonName of client sending a request against gateway will be ignored and not used as expected\n",
            "without a CN",
        ),
        (
            400,
            r#"{"message":"etcdserver: duplicate key given in txn request","code":3}"#,
            "duplicate key given",
        ),
        (404, "Not Found\n", "no v3 JSON gateway"),
        (502, "<html>\u{7}bad", "unexpected answer: 502 Bad Gateway <html> bad"),
    ];

    #[test]
    fn answers_are_named_in_sentences() {
        for (status, body, says) in CASES {
            let status = StatusCode::from_u16(status).unwrap();
            let error = of_answer("http://e:1".to_owned(), status, body.as_bytes(), "u").to_string();
            assert!(error.starts_with("http://e:1: ") && error.contains(says), "{body}: {error}");
        }
    }
}
