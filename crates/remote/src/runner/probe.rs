//! Whether a node is online: a signed request for its status.

use std::time::Duration;

use herald_net::client::ConnectError;
use herald_wire::heartbeat::Heartbeat;
use tokio::sync::OnceCell;

use super::connection::RunnerConnection;
use super::fault::Fault;
use crate::settings::{Protocol, RunnerAddress};

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests the status of one node.
pub struct NodeProbe {
    address: RunnerAddress,
    connection: OnceCell<RunnerConnection>,
}

/// The status of a node that is online.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStatus {
    /// What it reports; `None` when its runner does not know the request.
    pub heartbeat: Option<Heartbeat>,
    /// By how much its clock is ahead of ours, in milliseconds.
    pub clock_difference_ms: Option<i64>,
}

/// Why a node is not online.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No request can be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its runner answers with 401: it does not accept what this daemon signs. The text is its reason.
    #[error("rejected with 401 Unauthorized: {0}")]
    Rejected(String),
    /// The request failed.
    #[error(transparent)]
    Fault(Fault),
    /// No answer.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

impl ProbeError {
    /// Whether the node is there, and rejects this daemon.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

impl From<Fault> for ProbeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unauthorized(why) => Self::Rejected(why),
            other => Self::Fault(other),
        }
    }
}

impl NodeProbe {
    /// For the node with this runner.
    #[must_use]
    pub fn new(address: RunnerAddress) -> Self {
        Self { address, connection: OnceCell::new() }
    }

    /// Requests its status. `now_ms`: the time, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ProbeError`]
    pub async fn status(&self, now_ms: impl Fn() -> i64) -> Result<NodeStatus, ProbeError> {
        let request = async {
            let create = || RunnerConnection::new(self.address.clone(), Protocol::V2, TIMEOUT);
            let connection = self.connection.get_or_try_init(create).await?;
            let before = now_ms();
            let answer = connection.heartbeat().await;
            let after = now_ms();
            match answer {
                Ok(heartbeat) => {
                    // The node read its clock at some time between request and answer.
                    let ours = before + (after - before) / 2;
                    Ok(NodeStatus {
                        clock_difference_ms: Some(heartbeat.time_ms.saturating_sub(ours)),
                        heartbeat: Some(heartbeat),
                    })
                }
                // It is online, and knows our secret; it is a version without this request, or wants it signed again.
                Err(Fault::Unknown | Fault::Refused { .. } | Fault::Busy { .. }) => {
                    Ok(NodeStatus { heartbeat: None, clock_difference_ms: None })
                }
                Err(fault) => Err(fault.into()),
            }
        };
        tokio::time::timeout(TIMEOUT, request).await.unwrap_or(Err(ProbeError::Timeout))
    }
}
