//! From a body, or the query of a GET, to parameters.

mod multipart;
pub(crate) mod surrogate;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use herald_base::depth::{self, TooDeep};
use herald_base::value::Params;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use self::multipart::{FormPart, FormPartError};

/// What a body may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// A JSON object.
    #[default]
    Json,
    /// A form of either type.
    Form,
    /// What GitHub, Gitea, Forgejo and Gogs send: a JSON object, or a form with one in the field `payload`.
    #[serde(skip)]
    JsonOrForm,
    /// Text.
    Text,
    /// Whatever comes.
    Any,
    /// As the program webhook takes it: what the type says, and nothing where it is something else.
    Webhook,
}

/// The names, as configurations have them.
pub const KINDS: [&str; 5] = ["json", "form", "text", "any", "webhook"];

/// Reads a JSON object, and puts the parameters that are known already above its keys.
pub type ParseObject<P> = fn(&str, Params) -> serde_json::Result<P>;

/// Why a body is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableBody {
    /// Its type is not accepted.
    #[error("{0}")]
    Type(String),
    /// It is not what its type says.
    #[error("{0}")]
    Content(String),
}

impl UnusableBody {
    /// Of one that is nested too deep.
    #[must_use]
    pub fn too_deep(why: TooDeep) -> Self {
        Self::Content(format!("the body is {why}"))
    }
}

/// The essence of the one `Content-Type`; `None` when there is none, or several.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return None };
    let essence = only.to_str().ok()?.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// Whether the head names a body that is accepted without any further option: `application/json`, with or without
/// parameters.
///
/// # Errors
/// Which type is expected.
pub fn is_json_alone(headers: &HeaderMap) -> Result<(), UnusableBody> {
    if content_type(headers).is_some_and(|it| it == "application/json") {
        return Ok(());
    }
    Err(UnusableBody::Type(format!("the body must be {EXPECTED_JSON}")))
}

/// Whether it is a form in a body that is not multipart.
pub(crate) fn is_urlencoded(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|it| it == FORM)
}

fn is_json_like(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

const EXPECTED_JSON: &str = "JSON, sent with the header `Content-Type: application/json`";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

impl BodyKind {
    /// Whether a body of the type in the headers is accepted.
    ///
    /// # Errors
    /// Which type is expected.
    pub fn takes(self, headers: &HeaderMap) -> Result<(), UnusableBody> {
        let given = content_type(headers).unwrap_or_default();
        let (good, expected) = match self {
            Self::Json => (is_json_like(&given), EXPECTED_JSON),
            Self::JsonOrForm => (is_json_like(&given) || given == FORM, EXPECTED_JSON),
            Self::Form => (
                given == FORM || given == MULTIPART,
                "a form, sent with the header `Content-Type: application/x-www-form-urlencoded` or multipart/form-data",
            ),
            Self::Text => (
                given.is_empty() || given.starts_with("text/"),
                "text, sent with the header `Content-Type: text/plain`",
            ),
            Self::Any | Self::Webhook => (true, ""),
        };
        if good { Ok(()) } else { Err(UnusableBody::Type(format!("the body must be {expected}"))) }
    }

    /// The parameters that a body holds, below those that are known already. `parse` reads a JSON object, below them.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn read<P: From<Params>>(
        self,
        headers: &HeaderMap,
        body: &[u8],
        above: Params,
        parse: ParseObject<P>,
    ) -> Result<P, UnusableBody> {
        let given = content_type(headers).unwrap_or_default();
        let mut params = match self {
            Self::Json => return object(body, above, parse),
            Self::JsonOrForm if given != FORM => return object(body, above, parse),
            Self::Form | Self::JsonOrForm => form(headers, body)?,
            Self::Text => text(body)?,
            Self::Any if given == FORM || given == MULTIPART => form(headers, body)?,
            Self::Any if is_json_like(&given) => match object(body, above.clone(), parse) {
                Ok(params) => return Ok(params),
                Err(why) => no_object(body).ok_or(why)?,
            },
            Self::Any if body.trim_ascii_start().starts_with(b"{") => {
                match object(body, above.clone(), parse) {
                    Ok(params) => return Ok(params),
                    Err(_) => whatever(body),
                }
            }
            Self::Any => whatever(body),
            Self::Webhook => return Ok(leniently(headers, body, above, parse)),
        };
        params.extend(above);
        Ok(params.into())
    }
}

