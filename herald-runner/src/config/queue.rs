//! The options of a queue: of the section `queue` of heraldd, and of a runner that takes its jobs from one.

use herald_config::component_error::ComponentError;
use herald_config::spec::{CheckError, OptionKind, OptionSpec};
use herald_queue::{Durability, QueueAddress, QueueSettings, SigningKeys};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A queue that a runner takes jobs from.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerQueue {
    /// The queue.
    pub settings: QueueSettings,
    /// The topic.
    pub topic: String,
    /// How many of its jobs run at once.
    pub process: usize,
    /// The name of the runner there, unless it gets one of its own.
    pub name: Option<String>,
}

/// What every queue has: `url`, `username`, `password`, `sign`, `durable`.
#[must_use]
pub fn queue_options() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "url",
            OptionKind::Text,
            "Where Redis (7.0 or newer) or Valkey is: `redis://HOST:PORT/DB`, `rediss://…` with TLS, `redis+unix:///PATH`, \
             or `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB`. Of a Redis Cluster it names one server.",
        )
        .required()
        .check(check_url),
        new("username", OptionKind::Text, "The user, where Redis has ACLs."),
        new("password", OptionKind::Secret, "The password."),
        new(
            "sign",
            OptionKind::Secrets,
            "At least 16 bytes, the same on all servers: signs every message, so that access to Redis alone runs nothing. \
             Of a list, the first one signs and all are accepted.",
        )
        .required()
        .check(check_sign),
        new(
            "durable",
            OptionKind::OneOf(&["write", "sync"]),
            "When a message counts as accepted: once Redis has it (`write`), or once it is on its disk (`sync`: Redis 7.2 \
             or `appendfsync always`).",
        )
        .default("write"),
    ]
}

/// Of a runner: where its jobs come from.
#[must_use]
pub(super) fn option() -> OptionSpec {
    let new = OptionSpec::new;
    let own = [
        new(
            "topic",
            OptionKind::Text,
            "The topic that the daemon's `http_remote: {via: …, topic: …}` names.",
        )
        .required(),
        new("process", OptionKind::Integer { min: 1, max: 1000 }, "How many jobs of the queue run at once.")
            .default(1),
        new(
            "name",
            OptionKind::Text,
            "The name of this runner on the queue. Default: that of the host, and a part of its id.",
        ),
    ];
    let doc = "Takes jobs from a queue on Redis. Then no port is opened unless `host`, `port` or `unix_socket` asks for it, \
               and no `secret` is needed without one.";
    OptionSpec::new("queue", OptionKind::Fields(queue_options().into_iter().chain(own).collect()), doc)
}

fn check_url(url: &Value) -> Result<(), CheckError> {
    let url = url.as_str().unwrap_or_default();
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        // Not shown: it has a password in it.
        return Err(CheckError::plain("a URL of a queue has no user; write  username: …, password: …"));
    }
    QueueAddress::parse(url).map(drop).map_err(|wrong| CheckError::plain(wrong.without_option()))
}

/// One secret, or a list of them.
fn secrets(given: Option<&Value>) -> Vec<String> {
    match given {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn check_sign(given: &Value) -> Result<(), CheckError> {
    SigningKeys::new(secrets(Some(given)))
        .map(drop)
        .map_err(|wrong| CheckError::plain(wrong.without_option()))
}

/// The settings of options that were checked by [`queue_options`].
#[must_use]
pub fn queue_settings(name: &str, options: &Map<String, Value>) -> QueueSettings {
    let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
    QueueSettings {
        name: name.to_owned(),
        url: text("url").unwrap_or_default(),
        username: text("username"),
        password: text("password"),
        sign: secrets(options.get("sign")),
        durable: match text("durable").as_deref() {
            Some("sync") => Durability::Sync,
            _ => Durability::Write,
        },
        tls: None,
    }
}

#[derive(Deserialize)]
struct OwnOptions {
    topic: String,
    process: Option<usize>,
    name: Option<String>,
}

/// What a runner's option `queue` says.
pub(super) fn of(given: Option<&Value>) -> Result<Option<RunnerQueue>, ComponentError> {
    let Some(Value::Object(options)) = given else { return Ok(None) };
    let own = OwnOptions::deserialize(Value::Object(options.clone()))
        .map_err(|error| ComponentError::of_option("queue", error))?;
    Ok(Some(RunnerQueue {
        settings: queue_settings("queue", options),
        topic: own.topic,
        process: own.process.unwrap_or(1),
        name: own.name,
    }))
}
