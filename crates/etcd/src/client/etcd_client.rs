//! The client: what it is made from, and how its members are.

use std::sync::Arc;

use herald_net::tls::ClientFiles;
use serde_json::json;

use super::connection::ConnectionStatus;
use super::gateway::{CallKind, Gateway};
use crate::error::EtcdError;
use crate::history::HistoryPoint;
use crate::message::response::StatusAnswer;
use crate::settings::EtcdSettings;

/// A client of one etcd. Clones share connections, token and status.
///
/// Each request goes to the member that answered last. When that member cannot be used, reads are repeated at the
/// others in turn; a change is repeated only when it cannot have been made.
#[derive(Clone)]
pub struct EtcdClient {
    pub(crate) gateway: Arc<Gateway>,
}

/// How a member of an etcd is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its URL.
    pub endpoint: String,
    /// The version of etcd.
    pub version: String,
    /// Its id.
    pub member_id: u64,
    /// The id of the leader.
    pub leader: u64,
    /// How far this member is. It may be behind the others.
    pub point: HistoryPoint,
    /// The size of its database, in bytes.
    pub db_size: i64,
}

impl EtcdClient {
    /// A client; nothing is read or connected before the first request.
    #[must_use]
    pub fn new(settings: EtcdSettings) -> Self {
        Self { gateway: Arc::new(Gateway::new(settings)) }
    }

    /// What it was made from.
    #[must_use]
    pub fn settings(&self) -> &EtcdSettings {
        &self.gateway.settings
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.gateway.settings.name
    }

    /// The files of TLS, where there are any.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientFiles> {
        self.gateway.settings.tls.as_ref()
    }

    /// Whether etcd can be used, as the latest requests found it.
    #[must_use]
    pub fn connection(&self) -> ConnectionStatus {
        self.gateway.connection.status()
    }

    /// Asks a member how it is: one that has a leader, if there is one. It needs no permission, but where a user is
    /// configured, etcd must accept it. What it finds is noted in [`Self::connection`].
    ///
    /// # Errors
    /// Why etcd cannot be used: no member answers, none has a leader, or the user is not accepted.
    pub async fn status(&self) -> Result<EtcdMember, EtcdError> {
        let gateway = &self.gateway;
        let mut found = Err(EtcdError::NoLeader { endpoint: gateway.endpoints.shown_current() });
        for _ in 0..gateway.endpoints.count() {
            let nothing = json!({});
            let asked = gateway.ask_members::<StatusAnswer>("maintenance/status", &nothing, CallKind::Read);
            let (at, answer) = match asked.await {
                Ok(answered) => answered,
                Err(error) => {
                    found = Err(error);
                    break;
                }
            };
            let endpoint = gateway.endpoints.shown(at);
            if answer.leader.0 != 0 {
                gateway.connection.answered(&endpoint);
                return Ok(member(endpoint, answer));
            }
            gateway.endpoints.leave(at);
            found = Err(EtcdError::NoLeader { endpoint });
        }
        found.inspect_err(|error| gateway.connection.failed(error))
    }
}

fn member(endpoint: String, answer: StatusAnswer) -> EtcdMember {
    EtcdMember {
        endpoint,
        version: answer.version,
        member_id: answer.header.member_id(),
        leader: answer.leader.0,
        point: answer.header.point(),
        db_size: answer.db_size.0,
    }
}
