//! The point of history at which a trigger begins: recorded or kept before Herald is ready, so that a change after
//! that is never taken for what existed at the start.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use herald_etcd::{HistoryPoint, KeyRange};

use crate::connections::EtcdConnection;

/// How long etcd may take to say where it is. Without an answer, the trigger begins once etcd can be reached.
const LONGEST_ASK: Duration = Duration::from_secs(3);

/// Where a trigger begins, from its `begin` to its `run`.
#[derive(Debug, Default)]
pub(super) struct Beginning(Mutex<Option<HistoryPoint>>);

impl Beginning {
    /// Asks etcd where it is now. `None`: it does not answer.
    pub(super) async fn note(&self, connection: &EtcdConnection, range: &KeyRange) -> Option<HistoryPoint> {
        self.set(None);
        let asked = tokio::time::timeout(LONGEST_ASK, connection.client.point(range)).await;
        let point = asked.ok().and_then(Result::ok);
        if point.is_none() {
            tracing::info!(
                etcd = connection.client.name(),
                "etcd: changes are followed from the time at which it can be reached"
            );
        }
        self.set(point);
        point
    }

    /// What was noted, once.
    pub(super) fn take(&self) -> Option<HistoryPoint> {
        self.set(None)
    }

    fn set(&self, point: Option<HistoryPoint>) -> Option<HistoryPoint> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), point)
    }
}
