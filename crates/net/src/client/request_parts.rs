//! The parts of a request: URL, query, headers, body and authentication. Everything is checked, since much of it comes
//! from events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Map, Value};

use super::invalid_request::InvalidRequest;

/// The longest URL, and the longest value of a header, in bytes.
const LONGEST: usize = 16 << 10;
/// Headers, and the bytes of all of them together: what servers accept at most.
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 64 << 10;
/// Headers that describe the connection or the length of the body, which are not the user's.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A user and a password.
pub(super) struct BasicUser {
    name: String,
    password: String,
}

/// Where a request goes.
pub(super) struct Target {
    /// Without user and password.
    pub(super) url: Url,
    /// The user that the URL names.
    pub(super) user: Option<BasicUser>,
}

/// `found` is the URL that was read elsewhere.
pub(super) fn url(given: Option<&Value>, found: Option<&str>) -> Result<Target, InvalidRequest> {
    let name = if found.is_some() { "url_from" } else { "url" };
    let wrong = |why: &str| InvalidRequest::new(name, why);
    let text = match (found, given) {
        (Some(found), _) => found,
        (None, Some(Value::String(text))) => text,
        (None, Some(_)) => return Err(wrong("expected a string")),
        (None, None) => return Err(wrong("no URL: give `url` or `url_from`")),
    };
    if text.is_empty() {
        return Err(wrong("the URL is empty"));
    }
    if text.len() > LONGEST {
        return Err(wrong("the URL is longer than 16 KiB"));
    }
    // The parser would drop line breaks silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("a URL cannot hold spaces or control characters"));
    }
    let mut url = Url::parse(text).map_err(|error| wrong(&format!("this is not a valid URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("a URL here begins with http:// or https://"));
    }
    let user = take_user(&mut url, name)?;
    url.set_fragment(None);
    Ok(Target { url, user })
}

/// Takes user and password out of a URL.
fn take_user(url: &mut Url, parameter: &str) -> Result<Option<BasicUser>, InvalidRequest> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| InvalidRequest::new(parameter, "user and password of this URL cannot be used"))?;
    Ok(Some(BasicUser { name, password }))
}

/// Adds the pairs to the query that the URL has.
pub(super) fn add_query(url: &mut Url, given: Option<&Value>) -> Result<(), InvalidRequest> {
    let pairs = pairs("query", given)?;
    if !pairs.is_empty() {
        let mut query = url.query_pairs_mut();
        for pair in &pairs {
            query.append_pair(&pair.name, &pair.value);
        }
    }
    if url.as_str().len() > LONGEST {
        return Err(InvalidRequest::new("query", "the URL is longer than 16 KiB with it"));
    }
    Ok(())
}

/// A name and one of its values.
struct NamedText {
    name: String,
    value: String,
}

/// The entries of a map; a list gives one for each of its items, null none.
fn pairs(parameter: &str, given: Option<&Value>) -> Result<Vec<NamedText>, InvalidRequest> {
    let map = match given {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(InvalidRequest::new(parameter, "expected a map")),
    };
    let mut pairs = Vec::new();
    for (name, value) in map {
        let values = match value {
            Value::Null => continue,
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        for value in values {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(is) => is.to_string(),
                _ => {
                    let why = "expected a string, a number, a boolean, or a list of these";
                    return Err(InvalidRequest::new(format!("{parameter}/{name}"), why));
                }
            };
            pairs.push(NamedText { name: name.clone(), value });
        }
    }
    Ok(pairs)
}

