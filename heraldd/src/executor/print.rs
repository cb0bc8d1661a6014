//! `print`: writes the execution parameters, or some of them, to the log.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use herald_base::log_target::PRINT;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::param::{Params, lookup};
use herald_core::param_path::why_nothing;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, Description, ExecutorType, OptionKind, OptionSpec};
use herald_core::template::holds_template;
use serde_json::Value;

/// How many bytes of JSON are written; what is longer is cut, with a mark.
const LONGEST: usize = 16 * 1024 * 1024;

/// The component type `print`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "print",
        "Writes the execution parameters to the log as one line of JSON, at level INFO, secrets hidden. A line \
         longer than 16 MiB is cut and says so. The result is empty.",
    )
    .param(
        OptionSpec::new(
            "print_key",
            OptionKind::Texts,
            "Print only this. One key prints its value; a list prints a map from each key to its value. `a/b/c` \
             looks inside maps, as in `trigger_param/result`; a key that does not exist prints `null`.",
        )
        .check(keys_are_given),
    )
    .params_check(keys_that_find_nothing)
    .example(
        "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  print_counter:
    trigger: every2s
    selector: all
    task:
      print_counter: print
    job_param:
      print_key: trigger_param/counter
",
    );
    ExecutorType::new(description, |_| Ok(Arc::new(PrintExecutor)))
}

fn keys_are_given(keys: &Value) -> Result<(), CheckError> {
    let is_empty = |key: &Value| key.as_str() == Some("");
    if is_empty(keys) || keys.as_array().is_some_and(|list| list.iter().any(is_empty)) {
        return Err(CheckError::new("a key must not be empty"));
    }
    if keys.as_array().is_some_and(Vec::is_empty) {
        return Err(CheckError::new("name at least one key, or leave print_key out to print everything"));
    }
    Ok(())
}

/// Keys at which no job will ever have a value.
fn keys_that_find_nothing(given: &Params) -> Vec<Problem> {
    let at = Path::top().key("print_key");
    let doubt = |key: &Value, at: Path| {
        let (why, help) = why_nothing(key.as_str().filter(|_| !holds_template(key))?)?;
        Some(Problem::warning(at, format!("`print_key`: {why}, so it prints `null`")).help(help))
    };
    match given.get("print_key") {
        Some(Value::Array(keys)) => {
            keys.iter().enumerate().filter_map(|(n, key)| doubt(key, at.index(n))).collect()
        }
        Some(key) => doubt(key, at).into_iter().collect(),
        None => Vec::new(),
    }
}

struct PrintExecutor;

#[async_trait]
impl Executor for PrintExecutor {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Unneeded
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let job = &execution.job;
        let line = one_line(&wanted(&execution.masked_params(), job.job_param.get("print_key")), LONGEST);
        tracing::info!(target: PRINT, router = %job.router, task = %job.task, job_id = %job.id, "{line}");
        Ok(Params::new())
    }
}

/// What `print_key` asks for. The parameters are masked already, so that a key cannot reach a secret.
fn wanted(params: &Params, print_key: Option<&Value>) -> Value {
    let at = |key: &str| lookup(params, key).cloned().unwrap_or(Value::Null);
    match print_key {
        Some(Value::String(key)) => at(key),
        Some(Value::Array(keys)) => {
            keys.iter().filter_map(Value::as_str).map(|key| (key.to_owned(), at(key))).collect()
        }
        _ => Value::Object(params.clone()),
    }
}

/// JSON on one line of at most `longest` bytes, without anything that a terminal would obey.
fn one_line(value: &Value, longest: usize) -> String {
    let mut start = BoundedBuffer { kept: Vec::new(), longest, seen: 0 };
    // Writing into memory does not fail, and neither does JSON from JSON.
    let _ = serde_json::to_writer(&mut start, value);
    let BoundedBuffer { mut kept, seen, .. } = start;
    if let Err(error) = std::str::from_utf8(&kept) {
        kept.truncate(error.valid_up_to());
    }
    let mut line = String::with_capacity(kept.len());
    for c in String::from_utf8_lossy(&kept).chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    if kept.len() < seen {
        line.push_str(&format!("… (cut: {} of {seen} bytes)", kept.len()));
    }
    line
}

/// Keeps the beginning of what is written and counts the rest.
struct BoundedBuffer {
    kept: Vec<u8>,
    longest: usize,
    seen: usize,
}

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.longest - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.seen += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prints_what_is_asked_for() {
        let params = json!({
            "router": "r", "trigger_param": {"result": {"exit_code": 0}, "list": [1, 2]}, "job_param": {}
        });
        let params = params.as_object().unwrap();
        for (print_key, printed) in [
            (json!("router"), r#""r""#),
            (json!("trigger_param/result"), r#"{"exit_code":0}"#),
            (json!("trigger_param/list/1"), "2"),
            (json!("trigger_param/none"), "null"),
            (json!(["router", "none"]), r#"{"router":"r","none":null}"#),
            (
                json!(null),
                r#"{"router":"r","trigger_param":{"result":{"exit_code":0},"list":[1,2]},"job_param":{}}"#,
            ),
        ] {
            assert_eq!(one_line(&wanted(params, Some(&print_key)), LONGEST), printed, "{print_key}");
        }
    }

    #[test]
    fn a_line_is_one_line_and_bounded() {
        for (value, longest, line) in [
            (json!("a\nb\u{1b}[31m\u{9b}1m\u{2028}"), 99, r#""a\nb\u001b[31m\u009b1m\u2028""#),
            (json!("abcdef"), 8, r#""abcdef""#),
            (json!("abcdefg"), 8, r#""abcdefg… (cut: 8 of 9 bytes)"#),
            // The cut never splits a character.
            (json!("aé"), 3, r#""a… (cut: 2 of 5 bytes)"#),
        ] {
            assert_eq!(one_line(&value, longest), line);
        }
    }

    #[test]
    fn empty_keys_are_refused() {
        for (keys, fine) in [
            (json!("a/b"), true),
            (json!(["a", "b"]), true),
            (json!(""), false),
            (json!(["a", ""]), false),
            (json!([]), false),
        ] {
            assert_eq!(keys_are_given(&keys).is_ok(), fine, "{keys}");
        }
    }
}
