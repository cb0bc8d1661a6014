//! Takes the webhooks of Gogs over HTTP.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Predecessors, Succession, Trigger};
use herald_core::unit;
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{LatestHandler, ListenAddress, ListenerUse, ServeOptions, SharedListener};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::delivery::Receiver;

const HOST: &str = "127.0.0.1";
const PORT: u16 = 8234;
const SOCKET_MODE: u32 = 0o600;
/// How long a delivery is known by its body.
const DEDUP_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The trigger type `gogs_hook`.
#[must_use]
pub fn trigger() -> TriggerType {
    let description = Description::new(
        "gogs_hook",
        "Fires for every webhook of Gogs with a valid signature, on any path. In the settings of the \
         repository in Gogs, the content type must be `application/json` and the secret the same as here.",
    )
    .option(
        OptionSpec::new(
            "secret",
            OptionKind::Secrets,
            "The secret of the webhook in Gogs. A list of secrets, of which one must match, allows rotation without downtime.",
        )
        .required(),
    )
    .option(OptionSpec::new(
        "host",
        OptionKind::Text,
        "The address to listen on. Default: `127.0.0.1`; with `unix_socket` and neither `host` nor `port`, no TCP port \
         is opened.",
    ))
    .option(OptionSpec::new(
        "port",
        OptionKind::Integer { min: 0, max: 65_535 },
        "The TCP port; 0 uses any free port and logs it. Default: 8234, see `host`.",
    ))
    .option(OptionSpec::new(
        "unix_socket",
        OptionKind::FilePath,
        "A unix socket to listen on, alone or in addition to the port; only the user of Herald can connect. Its folder \
         must exist. It never replaces another file or the socket of a running program.",
    ))
    .option(
        OptionSpec::new(
            "dedup_window",
            OptionKind::Any,
            "How long a delivery is known by its body, which is what Gogs signs: when it comes again within this time, \
             under whatever `X-Gogs-Delivery`, the response has the id of the first event, and no second event is \
             created. A duration, or 0 for not at all.",
        )
        .takes("duration or 0")
        .default("24h")
        .check(|window| unit::duration_or_zero(window).map(drop)),
    )
    .gives("event", "the event, as Gogs calls it: `push`, `release`…")
    .gives("delivery", "the id of this delivery from Gogs; empty if there is none")
    .gives("payload", "the data from Gogs, unchanged")
    .example(EXAMPLE);
    TriggerType::new(description, |options| Ok(Arc::new(GogsHookTrigger::new(options.parse()?)?)))
}

const EXAMPLE: &str = "
trigger:
  gogs_hook:
    secret: a_secret_that_Gogs_knows_as_well
    port: 8234

router:
  deploy:
    trigger: gogs_hook
    selector: gogs_hook
    task:
      show: print
    select_param:
      gogs_name: owner/project
      gogs_branch: main
      gogs_event: push
";

#[derive(Deserialize)]
struct GogsHookOptions {
    secret: OneOrMany,
    host: Option<String>,
    port: Option<u16>,
    unix_socket: Option<PathBuf>,
    dedup_window: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A listener whose triggers take each other's place.
type GogsListener = SharedListener<LatestHandler<Receiver>>;
type GogsListenerUse = ListenerUse<LatestHandler<Receiver>>;

struct GogsHookTrigger {
    secrets: Arc<[String]>,
    listen_addresses: Vec<ListenAddress>,
    dedup_window: Duration,
    /// What `prepare` got hold of, until `run` takes it.
    prepared: Mutex<Vec<GogsListenerUse>>,
    /// Where it listens, or the trigger before it that ends with a reload; in the order of the addresses.
    listeners: Mutex<Vec<Weak<GogsListener>>>,
}

impl GogsHookTrigger {
    fn new(given: GogsHookOptions) -> Result<Self, ComponentError> {
        let window = given.dedup_window.as_ref().map_or(Ok(DEDUP_WINDOW), unit::duration_or_zero);
        let dedup_window = window.map_err(|error| ComponentError::of_option("dedup_window", error))?;
        let secrets = match given.secret {
            OneOrMany::One(secret) => vec![secret],
            OneOrMany::Many(secrets) => secrets,
        };
        let only_socket = given.unix_socket.is_some() && given.host.is_none() && given.port.is_none();
        let host = given.host.unwrap_or_else(|| HOST.to_owned());
        let tcp = (!only_socket).then(|| ListenAddress::Tcp(host, given.port.unwrap_or(PORT)));
        let unix = given.unix_socket.map(|path| ListenAddress::Unix(path, SOCKET_MODE));
        Ok(Self {
            secrets: secrets.into(),
            listen_addresses: tcp.into_iter().chain(unix).collect(),
            dedup_window,
            prepared: Mutex::default(),
            listeners: Mutex::default(),
        })
    }

