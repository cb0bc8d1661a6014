//! A connection to Redis that is made when it is needed, and again for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_base::clock::Clock;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use crate::backoff::ReconnectWait;
use crate::error::QueueError;
use crate::inspect::{Fitness, QueueStatus};
use crate::redis::connect::{ConnectFailure, Connecting, OpenConnection, redis_text};
use crate::redis::fitness;
use crate::redis::keys;
use crate::redis::script::TopicScript;
use crate::settings::Durability;

/// How long an answer may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// One server, and what is known of it.
pub(crate) struct RedisServer {
    pub(crate) queue: String,
    pub(crate) connecting: Connecting,
    pub(crate) durable: Durability,
    pub(crate) clock: Arc<dyn Clock>,
    status: Mutex<QueueStatus>,
    /// The last thing that is known is that it cannot be reached.
    is_lost: AtomicBool,
}

impl RedisServer {
    pub(crate) fn new(
        queue: &str,
        connecting: Connecting,
        durable: Durability,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let status = Mutex::new(QueueStatus::default());
        Self { queue: queue.to_owned(), connecting, durable, clock, status, is_lost: AtomicBool::new(false) }
    }

    pub(crate) fn status(&self) -> QueueStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut QueueStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn address(&self) -> String {
        self.connecting.address.to_string()
    }

    /// A command was answered: another connection may have failed meanwhile.
    fn answered(&self) {
        if self.is_lost.swap(false, Ordering::Relaxed) {
            self.change(|status| {
                status.connected = true;
                status.unreachable_since = None;
                status.problem = None;
            });
        }
    }

    /// It cannot be reached. Logged once, until it is reachable again.
    fn lost(&self, problem: &str) -> QueueError {
        let now = self.clock.unix_millis();
        self.is_lost.store(true, Ordering::Relaxed);
        self.change(|status| {
            if status.unreachable_since.is_none() {
                let address = self.address();
                tracing::warn!(queue = self.queue, "{address} cannot be reached: {problem}; trying again");
            }
            status.connected = false;
            status.unreachable_since.get_or_insert(now);
            status.problem = Some(problem.to_owned());
        });
        QueueError::Unreachable {
            queue: self.queue.clone(),
            address: self.address(),
            problem: problem.to_owned(),
            asked: false,
        }
    }

    /// A connection failed while it waited for an answer.
    fn unanswered(&self, problem: &str) -> QueueError {
        let mut error = self.lost(problem);
        if let QueueError::Unreachable { asked, .. } = &mut error {
            *asked = true;
        }
        error
    }

    fn denied(&self, problem: &str) -> QueueError {
        self.lost(problem);
        QueueError::Denied { queue: self.queue.clone(), address: self.address(), problem: problem.to_owned() }
    }

    pub(crate) fn unexpected(&self, problem: impl Into<String>) -> QueueError {
        QueueError::Unexpected { queue: self.queue.clone(), address: self.address(), problem: problem.into() }
    }

    fn unfit(&self, problem: &str) -> QueueError {
        QueueError::Unfit { queue: self.queue.clone(), address: self.address(), problem: problem.to_owned() }
    }

    /// What an error of a command means; the flag: whether its connection is of no use any more.
    fn explain(&self, error: &RedisError) -> (QueueError, bool) {
        use ServerErrorKind as Kind;
        let is_server = |kind: Kind| error.kind() == redis::ErrorKind::Server(kind);
        let text = redis_text(error);
        if is_server(Kind::ReadOnly) || is_server(Kind::MasterDown) {
            return (self.lost(&format!("it is a replica: {text}")), true);
        }
        if is_server(Kind::BusyLoading) || is_server(Kind::TryAgain) || is_server(Kind::ClusterDown) {
            return (self.lost(&text), true);
        }
        match error.code() {
            Some("OOM") => {
                let (queue, address) = (self.queue.clone(), self.address());
                return (QueueError::OutOfMemory { queue, address }, false);
            }
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => return (self.denied(&text), true),
            Some("MISCONF") => return (self.lost(&text), false),
            Some("BUSY") => return (self.lost("a script of another program keeps it busy"), false),
            Some(_) => return (self.unexpected(text), false),
            None => {}
        }
        if error.is_timeout() || error.is_io_error() || error.is_connection_dropped() {
            return (self.unanswered(&text), true);
        }
        if error.is_unrecoverable_error() {
            (self.unanswered(&text), true)
        } else {
            (self.unexpected(text), false)
        }
    }
}

