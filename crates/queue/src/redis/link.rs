//! Connections to Redis that are made when they are needed, and again for ever.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use crate::backoff::ReconnectWait;
use crate::error::QueueError;
use crate::inspect::Fitness;
use crate::redis::cluster::{ClusterPlace, Redirection, ServerMap};
use crate::redis::connect::OpenConnection;
use crate::redis::fitness;
use crate::redis::keys;
use crate::redis::script::TopicScript;
use crate::redis::server::RedisServer;

/// How often one call is sent on by servers of a cluster.
const REDIRECTIONS: usize = 5;
/// How long an answer may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

#[derive(Default)]
struct LinkState {
    open: Option<OpenConnection>,
    /// Counts connections, so that only the one that failed is closed.
    number: u64,
    wait: ReconnectWait,
    not_before: Option<Instant>,
    last: Option<QueueError>,
}

/// A connection to one server. After a failure it waits before the next try; calls meanwhile fail at once with the last
/// problem.
pub(crate) struct ServerLink {
    server: Arc<RedisServer>,
    /// Where a cluster has sent us; else what the settings name.
    place: Option<ClusterPlace>,
    answers: Duration,
    state: tokio::sync::Mutex<LinkState>,
}

struct Numbered {
    connection: MultiplexedConnection,
    run_id: Arc<str>,
    number: u64,
}

impl Numbered {
    fn of(open: &OpenConnection, number: u64) -> Self {
        Self { connection: open.connection.clone(), run_id: open.run_id.clone(), number }
    }
}

/// What a server is asked for.
enum ServerCall<'a> {
    Command(&'a Cmd),
    /// On the keys that begin with the prefix of a topic.
    Script {
        script: &'a TopicScript,
        prefix: &'a str,
        arguments: &'a [&'a [u8]],
        /// Whether the id of the server's run is one more argument.
        with_run_id: bool,
    },
}

