//! The options of a trigger `queue`.

use std::time::Duration;

use herald_core::spec::{CheckError, OptionKind, OptionSpec};
use herald_core::unit;
use herald_queue::{Acknowledge, ConsumerSettings, EndStatus, RequeuePolicy, WorkerSettings};
use serde::Deserialize;
use serde_json::Value;

use crate::connections::queue_option;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConsumeModeName {
    Compete,
    Every,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum WireForm {
    Stream,
    List,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum AckAt {
    Done,
    Accepted,
}

#[derive(Deserialize)]
struct RequeueOptions {
    #[serde(default)]
    on: Value,
    max: u32,
    delay: Value,
    backoff: Value,
}

#[derive(Deserialize)]
pub(super) struct QueueTriggerOptions {
    pub(super) queue: String,
    topic: Value,
    pub(super) mode: ConsumeModeName,
    pub(super) process: usize,
    #[serde(deserialize_with = "unit::de_duration")]
    pub(super) lease: Duration,
    ack: AckAt,
    pub(super) max_deliveries: u32,
    requeue: Option<RequeueOptions>,
    #[serde(deserialize_with = "unit::de_duration")]
    pub(super) retain: Duration,
    pub(super) wire: WireForm,
}

impl QueueTriggerOptions {
    /// By priority.
    pub(super) fn topics(&self) -> Vec<String> {
        texts(&self.topic)
    }

    pub(super) fn worker(&self, consumer: ConsumerSettings) -> WorkerSettings {
        let ack = match self.ack {
            AckAt::Done => Acknowledge::Done,
            AckAt::Accepted => Acknowledge::Accepted,
        };
        let requeue = self.requeue.as_ref().map_or(NEVER, |requeue| RequeuePolicy {
            on: texts(&requeue.on).iter().filter_map(|word| status(word)).collect(),
            max: requeue.max,
            // It was checked.
            delay: unit::duration_or_zero(&requeue.delay).unwrap_or(NEVER.delay),
            backoff: requeue.backoff.as_f64().unwrap_or(1.0),
        });
        WorkerSettings { consumer, process: self.process, ack, requeue }
    }
}

const NEVER: RequeuePolicy =
    RequeuePolicy { on: Vec::new(), max: 0, delay: Duration::from_secs(10), backoff: 1.0 };

fn status(word: &str) -> Option<EndStatus> {
    match word {
        "failed" => Some(EndStatus::Failed),
        "timed_out" => Some(EndStatus::TimedOut),
        "lost" => Some(EndStatus::Lost),
        _ => None,
    }
}

fn texts(given: &Value) -> Vec<String> {
    match given {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn specs() -> Vec<OptionSpec> {
    let mut specs = what_it_reads();
    specs.extend(how_it_works());
    specs
}

fn what_it_reads() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        queue_option(),
        new(
            "topic",
            OptionKind::Texts,
            "What it reads: a topic, or a list of them in the order of their priority. With `wire: list`: the key of the \
             list.",
        )
        .required()
        .check(check_topics),
        new(
            "mode",
            OptionKind::OneOf(&["compete", "every"]),
            "`compete`: each message runs on one of all workers. `every`: on each node once, also those that came while \
             the node was away.",
        )
        .default("compete"),
    ]
}

fn how_it_works() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let integer = |max| OptionKind::Integer { min: 1, max };
    vec![
        new("process", integer(1000), "How many messages it has at once.").default(1),
        new(
            "lease",
            OptionKind::Duration,
            "How long after its last word a worker counts as dead, at least 2 s. A job may run longer.",
        )
        .default("30s")
        .check(check_lease),
        new(
            "ack",
            OptionKind::OneOf(&["done", "accepted"]),
            "When the message is over: once its jobs have ended, or once it is recorded here.",
        )
        .default("done"),
        new(
            "max_deliveries",
            integer(1000),
            "A message that was started this often without an end becomes a dead letter.",
        )
        .default(5),
        new(
            "requeue",
            OptionKind::Fields(requeue()),
            "When a message runs again, on any worker; else it ends as its jobs did.",
        ),
        new(
            "retain",
            OptionKind::Duration,
            "With `mode: every`: how long messages are kept for a node that is away. One that misses some gets an event \
             of the internal trigger `queue_gap`.",
        )
        .default("7d"),
        new(
            "wire",
            OptionKind::OneOf(&["stream", "list"]),
            "`list`: a plain Redis list, as go_git_webhooks uses it. Such messages are not signed: anyone who reaches Redis \
             can run what this configuration allows.",
        )
        .default("stream"),
    ]
}

fn requeue() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new("on", OptionKind::Texts, "Which ends: `failed`, `timed_out`, `lost`; one or a list.")
            .required()
            .check(check_on),
        new("max", OptionKind::Integer { min: 1, max: 1000 }, "How often at most; then it is a dead letter.")
            .default(3),
        new("delay", OptionKind::Any, "How long no worker gets it, the first time: a duration, or 0.")
            .takes("duration or 0")
            .default("10s")
            .check(|delay| unit::duration_or_zero(delay).map(drop)),
        new("backoff", OptionKind::Any, "By how much the delay grows each time: a number, at least 1.")
            .takes("number from 1")
            .default(2)
            .check(check_backoff),
    ]
}

fn check_topics(given: &Value) -> Result<(), CheckError> {
    let topics = texts(given);
    if topics.is_empty() {
        return Err(CheckError::new("it needs at least one topic"));
    }
    let twice = topics.iter().enumerate().find(|(n, topic)| topics[..*n].contains(topic));
    match twice {
        Some((_, topic)) => Err(CheckError::new(format!("\"{topic}\" is there twice"))),
        None => Ok(()),
    }
}

fn check_lease(given: &Value) -> Result<(), CheckError> {
    match unit::duration(given) {
        Ok(lease) if lease < Duration::from_secs(2) => Err(CheckError::new("it must be at least 2s")),
        _ => Ok(()),
    }
}

fn check_on(given: &Value) -> Result<(), CheckError> {
    match texts(given).iter().find(|word| status(word).is_none()) {
        Some(word) => {
            let wrong = CheckError::new(format!("`{word}` is not one of them"));
            Err(wrong.help("expected one of: failed, timed_out, lost"))
        }
        None => Ok(()),
    }
}

fn check_backoff(given: &Value) -> Result<(), CheckError> {
    match given.as_f64() {
        Some(factor) if factor.is_finite() && factor >= 1.0 => Ok(()),
        _ => Err(CheckError::new("expected a number, at least 1")),
    }
}
