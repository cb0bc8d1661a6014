//! The headers of a response, and which names and values headers can have.

use herald_base::secret_name::is_secret_name;
use serde_json::{Map, Value};

use crate::original::OriginalValue;

/// Whether a header can have this name (RFC 9110, 5.6.2).
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether it is the value of a header as Herald sends it.
pub(super) fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// The headers of a hook's responses. Those that cannot be sent are noted.
pub(super) fn response_headers(hook: &OriginalValue<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    for header in hook.list_at("response-headers") {
        header.only(&["name", "value"]);
        let Some(name) = header.text_at("name") else { continue };
        let value = header.text_at("value").unwrap_or_default();
        if !is_header_name(&name) {
            header.omit(format!("`{name}` is not a valid header name: the header is not sent"));
        } else if !is_header_value(&value) {
            header.omit(format!("`{name}`: a header value is printable ASCII text: the header is not sent"));
        } else if value.is_empty() && is_secret_name(&name) {
            header.omit(format!("`{name}`: an empty header with the name of a secret is not sent"));
        } else {
            // The original sets a header once.
            headers.retain(|known, _| !known.eq_ignore_ascii_case(&name));
            headers.insert(name, Value::from(value));
        }
    }
    headers
}

/// Notes headers that say that the output of a command, which is the response, is not text.
pub(super) fn note_bytes(hook: &OriginalValue<'_>) {
    for header in hook.list_at("response-headers") {
        let name = header.text_at("name").unwrap_or_default();
        let value = header.text_at("value").unwrap_or_default();
        if name.eq_ignore_ascii_case("content-type") && !is_text(&value) {
            header.omit(format!(
                "`{value}`: output that is not text (UTF-8) is not sent; such a request is answered with 500"
            ));
        }
    }
}

/// Whether what has this type is text.
fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, name) = essence.split_once('/').unwrap_or_default();
    let texts = ["json", "xml", "javascript", "yaml", "toml", "x-www-form-urlencoded", "x-ndjson"];
    kind == "text"
        || essence.is_empty()
        || texts.iter().any(|text| *text == name.rsplit('+').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::original::OriginalFile;
    use serde_json::json;

    #[test]
    fn headers_that_can_be_sent() {
        let header = |name: &str, value: &str| json!({"name": name, "value": value});
        for (given, sent, notes) in [
            (json!([header("A", "1"), header("B", "2"), header("a", "3")]), json!({"B": "2", "a": "3"}), 0),
            (
                json!([header("A b", "1"), header("", "1"), header("C", "ü"), header("D", "a\nb")]),
                json!({}),
                4,
            ),
            (json!([header("X-Token", ""), header("X", "")]), json!({"X": ""}), 1),
        ] {
            let file = OriginalFile::read(&json!({"response-headers": given}).to_string(), "f").unwrap();
            assert_eq!(Value::Object(response_headers(&file.top())), sent);
            assert_eq!(file.into_omissions().len(), notes, "{given}");
        }
    }
}
