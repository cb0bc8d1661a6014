//! A server of Redis, and what is known of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use herald_base::clock::Clock;
use redis::{RedisError, ServerErrorKind};

use crate::error::QueueError;
use crate::inspect::QueueStatus;
use crate::redis::connect::{Connecting, redis_text};
use crate::settings::Durability;

/// One server, and what is known of it.
pub(crate) struct RedisServer {
    pub(crate) queue: String,
    pub(crate) connecting: Connecting,
    pub(crate) durable: Durability,
    pub(crate) clock: Arc<dyn Clock>,
    status: Mutex<QueueStatus>,
    /// The last thing that is known is that it cannot be reached.
    is_lost: AtomicBool,
    /// It is one of several that share the keys.
    pub(crate) is_cluster: AtomicBool,
}

impl RedisServer {
    pub(crate) fn new(
        queue: &str,
        connecting: Connecting,
        durable: Durability,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let status = Mutex::new(QueueStatus::default());
        let (is_lost, is_cluster) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { queue: queue.to_owned(), connecting, durable, clock, status, is_lost, is_cluster }
    }

    /// Whether it was a cluster when it was last connected.
    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> QueueStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut QueueStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn address(&self) -> String {
        self.connecting.address.to_string()
    }

    /// A command was answered: another connection may have failed meanwhile.
    pub(crate) fn answered(&self) {
        if self.is_lost.swap(false, Ordering::Relaxed) {
            self.change(|status| {
                status.connected = true;
                status.unreachable_since = None;
                status.problem = None;
            });
        }
    }

    /// It cannot be reached. Logged once, until it is reachable again.
    pub(crate) fn lost(&self, problem: &str) -> QueueError {
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

    pub(crate) fn denied(&self, problem: &str) -> QueueError {
        self.lost(problem);
        QueueError::Denied { queue: self.queue.clone(), address: self.address(), problem: problem.to_owned() }
    }

    pub(crate) fn unexpected(&self, problem: impl Into<String>) -> QueueError {
        QueueError::Unexpected { queue: self.queue.clone(), address: self.address(), problem: problem.into() }
    }

    pub(crate) fn unfit(&self, problem: &str) -> QueueError {
        QueueError::Unfit { queue: self.queue.clone(), address: self.address(), problem: problem.to_owned() }
    }

    /// What an error of a command means; the flag: whether its connection is of no use any more.
    pub(crate) fn explain(&self, error: &RedisError) -> (QueueError, bool) {
        use ServerErrorKind as Kind;
        let is_server = |kind: Kind| error.kind() == redis::ErrorKind::Server(kind);
        let text = redis_text(error);
        if is_server(Kind::ReadOnly) || is_server(Kind::MasterDown) {
            return (self.lost(&format!("it is a replica: {text}")), true);
        }
        if is_server(Kind::BusyLoading) || is_server(Kind::ClusterDown) {
            return (self.lost(&text), true);
        }
        // Of a cluster whose slots are being moved: soon it is one or the other.
        if is_server(Kind::TryAgain) || is_server(Kind::Ask) || is_server(Kind::Moved) {
            return (self.lost(&format!("its keys are being moved: {text}")), false);
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