/// The headers that the user wants.
pub(super) fn headers(given: Option<&Value>) -> Result<HeaderMap, InvalidRequest> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for NamedText { name, value } in pairs("headers", given)? {
        let wrong = |why: &str| InvalidRequest::new(format!("headers/{name}"), why);
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong("this is not a valid name of a header"))?;
        if OF_THE_CONNECTION.contains(&header.as_str()) {
            return Err(wrong("Herald sets this header itself"));
        }
        if value.len() > LONGEST {
            return Err(wrong("the value is longer than 16 KiB"));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| wrong("the value holds a line break or another control character"))?;
        bytes += header.as_str().len() + value.len();
        headers.append(header, value);
    }
    if headers.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return Err(InvalidRequest::new("headers", "more than 100 headers, or than 64 KiB of them"));
    }
    Ok(headers)
}

/// Sets a header, unless the user did.
pub(super) fn set_if_absent(headers: &mut HeaderMap, name: &'static str, value: HeaderValue) {
    if !headers.contains_key(name) {
        headers.insert(name, value);
    }
}

/// Sets `Authorization`. `of_url` is the user in the URL.
pub(super) fn add_auth(
    headers: &mut HeaderMap,
    given: Option<&Value>,
    of_url: Option<&BasicUser>,
) -> Result<(), InvalidRequest> {
    let text = |map: &Value, name: &str| match map.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let value = match given {
        None => match of_url {
            // A header that the user writes wins.
            Some(user) if !headers.contains_key(AUTHORIZATION) => basic(user)?,
            _ => return Ok(()),
        },
        Some(_) if headers.contains_key(AUTHORIZATION) => {
            return Err(InvalidRequest::new("auth", "the header `Authorization` is given as well"));
        }
        Some(auth) => match (auth.get("basic"), text(auth, "bearer")) {
            (None, Some(token)) => format!("Bearer {token}"),
            (Some(user), None) => match (text(user, "user"), text(user, "password")) {
                (Some(name), Some(password)) => basic(&BasicUser { name, password })?,
                _ => return Err(InvalidRequest::new("auth/basic", "expected `user` and `password`")),
            },
            _ => {
                let why = "expected `basic: {user, password}` or `bearer: TOKEN`";
                return Err(InvalidRequest::new("auth", why));
            }
        },
    };
    if value.len() > LONGEST {
        return Err(InvalidRequest::new("auth", "it is longer than 16 KiB"));
    }
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| InvalidRequest::new("auth", "the token holds what a header cannot hold"))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn basic(user: &BasicUser) -> Result<String, InvalidRequest> {
    if user.name.contains(':') {
        return Err(InvalidRequest::new("auth/basic/user", "a user cannot hold a colon"));
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{}:{}", user.name, user.password))))
}

/// A body and what it is.
pub(super) struct SentBody {
    pub(super) bytes: Bytes,
    pub(super) content_type: &'static str,
}

impl SentBody {
    /// One of `json`, `form` and `body`.
    pub(super) fn read(params: &Map<String, Value>) -> Result<Option<Self>, InvalidRequest> {
        let ways: Vec<&str> =
            ["json", "form", "body"].into_iter().filter(|name| params.contains_key(*name)).collect();
        if let [first, second, ..] = ways.as_slice() {
            let why = format!("`{first}` is given as well, and a request has one body");
            return Err(InvalidRequest::new(*second, why));
        }
        let Some((way, value)) = ways.first().and_then(|way| Some((*way, params.get(*way)?))) else {
            return Ok(None);
        };
        let (bytes, content_type) = match (way, value) {
            // JSON from JSON: never fails.
            ("json", value) => (serde_json::to_vec(value).unwrap_or_default(), "application/json"),
            ("form", value) => {
                let mut form = Serializer::new(String::new());
                for NamedText { name, value } in pairs("form", Some(value))? {
                    form.append_pair(&name, &value);
                }
                (form.finish().into_bytes(), "application/x-www-form-urlencoded")
            }
            (_, Value::String(text)) => (text.clone().into_bytes(), "text/plain; charset=utf-8"),
            _ => return Err(InvalidRequest::new("body", "expected a string; `json` sends anything else")),
        };
        Ok(Some(Self { bytes: bytes.into(), content_type }))
    }
}
