//! Checks given options against a description: every problem at once, defaults filled in, no secret in any message.

use std::borrow::Cow;

use serde_json::Value;

use super::fields::fields;
use super::home::value_in_home;
use super::url::url;
use super::value_error::ValueError;
use super::{CheckError, Description, OptionKind, OptionSpec, Options};
use crate::Params;
use crate::problem::{EntryPart, Path, Problem, Severity, kind_of, near_miss};
use herald_base::secret_name::{MASKED, is_secret_name};
use herald_base::template_mark::{holds_template, is_template};
use herald_base::unit;

/// The key that names a component's type: no option of the component.
const TYPE: &str = "type";

impl OptionSpec {
    /// Whether its value is secret: by its kind or by its name.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, OptionKind::Secret | OptionKind::Secrets) || is_secret_name(&self.name)
    }
}

impl Description {
    /// Checks the options of a component and fills in the defaults. Paths begin at `at`, the component. The options
    /// hold what could be read; use them only when there is no problem.
    #[must_use]
    pub fn check(&self, given: &Params, at: &Path) -> (Options, Vec<Problem>) {
        self.check_keys(given, given.keys().filter(|key| *key != TYPE), at)
    }

    /// As [`Self::check`], of a map that is not a component: `type` in it is an option like any other.
    #[must_use]
    pub fn check_map(&self, given: &Params, at: &Path) -> (Options, Vec<Problem>) {
        self.check_keys(given, given.keys(), at)
    }

    fn check_keys<'a>(
        &self,
        given: &'a Params,
        keys: impl Iterator<Item = &'a String>,
        at: &Path,
    ) -> (Options, Vec<Problem>) {
        let mut problems = unknown(keys, self, at);
        let mut options = Params::new();
        for spec in &self.options {
            match given.get(&spec.name) {
                Some(value) => match check_one(spec, value, &|| at.key(&spec.name)) {
                    Ok(value) => {
                        options.insert(spec.name.clone(), value.into_owned());
                    }
                    Err(found) => problems.extend(found),
                },
                None if spec.required => problems.push(missing(spec, at, "option", &self.type_name)),
                None => {
                    if let Some(default) = &spec.default {
                        options.insert(spec.name.clone(), default.clone());
                    }
                }
            }
        }
        (Options(options), problems)
    }

    /// Checks merged `select_param` or `job_param` against [`Self::params`]; paths begin at `at`. Of parameters that
    /// the description does not name, those that look like misspelt ones are a warning, or an error where it says so.
    #[must_use]
    pub fn check_params(&self, given: &Params, at: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.misspelt(given, at));
        let together = self.params_check.map(|check| check(given)).unwrap_or_default();
        problems.extend(together.into_iter().map(|found| Problem { path: at.join(&found.path), ..found }));
        for (key, value) in given {
            lone_statements(value, &|| at.key(key), &mut problems);
        }
        for spec in &self.params {
            match given.get(&spec.name) {
                Some(value) if holds_template(value) && spec.is_code => {
                    let message = format!(
                        "`{}` cannot be a template: it is compiled when the configuration is loaded",
                        spec.name
                    );
                    let help = "use the event in it directly, or put the template into a parameter of your own and use that";
                    problems.push(Problem::error(at.key(&spec.name), message).help(help).within("{{"));
                }
                // What it will be is known once it is filled in: the component then finds what is wrong with it.
                Some(value) if holds_template(value) => {}
                Some(value) => {
                    let wrong = check_one(spec, value, &|| at.key(&spec.name)).err();
                    problems.extend(wrong.into_iter().flatten());
                }
                None if spec.required => problems.push(missing(spec, at, "parameter", &self.type_name)),
                None => problems.extend(spec.missing_means.as_ref().map(|means| {
                    Problem::warning(at.clone(), format!("`{}` is missing, so {means}", spec.name)).at_key()
                })),
            }
        }
        problems
    }

    /// Further parameters are the user's own, and scripts see them; but one that nearly bears the name of a
    /// parameter that is not given was probably meant to be that one.
    fn misspelt<'a>(&'a self, given: &'a Params, at: &'a Path) -> impl Iterator<Item = Problem> + 'a {
        let absent =
            || self.params.iter().map(|spec| spec.name.as_str()).filter(|name| !given.contains_key(*name));
        let unknown = given.keys().filter(|key| !self.params.iter().any(|spec| spec.name == **key));
        unknown.filter_map(move |key| {
            let meant = near_miss(key, absent())?;
            let severity = if self.refuse_near_misses { Severity::Error } else { Severity::Warning };
            let message = format!("unknown parameter `{key}` of `{}`", self.type_name);
            let problem =
                Problem::error(at.key(key), message).at_key().help(format!("did you mean `{meant}`?"));
            Some(Problem { severity, ..problem })
        })
    }
}

