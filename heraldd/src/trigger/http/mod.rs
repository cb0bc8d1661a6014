//! `http`: fires when somebody posts a JSON object.

mod answer;
mod delivery;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_core::unit;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::server::{self, HostRule, Limits, Listener};
use answer::Answers;

const HOST: &str = "127.0.0.1";
const PORT: u16 = 8123;
const SOCKET_MODE: u32 = 0o600;
const MAX_BODY: u64 = 1 << 20;
/// A body is held in memory, several at once: more than this in one is a mistake.
const MOST_BODY: u64 = 1 << 30;
/// How long a repeated request is known.
const DEDUP_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a whole body may take, even byte by byte.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The component type `http`.
#[must_use]
pub fn component() -> TriggerType {
    TriggerType::new(describe(), |options| Ok(Arc::new(HttpTrigger::new(options.parse()?)?)))
}

fn describe() -> Description {
    let description = Description::new(
        "http",
        "Fires when a JSON object is posted to it, on any path, and answers `{\"event_id\": \"…\"}` once the event \
         is safely accepted. There is no access control: do not open the port to the world. Requests need \
         `Content-Type: application/json`, so that a web page in a browser cannot send them. Of a key that an \
         object has twice, the last one counts.",
    );
    options(description).gives("*", "the keys of the object that was posted").example(
        "
trigger:
  manual:
    type: http
    host: 127.0.0.1
    port: 8123

router:
  manual_command:
    trigger: manual
    selector: match_map
    task:
      show: print
    select_param:
      match_key: command
      match_value: uptime
",
    )
}

fn options(description: Description) -> Description {
    description
        .option(
            OptionSpec::new(
            "host",
            OptionKind::Text,
            "The address to listen on. Default: `127.0.0.1`; with `unix_socket` and neither `host` nor `port`, no \
             TCP port is opened.",
            )
            .check(check_host),
        )
        .option(OptionSpec::new(
            "port",
            OptionKind::Integer { min: 0, max: 65_535 },
            "The TCP port; 0 takes any that is free and logs it. Default: 8123, see `host`.",
        ))
        .option(OptionSpec::new(
            "unix_socket",
            OptionKind::FilePath,
            "A unix socket to listen on, alone or besides the port. Its folder must exist. It never takes the place \
             of another file or of the socket of a program that runs.",
        ))
        .option(
            OptionSpec::new(
                "unix_socket_mode",
                OptionKind::Any,
                "The permissions of the socket's file, in octal: `'0660'` lets its group connect.",
            )
            .default("0600")
            .check(|mode| socket_mode(mode).map(drop)),
        )
        .option(
            OptionSpec::new(
                "max_body",
                OptionKind::Size,
                "The longest body that is taken, in bytes or as `16MiB`; at most 1 GiB.",
            )
            .default("1MiB")
            .check(check_max_body),
        )
        .option(
            OptionSpec::new(
                "dedup_window",
                OptionKind::Any,
                "How long a request is known by its `Idempotency-Key`, its `webhook-id` or the delivery id of a forge \
                 (GitHub, Gitea, Forgejo, Gogs, GitLab, Bitbucket): the same one again is answered with the first \
                 event's id and runs nothing. A duration, or 0 to take each request for a new one.",
            )
            .default("24h")
            .check(|window| unit::duration_or_zero(window).map(drop)),
        )
        .option(OptionSpec::new(
            "allowed_hosts",
            OptionKind::Texts,
            "Names that requests may bear in `Host` when it listens on a loopback address, besides `localhost`, \
             loopback addresses and `host`: the name of a reverse proxy, say. Other names are turned away, since a \
             web page can make a browser send requests under its own name.",
        ))
}

