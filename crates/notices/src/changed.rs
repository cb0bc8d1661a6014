//! Which ends of jobs are worth a notice: the first failure of a task, its recovery, every n-th failure in a row.
//!
//! The event says itself how many jobs failed before (`failures_before`), counted when the job ended. So the answer
//! about an event is always the same, however late or often it is asked, and whatever else ended meanwhile.

use herald_core::exe_done::FAILURES_BEFORE;
use herald_core::param::Params;
use herald_core::selector::{Answer, Question};
use herald_core::spec::{CheckError, OptionKind, OptionSpec, Options};
use herald_core::trigger::ComponentError;
use serde_json::Value;

use herald_base::name_pattern::matches;

/// How many failures in a row are `nth`, where the configuration does not say.
const NTH: u64 = 10;
/// What `on` can hold.
const KINDS: [&str; 3] = ["failed", "recovered", "nth"];

/// Answers whether the end of a job changed something.
pub struct ChangedRouters {
    /// What a task does not say.
    defaults: Params,
}

/// What is asked for, by the options and the parameters.
struct WantedChanges<'a> {
    routers: Option<Vec<&'a str>>,
    on: Vec<&'a str>,
    nth: u64,
}

impl ChangedRouters {
    /// The options, which can be parameters as well.
    #[must_use]
    pub fn options() -> Vec<OptionSpec> {
        let new = OptionSpec::new;
        vec![
            new(
                "routers",
                OptionKind::Texts,
                "Which routers: a name or a list of names, where `*` is any text and `?` any character. Default: all but the \
                 router itself, whose own jobs never match.",
            )
            .naming_patterns("router"),
            new(
                "on",
                OptionKind::Texts,
                "`failed`: the first failure after a success, or of all; `recovered`: the first success after a failure; \
                 `nth`: every `nth` failure in a row. One of them or a list. Default: `[failed, recovered]`.",
            )
            .check(|on| {
                let listed = texts(on);
                match listed.iter().find(|kind| !KINDS.contains(kind)) {
                    None if listed.is_empty() => Err(CheckError::new("name one of failed, recovered, nth")),
                    None => Ok(()),
                    Some(other) => {
                        Err(CheckError::new(format!("\"{other}\" is none of failed, recovered, nth")))
                    }
                }
            }),
            new(
                "nth",
                OptionKind::Integer { min: 1, max: 1_000_000_000 },
                "With `nth` in `on`: how many failures in a row are worth another notice. Default: 10.",
            ),
        ]
    }

    /// The same as parameters of a task: what they do not say, the options of the selector do.
    #[must_use]
    pub fn params() -> Vec<OptionSpec> {
        Self::options()
    }

    /// By checked options.
    ///
    /// # Errors
    /// What does not go together.
    pub fn new(options: &Options) -> Result<Self, ComponentError> {
        let on = options.0.get("on").map(texts);
        if options.0.get("nth").is_some_and(|nth| !nth.is_null()) && on.is_some_and(|on| !on.contains(&"nth"))
        {
            return Err(ComponentError::of_option("nth", "has no effect without `nth` in `on`"));
        }
        Ok(Self { defaults: options.0.clone() })
    }

    /// Whether the event is worth a notice.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Answer {
        decide(&self.wanted(&question.select_param), &question.router, question.trigger_param.params())
    }

    fn wanted<'a>(&'a self, params: &'a Params) -> WantedChanges<'a> {
        let given = |name: &str| {
            let own = params.get(name).filter(|value| !value.is_null());
            own.or_else(|| self.defaults.get(name)).filter(|value| !value.is_null())
        };
        let nth = given("nth").and_then(Value::as_u64).filter(|nth| *nth > 0);
        let on = given("on").map(texts).unwrap_or_else(|| match nth {
            Some(_) => KINDS.to_vec(),
            None => vec!["failed", "recovered"],
        });
        WantedChanges { routers: given("routers").map(texts), on, nth: nth.unwrap_or(NTH) }
    }
}

/// The answer for the router `own`.
fn decide(wanted: &WantedChanges<'_>, own: &str, event: &Params) -> Answer {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let (Some(router), Some(status)) = (text("router"), text("status")) else {
        return Answer::no(
            "the event has no \"router\" and \"status\": `changed` goes with the trigger exe_done",
        );
    };
    if router == own {
        return Answer::no(format!("the job is one of \"{own}\" itself"));
    }
    if let Some(routers) = &wanted.routers
        && !routers.iter().any(|pattern| matches(pattern, router))
    {
        return Answer::no(format!("router is \"{router}\", not {}", or(routers)));
    }
    let before = event.get(FAILURES_BEFORE).and_then(Value::as_u64).unwrap_or_default();
    let is_on = |kind: &str| wanted.on.contains(&kind);
    match status {
        "succeeded" if before == 0 => Answer::no(format!("{router} succeeded, and no failure came before")),
        "succeeded" => {
            let what = format!("{router} succeeded after {}", failures(before));
            if is_on("recovered") { Answer::yes(what) } else { not_wanted(&what, "recovered") }
        }
        "failed" | "timed_out" | "lost" => {
            let row = before.saturating_add(1);
            let status = if status == "lost" { "was lost".to_owned() } else { status.replace('_', " ") };
            let first = before == 0;
            if first && is_on("failed") {
                return Answer::yes(format!("{router} {status}, and no failure came before"));
            }
            if is_on("nth") && row.is_multiple_of(wanted.nth) {
                return Answer::yes(format!(
                    "{router} {status}: {} in a row (nth: {})",
                    ordinal(row),
                    wanted.nth
                ));
            }
            if first {
                return not_wanted(&format!("{router} {status}, and no failure came before"), "failed");
            }
            let nth = if is_on("nth") { format!(" (nth: {})", wanted.nth) } else { String::new() };
            Answer::no(format!("{router} {status}, as the one before: {} in a row{nth}", ordinal(row)))
        }
        other => Answer::no(format!("status is \"{other}\", which is neither a failure nor a success")),
    }
}

