//! `http`: fires when somebody sends a request: a JSON object, or a web hook.

mod address;
mod answer;
mod auth;
mod body;
mod check;
mod delivery;
mod fixed;
mod head;
mod options;
mod path;
mod recorded;
mod rejection;
mod request;
mod result;
mod share;

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{Description, Options, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::tls::{self, TlsListener};
use answer::Answers;
use check::RequestCheck;
use herald_net::serve::{HostRule, Limits};
use options::Given;
use path::Pattern;
pub use recorded::{NoEvent, Recorded, RecordedError, dry_run};
use share::{Held, Place};

/// How long a whole body may take, even byte by byte.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The component type `http`.
#[must_use]
pub fn component() -> TriggerType {
    let description = describe().doubts(tls::listener_doubts);
    TriggerType::new(description, |options| Ok(Arc::new(HttpTrigger::new(options)?)))
}

/// A trigger that cannot have the port and path of its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The name of the trigger.
    pub trigger: String,
    /// Which other one has them, and what to do about it.
    pub why: String,
}

/// A place of a trigger, by its name.
struct Claim<'a> {
    name: &'a str,
    trigger: &'a HttpTrigger,
    place: &'a Place,
}

/// Those of these triggers that cannot have the port and path of their options, since one before them has them.
/// Triggers of other types are passed over.
#[must_use]
pub fn clashes<'a>(triggers: impl IntoIterator<Item = (&'a str, &'a (dyn Trigger + 'static))>) -> Vec<Clash> {
    let mut claims: Vec<Claim<'a>> = Vec::new();
    let mut clashes = Vec::new();
    for (name, trigger) in triggers {
        let Some(trigger) = HttpTrigger::of(trigger) else { continue };
        for place in trigger.places.iter().filter(|place| place.can_be_shared()) {
            let claim = Claim { name, trigger, place };
            clashes.extend(claim.clash(&claims).map(|why| Clash { trigger: name.to_owned(), why }));
            claims.push(claim);
        }
    }
    clashes
}

impl Claim<'_> {
    /// Why it cannot be had besides these.
    fn clash(&self, others: &[Claim<'_>]) -> Option<String> {
        let here = || others.iter().filter(|other| self.place.is_like(other.place));
        let other_tls = |other: &&Claim<'_>| self.place.is_tcp() && self.trigger.tls != other.trigger.tls;
        let same_path =
            |other: &&Claim<'_>| path::clash(other.trigger.path.as_ref(), self.trigger.path.as_ref());
        if let Some(Claim { name, .. }) = here().find(other_tls) {
            return Some(format!(
                "same port as the trigger \"{name}\", with another `tls`; give both the same"
            ));
        }
        here().find(same_path).map(|Claim { name, .. }| {
            format!("same port and path as the trigger \"{name}\"; give them different paths")
        })
    }
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
    check: Arc<RequestCheck>,
    limits: Limits,
    /// What `prepare` bound, for `run`.
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
            check: Arc::new(RequestCheck {
                hosts: HostRule::new(given.allowed_hosts.iter().map(String::as_str)),
                max_body: given.max_body,
                body_time: BODY_TIME,
                dedup_window: given.dedup_window,
                web: given.web,
                node: options.0.get("id").and_then(Value::as_str).map(str::to_owned),
            }),
            limits: Limits::default(),
            held: Mutex::default(),
        })
    }

    /// A trigger of this type, if it is one.
    fn of<'a>(trigger: &'a (dyn Trigger + 'static)) -> Option<&'a Self> {
        let trigger: &dyn Any = trigger;
        trigger.downcast_ref()
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
        let answers = Arc::new(Answers { activator, check: self.check.clone(), stop: stop.clone() });
        let mut mounted = Vec::new();
        for shared in held {
            mounted.push(shared.mount(self.path.clone(), answers.clone())?);
            shared.serve(self.limits.clone());
            let path = self.path.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(
                "http trigger {} listening on {}{path}{}",
                answers.activator.trigger(),
                shared.address,
                shared.manner
            );
        }
        stop.cancelled().await;
        futures_util::future::join_all(mounted.into_iter().map(share::Mounted::end)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