/// Whether it can be the name or the address of this machine. Whether it is one shows at start only.
fn check_host(host: &Value) -> Result<(), String> {
    let host = host.as_str().unwrap_or_default();
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err("expected an address or a name of this machine, such as 127.0.0.1 or ::1".to_owned());
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            Err("the port stands in `port`, not here".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_max_body(size: &Value) -> Result<(), String> {
    match unit::size(size)? {
        0 => Err("it must be at least 1".to_owned()),
        1..=MOST_BODY => Ok(()),
        _ => Err("it must be at most 1 GiB, since a body is held in memory".to_owned()),
    }
}

/// Octal as text, `0660` or `0o660`; or the number itself, as YAML makes of `0o660`.
fn socket_mode(mode: &Value) -> Result<u32, String> {
    let number = match mode {
        Value::String(text) => u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    number
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "expected permissions in octal, such as '0660'".to_owned())
}

#[derive(Deserialize)]
struct Given {
    host: Option<String>,
    port: Option<u16>,
    unix_socket: Option<PathBuf>,
    unix_socket_mode: Option<Value>,
    #[serde(default, deserialize_with = "unit::de_optional_size")]
    max_body: Option<u64>,
    allowed_hosts: Option<Texts>,
    dedup_window: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

struct HttpTrigger {
    tcp: Option<(String, u16)>,
    unix: Option<(PathBuf, u32)>,
    hosts: HostRule,
    max_body: u64,
    dedup_window: Duration,
    body_time: Duration,
    limits: Limits,
    /// What `prepare` took hold of, for `run`.
    held: Mutex<Vec<Listener>>,
}

impl HttpTrigger {
    fn new(given: Given) -> Result<Self, ComponentError> {
        let with_tcp = given.unix_socket.is_none() || given.host.is_some() || given.port.is_some();
        let host = given.host.unwrap_or_else(|| HOST.to_owned());
        let mode = match &given.unix_socket_mode {
            Some(mode) => {
                socket_mode(mode).map_err(|what| ComponentError(format!("unix_socket_mode: {what}")))?
            }
            None => SOCKET_MODE,
        };
        let dedup_window = match &given.dedup_window {
            Some(window) => unit::duration_or_zero(window)
                .map_err(|what| ComponentError(format!("dedup_window: {what}")))?,
            None => DEDUP_WINDOW,
        };
        let allowed = given.allowed_hosts.as_ref().map_or(&[][..], Texts::as_slice);
        let hosts = HostRule::new(allowed.iter().map(String::as_str).chain([host.as_str()]));
        Ok(Self {
            tcp: with_tcp.then(|| (host, given.port.unwrap_or(PORT))),
            unix: given.unix_socket.map(|path| (path, mode)),
            hosts,
            max_body: given.max_body.unwrap_or(MAX_BODY),
            dedup_window,
            body_time: BODY_TIME,
            limits: Limits::default(),
            held: Mutex::default(),
        })
    }

    async fn bind(&self) -> Result<Vec<Listener>, ComponentError> {
        let mut listeners = Vec::new();
        if let Some((host, port)) = &self.tcp {
            listeners.push(server::bind_tcp(host, *port).await?);
        }
        if let Some((path, mode)) = &self.unix {
            listeners.push(Listener::Unix(server::bind_unix(path, *mode).await?));
        }
        Ok(listeners)
    }

    fn take(&self) -> Vec<Listener> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hold(&self, listeners: Vec<Listener>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
    }
}

#[async_trait]
impl Trigger for HttpTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        let held = self.take();
        let listeners = if held.is_empty() { self.bind().await? } else { held };
        self.hold(listeners);
        Ok(())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let held = self.take();
        let listeners = if held.is_empty() { self.bind().await? } else { held };
        for listener in &listeners {
            tracing::info!("http trigger {} listening on {}", activator.trigger(), listener.address());
        }
        let answers = Answers {
            activator,
            hosts: self.hosts.clone(),
            max_body: self.max_body,
            dedup_window: self.dedup_window,
            body_time: self.body_time,
        };
        server::serve(listeners, self.limits.clone(), Arc::new(answers), stop).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
