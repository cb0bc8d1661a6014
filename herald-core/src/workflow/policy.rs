//! The `policy` of a router or a task, read.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::component::spec::{CheckError, Description, OptionKind, OptionSpec};
use crate::job::lifecycle::Status;
use crate::job::param_path::why_nothing;
use crate::job::policy::{Concurrency, KeptJobs, OnFull, Policy, Retry};
use crate::value::param::Params;
use herald_base::template_mark::holds_template;
use herald_base::unit;
use herald_config::problem::{Path, PathStep, Problem, Severity};

/// The keys of [`description`].
const KEYS: [&str; 6] = ["timeout", "retry", "concurrency", "debounce", "queue_limit", "keep"];
/// The values of `keep`.
const KEEP: [&str; 3] = ["all", "failed", "none"];

/// The keys of `policy`.
#[must_use]
pub fn description() -> Description {
    Description::new("policy", "What a router or a task demands of its jobs besides that they run. Each key of the task wins over the router's.")
        .option(OptionSpec::new(
            "timeout",
            OptionKind::Duration,
            "How long an attempt may take on any executor; then it is ended, and its status is `timed_out`.",
        ))
        .option(
            OptionSpec::new(
                "retry",
                OptionKind::Map,
                "When a job that did not succeed is tried again, see below; a number is its `max`.",
            ),
        )
        .option(
            OptionSpec::new(
                "concurrency",
                OptionKind::Map,
                "How many jobs of the task run at once, see below; a number is its `limit`.",
            ),
        )
        .option(OptionSpec::new(
            "debounce",
            OptionKind::Duration,
            "Wait until no event came for this long, then run once, for the newest; the jobs of the others end as \
             `cancelled`. With `concurrency.key`, for each value by itself.",
        ))
        .option(OptionSpec::new(
            "queue_limit",
            OptionKind::Integer { min: 1, max: 10_000_000 },
            "How many jobs of the task wait at most; further ones end as `rejected`.",
        ))
        .option(
            OptionSpec::new(
                "keep",
                OptionKind::OneOf(&KEEP),
                "Which jobs stay in the history once they have ended: all, those that did not succeed, or none. An event goes \
                 with the last of its jobs. `exe_done` fires, logs and metrics count, and nothing is lost in a crash, in each \
                 case alike.",
            )
            .default("all"),
        )
}

/// The keys of `policy.retry`.
#[must_use]
pub fn retry_description() -> Description {
    Description::new("retry", "When a job that did not succeed is tried again.")
        .option(
            OptionSpec::new(
                "max",
                OptionKind::Integer { min: 1, max: 1_000_000 },
                "How many further attempts there are at most. Of a job on several nodes (`http_remote`) each runs on those that did not succeed.",
            )
            .required(),
        )
        .option(
            OptionSpec::new("delay", OptionKind::Any, "The wait before the first further attempt: a duration, or 0.")
                .takes("duration or 0")
                .default("1s")
                .check(|delay| unit::duration_or_zero(delay).map(drop)),
        )
        .option(
            OptionSpec::new(
                "backoff",
                OptionKind::Any,
                "What the wait is multiplied with each time: a number from 1. Up to a quarter is added by chance, so \
                 that jobs that failed together do not come back together.",
            )
            .takes("number, 1 to 1000")
            .default(2)
            .check(|backoff| match backoff.as_f64() {
                Some(factor) if (1.0..=1000.0).contains(&factor) => Ok(()),
                _ => Err("expected a number from 1 to 1000".to_owned()),
            }),
        )
        .option(OptionSpec::new("max_delay", OptionKind::Duration, "The longest wait.").default("5m"))
        .option(
            OptionSpec::new(
                "on",
                OptionKind::Texts,
                "The ends that earn another attempt: of `failed`, `timed_out` and `lost` (Herald went down while the \
                 job ran).",
            )
            .default(vec!["failed", "timed_out"])
            .check(|on| ends(on).map(drop)),
        )
}

/// The keys of `policy.concurrency`.
#[must_use]
pub fn concurrency_description() -> Description {
    Description::new("concurrency", "How many jobs of the task run at once.")
        .option(
            OptionSpec::new("limit", OptionKind::Integer { min: 1, max: 1_000_000 }, "How many run at once.")
                .required(),
        )
        .option(OptionSpec::new(
            "key",
            OptionKind::Text,
            "A path into the execution parameters such as `trigger_param/ref`: the limit then holds for each value \
             there by itself.",
        ).check(no_template))
        .option(
            OptionSpec::new(
                "on_full",
                OptionKind::OneOf(&["queue", "skip", "replace"]),
                "What happens to a job when as many run: it waits; or it ends as `rejected`; or it waits, and those that \
                 waited before it end as `cancelled`.",
            )
            .default("queue"),
        )
        .option(
            OptionSpec::new(
                "ordered",
                OptionKind::Boolean,
                "Whether a job that waits for its next attempt keeps its place: with `limit: 1`, jobs of a `key` then end in the \
                 order in which they were created, however often one of them is tried again.",
            )
            .default(false),
        )
}