/// Statements of a template language in a text without `{{`: it stays as it is, which is rarely what was meant.
fn lone_statements(value: &Value, at: &dyn Fn() -> Path, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) if !text.contains('%') || is_template(text) => {}
        Value::String(text) => {
            let after = text.split("{%").nth(1).unwrap_or_default();
            let statement = after.trim_start_matches(['-', '+', ' ']).split(' ').next().unwrap_or_default();
            if after.contains("%}") && ["if", "for", "set"].contains(&statement) {
                let message = format!(
                    "`{{% {statement} … %}}` stays as it is: a text is a template only with {{{{ … }}}} in it"
                );
                let help = "write  {{ 'this' if CONDITION else 'that' }}";
                problems.push(Problem::warning(at(), message).help(help).within("{%"));
            }
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, item)| lone_statements(item, &|| at().index(n), problems));
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, item)| lone_statements(item, &|| at().key(key), problems));
        }
        _ => {}
    }
}

fn missing(spec: &OptionSpec, at: &Path, what: &str, type_name: &str) -> Problem {
    let message = format!("the {what} `{}` of `{type_name}` is missing", spec.name);
    Problem::error(at.clone(), message).at_key().help(format!("{}: {}", spec.name, spec.doc))
}

fn unknown<'a>(keys: impl Iterator<Item = &'a String>, known: &Description, at: &Path) -> Vec<Problem> {
    let names = || known.options.iter().map(|spec| spec.name.as_str());
    let type_name = &known.type_name;
    keys.filter(|key| !names().any(|name| name == **key))
        .map(|key| {
            let problem =
                Problem::error(at.key(key), format!("unknown option `{key}` of `{type_name}`")).at_key();
            if known.params.iter().any(|param| param.name == *key) {
                let of_selector = at.to_string().starts_with("selector");
                let of = if of_selector { "select_param" } else { "job_param" };
                return problem
                    .help(format!("it is a parameter: write it in the router, as  {of}: {{{key}: …}}"));
            }
            if let Some(meant) = near_miss(key, names()) {
                return problem.help(format!("did you mean `{meant}`?"));
            }
            let list: Vec<&str> = names().collect();
            problem.help(match list.is_empty() {
                true => format!("`{type_name}` has no options"),
                false => format!("expected one of: {}", list.join(", ")),
            })
        })
        .collect()
}

/// The value as the component gets it, or what is wrong with it. Nothing is copied where nothing changes: ten thousand
/// routers have many parameters.
fn check_one<'v>(
    spec: &OptionSpec,
    value: &'v Value,
    at: &dyn Fn() -> Path,
) -> Result<Cow<'v, Value>, Vec<Problem>> {
    if value.is_null() && !matches!(spec.kind, OptionKind::Any) {
        let problem = Problem::error(at(), format!("`{}` has no value", spec.name)).at_key();
        return Err(vec![problem.help(if spec.required {
            spec.doc.as_str()
        } else {
            "leave it out for the default"
        })]);
    }
    let value = fields(spec, value, at)?;
    let checked = check_kind(&spec.kind, &value).and_then(|changed| match &spec.check {
        Some(check) => check(changed.as_ref().unwrap_or(&value)).map(|()| changed).map_err(ValueError::from),
        None => Ok(changed),
    });
    match checked {
        Ok(None) => Ok(value),
        Ok(Some(changed)) => Ok(Cow::Owned(changed)),
        // Nearly all are right: those of a list are looked at one by one only when something is wrong.
        Err(wrong) => {
            let found = each(spec, &value, at);
            Err(if found.is_empty() { vec![placed(spec, &value, at(), wrong)] } else { found })
        }
    }
}

