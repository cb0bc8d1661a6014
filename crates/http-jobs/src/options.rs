//! The options of `http_request`, which are its parameters as well.

use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, OptionKind, OptionSpec};
use herald_net::client::{ExpectedStatus, HttpRequest, InvalidRequest};
use serde_json::Value;

/// The longest response that can be kept.
const LARGEST_RESPONSE: u64 = 64 << 20;
/// What a request has one of.
const BODIES: [&str; 3] = ["json", "form", "body"];
const URLS: [&str; 2] = ["url", "url_from"];

/// All of them but `tls`, in the order in which they are documented.
pub fn specs() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new("method", OptionKind::Text, "The method, in capital letters. Default: POST with a body, else GET.")
            .check(|method| checked(HttpRequest::check_method(method.as_str().unwrap_or_default()))),
        new("url", OptionKind::Url, "The URL. A user and a password in it are sent as `auth.basic`."),
        new(
            "url_from",
            OptionKind::Map,
            "In place of `url`: where the URL is, as a result such as that of `publish` says it: `{etcd: NAME, key: KEY, \
             field: FIELD}`. It is read when the request is sent, and is secret. Where etcd does not have the URL for \
             reports of a project any more, since the project was deleted or etcd was wiped, it is the last good one.",
        ),
        new("query", OptionKind::Map, "Added to the query of the URL; a list gives a pair for each item."),
        new(
            "headers",
            OptionKind::Map,
            "Headers; a list sends several, null none. `Idempotency-Key` is the job's id unless it is given: the same for \
             every attempt of a job.",
        ),
        new("json", OptionKind::Any, "The body: this value as JSON."),
        new("form", OptionKind::Map, "The body: this map as a form (`application/x-www-form-urlencoded`)."),
        new("body", OptionKind::Text, "The body: this text, as `text/plain` unless `headers` say otherwise."),
        auth(),
        new(
            "expect",
            OptionKind::Any,
            "The status codes that are a success: a code, a range such as `200-299`, or a list of these. With any other the \
             job fails, and still has its result.",
        )
        .takes("status code, range, or list of these")
        .default(vec!["200-299"])
        .check(|expect| checked(ExpectedStatus::read(expect).map(drop))),
        new("timeout", OptionKind::Duration, "For the whole request: connection, redirects, response.")
            .default("30s"),
        new(
            "max_response",
            OptionKind::Size,
            "The most bytes of a response; with more the job fails. At most 64 MiB.",
        )
        .default("1MiB")
        .within_sizes(1, LARGEST_RESPONSE),
        new(
            "follow_redirects",
            OptionKind::Integer { min: 0, max: 20 },
            "How many redirects are followed: by default none. `auth` and `headers` are not sent to another origin, and from \
             https to http nothing is.",
        )
        .default(0),
    ]
}

fn auth() -> OptionSpec {
    let new = OptionSpec::new;
    let basic = vec![
        new("user", OptionKind::Text, "The user.").required(),
        new("password", OptionKind::Secret, "The password.").required(),
    ];
    let fields = vec![
        new("basic", OptionKind::Fields(basic), "User and password."),
        new("bearer", OptionKind::Secret, "A token."),
    ];
    let doc = "The header `Authorization`: one of `basic` and `bearer`.";
    new("auth", OptionKind::Fields(fields), doc).check(|auth| match auth.as_object().map(|map| map.len()) {
        Some(1) => Ok(()),
        _ => Err(CheckError::new("give one of `basic` and `bearer`")),
    })
}

/// The same as parameters: what they do not say, the options of the executor do.
pub fn params() -> Vec<OptionSpec> {
    specs().into_iter().map(|spec| OptionSpec { default: None, ..spec }).collect()
}

fn checked(result: Result<(), InvalidRequest>) -> Result<(), CheckError> {
    result.map_err(|wrong| CheckError::new(wrong.why))
}

/// What cannot be given together.
pub fn conflicts(params: &Params) -> Vec<Problem> {
    let mut found = Vec::new();
    for (group, what) in [(&BODIES[..], "a request has one body"), (&URLS[..], "a request has one URL")] {
        let given: Vec<&str> = group.iter().copied().filter(|name| params.contains_key(*name)).collect();
        if let [first, others @ ..] = given.as_slice() {
            let problem = |other: &&str| {
                let what = format!("`{other}` is given as well as `{first}`, and {what}");
                Problem::error(Path::top().key(other), what).at_key()
            };
            found.extend(others.iter().map(problem));
        }
    }
    let header = |headers: &Params| headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
    if params.contains_key("auth") && params.get("headers").and_then(Value::as_object).is_some_and(header) {
        let what = "`headers` hold `Authorization` as well";
        found.push(Problem::error(Path::top().key("auth"), what).at_key().help("give one of them"));
    }
    found
}

/// The parameters of a request: those of the job, and of the executor what they do not replace; null takes one away.
/// `headers` and `query` are merged name by name.
pub fn merged(defaults: &Params, job: &Params) -> Params {
    let replaced = |name: &str| {
        let of_group =
            |group: &[&str]| group.contains(&name) && group.iter().any(|key| job.contains_key(*key));
        job.contains_key(name) || of_group(&BODIES) || of_group(&URLS)
    };
    let kept = defaults.iter().filter(|(name, _)| !replaced(name));
    let mut merged: Params = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    for (name, value) in job {
        if value.is_null() && name != "json" {
            continue;
        }
        let value = match (name.as_str(), defaults.get(name), value) {
            ("headers" | "query", Some(Value::Object(before)), Value::Object(own)) => {
                let same = |one: &str, other: &str| {
                    if name == "headers" { one.eq_ignore_ascii_case(other) } else { one == other }
                };
                let kept = before.iter().filter(|(key, _)| !own.keys().any(|own| same(own, key)));
                Value::Object(kept.chain(own).map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            _ => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Params {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_job_wins_key_by_key() {
        for (defaults, job, expected) in [
            (json!({"url": "a", "timeout": 1}), json!({"timeout": 2}), json!({"url": "a", "timeout": 2})),
            (json!({"url": "a"}), json!({"url_from": {}}), json!({"url_from": {}})),
            (json!({"json": 1, "url": "a"}), json!({"form": {}}), json!({"url": "a", "form": {}})),
            (
                json!({"headers": {"A": 1, "B": 2}, "query": {"a": 1, "b": 2}}),
                json!({"headers": {"a": null}, "query": {"A": 3}}),
                json!({"headers": {"B": 2, "a": null}, "query": {"a": 1, "b": 2, "A": 3}}),
            ),
            (json!({"auth": {"bearer": "x"}}), json!({"auth": null}), json!({})),
            (json!({"json": 1}), json!({"json": null}), json!({"json": null})),
        ] {
            assert_eq!(
                Value::Object(merged(&object(&defaults), &object(&job))),
                expected,
                "{defaults} {job}"
            );
        }
    }

    #[test]
    fn conflicts_are_found() {
        for (params, at) in [
            (json!({"json": 1, "url": "x", "auth": {}, "headers": {"X": 1}}), &[][..]),
            (json!({"json": 1, "form": {}, "body": "x"}), &["form", "body"]),
            (json!({"url": "x", "url_from": {}}), &["url_from"]),
            (json!({"auth": {}, "headers": {"AUTHORIZATION": "x"}}), &["auth"]),
        ] {
            let found: Vec<String> =
                conflicts(&object(&params)).iter().map(|problem| problem.path.to_string()).collect();
            assert_eq!(found, at, "{params}");
        }
    }
}