fn not_wanted(what: &str, kind: &str) -> Answer {
    Answer::no(format!("{what}, but \"{kind}\" is not in `on`"))
}

fn failures(count: u64) -> String {
    if count == 1 { "a failure".to_owned() } else { format!("{count} failures in a row") }
}

/// `2nd`.
fn ordinal(number: u64) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn or(patterns: &[&str]) -> String {
    patterns.iter().map(|pattern| format!("\"{pattern}\"")).collect::<Vec<_>>().join(" or ")
}

/// A text, or those of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Params {
        value.as_object().unwrap().clone()
    }

    fn ask(options: &Value, select_param: &Value, event: &Value) -> Answer {
        let question = Question {
            event_id: "e".into(),
            trigger: "exe_done".into(),
            router: "mail".into(),
            task: "k".into(),
            trigger_param: Arc::new(object(event).into()),
            select_param: Arc::new(object(select_param)),
        };
        ChangedRouters::new(&Options(object(options))).unwrap().answer(&question)
    }

    #[test]
    fn one_notice_for_the_first_failure_and_one_for_the_recovery() {
        let all = json!({});
        let nth = json!({"on": ["nth"], "nth": 3});
        let both = json!({"nth": 3});
        for (options, status, before, yes, why) in [
            (&all, "succeeded", 0, false, "nightly succeeded, and no failure came before"),
            (&all, "failed", 0, true, "nightly failed, and no failure came before"),
            (&all, "timed_out", 1, false, "nightly timed out, as the one before: 2nd in a row"),
            (&all, "lost", 2, false, "nightly was lost, as the one before: 3rd in a row"),
            (&all, "failed", 9, false, "nightly failed, as the one before: 10th in a row"),
            (
                &all,
                "cancelled",
                9,
                false,
                "status is \"cancelled\", which is neither a failure nor a success",
            ),
            (&all, "succeeded", 1, true, "nightly succeeded after a failure"),
            (&all, "succeeded", 12, true, "nightly succeeded after 12 failures in a row"),
            (
                &nth,
                "failed",
                0,
                false,
                "nightly failed, and no failure came before, but \"failed\" is not in `on`",
            ),
            (&nth, "failed", 1, false, "nightly failed, as the one before: 2nd in a row (nth: 3)"),
            (&nth, "failed", 2, true, "nightly failed: 3rd in a row (nth: 3)"),
            (&nth, "failed", 110, true, "nightly failed: 111th in a row (nth: 3)"),
            (
                &nth,
                "succeeded",
                3,
                false,
                "nightly succeeded after 3 failures in a row, but \"recovered\" is not in `on`",
            ),
            (&both, "failed", 0, true, "nightly failed, and no failure came before"),
            (&both, "failed", 5, true, "nightly failed: 6th in a row (nth: 3)"),
            (&both, "succeeded", 5, true, "nightly succeeded after 5 failures in a row"),
        ] {
            let event = json!({"router": "nightly", "status": status, "failures_before": before});
            let answer = ask(options, &json!({}), &event);
            assert_eq!((answer.yes, &*answer.why), (yes, why), "{options} {event}");
        }
    }

    #[test]
    fn routers_are_names_or_patterns_and_never_the_own_one() {
        let failed = |router: &str| json!({"router": router, "status": "failed"});
        for (options, params, event, yes, why) in [
            (json!({}), json!({}), failed("mail"), false, "the job is one of \"mail\" itself"),
            (json!({"routers": "*"}), json!({}), failed("mail"), false, "the job is one of \"mail\" itself"),
            (json!({"routers": ["night*", "x"]}), json!({}), failed("nightly"), true, "nightly failed"),
            (
                json!({"routers": ["night?", "x"]}),
                json!({}),
                failed("nightly"),
                false,
                "router is \"nightly\", not \"night?\" or \"x\"",
            ),
            (
                json!({"routers": "x"}),
                json!({"routers": "nightly"}),
                failed("nightly"),
                true,
                "nightly failed",
            ),
            (json!({"on": "nth", "nth": 2}), json!({"nth": 1}), failed("a"), true, "a failed: 1st in a row"),
            (
                json!({}),
                json!({"on": "recovered"}),
                failed("a"),
                false,
                "a failed, and no failure came before, but",
            ),
            (json!({}), json!({}), json!({"a": 1}), false, "the event has no \"router\""),
        ] {
            let answer = ask(&options, &params, &event);
            assert!(
                answer.yes == yes && answer.why.starts_with(why),
                "{options} {params} {event}: {answer:?}"
            );
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let refused = |options: Value| ChangedRouters::new(&Options(object(&options))).is_err();
        assert!(refused(json!({"on": ["failed"], "nth": 3})));
        assert!(!refused(json!({"on": ["nth"], "nth": 3})) && !refused(json!({"nth": 3})));
        let check = |on: Value| {
            let on = object(&json!({ "on": on }));
            let specs = ChangedRouters::options().into_iter();
            let description =
                specs.fold(herald_core::spec::Description::new("changed", ""), |d, o| d.option(o));
            description.check(&on, &herald_core::problem::Path::top()).1.len()
        };
        let counts =
            [json!("failed"), json!(["nth", "recovered"]), json!("fixed"), json!([]), json!(5)].map(check);
        assert_eq!(counts, [0, 0, 1, 1, 1]);
    }
}
