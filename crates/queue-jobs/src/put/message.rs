//! The message of a job.

use std::time::Duration;

use herald_core::depth::{self, TooDeep};
use herald_core::executor::{Execution, Failure};
use herald_core::param::{Params, lookup, number_key};
use herald_core::unit;
use herald_queue::NewMessage;
use serde_json::Value;

use super::options::{MARKER_TTL, QueueExecutorOptions, WaitFor};

/// How deep the events of chains are nested in each other.
const MOST_NESTED: usize = 64;

/// What `job_param` says about the message.
pub(super) struct MessageParams {
    param: Value,
    key: Option<String>,
    delay: Duration,
    max_age: Option<Duration>,
    seal: bool,
}

impl MessageParams {
    pub(super) fn of(execution: &Execution) -> Result<Self, Failure> {
        let job = &execution.job;
        let given = |name: &str| job.job_param.get(name).filter(|value| !value.is_null());
        let wrong =
            |name: &str, why: &dyn std::fmt::Display| Failure::new(format!("job_param.{name}: {why}"));
        let time = |name: &str, read: fn(&Value) -> Result<Duration, unit::UnitError>| {
            given(name).map(read).transpose().map_err(|why| wrong(name, &why))
        };
        let param = match given("message") {
            Some(message) => message.clone(),
            None => Value::Object((**job.trigger_param.params()).clone()),
        };
        TooDeep::check(depth::of_value(&param))
            .map_err(|why| Failure::new(format!("the message cannot be put into the queue: it is {why}")))?;
        Ok(Self {
            param,
            key: given("key").map(key).transpose().map_err(|why| wrong("key", &why))?.flatten(),
            delay: time("delay", unit::duration_or_zero)?.unwrap_or_default(),
            max_age: time("max_age", unit::duration)?,
            seal: given("seal") == Some(&Value::Bool(true)),
        })
    }

    pub(super) fn message(self, execution: &Execution, options: &QueueExecutorOptions) -> NewMessage {
        let job = &execution.job;
        // Another attempt is another message: the queue remembers the end of the one before.
        let id = match job.attempt {
            1 => job.id.to_string(),
            attempt => format!("{}.{attempt}", job.id),
        };
        let holder: Params = [("message".to_owned(), self.param.clone())].into_iter().collect();
        let holds_secret = !execution.mask.hides_nothing_in(&holder);
        NewMessage {
            id,
            topic: options.topic.clone(),
            key: self.key,
            param: self.param,
            seal: self.seal || holds_secret,
            event: job.trigger_id.to_string(),
            chain_depth: job
                .chain_depth
                .saturating_add(depth_before(job.trigger_param.params()))
                .saturating_add(1),
            attempt: 1,
            delay: self.delay,
            max_age: self.max_age,
            max_length: options.max_length,
            marker_ttl: MARKER_TTL,
            reply: options.wait == WaitFor::Result,
            again: false,
        }
    }

    /// What is pushed into a plain list: a text as it is.
    pub(super) fn item(self) -> Vec<u8> {
        match self.param {
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        }
    }
}

/// A key as text; an empty one is none. Equal numbers are one key.
fn key(given: &Value) -> Result<Option<String>, NotAKey> {
    match given {
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number_key(number))),
        Value::Bool(given) => Ok(Some(given.to_string())),
        _ => Err(NotAKey),
    }
}

/// A value that cannot be a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a string or a number")]
struct NotAKey;

/// How many jobs on other nodes led to this event, so that a chain over a queue ends as well.
fn depth_before(params: &Params) -> u32 {
    let mut params = params;
    for _ in 0..MOST_NESTED {
        if let Some(depth) = lookup(params, "_queue/chain_depth").and_then(Value::as_u64) {
            return u32::try_from(depth).unwrap_or(u32::MAX);
        }
        // `exe_done` has the parameters of the job before it.
        match params.get("trigger_param").and_then(Value::as_object) {
            Some(before) => params = before,
            None => return 0,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys() {
        for (given, expected) in [
            (json!("a"), Ok(Some("a"))),
            (json!(""), Ok(None)),
            (json!(7), Ok(Some("7"))),
            (json!(7.0), Ok(Some("7"))),
            (json!(["a"]), Err(NotAKey)),
        ] {
            assert_eq!(key(&given), expected.map(|key| key.map(str::to_owned)));
        }
    }

    #[test]
    fn chains_over_queues_are_counted() {
        for (params, depth) in [
            (json!({}), 0),
            (json!({"_queue": {"chain_depth": 3}}), 3),
            (json!({"trigger_param": {"trigger_param": {"_queue": {"chain_depth": 2}}}}), 2),
            (json!({"_queue": {"chain_depth": "x"}}), 0),
        ] {
            assert_eq!(depth_before(params.as_object().unwrap()), depth, "{params}");
        }
    }
}