/// What is wrong with the value, at its place.
fn placed(spec: &OptionSpec, value: &Value, at: Path, wrong: ValueError) -> Problem {
    let ValueError { index, error, shows } = wrong;
    let CheckError { option, mut message, mut help, excerpt, plain } = error;
    if spec.is_secret() && shows {
        message = without(&message, value);
        help = help.map(|help| without(&help, value));
    }
    let place = match index {
        None => at,
        Some(n) => at.index(n),
    };
    let mut problem = match option.filter(|option| value.get(option).is_some()) {
        Some(option) => Problem::error(place.key(&option), format!("`{option}`: {message}")),
        None => Problem::error(place, format!("`{}`: {message}", spec.name)),
    };
    problem.help = help;
    problem.excerpt = excerpt.filter(|_| !spec.is_secret());
    problem.plain = plain;
    problem
}

/// Checks each of several values by itself, so that every wrong one is reported at its own place. What concerns them
/// together is left to the check of the whole list.
fn each(spec: &OptionSpec, value: &Value, at: &dyn Fn() -> Path) -> Vec<Problem> {
    let (OptionKind::Texts | OptionKind::Secrets, Value::Array(list)) = (&spec.kind, value) else {
        return Vec::new();
    };
    let found = list.iter().enumerate().filter_map(|(n, item)| {
        let problems = check_one(spec, item, &|| at().index(n)).err()?;
        Some(problems.into_iter().map(|problem| Problem { part: EntryPart::Value, ..problem }))
    });
    found.flatten().collect()
}

/// The message without any text or number of the value.
fn without(message: &str, value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => message.replace(text.as_str(), MASKED),
        Value::Number(number) => message.replace(&number.to_string(), MASKED),
        Value::Array(list) => list.iter().fold(message.to_owned(), |message, item| without(&message, item)),
        Value::Object(map) => map.values().fold(message.to_owned(), |message, item| without(&message, item)),
        _ => message.to_owned(),
    }
}

/// The value where it becomes another one.
fn check_kind(kind: &OptionKind, value: &Value) -> Result<Option<Value>, ValueError> {
    let same = || Ok(None);
    match kind {
        OptionKind::Any => same(),
        OptionKind::Text => text(value).and_then(|_| same()),
        OptionKind::Secret => secret(value).and_then(|()| same()),
        OptionKind::Secrets => {
            many(value, "a secret or a list of secrets", secret, true).and_then(|()| same())
        }
        OptionKind::Boolean => match value {
            Value::Bool(_) => same(),
            other => {
                Err(ValueError::expected("a boolean", other).help("write true or false, without quotes"))
            }
        },
        OptionKind::Integer { min, max } => integer(value, *min, *max).map(Some),
        OptionKind::Duration => unit::duration(value).map_err(ValueError::from).and_then(|_| same()),
        OptionKind::Size => unit::size(value).map_err(ValueError::from).and_then(|_| same()),
        OptionKind::FilePath => match text(value)? {
            "" => Err(ValueError::says("a path cannot be empty")),
            path if path.contains('\0') => Err(ValueError::says("a path cannot hold a zero byte")),
            path => match path.strip_prefix("~/") {
                Some(rest) => value_in_home(rest).map(Some),
                None => same(),
            },
        },
        OptionKind::Url => url(text(value)?).map_err(ValueError::from).and_then(|()| same()),
        OptionKind::Texts => {
            many(value, "a string or a list of strings", |item| text(item).map(|_| ()), false)
                .and_then(|()| same())
        }
        OptionKind::OneOf(allowed) => match value {
            Value::String(text) => one_of(text, allowed).and_then(|()| same()),
            other => {
                let list = format!("one of: {}", allowed.join(", "));
                Err(ValueError::says(format!("expected {list}; found {}", kind_of(other))))
            }
        },
        OptionKind::Map | OptionKind::Fields(_) | OptionKind::NamedFields(_) => match value {
            Value::Object(_) => same(),
            other => Err(ValueError::expected("a map", other)),
        },
    }
}

fn text(value: &Value) -> Result<&str, ValueError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => {
            Err(ValueError::expected("a string", value).help("put it in quotes"))
        }
        other => Err(ValueError::expected("a string", other)),
    }
}

fn secret(value: &Value) -> Result<(), ValueError> {
    match text(value)? {
        "" => Err(ValueError::says("a secret cannot be empty")),
        _ => Ok(()),
    }
}

