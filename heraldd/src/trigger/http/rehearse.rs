//! A recorded request, as the trigger would take it: for `heraldd try`.

use std::net::{IpAddr, Ipv4Addr};

use herald_core::clock::{Clock as _, SystemClock};
use herald_core::param::Params;
use herald_core::spec::Options;
use herald_core::trigger_param::TriggerParam;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::body;
use super::head::{Head, Turned};
use super::options::Given;

/// A request as it was recorded: the bytes of HTTP/1.1, with either kind of line end.
pub struct Recorded {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Recorded {
    /// Reads one. The body is all that follows the first empty line.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            let line = std::str::from_utf8(line);
            lines.push(line.map_err(|_| format!("line {}: it is not text", lines.len() + 1))?);
        }
        let expected = "line 1: expected a request line such as POST /hook HTTP/1.1";
        let first = lines.first().ok_or(expected)?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(expected.to_owned());
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| expected.to_owned())?;
        let uri = target.parse::<Uri>().map_err(|error| format!("line 1: {target}: {error}"))?;
        let mut headers = HeaderMap::new();
        for (n, line) in lines.iter().enumerate().skip(1) {
            let at = |why: &str| format!("line {}: {why}", n + 1);
            let (name, value) = line.split_once(':').ok_or_else(|| at("expected NAME: VALUE"))?;
            let name = HeaderName::try_from(name).map_err(|_| at("this is not the name of a header"))?;
            let value =
                HeaderValue::from_str(value.trim()).map_err(|_| at("this cannot stand in a header"))?;
            headers.append(name, value);
        }
        Ok(Self { method, uri, headers, body: rest.to_vec() })
    }
}

/// What the trigger with these options would tell of the request. Unless `checked`, it may come from anybody.
///
/// # Errors
/// The status of the answer, and why: it would be turned away, or answered without an event.
pub fn rehearse(options: &Options, request: Recorded, checked: bool) -> Result<Params, (StatusCode, String)> {
    let wrong = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
    let given = Given::of(options).map_err(|error| wrong(error.0))?;
    let Recorded { method, uri, headers, body } = request;
    let captures = match &given.path {
        None => Vec::new(),
        Some(pattern) => match pattern.captures(uri.path()) {
            Some(captures) => captures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            None => {
                return Err((
                    StatusCode::NOT_FOUND,
                    format!("its path is {}, the trigger's is {pattern}", uri.path()),
                ));
            }
        },
    };
    let Some(web) = &given.web else {
        if method != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use POST".to_owned()));
        }
        if !body::is_json(&headers) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON".to_owned()));
        }
        let told = body::object(&body, Params::new()).map(TriggerParam::into_params);
        return told.map_err(|why| (StatusCode::BAD_REQUEST, why));
    };
    let head = Head::new(method, &uri, headers, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let now = SystemClock.now();
    let examined = head.examine_head(web, now, checked).and_then(|()| head.examine(web, &body, now, checked));
    let turned = |turned: Turned| (turned.status(), turned.why());
    examined.map_err(turned)?;
    let node = options.0.get("id").and_then(serde_json::Value::as_str);
    head.into_params(web, &body, captures, node).map(TriggerParam::into_params).map_err(turned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn options(given: Value) -> Options {
        Options(given.as_object().unwrap().clone())
    }

    /// All but what the request was.
    fn told_of(options: &Options, request: Recorded, checked: bool) -> Result<Value, (StatusCode, String)> {
        rehearse(options, request, checked).map(|mut params| {
            params.remove("_request");
            Value::Object(params)
        })
    }

    #[test]
    fn recorded_requests() {
        let push = b"POST /deploy/web?x=1 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"a\": 1}";
        let token = json!({"path": "/deploy/{app}", "auth": {"token": "t0ken"}});
        for (given, request, checked, told) in [
            (json!({}), &push[..], true, Ok(json!({"a": 1}))),
            (json!({"path": "/deploy/{app}"}), push, true, Ok(json!({"a": 1, "app": "web"}))),
            (json!({"path": "/other"}), push, true, Err(404)),
            (token.clone(), push, true, Err(401)),
            (token, push, false, Ok(json!({"a": 1, "app": "web"}))),
            (json!({"methods": "GET"}), push, true, Err(405)),
            (json!({"body": "form"}), push, true, Err(415)),
            (json!({}), b"POST / HTTP/1.1\nContent-Type: application/json\n\n[1]", true, Err(400)),
            (json!({"methods": "GET"}), b"GET /?a=1 HTTP/1.1\n\n", true, Ok(json!({"a": "1"}))),
            (
                json!({"path": "/"}),
                b"POST / HTTP/1.1\nContent-Type: application/json\nX-GitHub-Event: ping\n\n{}",
                true,
                Err(200),
            ),
        ] {
            let recorded = Recorded::read(request).unwrap();
            let found = told_of(&options(given.clone()), recorded, checked);
            assert_eq!(found.map_err(|(status, _)| status.as_u16()), told, "{given}");
        }
        for (bytes, says) in [
            (&b""[..], "line 1"),
            (b"x\n\n", "line 1"),
            (b"GET / HTTP/1.1\nbad\n\n", "line 2: expected NAME"),
        ] {
            assert!(Recorded::read(bytes).err().unwrap().contains(says));
        }
    }

    #[test]
    fn bodies_as_webhook_takes_them() {
        for (given, request, told) in [
            (json!({"methods": "GET", "body": "webhook"}), &b"GET /?a=1 HTTP/1.1\n\n"[..], json!({})),
            (
                json!({"methods": "GET", "body": "webhook"}),
                b"GET /?a=1 HTTP/1.1\nContent-Type: x/json\nContent-Type: x\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
            (
                json!({"body": "webhook", "content_type": "application/json"}),
                b"POST / HTTP/1.1\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
            (
                json!({"content_type": "application/json"}),
                b"POST / HTTP/1.1\nContent-Type: text/plain\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
        ] {
            let recorded = Recorded::read(request).unwrap();
            assert_eq!(told_of(&options(given.clone()), recorded, true).unwrap(), told, "{given}");
        }
        let options = options(json!({"methods": "GET", "body": "webhook", "headers": ["x-a"]}));
        let request = Recorded::read(b"GET /?a=1&b=2&a=3 HTTP/1.1\nX-A: 1\nX-A: 2\n\n").unwrap();
        let firsts = &rehearse(&options, request, true).unwrap()["_request"];
        assert_eq!(
            (&firsts["query"], &firsts["headers"]),
            (&json!({"a": "1", "b": "2"}), &json!({"x-a": "1"}))
        );
    }
}
