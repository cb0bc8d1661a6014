//! What a response becomes: the result of the job, or a failure that has it too.

use herald_core::depth::{self, DEEPEST};
use herald_core::executor::{Failure, Outcome};
use herald_core::param::Params;
use herald_core::secret::Mask;
use herald_net::client::{ExpectedStatus, HttpAnswer};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest value of a header, and the bytes of all of them, that a result keeps.
const LONGEST_HEADER: usize = 8 << 10;
const MOST_HEADER_BYTES: usize = 64 << 10;

/// The outcome of a job whose request got this response.
pub(crate) fn outcome(answer: &HttpAnswer, expect: &ExpectedStatus, mask: &Mask) -> Outcome {
    let mut result = Params::new();
    result.insert("status".to_owned(), Value::from(answer.status.as_u16()));
    result.insert("headers".to_owned(), Value::Object(headers(&answer.headers)));
    let (name, body) = body(answer);
    let line = first_line(&body, name);
    result.insert(name.to_owned(), body);
    let result = mask.params(&result);
    if expect.contains(answer.status) {
        return Ok(result);
    }
    let hint = if answer.status.is_redirection() { "; see `follow_redirects`" } else { "" };
    let error = format!("{} answered {}, expected {expect}{hint}", answer.origin, answer.status);
    Err(Failure { result, ..Failure::new(error) }.ending_with(line.as_deref(), mask))
}

/// Names in small letters; several values of one name are one text.
fn headers(headers: &HeaderMap) -> Params {
    let mut kept = Params::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let mut text = values.join(", ");
        if let Some((end, _)) = text.char_indices().find(|(at, _)| *at >= LONGEST_HEADER) {
            text.truncate(end);
            text.push('…');
        }
        bytes += name.as_str().len() + text.len();
        if bytes > MOST_HEADER_BYTES {
            break;
        }
        kept.insert(name.to_string(), Value::from(text));
    }
    kept
}

/// The body under the name that says what it is: JSON, text, or other bytes.
fn body(answer: &HttpAnswer) -> (&'static str, Value) {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    if (media_type == "application/json" || media_type.ends_with("+json"))
        && let Ok(json) = serde_json::from_slice(&answer.body)
        && depth::of_value(&json) < DEEPEST
    {
        return ("json", json);
    }
    match std::str::from_utf8(&answer.body) {
        Ok(text) => ("body", Value::from(text)),
        Err(_) => ("body_base64", Value::from(STANDARD.encode(&answer.body))),
    }
}

/// What a server says of a request that it did not like.
fn first_line(body: &Value, name: &str) -> Option<String> {
    match (name, body) {
        ("json", json) => Some(json.to_string()),
        ("body", Value::String(text)) => {
            let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
            // A page says nothing in its first line.
            (!line.starts_with('<')).then(|| line.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> HttpAnswer {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(header).collect(),
            body: body.to_vec().into(),
            origin: "https://h".to_owned(),
        }
    }

    #[test]
    fn bodies_by_their_kind() {
        let html = [("content-type", "text/html")];
        let json_type = [("content-type", "application/problem+JSON; charset=utf-8")];
        for (headers, body, name, expected) in [
            (&json_type[..], &b"{\"a\":[1]}"[..], "json", json!({"a": [1]})),
            (&json_type, b"{", "body", json!("{")),
            (&html, b"<p>", "body", json!("<p>")),
            (&[], b"", "body", json!("")),
            (&[], b"\xff\x00", "body_base64", json!("/wA=")),
        ] {
            let result =
                outcome(&answer(200, headers, body), &ExpectedStatus::default(), &Mask::new()).unwrap();
            assert_eq!((&result["status"], &result[name]), (&json!(200), &expected));
        }
    }

    #[test]
    fn headers_are_bounded() {
        let (long, many) = ("é".repeat(5000), "v".repeat(8000));
        let names = ["a", "b", "c", "d", "e", "f", "g", "i", "j", "k"];
        let all: Vec<(&'static str, &str)> = names.iter().map(|name| (*name, many.as_str())).collect();
        let kept = headers(&answer(200, &all, b"").headers);
        assert_eq!(kept.len(), 8);
        let mut map = HeaderMap::new();
        map.insert("x", HeaderValue::from_bytes(long.as_bytes()).unwrap());
        map.append("y", HeaderValue::from_static("1"));
        map.append("y", HeaderValue::from_static("2"));
        let kept = headers(&map);
        let cut = kept["x"].as_str().unwrap();
        assert!(cut.len() < LONGEST_HEADER + 8 && cut.ends_with("é…"));
        assert_eq!(kept["y"], "1, 2");
    }

    #[test]
    fn what_was_not_expected_says_so() {
        let mut mask = Mask::new();
        mask.add("hunter2222");
        for (status, body, error) in [
            (500, "", "https://h answered 500 Internal Server Error, expected 200-299"),
            (400, "\n no hunter2222 \nx", "https://h answered 400 Bad Request, expected 200-299: no ***"),
            (404, "<html>", "https://h answered 404 Not Found, expected 200-299"),
            (302, "", "https://h answered 302 Found, expected 200-299; see `follow_redirects`"),
        ] {
            let outcome = outcome(&answer(status, &[], body.as_bytes()), &ExpectedStatus::default(), &mask);
            let failure = outcome.unwrap_err();
            assert_eq!(failure.error, error);
            assert_eq!(failure.result["status"], status);
            assert!(!failure.result["body"].to_string().contains("hunter"));
        }
    }
}