fn many(
    value: &Value,
    what: &str,
    check: impl Fn(&Value) -> Result<(), ValueError>,
    refuse_empty: bool,
) -> Result<(), ValueError> {
    match value {
        Value::Array(list) if list.is_empty() && refuse_empty => Err(ValueError::says("the list is empty")),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| check(item).map_err(|wrong| ValueError { index: Some(n), ..wrong })),
        Value::Object(_) => Err(ValueError::expected(what, value)),
        one => check(one),
    }
}

fn integer(value: &Value, min: i64, max: i64) -> Result<Value, ValueError> {
    let bounds = if (min, max) == (i64::MIN, i64::MAX) {
        "a whole number".to_owned()
    } else if max == i64::MAX {
        format!("a whole number from {min}")
    } else {
        format!("a whole number from {min} to {max}")
    };
    let number = match value {
        Value::Number(number) => number,
        Value::String(text) if text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) => {
            return Err(ValueError::expected(&bounds, value).help(format!(
                "with a leading zero it is a string; write 0o{text} for octal, or drop the zeros"
            )));
        }
        Value::String(text) if text.parse::<i64>().is_ok() => {
            return Err(ValueError::expected(&bounds, value).help("write it without quotes"));
        }
        other => return Err(ValueError::expected(&bounds, other)),
    };
    let whole = number.as_i64().or_else(|| whole_of(number.as_f64()?));
    match whole {
        Some(n) if (min..=max).contains(&n) => Ok(Value::from(n)),
        _ => Err(ValueError::shows(format!("expected {bounds}, found {}", short(&number.to_string())))),
    }
}