#[derive(Default)]
struct LinkState {
    open: Option<OpenConnection>,
    /// Counts connections, so that only the one that failed is closed.
    number: u64,
    wait: ReconnectWait,
    not_before: Option<Instant>,
    last: Option<QueueError>,
}

/// A connection that is made when it is needed. After a failure it waits before the next try; calls meanwhile fail at
/// once with the last problem.
pub(crate) struct RedisLink {
    pub(crate) server: Arc<RedisServer>,
    answers: Duration,
    state: tokio::sync::Mutex<LinkState>,
}

struct Numbered {
    connection: MultiplexedConnection,
    number: u64,
}

impl RedisLink {
    pub(crate) fn new(server: Arc<RedisServer>, answers: Duration) -> Self {
        Self { server, answers, state: tokio::sync::Mutex::default() }
    }

    async fn connection(&self) -> Result<Numbered, QueueError> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open {
            return Ok(Numbered { connection: open.connection.clone(), number: state.number });
        }
        if let (Some(not_before), Some(last)) = (state.not_before, &state.last)
            && Instant::now() < not_before
        {
            return Err(last.clone());
        }
        match self.connect().await {
            Ok(open) => {
                let connection = open.connection.clone();
                state.open = Some(open);
                state.number += 1;
                state.wait.reset();
                (state.not_before, state.last) = (None, None);
                Ok(Numbered { connection, number: state.number })
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
        let failed = |failure: ConnectFailure| {
            if failure.denied {
                self.server.denied(&failure.problem)
            } else {
                self.server.lost(&failure.problem)
            }
        };
        let mut open = self.server.connecting.open(self.answers).await.map_err(failed)?;
        let fitness = fitness::ask(&mut open.connection, self.server.durable)
            .await
            .map_err(|error| self.server.explain(&error).0.before_the_call())?;
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

    /// What the server says of itself.
    pub(crate) async fn fitness(&self) -> Result<Fitness, QueueError> {
        let failed = |failure: ConnectFailure| {
            if failure.denied {
                self.server.denied(&failure.problem)
            } else {
                self.server.lost(&failure.problem)
            }
        };
        let mut open = self.server.connecting.open(self.answers).await.map_err(failed)?;
        fitness::ask(&mut open.connection, self.server.durable)
            .await
            .map_err(|error| self.server.explain(&error).0)
    }

    /// Sends a command, and awaits its answer.
    pub(crate) async fn run(&self, command: &Cmd) -> Result<Value, QueueError> {
        let mut numbered = self.connection().await?;
        match command.query_async(&mut numbered.connection).await {
            Ok(value) => {
                self.server.answered();
                Ok(value)
            }
            Err(error) => Err(self.failed(&error, numbered.number).await),
        }
    }

    /// Calls a script for a topic.
    pub(crate) async fn script(
        &self,
        script: &TopicScript,
        topic: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, QueueError> {
        let prefix = keys::prefix(topic);
        let mut numbered = self.connection().await?;
        let first = script.call(&prefix, arguments).query_async(&mut numbered.connection).await;
        let answer = match first {
            Err(error) if error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.call_with_text(&prefix, arguments).query_async(&mut numbered.connection).await
            }
            other => other,
        };
        match answer {
            Ok(value) => {
                self.server.answered();
                Ok(value)
            }
            Err(error) => Err(self.failed(&error, numbered.number).await),
        }
    }

    async fn failed(&self, error: &RedisError, number: u64) -> QueueError {
        let (explained, close) = self.server.explain(error);
        if close {
            self.close(number).await;
        }
        explained
    }
}
