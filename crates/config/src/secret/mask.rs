//! Hides secrets in what is shown and recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::encoded;
use crate::Params;
use herald_base::secret_name::{MASKED, is_secret_name};

/// The parameter that describes the request which an event came with.
pub const REQUEST: &str = "_request";
/// What of it is as it came.
const RAW: [&str; 2] = ["body", "body_base64"];
/// The shortest secret that is also hidden inside longer texts; a shorter one only where it is the whole text.
pub const SHORTEST_WITHIN: usize = 4;
/// The longest whose other forms are known, in bytes: a key file fits.
const LONGEST_ENCODED: usize = 64 << 10;

/// Hides the secrets of one configuration: by name, and by value wherever a known value turns up.
#[derive(Default, Clone)]
pub struct Mask {
    /// What it hides beside its own.
    base: Option<Arc<Mask>>,
    values: BTreeSet<String>,
    /// Their other forms.
    encoded: BTreeSet<String>,
    /// Lists and maps that are secret as a whole.
    wholes: Vec<Value>,
}

impl Mask {
    /// Hides by name only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides what this one hides, which is shared and not copied.
    #[must_use]
    pub fn over(base: Arc<Mask>) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |mask| mask.base.as_deref())
    }

    fn holds(&self, text: &str) -> bool {
        self.layers().any(|mask| mask.values.contains(text))
    }

    fn holds_whole(&self, value: &Value) -> bool {
        self.layers().any(|mask| mask.wholes.contains(value))
    }

    fn plain(&self) -> impl Iterator<Item = &String> {
        self.layers().flat_map(|mask| &mask.values)
    }

    /// Hides this value too, wherever it turns up, also in Base64, hexadecimal, or as in a URL.
    pub fn add(&mut self, secret: &str) {
        if !secret.is_empty() && !self.holds(secret) {
            self.values.insert(secret.to_owned());
            if secret.len() <= LONGEST_ENCODED {
                self.encoded.extend(encoded::forms(secret));
            }
        }
    }

    /// Hides what a template made of a secret: a text of four bytes or more as any other secret, a number of four
    /// digits or more, a list or a map as a whole and what is in it.
    pub fn add_derived(&mut self, made: &Value) {
        let mut open = vec![made];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) if text.len() >= SHORTEST_WITHIN => self.add(text),
                Value::Number(number) if number.as_str().len() >= SHORTEST_WITHIN => {
                    self.add(number.as_str())
                }
                Value::Array(list) => open.extend(list),
                Value::Object(map) => {
                    map.keys().filter(|key| key.len() >= SHORTEST_WITHIN).for_each(|key| self.add(key));
                    open.extend(map.values());
                }
                _ => {}
            }
        }
        let is_filled = made.as_array().is_some_and(|list| !list.is_empty())
            || made.as_object().is_some_and(|map| !map.is_empty());
        if is_filled && !self.holds_whole(made) {
            self.wholes.push(made.clone());
        }
    }

    /// Whether none of the known secrets is in these parameters, whatever the names in them.
    #[must_use]
    pub fn leaves_values_of(&self, params: &Params) -> bool {
        params.iter().all(|(key, value)| self.text(key) == *key && self.by_value(value) == *value)
    }

    /// Whether this is one of the secrets, from end to end.
    #[must_use]
    pub fn is_secret(&self, text: &str) -> bool {
        self.holds(text)
    }

    /// This mask, and the values under secret names in these parameters: templates may have put them elsewhere, too.
    #[must_use]
    pub fn with_secrets_of(&self, params: &Params) -> Self {
        let mut mask = self.clone();
        let mut open: Vec<(bool, &Value)> =
            params.iter().map(|(key, value)| (is_secret_name(key), value)).collect();
        while let Some((secret, value)) = open.pop() {
            match value {
                Value::String(text) if secret && text.len() >= SHORTEST_WITHIN => mask.add(text),
                Value::Array(list) => open.extend(list.iter().map(|item| (secret, item))),
                Value::Object(map) => {
                    open.extend(map.iter().map(|(key, value)| (secret || is_secret_name(key), value)));
                }
                _ => {}
            }
        }
        mask
    }

    /// The known secrets, and their other forms.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.layers().flat_map(|mask| mask.values.iter().chain(&mask.encoded)).map(String::as_str)
    }

    /// A text without the known secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.holds(text) {
            return MASKED.to_owned();
        }
        let mut masked = text.to_owned();
        // Longest first, so that a secret inside another does not leave the rest of the longer one behind.
        let mut values: Vec<&str> = self.values().filter(|value| value.len() >= SHORTEST_WITHIN).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            if masked.contains(value) {
                masked = masked.replace(value, MASKED);
            }
        }
        masked
    }

    /// Whether [`Self::params`] would leave these as they are: nothing is copied to find out.
    #[must_use]
    pub fn hides_nothing_in(&self, params: &Params) -> bool {
        let mut open: Vec<&Params> = vec![params];
        let mut lists: Vec<&[Value]> = Vec::new();
        loop {
            let good = if let Some(map) = open.pop() {
                map.iter().all(|(key, value)| {
                    self.leaves(key)
                        && (!is_secret_name(key) || value.is_null())
                        && self.leaves_value(value, &mut open, &mut lists)
                })
            } else if let Some(list) = lists.pop() {
                list.iter().all(|value| self.leaves_value(value, &mut open, &mut lists))
            } else {
                return true;
            };
            if !good {
                return false;
            }
        }
    }

    /// Whether this JSON text may hold one of the known secrets. What JSON could write in another way counts as
    /// held.
    #[must_use]
    pub fn may_hide_in(&self, json: &str) -> bool {
        if self.plain().next().is_none() {
            return false;
        }
        let json = json.as_bytes();
        let escapes = memchr::memchr(b'\\', json).is_some();
        // Go writes `<` as an escape, wherever it is.
        let written_by_number = |at: usize| {
            let digits = json.get(at + 2..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
            let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            let one = code.and_then(char::from_u32);
            one.is_none_or(|one| self.values().any(|secret| secret.contains(one)))
        };
        if escapes && memchr::memmem::find_iter(json, b"\\u").any(written_by_number) {
            return true;
        }
        let has_escape = |c: char| matches!(c, '"' | '\\' | '/') || c.is_control();
        // A number's exponent has several ways to be written.
        let is_number = |secret: &str| {
            secret.contains('e')
                && secret.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'))
        };
        let numbers = self.plain().any(|secret| is_number(secret));
        numbers
            || self.values().any(|secret| {
                (escapes && secret.contains(has_escape))
                    || memchr::memmem::find(json, secret.as_bytes()).is_some()
            })
    }

    fn leaves(&self, text: &str) -> bool {
        self.values().all(|secret| {
            if secret.len() < SHORTEST_WITHIN { secret != text } else { !text.contains(secret) }
        })
    }

    fn leaves_value<'a>(
        &self,
        value: &'a Value,
        open: &mut Vec<&'a Params>,
        lists: &mut Vec<&'a [Value]>,
    ) -> bool {
        match value {
            Value::String(text) => return self.leaves(text),
            Value::Number(number) => {
                return !self.holds(number.as_str());
            }
            Value::Array(_) | Value::Object(_) if self.holds_whole(value) => return false,
            Value::Array(list) => lists.push(list),
            Value::Object(map) => open.push(map),
            Value::Null | Value::Bool(_) => {}
        }
        true
    }

    /// The known secrets that turn up in this value, which is all that a component in another library may know.
    #[must_use]
    pub fn found_in(&self, value: &Value) -> Vec<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => found.extend(self.plain().filter(|v| text.contains(v.as_str()))),
                Value::Number(number) => {
                    found.extend(self.layers().filter_map(|mask| mask.values.get(number.as_str())));
                }
                Value::Array(list) => open.extend(list),
                Value::Object(map) => {
                    for (key, value) in map {
                        found.extend(self.plain().filter(|v| key.contains(v.as_str())));
                        open.push(value);
                    }
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
        found.into_iter().map(String::as_str).collect()
    }

    /// A value without secrets.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(_) | Value::Object(_) if self.holds_whole(value) => Value::from(MASKED),
            Value::Array(list) => list.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => Value::Object(self.params(map)),
            Value::Number(number) if self.holds(number.as_str()) => Value::String(MASKED.to_owned()),
            other => other.clone(),
        }
    }

    /// Parameters without secrets.
    #[must_use]
    pub fn params(&self, params: &Params) -> Params {
        let shown = |(key, value): (&String, &Value)| match value {
            Value::Object(request) if key == REQUEST => {
                (key.clone(), Value::Object(self.request(request, params)))
            }
            _ => (self.text(key), self.entry(key, value)),
        };
        params.iter().map(shown).collect()
    }

    /// A value without the known secrets, whatever the names in it: as other jobs get it.
    #[must_use]
    pub fn by_value(&self, value: &Value) -> Value {
        match value {
            Value::Array(_) | Value::Object(_) if self.holds_whole(value) => Value::from(MASKED),
            Value::Array(list) => list.iter().map(|item| self.by_value(item)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (self.text(key), self.by_value(value))).collect()
            }
            other => self.value(other),
        }
    }

    /// A request as an event shows it. A value under a secret name in the event came with the request: it is in the raw
    /// strings, whatever they are encoded in, or a part of the path.
    fn request(&self, request: &Params, event: &Params) -> Params {
        let others = event.iter().filter(|(key, _)| *key != REQUEST);
        let others: Params = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut shown = self.entries(request);
        if !Self::new().hides_nothing_in(&others) {
            let hide =
                |value: Option<&mut Value>| value.into_iter().for_each(|value| *value = Value::from(MASKED));
            RAW.iter().for_each(|key| hide(shown.get_mut(*key)));
            hide(shown.get_mut("query").and_then(|query| query.get_mut("d")));
        }
        if let Some(Value::String(path)) = shown.get_mut("path") {
            let secrets = || others.iter().filter(|(key, _)| is_secret_name(key));
            let is_secret = |part: &str| secrets().any(|(_, value)| value.as_str() == Some(part));
            let parts: Vec<&str> =
                path.split('/').map(|part| if is_secret(part) { MASKED } else { part }).collect();
            *path = parts.join("/");
        }
        shown
    }

    fn entries(&self, params: &Params) -> Params {
        params.iter().map(|(key, value)| (self.text(key), self.entry(key, value))).collect()
    }

    fn entry(&self, key: &str, value: &Value) -> Value {
        match value {
            _ if !is_secret_name(key) => self.value(value),
            // An absent secret need not be hidden, and seeing that it is absent helps.
            Value::Null => Value::Null,
            _ => Value::String(MASKED.to_owned()),
        }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.plain().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_that_are_secret() {
        for (name, secret) in [
            ("password", true),
            ("git_password", true),
            ("GIT_PASSWORD", true),
            ("git_ssh_key", true),
            ("git_ssh_key_file", false),
            ("git_ssh_key_password", true),
            ("api-key", true),
            ("X-Api-Key", true),
            ("tokens", true),
            ("private_key_file", false),
            ("user", false),
            ("key", false),
            ("Authorization", true),
            ("cookie", true),
            ("cookies", false),
        ] {
            assert_eq!(is_secret_name(name), secret, "{name}");
        }
    }

    #[test]
    fn finds_what_turns_up() {
        let mut mask = Mask::new();
        for secret in ["hunter22", "42424242", "in-a-key", "elsewhere"] {
            mask.add(secret);
        }
        let value = json!({"a": ["x hunter22 y", 42_424_242], "in-a-key": null});
        assert_eq!(mask.found_in(&value), ["42424242", "hunter22", "in-a-key"]);
        assert!(mask.found_in(&json!({"a": [1, "hunter2", true]})).is_empty());
    }

    #[test]
    fn nothing_is_hidden_exactly_where_nothing_would_change() {
        let mut mask = Mask::new();
        ["hunter22", "abc", "4242"].into_iter().for_each(|secret| mask.add(secret));
        for (value, nothing) in [
            (json!({}), true),
            (json!({"a": 1, "b": [null, {"c": "x"}], "pas": "tok", "secret_file": "x"}), true),
            (json!({"within": "abcd"}), true),
            (json!({"a": "abc"}), false),
            (json!({"a": [["x hunter22"]]}), false),
            (json!({"a": {"hunter22": 1}}), false),
            (json!({"a": 4242}), false),
            (json!({"a": {"token": "x"}}), false),
            (json!({"a": {"token": null}}), true),
            (json!({"l": [{"api-key": 1}]}), false),
        ] {
            let params = value.as_object().unwrap();
            assert_eq!(mask.hides_nothing_in(params), nothing, "{value}");
            assert_eq!(mask.params(params) == *params, nothing, "{value}");
        }
        assert!(Mask::new().hides_nothing_in(json!({"a": 1}).as_object().unwrap()));
    }

    #[test]
    fn what_a_request_says_again_is_hidden() {
        for (event, shown) in [
            (
                json!({"password": "hunter22", "x": "hunter22", "_request": {
                    "path": "/a/hunter22", "query": {"d": "eyJwYXNzIn0", "e": "hunter22"}, "body": "{\"password\":\"hunter22\"}",
                    "headers": {"x": "hunter22", "authorization": "Basic x"}, "method": "GET",
                }}),
                json!({"password": "***", "x": "hunter22", "_request": {
                    "path": "/a/***", "query": {"d": "***", "e": "hunter22"}, "body": "***",
                    "headers": {"x": "hunter22", "authorization": "***"}, "method": "GET",
                }}),
            ),
            (
                json!({"a": 1, "_request": {"path": "/a", "body": "{\"a\":1}", "query": {"d": "{}"}}}),
                json!({"a": 1, "_request": {"path": "/a", "body": "{\"a\":1}", "query": {"d": "{}"}}}),
            ),
            // What only the request has under such a name is hidden there.
            (
                json!({"a": 1, "_request": {"query": {"token": "t0ken"}, "path": "/t0ken", "body": "b"}}),
                json!({"a": 1, "_request": {"query": {"token": "***"}, "path": "/t0ken", "body": "b"}}),
            ),
            (json!({"token": 1, "_request": "t"}), json!({"token": "***", "_request": "t"})),
        ] {
            let event = event.as_object().unwrap();
            assert_eq!(Value::Object(Mask::new().params(event)), shown);
            assert_eq!(Mask::new().hides_nothing_in(event), Value::Object(event.clone()) == shown);
            // As it is in the parameters of a job.
            assert_eq!(Mask::new().value(&json!({"trigger_param": event})), json!({"trigger_param": shown}));
        }
    }

    #[test]
    fn other_forms_of_a_secret_are_hidden() {
        let mut mask = Mask::new();
        mask.add("hunter22/x");
        for text in ["aHVudGVyMjIveA==", "dXNlcjpodW50ZXIyMi94", "68756e74657232322f78", "?p=hunter22%2Fx&"] {
            let shown = mask.text(text);
            assert!(shown.contains("***"), "{text}: {shown}");
            assert!(mask.may_hide_in(&format!("\"{text}\"")), "{text}");
            let params = json!({ "a": text });
            assert!(!mask.hides_nothing_in(params.as_object().unwrap()), "{text}");
        }
        assert_eq!(mask.text("?p=hunter22%2Fx&"), "?p=***&");
        let event = json!({"token": ["echo"], "a": "echo hunter22/x"});
        assert_eq!(mask.by_value(&event), json!({"token": ["echo"], "a": "echo ***"}));
    }

    #[test]
    fn masks_by_name_and_by_value() {
        let mut mask = Mask::new();
        mask.add("hunter22");
        mask.add("abc");
        mask.add("");
        let shown = mask.value(&json!({
            "password": "x", "token": {"deep": 1}, "secret": null,
            "output": "it was hunter22!", "list": ["hunter22", "fine"], "short": "abc", "within": "abcd",
        }));
        assert_eq!(
            shown,
            json!({
                "password": "***", "token": "***", "secret": null,
                "output": "it was ***!", "list": ["***", "fine"], "short": "***", "within": "abcd",
            })
        );
    }
}