/// 5.0 is 5.
fn whole_of(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

fn one_of(text: &str, allowed: &[&str]) -> Result<(), ValueError> {
    if allowed.contains(&text) {
        return Ok(());
    }
    let wrong = ValueError::shows(format!(
        "\"{}\" is not valid; expected one of: {}",
        short(text),
        allowed.join(", ")
    ));
    Err(match near_miss(text, allowed.iter().copied()) {
        Some(meant) => wrong.help(format!("did you mean \"{meant}\"?")),
        None => wrong,
    })
}

/// Texts of users are cut before they stand in a message.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn odd(value: &Value) -> Result<(), String> {
        match value.as_i64() {
            Some(n) if n % 2 == 1 => Ok(()),
            _ => Err(format!("{value} is not odd")),
        }
    }

    fn thing() -> Description {
        let new = OptionSpec::new;
        Description::new("thing", "A thing.")
            .option(new("any", OptionKind::Any, "Anything."))
            .option(new("text", OptionKind::Text, "A text."))
            .option(new("key", OptionKind::Secret, "A secret."))
            .option(new("secret", OptionKind::Secrets, "Secrets."))
            .option(new("flag", OptionKind::Boolean, "A flag.").default(true))
            .option(new("port", OptionKind::Integer { min: 0, max: 65535 }, "A port.").default(8123))
            .option(new("count", OptionKind::Integer { min: 1, max: i64::MAX }, "A count."))
            .option(new("odd", OptionKind::Integer { min: i64::MIN, max: i64::MAX }, "Odd.").check(odd))
            .option(new("odd_token", OptionKind::Any, "Odd and secret.").check(odd))
            .option(
                new("plain_token", OptionKind::Any, "Secret.")
                    .check(|_| Err(CheckError::plain("it is too short"))),
            )
            .option(new("interval", OptionKind::Duration, "How often.").required())
            .option(new("limit", OptionKind::Size, "How much."))
            .option(new("file", OptionKind::FilePath, "A file."))
            .option(new("host", OptionKind::Url, "Where."))
            .option(new("names", OptionKind::Texts, "Names."))
            .option(new("format", OptionKind::OneOf(&["text", "json"]), "How."))
            .option(new("env", OptionKind::Map, "Variables."))
    }

    /// What is said of `given` besides the required interval.
    fn said(mut given: Value) -> Vec<String> {
        given.as_object_mut().unwrap().entry("interval").or_insert(json!(2));
        let (_, problems) = thing().check(given.as_object().unwrap(), &Path::top().key("t"));
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_options_get_their_defaults() {
        let given =
            json!({"type": "thing", "interval": "1m", "port": 80.0, "any": null, "names": ["a"], "key": "k"});
        let (options, problems) = thing().check(given.as_object().unwrap(), &Path::top());
        assert_eq!(problems, []);
        assert_eq!(
            Value::Object(options.0),
            json!({"interval": "1m", "port": 80, "any": null, "names": ["a"], "key": "k", "flag": true})
        );
        for good in [
            json!({"text": "", "secret": "s", "count": 1, "odd": -0, "host": "http://h"}),
            json!({"secret": ["a", "b"], "host": "https://user:pw@h.example:8124/path?q#f", "limit": "1MiB"}),
            json!({"host": "http://[::1]:80/", "format": "json", "env": {"a": 1}, "names": "n", "file": "/x"}),
        ] {
            let mut good = good;
            good.as_object_mut().unwrap().remove("odd");
            assert_eq!(said(good.clone()), [""; 0], "{good}");
        }
    }

    fn assert_said(cases: &[(Value, &str)]) {
        for (given, expected) in cases {
            let found = said(given.clone());
            // serde_json writes 1e300 in its own way.
            let found: Vec<String> = found.iter().map(|text| text.replace("1e+300", "1e300")).collect();
            assert_eq!(found, [*expected], "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_said(&[
            (
                json!({"intervall": 2}),
                "t.intervall: unknown option `intervall` of `thing` (did you mean `interval`?)",
            ),
            (json!({"text": 5}), "t.text: `text`: expected a string, found a number (put it in quotes)"),
            (json!({"text": ["x"]}), "t.text: `text`: expected a string, found a list"),
            (json!({"text": null}), "t.text: `text` has no value (leave it out for the default)"),
            (json!({"interval": null}), "t.interval: `interval` has no value (How often.)"),
            (json!({"key": ""}), "t.key: `key`: a secret cannot be empty"),
            (json!({"key": 12345}), "t.key: `key`: expected a string, found a number (put it in quotes)"),
            (json!({"secret": []}), "t.secret: `secret`: the list is empty"),
            (json!({"secret": ["a", ""]}), "t.secret[1]: `secret`: a secret cannot be empty"),
            (
                json!({"secret": {"a": 1}}),
                "t.secret: `secret`: expected a secret or a list of secrets, found a map",
            ),
            (
                json!({"flag": "yes"}),
                "t.flag: `flag`: expected a boolean, found a string (write true or false, without quotes)",
            ),
        ]);
    }

    #[test]
    fn all_that_is_wrong_in_a_list_is_said() {
        let short = |text: &Value| {
            if text.as_str().is_some_and(|text| text.len() > 3) { Err("long".to_owned()) } else { Ok(()) }
        };
        let description = Description::new("thing", "A thing.")
            .option(OptionSpec::new("names", OptionKind::Texts, "").check(short));
        for (given, expected) in [
            (
                json!(["a", "abcd", 5, "efgh"]),
                &[
                    "t.names[1]: `names`: long",
                    "t.names[2]: `names`: expected a string, found a number (put it in quotes)",
                    "t.names[3]: `names`: long",
                ][..],
            ),
            (json!(["a", ["b"]]), &["t.names[1]: `names`: expected a string, found a list"]),
            (json!("abcd"), &["t.names: `names`: long"]),
            (json!(["a", null]), &["t.names[1]: `names` has no value (leave it out for the default)"]),
            (json!(["a", "b"]), &[]),
        ] {
            let given = json!({"names": given});
            let (_, found) = description.check(given.as_object().unwrap(), &Path::top().key("t"));
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{given}");
        }
    }

    #[test]
    fn what_is_compiled_beforehand_is_no_template() {
        let description = Description::new("thing", "A thing.")
            .param(OptionSpec::new("program", OptionKind::Text, "").code())
            .param(OptionSpec::new("text", OptionKind::Text, ""));
        let given = json!({"program": "a == '{{ trigger_param.b }}'", "text": "{{ trigger_param.b }}"});
        let found = description.check_params(given.as_object().unwrap(), &Path::top().key("p"));
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.to_string().starts_with("p.program: `program` cannot be a template"), "{problem}");
    }

    #[test]
    fn what_is_wrong_with_units_and_numbers_is_said() {
        assert_said(&[
            (json!({"port": 65536}), "t.port: `port`: expected a whole number from 0 to 65535, found 65536"),
            (json!({"port": 1.5}), "t.port: `port`: expected a whole number from 0 to 65535, found 1.5"),
            (
                json!({"port": "80"}),
                "t.port: `port`: expected a whole number from 0 to 65535, found a string (write it without quotes)",
            ),
            (
                json!({"port": "0660"}),
                "t.port: `port`: expected a whole number from 0 to 65535, found a string \
                 (with a leading zero it is a string; write 0o0660 for octal, or drop the zeros)",
            ),
            (json!({"count": 0}), "t.count: `count`: expected a whole number from 1, found 0"),
            (json!({"odd": 1e300}), "t.odd: `odd`: expected a whole number, found 1e300"),
            (json!({"odd": 4}), "t.odd: `odd`: 4 is not odd"),
            (json!({"odd_token": 4444}), "t.odd_token: `odd_token`: *** is not odd"),
            (json!({"plain_token": "short"}), "t.plain_token: `plain_token`: it is too short"),
            (
                json!({"interval": "soon"}),
                "t.interval: `interval`: `soon` is not a valid duration (write seconds as a number, or a duration such as \
                 `500ms`, `1m30s` or `30d`)",
            ),
            (
                json!({"limit": "-1"}),
                "t.limit: `limit`: `-1` is not a valid size (write bytes as a number, or a size such as `64KiB` or `1MB`)",
            ),
            (json!({"file": ""}), "t.file: `file`: a path cannot be empty"),
            (json!({"file": "a\0"}), "t.file: `file`: a path cannot hold a zero byte"),
            (
                json!({"names": ["a", 5]}),
                "t.names[1]: `names`: expected a string, found a number (put it in quotes)",
            ),
            (json!({"format": true}), "t.format: `format`: expected one of: text, json; found a boolean"),
            (json!({"format": 5}), "t.format: `format`: expected one of: text, json; found a number"),
            (
                json!({"format": "jsn"}),
                "t.format: `format`: \"jsn\" is not valid; expected one of: text, json (did you mean \"json\"?)",
            ),
            (
                json!({"format": "xml"}),
                "t.format: `format`: \"xml\" is not valid; expected one of: text, json",
            ),
            (json!({"env": "A=1"}), "t.env: `env`: expected a map, found a string"),
        ]);
    }

    #[test]
    fn urls() {
        for bad in [
            "",
            "h",
            "h:80",
            "ftp://h",
            "http://",
            "http:///x",
            "http://h:port",
            "http://h:99999",
            "http://a b",
            "http://[::1",
            "http://[x]",
            "://h",
        ] {
            assert_eq!(said(json!({"host": bad})).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_parameter_of_jobs_is_not_an_option() {
        let mail = Description::new("mail", "").param(OptionSpec::new("to", OptionKind::Text, "Who."));
        let given = json!({"to": "ops"});
        for (section, expected) in [("executor", "job_param: {to: …}"), ("selector", "select_param: {to: …}")]
        {
            let (_, problems) = mail.check(given.as_object().unwrap(), &Path::top().key(section).key("m"));
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(texts.len() == 1 && texts[0].contains(expected), "{texts:?}");
        }
    }

    #[test]
    fn all_at_once() {
        let (_, problems) = thing().check(
            json!({"x": 1, "port": "x", "flag": 1}).as_object().unwrap(),
            &Path::top().key("trigger").key("t"),
        );
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(
            texts[0].contains("unknown option `x` of `thing` (expected one of: any, text, key,"),
            "{texts:?}"
        );
        assert!(texts.iter().any(|t| t == "trigger.t: the option `interval` of `thing` is missing (interval: How often.)"));
    }

    #[test]
    fn params_may_be_open_or_closed() {
        let new = OptionSpec::new;
        let open = Description::new("x", "")
            .param(new("match_key", OptionKind::Text, "Which.").required())
            .param(new("n", OptionKind::Integer { min: 0, max: 9 }, "How many."));
        let check = |d: &Description, given: Value| -> Vec<String> {
            d.check_params(given.as_object().unwrap(), &Path::top()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(check(&open, json!({"match_key": "a", "more": 1, "n": 3})), [""; 0]);
        assert_eq!(
            check(&open, json!({})),
            [": the parameter `match_key` of `x` is missing (match_key: Which.)"]
        );
        assert_eq!(check(&open, json!({"match_key": "a", "n": 10})).len(), 1);
        let misspelt = json!({"match_key": "a", "N": 1});
        let found = open.check_params(misspelt.as_object().unwrap(), &Path::top());
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.severity, Severity::Warning);
        assert_eq!(found.to_string(), "N: unknown parameter `N` of `x` (did you mean `n`?)");
        let guarded = open.refuse_near_misses();
        for (given, problems) in [
            (json!({"match_key": "a", "own": 1}), [""; 0]),
            // The parameter that it resembles is given: it is the user's own.
            (json!({"match_key": "a", "matchkey": 1}), [""; 0]),
        ] {
            assert_eq!(check(&guarded, given), problems);
        }
        let misspelt = check(&guarded, json!({"matchkey": 1}));
        assert!(misspelt.contains(
            &"matchkey: unknown parameter `matchkey` of `x` (did you mean `match_key`?)".to_owned()
        ));
    }

    fn tls() -> OptionSpec {
        let new = OptionSpec::new;
        let fields = vec![
            new("cert", OptionKind::FilePath, "A certificate.").required(),
            new("key", OptionKind::FilePath, "Its key.").required(),
            new("depth", OptionKind::Integer { min: 1, max: 9 }, "How deep.").default(3),
        ];
        new("tls", OptionKind::Fields(fields), "Files.").check(|tls| match tls["key"].as_str() {
            Some("bad") => Err(CheckError::new("it is bad").of_option("key")),
            Some("worse") => Err(CheckError::new("it is worse")),
            _ => Ok(()),
        })
    }

    #[test]
    fn fields_by_name() {
        let inner =
            vec![OptionSpec::new("max", OptionKind::Integer { min: 1, max: 9 }, "How many.").default(3)];
        let thing = Description::new("thing", "A thing.").option(OptionSpec::new(
            "tile",
            OptionKind::NamedFields(inner),
            "All.",
        ));
        for (given, expected) in [
            (json!({"a": {}, "b": {"max": 4}}), Ok(json!({"a": {"max": 3}, "b": {"max": 4}}))),
            (
                json!({"a": {"mxa": 4}}),
                Err("tile.a.mxa: unknown option `mxa` of `tile` (did you mean `max`?)"),
            ),
            (json!({"a": null}), Err("tile.a: expected a map of options, found nothing")),
            (json!([]), Err("tile: `tile`: expected a map, found a list")),
        ] {
            let given = json!({ "tile": given });
            let (options, problems) = thing.check(given.as_object().unwrap(), &Path::top());
            let found = problems
                .first()
                .map_or_else(|| Ok(options.0["tile"].clone()), |first| Err(first.to_string()));
            assert_eq!(found, expected.map_err(str::to_owned), "{given}");
        }
    }

    #[test]
    fn fields_are_options() {
        let thing = Description::new("thing", "A thing.").option(tls());
        let checked =
            |tls: Value| thing.check(json!({ "tls": tls }).as_object().unwrap(), &Path::top().key("t"));
        let (options, problems) = checked(json!({"cert": "c", "key": "k"}));
        assert_eq!(problems, []);
        assert_eq!(options.0["tls"], json!({"cert": "c", "key": "k", "depth": 3}));
        for (given, says) in [
            (json!({"cert": "c"}), &["t.tls: the option `key` of `tls` is missing"][..]),
            (
                json!({"cert": "c", "kye": "k"}),
                &[
                    "t.tls.kye: unknown option `kye` of `tls` (did you mean `key`?)",
                    "t.tls: the option `key` of `tls`",
                ],
            ),
            (
                json!({"cert": 1, "key": "k", "depth": 0}),
                &["t.tls.cert: `cert`: expected a string", "t.tls.depth: "],
            ),
            (json!({"cert": "c", "key": "k", "type": "x"}), &["t.tls.type: unknown option `type` of `tls`"]),
            (json!({"cert": "c", "key": "bad"}), &["t.tls.key: `key`: it is bad"]),
            (json!({"cert": "c", "key": "worse"}), &["t.tls: `tls`: it is worse"]),
            (json!(true), &["t.tls: `tls`: expected a map, found a boolean"]),
            (Value::Null, &["t.tls: `tls` has no value"]),
        ] {
            let said: Vec<String> = checked(given.clone()).1.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), says.len(), "{given}: {said:?}");
            for (said, says) in said.iter().zip(says) {
                assert!(said.starts_with(says), "{given}: {said}");
            }
        }
    }
}