fn no_template(key: &Value) -> Result<(), CheckError> {
    if !holds_template(key) {
        return Ok(());
    }
    let text = key.as_str().unwrap_or_default();
    let inside =
        text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")).map(|(inside, _)| inside.trim());
    let is_path = |path: &&str| path.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    let path = inside.filter(is_path).unwrap_or("trigger_param.ref").replace('.', "/");
    Err(CheckError::new("it is a path, and cannot be a template")
        .help(format!("write  key: {path}"))
        .within("{{"))
}

/// A key at which no job will ever have a value: they would all share one limit.
fn doubt_of_key(concurrency: &Params, at: &Path) -> Option<Problem> {
    let key = concurrency.get("key")?.as_str()?;
    let (why, help) = why_nothing(key)?;
    let what = format!("`key`: {why}, so that all jobs of the task share one limit");
    Some(Problem::warning(at.key("key"), what).help(help))
}

/// What other programs call the options of `retry` and `concurrency`.
const OTHER_NAMES: [(&str, &str, &str); 13] = [
    ("retry", "maximum", "max"),
    ("retry", "attempts", "max"),
    ("retry", "max_attempts", "max"),
    ("retry", "retries", "max"),
    ("retry", "count", "max"),
    ("retry", "times", "max"),
    ("retry", "interval", "delay"),
    ("retry", "wait", "delay"),
    ("retry", "factor", "backoff"),
    ("retry", "multiplier", "backoff"),
    ("concurrency", "max", "limit"),
    ("concurrency", "maximum", "limit"),
    ("concurrency", "group", "key"),
];

/// The same problem, with what is called like that here where it is a name from elsewhere.
fn with_our_name(problem: Problem, of: &str) -> Problem {
    let Some(PathStep::Key(key)) = problem.path.last() else { return problem };
    let meant = OTHER_NAMES.iter().find(|(option, other, _)| *option == of && other == key);
    match meant {
        Some((_, _, meant)) => problem.clone().help(format!("did you mean `{meant}`?")),
        None => problem,
    }
}