/// What the program webhook makes of a body. The type counts as it is written. A list is the parameter `root`, what
/// follows the first value does not count, and what cannot be read gives no parameters.
fn leniently<P: From<Params>>(headers: &HeaderMap, body: &[u8], above: Params, parse: ParseObject<P>) -> P {
    let given = headers.get(CONTENT_TYPE).map(|given| String::from_utf8_lossy(given.as_bytes()));
    let says = |what: &str| given.as_ref().is_some_and(|given| given.contains(what));
    let mut params = Params::new();
    if says("json") {
        let text = String::from_utf8_lossy(body);
        let text = surrogate::mended(&text);
        if let Ok(params) = parse(&text, above.clone()) {
            return params;
        }
        match serde_json::Deserializer::from_str(&text).into_iter::<Value>().next() {
            Some(Ok(Value::Object(object))) => params.extend(object),
            Some(Ok(list @ Value::Array(_))) => drop(params.insert("root".to_owned(), list)),
            _ => {}
        }
    } else if says("x-www-form-urlencoded") {
        for (name, value) in form_urlencoded::parse(body).into_owned() {
            params.entry(name).or_insert_with(|| Value::from(value));
        }
    } else if says(MULTIPART) {
        for part in multipart::parts(headers, body).unwrap_or_default() {
            if let Some(value) = part.as_webhook() {
                params.entry(part.name).or_insert(value);
            }
        }
    }
    params.extend(above);
    params.into()
}

/// A JSON object, as `parse` reads it; or what it is instead.
///
/// # Errors
/// What is wrong with the body.
pub fn object<P: From<Params>>(body: &[u8], above: Params, parse: ParseObject<P>) -> Result<P, UnusableBody> {
    let read = match std::str::from_utf8(body) {
        Ok(text) => parse(&surrogate::mended(text), above),
        // It says where.
        Err(_) => serde_json::from_slice::<Params>(body).map(P::from),
    };
    let error = match read {
        Ok(params) => return Ok(params),
        Err(error) => error,
    };
    TooDeep::check(depth::of_json(body)).map_err(UnusableBody::too_deep)?;
    let wrong = |why: String| Err(UnusableBody::Content(why));
    let kind = match body.trim_ascii_start().first() {
        None => return wrong("the body is empty; send a JSON object".to_owned()),
        Some(b'{') => return wrong(format!("the body is not JSON: {error}")),
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) => "a number",
    };
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => wrong(format!("the body must be a JSON object, this is {kind}")),
        Err(error) => wrong(format!("the body is not JSON: {error}")),
    }
}

fn one(name: &str, value: Value) -> Params {
    [(name.to_owned(), value)].into_iter().collect()
}

/// Text, or Base64 of what is none.
fn whatever(body: &[u8]) -> Params {
    text(body).unwrap_or_else(|_| one("base64", Value::from(STANDARD.encode(body))))
}

fn text(body: &[u8]) -> Result<Params, UnusableBody> {
    let not_text = |_| UnusableBody::Content("the body is not text (UTF-8)".to_owned());
    let text = std::str::from_utf8(body).map_err(not_text)?;
    Ok(one("text", Value::from(text)))
}

/// JSON other than an object, as the parameter `root`; an empty body as the empty text.
fn no_object(body: &[u8]) -> Option<Params> {
    if body.trim_ascii().is_empty() {
        return Some(one("text", Value::from("")));
    }
    surrogate::read(body).filter(|value| !value.is_object()).map(|value| one("root", value))
}

