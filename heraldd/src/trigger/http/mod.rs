//! `http`: fires when somebody sends a request: a JSON object, or a web hook.

mod address;
mod answer;
mod auth;
mod body;
mod delivery;
mod fixed;
mod head;
mod options;
mod path;
mod rehearse;
mod request;
mod result;
mod share;
mod web;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{Description, Options, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::tls::{self, TlsListener};
use answer::Answers;
use herald_net::serve::{HostRule, ServeOptions};
use options::{Given, Web};
use path::Pattern;
pub use rehearse::{Recorded, rehearse};
use share::{Held, Place};

/// How long a whole body may take, even byte by byte.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The component type `http`.
#[must_use]
pub fn component() -> TriggerType {
    let description = describe().doubts(tls::listener_doubts);
    TriggerType::new(description, |options| Ok(Arc::new(HttpTrigger::new(options)?)))
}

/// What a trigger has: its name, a place, the path there, and how the place is shielded.
type Taken = (String, Place, Option<Pattern>, Option<TlsListener>);

/// Of these triggers of this type, by name: those that cannot have the port and the path that they want, since another
/// one has them, and why.
#[must_use]
pub fn clashes<'a>(triggers: impl IntoIterator<Item = (&'a str, &'a Options)>) -> Vec<(String, String)> {
    let mut taken: Vec<Taken> = Vec::new();
    let mut clashes = Vec::new();
    for (name, options) in triggers {
        let Ok(trigger) = HttpTrigger::new(options) else { continue };
        let tls = trigger.tls;
        for place in trigger.places.into_iter().filter(Place::can_be_shared) {
            let same = |(_, other, path, _): &&Taken| {
                place.is_like(other) && path::clash(path.as_ref(), trigger.path.as_ref())
            };
            let other_tls = |(_, other, _, other_tls): &&Taken| {
                place.is_tcp() && place.is_like(other) && tls != *other_tls
            };
            if let Some((other, ..)) = taken.iter().find(other_tls) {
                let why = format!(
                    "it has the same port as the trigger \"{other}\" and another `tls`; give both the same"
                );
                clashes.push((name.to_owned(), why));
            } else if let Some((other, ..)) = taken.iter().find(same) {
                let why = format!(
                    "it has the same port and the same path as the trigger \"{other}\"; give them different paths"
                );
                clashes.push((name.to_owned(), why));
            }
            taken.push((name.to_owned(), place, trigger.path.clone(), tls.clone()));
        }
    }
    clashes
}

fn describe() -> Description {
    let description = Description::new(
        "http",
        "Fires when a JSON object is posted to it, on any path, and answers `{\"event_id\": \"…\"}` once the event \
         is safely accepted. Requests need `Content-Type: application/json`, so that a web page in a browser cannot \
         send them. Of a key that an object has twice, the last one counts. Without `auth` there is no access control: do \
         not open the port to the world. With any option from `path` to `keep_raw`, with `respond: result` or `answer` it is a \
         receiver of web hooks: the request is told as `_request`, the answer says how many tasks wanted the event \
         (`matched`), and a ping is answered and runs nothing.",
    );
    let description = options::add_to(description.section("id"));
    description
        .gives("*", "the keys of the object that was posted; the fields of a form; the query of a GET; captures of the path")
        .gives("_request", "web hooks: `method`, `path`, `query`, `headers`, `remote_address`, `body` where it is kept, `node` with `-id`")
        .example(
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

struct HttpTrigger {
    places: Vec<Place>,
    tls: Option<TlsListener>,
    path: Option<Pattern>,
    hosts: HostRule,
    max_body: u64,
    dedup_window: Duration,
    body_time: Duration,
    limits: ServeOptions,
    web: Option<Arc<Web>>,
    node: Option<String>,
    /// What `prepare` took hold of, for `run`.
    held: Mutex<Vec<Held>>,
}

impl HttpTrigger {
    fn new(options: &Options) -> Result<Self, ComponentError> {
        let given = Given::of(options)?;
        let tcp = given.tcp.map(|(host, port)| Place::Tcp(host, port));
        let unix = given.unix.map(|(path, mode)| Place::Unix(path, mode));
        Ok(Self {
            places: tcp.into_iter().chain(unix).collect(),
            tls: TlsListener::of(options),
            path: given.path,
            hosts: HostRule::new(given.allowed_hosts.iter().map(String::as_str)),
            max_body: given.max_body,
            dedup_window: given.dedup_window,
            body_time: BODY_TIME,
            limits: ServeOptions::default(),
            web: given.web.map(Arc::new),
            node: options.0.get("id").and_then(Value::as_str).map(str::to_owned),
            held: Mutex::default(),
        })
    }

    async fn hold_all(&self) -> Result<Vec<Held>, ComponentError> {
        let mut held = Vec::new();
        for place in &self.places {
            held.push(share::hold(place, self.tls.as_ref()).await?);
        }
        Ok(held)
    }

    fn take(&self) -> Vec<Held> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Trigger for HttpTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        let answers = Arc::new(Answers {
            activator,
            hosts: self.hosts.clone(),
            max_body: self.max_body,
            dedup_window: self.dedup_window,
            body_time: self.body_time,
            web: self.web.clone(),
            node: self.node.clone(),
            stop: stop.clone(),
        });
        let mut mounted = Vec::new();
        for shared in held {
            mounted.push(shared.mount(self.path.clone(), answers.clone())?);
            shared.serve(self.limits.clone());
            let path = self.path.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(
                "http trigger {} listening on {}{path}{}",
                answers.activator.trigger(),
                shared.address,
                shared.tls_suffix
            );
        }
        stop.cancelled().await;
        futures_util::future::join_all(mounted.into_iter().map(share::Mounted::end)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