/// Whether `policy` has this key.
pub(super) fn holds(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Whether a parameter of this name and value was probably meant to be in `policy`.
pub(super) fn looks_like(key: &str, value: &Value) -> bool {
    // A common word, which parameters of scripts may use for something else.
    let is_ours = || value.as_str().is_some_and(|value| KEEP.contains(&value));
    holds(key) && (key != "keep" || is_ours())
}

fn ends(on: &Value) -> Result<Vec<Status>, CheckError> {
    let list = match on {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let end = |value: &Value| match value.as_str() {
        Some("failed") => Ok(Status::Failed),
        Some("timed_out") => Ok(Status::TimedOut),
        Some("lost") => Ok(Status::Lost),
        _ => Err(CheckError::new(format!("{value} is not valid; expected one of: failed, timed_out, lost"))),
    };
    list.into_iter().map(end).collect()
}

/// The same, where `retry: 3` is `retry: {max: 3}`, and `concurrency: 1` is `concurrency: {limit: 1}`.
fn in_long_form(policy: &Params) -> Params {
    let mut long = policy.clone();
    for (key, of_number) in [("retry", "max"), ("concurrency", "limit")] {
        if let Some(value) = long.get_mut(key).filter(|value| value.is_number()) {
            *value = json!({of_number: value.take()});
        }
    }
    long
}

/// Checks one level's `policy` by itself; its keys, when nothing is wrong.
pub(super) fn check(policy: Option<&Value>, at: &Path, problems: &mut Vec<Problem>) -> Params {
    let map = match policy {
        None | Some(Value::Null) => return Params::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            let problem = Problem::error(at.clone(), "expected a map");
            problems.push(problem.help("write  policy: {timeout: 10m}"));
            return Params::new();
        }
    };
    let before = problems.len();
    let map = &in_long_form(map);
    problems.extend(description().check(map, at).1);
    for (key, inner) in [("retry", retry_description()), ("concurrency", concurrency_description())] {
        if let Some(Value::Object(map)) = map.get(key) {
            let found = inner.check(map, &at.key(key)).1;
            problems.extend(found.into_iter().map(|problem| with_our_name(problem, key)));
        }
    }
    let is_wrong = problems.iter().skip(before).any(|problem| problem.severity == Severity::Error);
    if is_wrong {
        return Params::new();
    }
    let concurrency = map.get("concurrency").and_then(Value::as_object);
    problems.extend(concurrency.and_then(|concurrency| doubt_of_key(concurrency, &at.key("concurrency"))));
    map.clone()
}

#[derive(Deserialize)]
struct GivenRetry {
    max: u32,
    delay: Value,
    backoff: f64,
    #[serde(deserialize_with = "unit::de_duration")]
    max_delay: Duration,
    on: Value,
}

#[derive(Deserialize)]
struct GivenConcurrency {
    limit: usize,
    key: Option<String>,
    on_full: String,
    ordered: bool,
}

/// The policy of a task: its own keys, and those of its router that it has not. Both were checked.
pub(super) fn merge(task: Params, router: &Params) -> Policy {
    let mut merged = task;
    for (key, value) in router {
        merged.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let duration = |key: &str| merged.get(key).and_then(|value| unit::duration(value).ok());
    let inner = |key: &str, description: Description| {
        let map = merged.get(key)?.as_object()?;
        Some(description.check(map, &Path::top()).0)
    };
    let retry = inner("retry", retry_description()).and_then(|options| options.parse::<GivenRetry>().ok());
    let concurrency = inner("concurrency", concurrency_description())
        .and_then(|options| options.parse::<GivenConcurrency>().ok());
    Policy {
        timeout: duration("timeout"),
        retry: retry.and_then(|given| {
            Some(Retry {
                max: given.max,
                delay: unit::duration_or_zero(&given.delay).ok()?,
                backoff: given.backoff,
                max_delay: given.max_delay,
                on: ends(&given.on).ok()?,
            })
        }),
        concurrency: concurrency.map(|given| Concurrency {
            limit: given.limit,
            key: given.key,
            on_full: match given.on_full.as_str() {
                "skip" => OnFull::Skip,
                "replace" => OnFull::Replace,
                _ => OnFull::Queue,
            },
            ordered: given.ordered,
        }),
        debounce: duration("debounce"),
        queue_limit: merged
            .get("queue_limit")
            .and_then(Value::as_u64)
            .and_then(|limit| usize::try_from(limit).ok()),
        keep: match merged.get("keep").and_then(Value::as_str) {
            Some("failed") => KeptJobs::Failed,
            Some("none") => KeptJobs::None,
            _ => KeptJobs::All,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_short_form() {
        for (given, expected) in [
            (json!({"retry": 3}), Some((Some(3), None))),
            (json!({"concurrency": 1}), Some((None, Some(1)))),
            (json!({"retry": 2, "concurrency": {"limit": 4}}), Some((Some(2), Some(4)))),
            (json!({"retry": 0}), None),
            (json!({"retry": 1.5}), None),
            (json!({"concurrency": -1}), None),
            (json!({"concurrency": [1]}), None),
        ] {
            let mut problems = Vec::new();
            let checked = check(Some(&given), &Path::top(), &mut problems);
            assert_eq!(problems.is_empty(), expected.is_some(), "{given}: {problems:?}");
            let Some(expected) = expected else { continue };
            let policy = merge(checked, &Params::new());
            let limit = policy.concurrency.map(|concurrency| concurrency.limit);
            assert_eq!((policy.retry.map(|retry| retry.max), limit), expected, "{given}");
        }
    }

    #[test]
    fn the_key_of_a_pool_is_a_path_that_may_find_something() {
        for (key, says) in [
            ("trigger_param/ref", None),
            ("router", None),
            ("job_param/host.name", None),
            (
                "{{ trigger_param.ref }}",
                Some(
                    "p.concurrency.key: `key`: it is a path, and cannot be a template (write  key: trigger_param/ref)",
                ),
            ),
            (
                "x-{{ trigger_param.ref | upper }}",
                Some(
                    "p.concurrency.key: `key`: it is a path, and cannot be a template (write  key: trigger_param/ref)",
                ),
            ),
            (
                "trigger_param.ref",
                Some(
                    "p.concurrency.key: `key`: there is no execution parameter `trigger_param.ref`, so that all jobs of \
                     the task share one limit (write  trigger_param/ref)",
                ),
            ),
            ("ref", Some("p.concurrency.key: `key`: there is no execution parameter `ref`, so that all")),
        ] {
            let mut problems = Vec::new();
            let given = json!({"concurrency": {"limit": 1, "key": key}});
            let policy = check(Some(&given), &Path::top().key("p"), &mut problems);
            let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let starts = says.is_none_or(|says| found.first().is_some_and(|found| found.starts_with(says)));
            assert!(starts && found.len() == usize::from(says.is_some()), "{key}: {found:?}");
            // A warning leaves it as it is.
            assert_eq!(policy.is_empty(), key.contains("{{"), "{key}");
        }
    }

    #[test]
    fn names_from_elsewhere() {
        for (given, says) in [
            (json!({"retry": {"attempts": 3}}), "did you mean `max`?"),
            (json!({"retry": {"max": 3, "wait": 3}}), "did you mean `delay`?"),
            (json!({"concurrency": {"maximum": 3}}), "did you mean `limit`?"),
            (json!({"retry": {"max": 3, "dely": 3}}), "did you mean `delay`?"),
        ] {
            let mut problems = Vec::new();
            check(Some(&given), &Path::top(), &mut problems);
            assert!(problems.iter().any(|found| found.to_string().contains(says)), "{given}: {problems:?}");
        }
    }

    #[test]
    fn the_keys_are_those_that_are_described() {
        let described: Vec<String> = description().options.into_iter().map(|option| option.name).collect();
        assert_eq!(described, KEYS);
    }
}
