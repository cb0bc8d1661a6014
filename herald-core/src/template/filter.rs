//! What templates can do beside MiniJinja's own filters.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value as Made, filters};
use regex::Regex;

use super::convert::{to_json, to_made};
use crate::value::param;

/// Compiled patterns that are kept.
const PATTERNS: usize = 256;
/// The largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Adds all of them.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("tojson", to_json_text);
    environment.add_filter("fromjson", from_json_text);
    environment.add_filter("json_object", json_object);
    environment.add_filter("json_object_at", json_object_at);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("quote", quote);
    environment.add_filter("regex", regex);
    environment.add_filter("without", without);
    // MiniJinja's own, which would make something of what is not there.
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("pprint", pprint);
    environment.add_function("at", at);
    environment.add_function("text", text);
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// Whether a value is there. The caller names it in the error.
fn there(value: &Made) -> Result<&Made, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}

fn escape(state: &mut State, value: &Made) -> Result<Made, Error> {
    filters::escape(state, there(value)?)
}

fn pprint(value: &Made) -> Result<String, Error> {
    Ok(filters::pprint(there(value)?))
}

/// The value as JSON text; with `indent=2` over several lines.
fn to_json_text(value: &Made, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let json = to_json(value).map_err(|why| wrong(format!("the value {why}")))?;
    let text =
        if indent.is_some() { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    text.map_err(|error| wrong(error.to_string()))
}

/// What a JSON text says.
fn from_json_text(text: &str) -> Result<Made, Error> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("this is not JSON: {error}")))?;
    Ok(to_made(&json))
}

/// The first JSON object of a text. Anything else stays as it is.
fn json_object(value: &Made) -> Result<Made, Error> {
    let object = there(value)?.as_str().and_then(first_object);
    Ok(object.map_or_else(|| value.clone(), |object| to_made(&object)))
}

/// The map, where the texts under these keys are the JSON objects that they hold.
fn json_object_at(map: &Made, keys: Rest<String>) -> Result<Made, Error> {
    match to_json(map).map_err(|why| wrong(format!("the value {why}")))? {
        serde_json::Value::Object(mut map) => {
            for key in keys.iter() {
                let Some(value) = map.get_mut(key) else { continue };
                if let Some(object) = value.as_str().and_then(first_object) {
                    *value = object;
                }
            }
            Ok(to_made(&serde_json::Value::Object(map)))
        }
        _ => Err(wrong("only a map has values under keys")),
    }
}

/// What follows the object does not count.
fn first_object(text: &str) -> Option<serde_json::Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<param::Params>();
    values.next()?.ok().map(serde_json::Value::Object)
}

fn b64encode(text: &Made) -> Result<String, Error> {
    Ok(match there(text)?.as_bytes() {
        Some(bytes) => STANDARD.encode(bytes),
        None => STANDARD.encode(text.to_string()),
    })
}

/// With or without padding, in either alphabet.
fn b64decode(text: &str) -> Result<String, Error> {
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(&text).ok())
        .ok_or_else(|| wrong("this is not Base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("what the Base64 holds is not text (UTF-8)"))
}

/// One word for a POSIX shell, whatever it holds.
fn quote(text: &Made) -> Result<String, Error> {
    let text = there(text)?.to_string();
    if text.contains('\0') {
        return Err(wrong("a text with a NUL byte cannot be an argument"));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    Ok(if !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    })
}

/// What a group of a pattern matches; undefined when the pattern does not match. By default group 1, or the whole match
/// where there are no groups.
fn regex(text: &Made, pattern: &str, group: Option<usize>) -> Result<Made, Error> {
    let regex = compiled(pattern)?;
    let group = group.unwrap_or(usize::from(regex.captures_len() > 1));
    if group >= regex.captures_len() {
        return Err(wrong(no_group(group)));
    }
    let text = there(text)?.to_string();
    let found = regex.captures(&text).and_then(|captures| captures.get(group));
    Ok(found.map_or(Made::UNDEFINED, |found| Made::from(found.as_str())))
}

/// What is wrong with a pattern that is written in a template as it is (`regex('(', 1)`), and the pattern: that can be
/// known before any event.
pub(super) fn wrong_pattern(template: &str) -> Option<(String, String)> {
    const CALL: &str = r#"\bregex\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*(?:,\s*(\d+)\s*)?[,)]"#;
    static CALLS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(CALL).ok());
    let inside = |begin: &str, end: &'static str| {
        let parts: Vec<&str> = template.split(begin).skip(1).collect();
        parts.into_iter().filter_map(move |part| Some(&part[..part.rfind(end)?]))
    };
    let inside = inside("{{", "}}").chain(inside("{%", "%}"));
    for call in inside.flat_map(|part| CALLS.as_ref().into_iter().flat_map(|calls| calls.captures_iter(part)))
    {
        // As the engine reads it, escapes and all.
        let literal = Environment::new().compile_expression(&call[1]).and_then(|it| it.eval(()));
        let Some(pattern) = literal.ok().and_then(|value| value.as_str().map(str::to_owned)) else {
            continue;
        };
        let group = call.get(2).and_then(|group| group.as_str().parse::<usize>().ok());
        let why = match compiled(&pattern) {
            Err(error) => error.detail().unwrap_or_default().to_owned(),
            Ok(regex) if group.is_some_and(|group| group >= regex.captures_len()) => {
                no_group(group.unwrap_or_default())
            }
            Ok(_) => continue,
        };
        return Some((why, call[1].to_owned()));
    }
    None
}

fn no_group(group: usize) -> String {
    format!("the pattern has no group {group}")
}

/// The patterns of a configuration are few; those that a template makes are dropped now and then.
fn compiled(pattern: &str) -> Result<Regex, Error> {
    static COMPILED: Mutex<Option<HashMap<String, Regex>>> = Mutex::new(None);
    let mut kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_with(HashMap::new);
    if let Some(regex) = kept.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = regex::RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build().map_err(|error| {
        // What comes before shows the place, over several lines.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        wrong(format!("the pattern `{pattern}` is not valid: {why}"))
    })?;
    if kept.len() >= PATTERNS {
        kept.clear();
    }
    kept.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

/// The map without one of its keys: `trigger_param|without('_request')`.
fn without(map: &Made, key: &str) -> Result<Made, Error> {
    match to_json(map).map_err(|why| wrong(format!("the value {why}")))? {
        serde_json::Value::Object(mut map) => {
            map.shift_remove(key);
            Ok(to_made(&serde_json::Value::Object(map)))
        }
        _ => Err(wrong("only a map can be without a key")),
    }
}

/// The value as text: a text as it is, nothing where there is nothing, everything else as JSON.
fn text(value: &Made) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => to_json(value).map(|json| json.to_string()).map_err(|why| wrong(format!("the value {why}"))),
    }
}

/// The value at a path such as `push_data.tag` or `commits.0.id`; none where there is nothing.
fn at(value: &Made, path: &str) -> Result<Made, Error> {
    let json = to_json(value).map_err(|why| wrong(format!("the value {why}")))?;
    Ok(param::dotted(&json, path).map_or(Made::from(()), to_made))
}
