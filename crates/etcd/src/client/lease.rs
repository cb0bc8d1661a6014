//! Leases: keys that are deleted when the one who wrote them is gone.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::etcd_client::EtcdClient;
use super::gateway::CallKind;
use crate::error::EtcdError;
use crate::message::response::{ChangeAnswer, LeaseAnswer, StreamMessage};

/// The shortest pause between two attempts to keep a lease alive.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// A lease that etcd granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// How long it lasts after it was granted or kept alive. etcd may give more than was requested.
    pub ttl: Duration,
}

impl EtcdClient {
    /// Requests a lease of at least this length, in whole seconds.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn grant_lease(&self, ttl: Duration) -> Result<Lease, EtcdError> {
        let message = json!({"TTL": ttl.as_secs().max(1).to_string()});
        // A lease that nobody knows of ends by itself: a second one does no harm.
        let (_, answer) = self.gateway.call::<LeaseAnswer>("lease/grant", &message, CallKind::Read).await?;
        Ok(Lease { id: answer.id.0, ttl: seconds(answer.ttl.0) })
    }

    /// Keeps a lease alive. `None`: it has ended already, and its keys are deleted.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn keep_lease_alive(&self, id: i64) -> Result<Option<Lease>, EtcdError> {
        let message = json!({"ID": id.to_string()});
        let called = self
            .gateway
            .call::<StreamMessage<LeaseAnswer>>("lease/keepalive", &message, CallKind::Read)
            .await;
        let (at, answer) = called?;
        match answer {
            StreamMessage { result: Some(answer), .. } if answer.ttl.0 > 0 => {
                Ok(Some(Lease { id, ttl: seconds(answer.ttl.0) }))
            }
            StreamMessage { error: Some(error), .. } => {
                Err(self.gateway.stream_error(at, error.code.max(error.grpc_code), &error.message))
            }
            StreamMessage { .. } => Ok(None),
        }
    }

    /// Ends a lease: its keys are deleted. One that has ended already succeeds, too.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn revoke_lease(&self, id: i64) -> Result<(), EtcdError> {
        let message = json!({"ID": id.to_string()});
        // Repeating it does no harm.
        match self.gateway.call::<ChangeAnswer>("lease/revoke", &message, CallKind::Read).await {
            Err(EtcdError::Rejected { why, .. }) if why.contains("lease not found") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Requests a lease and keeps it alive until the keeper is dropped.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn hold_lease(&self, ttl: Duration) -> Result<LeaseKeeper, EtcdError> {
        let lease = self.grant_lease(ttl).await?;
        let (ended, watching) = watch::channel(false);
        let client = self.clone();
        let task = tokio::spawn(async move {
            keep(&client, lease).await;
            // The keeper may be gone.
            let _ = ended.send(true);
        });
        Ok(LeaseKeeper { lease, ended: watching, task })
    }
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(ttl.try_into().unwrap_or(0))
}

/// Keeps a lease alive in a task of its own. When it is dropped, the lease lasts for its `ttl` and ends.
#[derive(Debug)]
pub struct LeaseKeeper {
    lease: Lease,
    ended: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl LeaseKeeper {
    /// The lease.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Whether the lease may have ended: etcd says so, or could not be reached for its whole length.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self.ended.borrow()
    }

    /// Resolves when the lease may have ended.
    pub async fn over(&mut self) {
        // An error means that the task has ended, and with it the lease.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns when the lease is over.
async fn keep(client: &EtcdClient, lease: Lease) {
    let mut ends = Instant::now() + lease.ttl;
    let mut pause = lease.ttl / 3;
    loop {
        tokio::time::sleep(pause.max(SHORTEST_PAUSE)).await;
        let sent = Instant::now();
        let kept = tokio::select! {
            kept = client.keep_lease_alive(lease.id) => kept,
            () = tokio::time::sleep_until(ends) => return,
        };
        match kept {
            Ok(Some(lease)) => {
                ends = sent + lease.ttl;
                pause = lease.ttl / 3;
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(etcd = client.name(), "a lease could not be kept alive: {error}");
                pause = lease.ttl / 10;
            }
        }
        if Instant::now() >= ends {
            return;
        }
    }
}