    fn of(trigger: &Arc<dyn Trigger>) -> Option<&Self> {
        let trigger: &dyn Any = trigger.as_ref();
        trigger.downcast_ref()
    }

    fn take(&self) -> Vec<GogsListenerUse> {
        std::mem::take(&mut self.prepared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<GogsListener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener_at(&self, address: &ListenAddress) -> Option<Weak<GogsListener>> {
        let place = self.listen_addresses.iter().position(|own| own == address)?;
        self.listeners().get(place).cloned()
    }

    async fn bind(&self) -> Result<Vec<GogsListenerUse>, ComponentError> {
        // Ours from an earlier `prepare`, if there was no `run`, would be in the way.
        drop(self.take());
        let before = self.listeners().clone();
        let mut held = Vec::new();
        for (n, address) in self.listen_addresses.iter().enumerate() {
            let before = before.get(n).and_then(Weak::upgrade);
            let usable = |listener: &Arc<GogsListener>| !listener.has_ended() && !listener.is_expecting();
            let listener = match before.filter(usable) {
                Some(listener) => listener,
                None => SharedListener::bind(address, None, LatestHandler::default())
                    .await
                    .map_err(ComponentError::new)?,
            };
            held.push(listener.hold(address, None));
        }
        *self.listeners() = held.iter().map(|held| Arc::downgrade(held.listener())).collect();
        Ok(held)
    }
}

/// With the limit of the body, a request has 30 s and its answer, which is short, 10 s.
fn serve_options() -> ServeOptions {
    ServeOptions {
        connections: 64,
        head: Duration::from_secs(10),
        write: Duration::from_secs(10),
        drain: Duration::from_secs(3),
        // One request on each: how long a connection has lasted is then how long its client has needed.
        keep_alive: false,
        ..ServeOptions::default()
    }
}

#[async_trait]
impl Trigger for GogsHookTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        let held = self.bind().await?;
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    fn succeed(&self, before: &Predecessors) -> Succession {
        let others: Vec<&Self> = before.all().filter_map(Self::of).collect();
        if others.is_empty() {
            return Succession::Beside;
        }
        let listener =
            |address| others.iter().find_map(|other| other.listener_at(address)).unwrap_or_default();
        *self.listeners() = self.listen_addresses.iter().map(listener).collect();
        let in_the_way = |address: &ListenAddress| {
            let mut theirs = others.iter().flat_map(|other| &other.listen_addresses);
            theirs.any(|other| other.is_in_the_way_of(address))
        };
        if self.listen_addresses.iter().any(in_the_way) { Succession::AfterAll } else { Succession::Beside }
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.bind().await? } else { held };
        for held in &held {
            tracing::info!("trigger \"{}\" listens on {}", activator.trigger(), held.listener().address());
        }
        let (secrets, dedup_window) = (self.secrets.clone(), self.dedup_window);
        let receiver = Receiver { secrets, dedup_window, activator, rejections: RepeatedLog::new() };
        let receiver = Arc::new(receiver);
        let enter = |held: GogsListenerUse| {
            let turn = held.listener().handler().put(receiver.clone());
            (turn, held.enter(serve_options()))
        };
        let entered: Vec<_> = held.into_iter().map(enter).collect();
        stop.cancelled().await;
        for (turn, stay) in entered {
            drop(turn);
            stay.leave().await;
        }
        Ok(())
    }
}