/// The fields; of one that is there several times, a list. JSON in the field `payload` gives its keys.
fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, UnusableBody> {
    let wrong = UnusableBody::Content;
    let mut params = if content_type(headers).is_some_and(|it| it == MULTIPART) {
        let parts = multipart::parts(headers, body).map_err(|why| wrong(why.to_string()))?;
        let param = |part: FormPart| part.param().map(|value| (part.name, value));
        let parts: Result<Vec<(String, Value)>, FormPartError> = parts.into_iter().map(param).collect();
        collected(parts.map_err(|why| wrong(why.to_string()))?)
    } else if std::str::from_utf8(body).is_ok() {
        gathered(form_urlencoded::parse(body).into_owned())
    } else {
        return Err(wrong("the form is not text (UTF-8)".to_owned()));
    };
    let payload = params.get("payload").and_then(Value::as_str);
    if let Some(Value::Object(payload)) = payload.and_then(|payload| surrogate::read(payload.as_bytes())) {
        params.remove("payload");
        params.extend(payload);
    }
    Ok(params)
}

/// Names and values as parameters: a list for a name that is there several times.
#[must_use]
pub fn gathered(pairs: impl IntoIterator<Item = (String, String)>) -> Params {
    collected(pairs.into_iter().map(|(name, value)| (name, Value::from(value))))
}

