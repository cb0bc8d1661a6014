//! Takes the webhooks of Gogs over HTTP.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_core::unit;
use herald_net::listen::{Listener, bind_tcp, bind_unix};
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{ServeOptions, serve};
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

struct GogsHookTrigger {
    secrets: Arc<[String]>,
    tcp: Option<(String, u16)>,
    unix_socket: Option<PathBuf>,
    dedup_window: Duration,
    /// What `prepare` got hold of, until `run` takes it.
    prepared: Mutex<Option<Vec<Listener>>>,
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
        Ok(Self {
            secrets: secrets.into(),
            tcp: (!only_socket).then(|| (host, given.port.unwrap_or(PORT))),
            unix_socket: given.unix_socket,
            dedup_window,
            prepared: Mutex::new(None),
        })
    }

    fn take(&self) -> Option<Vec<Listener>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn bind(&self) -> Result<Vec<Listener>, ComponentError> {
        // Ours from an earlier `prepare`, if there was no `run`, would be in the way.
        drop(self.take());
        let mut listeners = Vec::new();
        if let Some((host, port)) = &self.tcp {
            listeners.push(bind_tcp(host, *port).await.map_err(ComponentError::new)?);
        }
        if let Some(path) = &self.unix_socket {
            let socket = bind_unix(path, SOCKET_MODE).await.map_err(ComponentError::new)?;
            listeners.push(Listener::Unix(socket));
        }
        Ok(listeners)
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
        let listeners = self.bind().await?;
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(listeners);
        Ok(())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let listeners = match self.take() {
            Some(listeners) => listeners,
            None => self.bind().await?,
        };
        for listener in &listeners {
            tracing::info!("trigger \"{}\" listens on {}", activator.trigger(), listener.address());
        }
        let (secrets, dedup_window) = (self.secrets.clone(), self.dedup_window);
        let receiver = Receiver { secrets, dedup_window, activator, rejections: RepeatedLog::new() };
        serve(listeners, serve_options(), Arc::new(receiver), stop).await;
        Ok(())
    }
}
