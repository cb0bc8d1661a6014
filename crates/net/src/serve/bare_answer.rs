//! Answers that the HTTP library gives by itself, to what is not a request: a status without a body. They get one, as
//! every other error has.

use http::StatusCode;
use serde_json::json;

/// The answer with a body, where these bytes are one of the library's own answers; nothing else begins like these.
pub(super) fn with_body(written: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?;
    let (version, status) = status_line.split_once(' ')?;
    let sentence = match status.get(..3)?.parse().ok().and_then(|code| StatusCode::from_u16(code).ok())? {
        StatusCode::BAD_REQUEST => "this is not a valid HTTP request",
        StatusCode::URI_TOO_LONG => "the URL is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the headers are too long",
        _ => return None,
    };
    let (mut is_empty, mut date) = (false, String::new());
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" if value == "0" => is_empty = true,
            "date" => date = format!("date: {value}\r\n"),
            "connection" => {}
            _ => return None,
        }
    }
    let body = json!({ "error": sentence }).to_string();
    let answer = format!(
        "{status_line}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n{date}\r\n{body}",
        body.len()
    );
    (is_empty && version.starts_with("HTTP/1.")).then(|| answer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_without_a_body_get_one() {
        for (written, expected) in [
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Tue, 01 Dec 2026 00:00:00 GMT\r\n\r\n",
                Some((
                    "HTTP/1.1 400 Bad Request\r\n",
                    "date: Tue, 01 Dec 2026 00:00:00 GMT\r\n\r\n{\"error\":\"this is not a valid HTTP request\"}",
                )),
            ),
            (
                "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                Some(("HTTP/1.1 431 ", "\r\n\r\n{\"error\":\"the headers are too long\"}")),
            ),
            (
                "HTTP/1.0 414 URI Too Long\r\ncontent-length: 0\r\n\r\n",
                Some(("HTTP/1.0 414 ", "\r\n\r\n{\"error\":\"the URL is too long\"}")),
            ),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}", None),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\ncontent-type: a\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", None),
            ("HTTP/1.1 400", None),
            ("", None),
        ] {
            let found = with_body(written.as_bytes()).map(|answer| String::from_utf8(answer).unwrap());
            assert_eq!(found.is_some(), expected.is_some(), "{written}");
            let Some((found, (begin, end))) = found.zip(expected) else { continue };
            assert!(found.starts_with(begin) && found.ends_with(end), "{found}");
            let (head, body) = found.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{found}");
        }
    }
}