fn collected(pairs: impl IntoIterator<Item = (String, Value)>) -> Params {
    let mut params = Params::new();
    for (name, value) in pairs {
        match params.get_mut(&name) {
            None => drop(params.insert(name, value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    params
}

/// The parameters of a GET: the query. `d` may hold JSON, or Base64 of JSON: then its value counts, and the keys
/// of an object are parameters of their own, unless the query names them.
#[must_use]
pub fn query(pairs: &[(String, String)]) -> Params {
    let mut params = gathered(pairs.iter().cloned());
    let held = params.get("d").and_then(Value::as_str).and_then(held);
    if let Some(held) = held {
        if let Value::Object(inner) = &held {
            for (key, value) in inner {
                params.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        params.insert("d".to_owned(), held);
    }
    params
}

/// An object or a list; anything else stays the text that it is.
fn held(text: &str) -> Option<Value> {
    let json = |bytes: &[u8]| surrogate::read(bytes);
    let wanted = |value: &Value| value.is_object() || value.is_array();
    if let Some(value) = json(text.as_bytes()).filter(wanted) {
        return Some(value);
    }
    // In a query, `+` that nobody escaped has become a blank.
    let text = text.trim().replace(' ', "+");
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| json(&engine.decode(&text).ok()?).filter(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::json;

    fn parse(text: &str, above: Params) -> serde_json::Result<Params> {
        let mut params: Params = serde_json::from_str(text)?;
        params.extend(above);
        Ok(params)
    }

    fn headers(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        headers
    }

    #[test]
    fn content_types() {
        for (types, json) in [
            (&["application/json"][..], true),
            (&["Application/JSON; charset=utf-8"], true),
            (&["application/json ;x=y"], true),
            (&[], false),
            (&["text/plain"], false),
            (&["text/plain; application/json"], false),
            (&["application/jsonp"], false),
            (&["application/vnd.api+json"], false),
            (&["application/json", "text/plain"], false),
        ] {
            let mut headers = HeaderMap::new();
            for name in types {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(name).unwrap());
            }
            assert_eq!(is_json_alone(&headers).is_ok(), json, "{types:?}");
        }
    }

    #[test]
    fn objects() {
        let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        let wide = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (body, says) in [
            (r#"{"a": 1}"#, Ok(r#"{"a":1}"#)),
            (" \n{}\t", Ok("{}")),
            (r#"{"a":1,"a":2}"#, Ok(r#"{"a":2}"#)),
            (r#"{"n":123456789012345678901234567890.10}"#, Ok(r#"{"n":123456789012345678901234567890.10}"#)),
            ("", Err("empty")),
            ("  ", Err("empty")),
            ("[1]", Err("must be a JSON object, this is a list")),
            ("\"x\"", Err("this is a string")),
            ("null", Err("this is null")),
            ("true", Err("this is a boolean")),
            ("-5", Err("this is a number")),
            ("{\"a\":\n}", Err("not JSON: expected value at line 2 column 1")),
            ("{} {}", Err("not JSON: trailing characters")),
            ("{\"a\":1", Err("not JSON: EOF")),
            ("command=uptime", Err("not JSON")),
            ("{'a':1}", Err("not JSON")),
            (deep.as_str(), Err("levels deep; the limit is 100")),
            (wide.as_str(), Err("levels deep; the limit is 100")),
        ] {
            match (object(body.as_bytes(), Params::new(), parse), says) {
                (Ok(params), Ok(expected)) => {
                    assert_eq!(serde_json::to_string(&params).unwrap(), expected)
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
        assert!(object(b"{\"a\":\"\xff\"}", Params::new(), parse).is_err());
    }

    #[test]
    fn bodies_of_every_kind() {
        for (kind, content_type, body, params) in [
            (BodyKind::Json, "application/json", "{\"a\":1}", Some(json!({"a": 1}))),
            (BodyKind::Json, "application/vnd.api+json", "{\"a\":1}", Some(json!({"a": 1}))),
            (BodyKind::Json, "text/plain", "{\"a\":1}", None),
            (BodyKind::Form, FORM, "a=1&b=x+y&a=%32", Some(json!({"a": ["1", "2"], "b": "x y"}))),
            (
                BodyKind::Form,
                FORM,
                "payload=%7B%22ref%22%3A%22x%22%7D&z=1",
                Some(json!({"z": "1", "ref": "x"})),
            ),
            (BodyKind::Form, FORM, "payload=plain", Some(json!({"payload": "plain"}))),
            (BodyKind::Form, "application/json", "{}", None),
            (BodyKind::Text, "text/plain; charset=utf-8", "hello", Some(json!({"text": "hello"}))),
            (BodyKind::Text, "", "hello", Some(json!({"text": "hello"}))),
            (BodyKind::Text, "application/json", "{}", None),
            (BodyKind::Any, "", "{\"a\":1}", Some(json!({"a": 1}))),
            (BodyKind::Any, FORM, "a=1", Some(json!({"a": "1"}))),
            (BodyKind::Any, "text/plain", "[1]", Some(json!({"text": "[1]"}))),
            (BodyKind::Any, "application/json", "[1]", Some(json!({"root": [1]}))),
            (BodyKind::Any, "application/json", " ", Some(json!({"text": ""}))),
            (BodyKind::Any, "application/json", "{\"a\":", None),
            (BodyKind::Json, "application/json", r#"{"a":"\ud83d"}"#, Some(json!({"a": "\u{fffd}"}))),
            (BodyKind::Any, "application/json", r#"{"a":"\ud83d"}"#, Some(json!({"a": "\u{fffd}"}))),
            (BodyKind::Any, "application/json", r#"["\ude00"]"#, Some(json!({"root": ["\u{fffd}"]}))),
            (BodyKind::Form, FORM, r#"payload={"a":"\ud83d"}"#, Some(json!({"a": "\u{fffd}"}))),
            (BodyKind::Webhook, "application/json", r#"{"a":"\ud83d"}"#, Some(json!({"a": "\u{fffd}"}))),
            (BodyKind::JsonOrForm, "application/json", "{\"a\":1}", Some(json!({"a": 1}))),
            (BodyKind::JsonOrForm, FORM, "payload=%7B%22a%22%3A1%7D", Some(json!({"a": 1}))),
            (BodyKind::JsonOrForm, "text/plain", "{}", None),
            (BodyKind::Any, "", "", Some(json!({"text": ""}))),
            (BodyKind::Webhook, "", "{\"a\":1}", Some(json!({}))),
            (BodyKind::Webhook, "text/plain", "{\"a\":1}", Some(json!({}))),
            (BodyKind::Webhook, "text/json; x", "{\"a\":1} trailing", Some(json!({"a": 1}))),
            (BodyKind::Webhook, "text/JSON", "{\"a\":1}", Some(json!({}))),
            (BodyKind::Webhook, "application/json", " [1]", Some(json!({"root": [1]}))),
            (BodyKind::Webhook, "application/json", "{\"a\":", Some(json!({}))),
            (BodyKind::Webhook, "application/json", "\"a\"", Some(json!({}))),
            (BodyKind::Webhook, "application/json", "", Some(json!({}))),
            (
                BodyKind::Webhook,
                FORM,
                "payload=%7B%22x%22%3A1%7D&a=1&a=2",
                Some(json!({"payload": "{\"x\":1}", "a": "1"})),
            ),
        ] {
            let headers = headers(content_type);
            let read = kind
                .takes(&headers)
                .and_then(|()| kind.read(&headers, body.as_bytes(), Params::new(), parse));
            assert_eq!(read.ok().map(Value::Object), params, "{kind:?} {content_type} {body}");
        }
        let any = BodyKind::Any
            .read(&headers("application/octet-stream"), b"\xff\x00", Params::new(), parse)
            .unwrap();
        assert_eq!(Value::Object(any), json!({"base64": "/wA="}));
        assert!(BodyKind::Text.read(&headers(""), b"\xff", Params::new(), parse).is_err());
    }

    #[test]
    fn multipart_forms() {
        let part = |head: &str, body: &str| {
            format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
        };
        let file = part("name=\"f\"; filename=\"a.json\"\r\nContent-Type: application/json", "[1]");
        let body = [
            part("name=\"a\"", "x"),
            part("name=\"a\"", "y"),
            part("name=\"payload\"", "{\"ref\":\"\\ud83d\"}"),
            file.clone(),
            "--b--\r\n".to_owned(),
        ];
        let file_param =
            json!({"filename": "a.json", "size": 3, "content_type": "application/json", "text": "[1]"});
        let form = json!({"a": ["x", "y"], "ref": "\u{fffd}", "f": file_param});
        let lenient = json!({"a": "x", "payload": "{\"ref\":\"\\ud83d\"}", "f": [1]});
        let headers = headers("multipart/form-data; boundary=b");
        let read = |kind: BodyKind, body: &str| {
            let read = kind
                .takes(&headers)
                .and_then(|()| kind.read(&headers, body.as_bytes(), Params::new(), parse));
            read.map(Value::Object)
        };
        for (kind, expected) in
            [(BodyKind::Form, &form), (BodyKind::Any, &form), (BodyKind::Webhook, &lenient)]
        {
            assert_eq!(read(kind, &body.concat()).as_ref(), Ok(expected), "{kind:?}");
        }
        for (body, says) in [
            (body[..4].concat(), "not multipart/form-data"),
            ("nothing".to_owned(), "not multipart/form-data"),
            (format!("{}--b--\r\n", part("name2=\"a\"", "x")), "no name"),
            (format!("{}--b--\r\n", part("name=\"a\"", "x").repeat(1001)), "1000 parts"),
        ] {
            let error = read(BodyKind::Form, &body).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(read(BodyKind::Webhook, "nothing"), Ok(json!({})));
        assert!(matches!(read(BodyKind::Json, &body.concat()), Err(UnusableBody::Type(_))));
        let bytes = format!("{}\u{ff}", part("name=\"f\"; filename=\"a\"", "")).into_bytes();
        let mut binary = bytes[..bytes.len() - 4].to_vec();
        binary.extend(b"\xff\r\n--b--\r\n");
        let read = BodyKind::Form.read(&headers, &binary, Params::new(), parse).map(Value::Object);
        assert_eq!(read, Ok(json!({"f": {"filename": "a", "size": 1, "base64": "/w=="}})));
    }

    #[test]
    fn queries() {
        let shell = json!({"shell": "cd /var/www/obj/ && git pull"});
        for (given, params) in [
            ("a=1&b=2&b=3", json!({"a": "1", "b": ["2", "3"]})),
            ("", json!({})),
            (
                "d=%7B%22shell%22%3A%22cd+%2Fvar%2Fwww%2Fobj%2F+%26%26+git+pull%22%7D",
                json!({"d": shell, "shell": shell["shell"]}),
            ),
            (
                "d=eyJzaGVsbCI6ImNkIC92YXIvd3d3L29iai8gJiYgZ2l0IHB1bGwifQ==",
                json!({"d": shell, "shell": shell["shell"]}),
            ),
            ("d=eyJhIjoxfQ&a=2", json!({"d": {"a": 1}, "a": "2"})),
            ("d=WzFd", json!({"d": [1]})),
            ("d=plain", json!({"d": "plain"})),
            ("d=5", json!({"d": "5"})),
        ] {
            let pairs: Vec<(String, String)> =
                form_urlencoded::parse(given.as_bytes()).into_owned().collect();
            assert_eq!(Value::Object(query(&pairs)), params, "{given}");
        }
    }
}
