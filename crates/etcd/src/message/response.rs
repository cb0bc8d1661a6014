//! Answers of the gateway. Whatever is missing has its default.

use serde::Deserialize;

use super::field::{Encoded, Number};
use crate::history::HistoryPoint;
use crate::key::KeyValue;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct AnswerHeader {
    cluster_id: Number<u64>,
    member_id: Number<u64>,
    revision: Number<i64>,
    raft_term: Number<u64>,
}

impl AnswerHeader {
    pub(crate) fn point(&self) -> HistoryPoint {
        HistoryPoint { cluster_id: self.cluster_id.0, revision: self.revision.0, raft_term: self.raft_term.0 }
    }

    pub(crate) fn member_id(&self) -> u64 {
        self.member_id.0
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct AnswerKey {
    key: Encoded,
    value: Encoded,
    create_revision: Number<i64>,
    mod_revision: Number<i64>,
    version: Number<i64>,
    lease: Number<i64>,
}

impl From<AnswerKey> for KeyValue {
    fn from(key: AnswerKey) -> Self {
        Self {
            key: key.key.0,
            value: key.value.0,
            create_revision: key.create_revision.0,
            mod_revision: key.mod_revision.0,
            version: key.version.0,
            lease: key.lease.0,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct RangeAnswer {
    pub(crate) header: AnswerHeader,
    pub(crate) kvs: Vec<AnswerKey>,
    pub(crate) more: bool,
    pub(crate) count: Number<i64>,
}

/// Of `put`, `deleterange` and `lease/revoke`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ChangeAnswer {
    pub(crate) header: AnswerHeader,
    pub(crate) deleted: Number<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct TransactionAnswer {
    pub(crate) header: AnswerHeader,
    pub(crate) succeeded: bool,
    pub(crate) responses: Vec<OperationAnswer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct OperationAnswer {
    pub(crate) response_range: Option<RangeAnswer>,
    pub(crate) response_delete_range: Option<ChangeAnswer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct StatusAnswer {
    pub(crate) header: AnswerHeader,
    pub(crate) version: String,
    pub(crate) leader: Number<u64>,
    #[serde(rename = "dbSize")]
    pub(crate) db_size: Number<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct LeaseAnswer {
    #[serde(rename = "ID")]
    pub(crate) id: Number<i64>,
    #[serde(rename = "TTL")]
    pub(crate) ttl: Number<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct TokenAnswer {
    pub(crate) token: String,
}

/// One message of a stream.
#[derive(Deserialize)]
pub(crate) struct StreamMessage<T> {
    pub(crate) result: Option<T>,
    pub(crate) error: Option<ErrorAnswer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ErrorAnswer {
    pub(crate) message: String,
    pub(crate) error: serde_json::Value,
    pub(crate) code: i32,
    pub(crate) grpc_code: i32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct WatchAnswer {
    pub(crate) header: AnswerHeader,
    pub(crate) created: bool,
    pub(crate) canceled: bool,
    pub(crate) cancel_reason: String,
    pub(crate) compact_revision: Number<i64>,
    pub(crate) fragment: bool,
    pub(crate) events: Vec<EventAnswer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct EventAnswer {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) kv: AnswerKey,
    pub(crate) prev_kv: Option<AnswerKey>,
}
