//! What a mail says where its job does not: what is known of the job that ended, or the event.

use std::fmt::Write as _;

use herald_core::activation::EXE_DONE;
use herald_core::executor::Execution;
use herald_core::param::lookup;
use serde_json::Value;

/// The most bytes of the JSON of an event, or of a result.
const LONGEST_JSON: usize = 64 << 10;

/// The machine, the router or trigger, and what happened.
pub(super) fn subject(execution: &Execution, host: &str) -> String {
    let params = execution.job.trigger_param.params();
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(|text| execution.mask.text(text));
    let what = match (&*execution.job.trigger, text("status"), text("state")) {
        (EXE_DONE, Some(status), _) => {
            let before = params.get("failures_before").and_then(Value::as_u64).unwrap_or_default();
            let after = match (status.as_str(), before) {
                (_, 0) => String::new(),
                ("succeeded", 1) => " after a failure".to_owned(),
                ("succeeded", count) => format!(" after {count} failures"),
                (_, count) => format!(" ({} in a row)", count + 1),
            };
            format!("{} {}{after}", text("router").unwrap_or_default(), status.replace('_', " "))
        }
        (_, _, Some(state)) => {
            let name = text("name").or_else(|| text("node")).or_else(|| text("app"));
            format!("{}: {state}", name.unwrap_or_else(|| execution.job.trigger.to_string()))
        }
        (trigger, ..) => format!("event of {trigger}"),
    };
    format!("[{host}] {what}")
}

/// What is known.
pub(super) fn body(execution: &Execution, host: &str) -> String {
    let params = execution.job.trigger_param.params();
    if &*execution.job.trigger != EXE_DONE {
        let event = Value::Object(execution.mask.params(params));
        return format!("Trigger: {}\nHost:    {host}\n\n{}\n", execution.job.trigger, json(&event));
    }
    let mut body = String::new();
    for (label, key) in [
        ("Router:", "router"),
        ("Task:", "task"),
        ("Status:", "status"),
        ("Error:", "error"),
        ("Failed before:", "failures_before"),
        ("Attempts:", "attempts"),
        ("Started:", "started_at"),
        ("Ended:", "ended_at"),
        ("Job:", "id"),
    ] {
        let value = match lookup(params, key) {
            Some(Value::String(text)) => execution.mask.text(text),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        // Writing to a string does not fail.
        let _ = writeln!(body, "{label:<15}{value}");
    }
    let _ = writeln!(body, "{:<15}{host}", "Host:");
    if let Some(Value::Object(result)) = params.get("result").filter(|result| **result != Value::Null) {
        let _ = writeln!(body, "\nResult:\n{}", json(&Value::Object(execution.mask.params(result))));
    }
    body
}

/// As a person reads it, cut.
fn json(value: &Value) -> String {
    let text = format!("{value:#}");
    if text.len() <= LONGEST_JSON {
        return text;
    }
    format!("{}\n… (the rest was cut off)", &text[..text.floor_char_boundary(LONGEST_JSON)])
}