fn lacks_script(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Why a call has no answer.
enum NoAnswer {
    /// Another server of the cluster has its key.
    Elsewhere(Redirection),
    Failed(QueueError),
}

impl ServerLink {
    pub(crate) fn new(server: Arc<RedisServer>, place: Option<ClusterPlace>, answers: Duration) -> Self {
        Self { server, place, answers, state: tokio::sync::Mutex::default() }
    }

    async fn connection(&self) -> Result<Numbered, QueueError> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open {
            return Ok(Numbered::of(open, state.number));
        }
        if let (Some(not_before), Some(last)) = (state.not_before, &state.last)
            && Instant::now() < not_before
        {
            return Err(last.clone());
        }
        match self.connect().await {
            Ok(open) => {
                state.number += 1;
                let numbered = Numbered::of(&open, state.number);
                state.open = Some(open);
                state.wait.reset();
                (state.not_before, state.last) = (None, None);
                Ok(numbered)
            }
            Err(error) => {
                state.not_before = Some(Instant::now() + state.wait.next_wait());
                state.last = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Connects, and looks whether the server is fit: it may be another one than last time.
    async fn connect(&self) -> Result<OpenConnection, QueueError> {
        let mut open = self.open().await?;
        let fitness = fitness::ask(&mut open.connection, self.server.durable)
            .await
            .map_err(|error| self.server.explain(&error).0.before_the_call())?;
        self.server.is_cluster.store(fitness.is_cluster, Ordering::Relaxed);
        open.run_id = fitness.run_id.as_str().into();
        if let Some(problem) = fitness.unfit() {
            let problem = problem.to_owned();
            self.server.change(|status| {
                if status.unfit.as_ref() != Some(&problem) {
                    tracing::error!(queue = self.server.queue, "must not be used: {problem}");
                }
                status.connected = false;
                status.unreachable_since = None;
                status.unfit = Some(problem.clone());
            });
            return Err(self.server.unfit(&problem));
        }
        self.server.change(|status| {
            if !status.connected && status.connects > 0 {
                tracing::info!(queue = self.server.queue, "connected again");
            }
            status.connected = true;
            status.connects += 1;
            status.unreachable_since = None;
            status.problem = None;
            status.unfit = None;
        });
        Ok(open)
    }

    async fn close(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.number == number {
            state.open = None;
        }
    }

    async fn open(&self) -> Result<OpenConnection, QueueError> {
        self.server.connecting.open(self.place.as_ref(), self.answers).await.map_err(|failure| {
            let problem = match &self.place {
                Some(place) => format!("{place} of its cluster: {}", failure.problem),
                None => failure.problem,
            };
            if failure.denied { self.server.denied(&problem) } else { self.server.lost(&problem) }
        })
    }

    async fn call(&self, call: &ServerCall<'_>) -> Result<Value, NoAnswer> {
        let mut numbered = self.connection().await.map_err(NoAnswer::Failed)?;
        let connection = &mut numbered.connection;
        let answer = match call {
            ServerCall::Command(command) => command.query_async(connection).await,
            ServerCall::Script { script, prefix, arguments, with_run_id } => {
                let run_id = with_run_id.then_some(numbered.run_id.as_bytes());
                let arguments: Vec<&[u8]> = arguments.iter().copied().chain(run_id).collect();
                match script.call(prefix, &arguments).query_async(connection).await {
                    Err(error) if lacks_script(&error) => {
                        script.call_with_text(prefix, &arguments).query_async(connection).await
                    }
                    other => other,
                }
            }
        };
        match answer {
            Ok(value) => Ok(self.answered(value)),
            Err(error) => Err(self.failed(&error, numbered.number).await),
        }
    }

    fn answered(&self, value: Value) -> Value {
        self.server.answered();
        value
    }

    async fn failed(&self, error: &RedisError, number: u64) -> NoAnswer {
        if let Some(redirection) = Redirection::of(error) {
            return NoAnswer::Elsewhere(redirection);
        }
        let (explained, close) = self.server.explain(error);
        if close {
            self.close(number).await;
        }
        NoAnswer::Failed(explained)
    }
}

/// A connection to the server, and where it is one of a cluster to the others as they are needed.
pub(crate) struct RedisLink {
    pub(crate) server: Arc<RedisServer>,
    first: Arc<ServerLink>,
    answers: Duration,
    others: Mutex<ServerMap<Arc<ServerLink>>>,
}

impl RedisLink {
    pub(crate) fn new(server: Arc<RedisServer>, answers: Duration) -> Self {
        let first = Arc::new(ServerLink::new(server.clone(), None, answers));
        Self { server, first, answers, others: Mutex::default() }
    }

    fn others(&self) -> std::sync::MutexGuard<'_, ServerMap<Arc<ServerLink>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server says of itself.
    pub(crate) async fn fitness(&self) -> Result<Fitness, QueueError> {
        let mut open = self.first.open().await?;
        fitness::ask(&mut open.connection, self.server.durable)
            .await
            .map_err(|error| self.server.explain(&error).0)
    }

    /// Sends a command for this key, and awaits its answer.
    pub(crate) async fn run(&self, key: &str, command: &Cmd) -> Result<Value, QueueError> {
        self.route(key, ServerCall::Command(command)).await
    }

    /// Calls a script for a topic.
    pub(crate) async fn script(
        &self,
        script: &TopicScript,
        topic: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, QueueError> {
        self.call_script(script, topic, arguments, false).await
    }

    /// The same for a script whose last argument is the id of the server's run.
    pub(crate) async fn script_with_run_id(
        &self,
        script: &TopicScript,
        topic: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, QueueError> {
        self.call_script(script, topic, arguments, true).await
    }

    async fn call_script(
        &self,
        script: &TopicScript,
        topic: &str,
        arguments: &[&[u8]],
        with_run_id: bool,
    ) -> Result<Value, QueueError> {
        let prefix = keys::prefix(topic);
        self.route(&prefix, ServerCall::Script { script, prefix: &prefix, arguments, with_run_id }).await
    }

    /// Asks the server that has this key, and follows where it sends us.
    async fn route(&self, key: &str, call: ServerCall<'_>) -> Result<Value, QueueError> {
        let mut last = None;
        for _ in 0..=REDIRECTIONS {
            let known = self.others().of_key(key);
            match known.as_deref().unwrap_or(&self.first).call(&call).await {
                Ok(value) => return Ok(value),
                Err(NoAnswer::Failed(error)) => {
                    // Another server may have taken over from it.
                    if error.is_temporary() && known.is_some() {
                        self.others().forget(key);
                    }
                    return Err(error);
                }
                Err(NoAnswer::Elsewhere(redirection)) => {
                    self.follow(&redirection, known.as_deref());
                    last = Some(redirection);
                }
            }
        }
        let place = last.map(|redirection| redirection.to_string()).unwrap_or_default();
        Err(self.server.lost(&format!("its cluster sends us on and on, to {place}")).before_the_call())
    }

    fn follow(&self, redirection: &Redirection, from: Option<&ServerLink>) {
        let Some(place) =
            redirection.place(from.and_then(|link| link.place.as_ref()), &self.server.connecting.address)
        else {
            return;
        };
        let new = |place: &ClusterPlace| {
            Arc::new(ServerLink::new(self.server.clone(), Some(place.clone()), self.answers))
        };
        self.others().learn(redirection.slot, place, new);
    }
}
