//! Reads and writes of single keys, deletions, transactions.

use serde_json::json;

use super::etcd_client::EtcdClient;
use super::gateway::CallKind;
use super::range::RangeQuery;
use crate::error::EtcdError;
use crate::history::HistoryPoint;
use crate::key::{KeyRange, KeyValue};
use crate::message::field::encoded;
use crate::message::response::{ChangeAnswer, RangeAnswer, TransactionAnswer};
use crate::message::transaction::{Transaction, TransactionResult, range_fields};

/// A key to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct PutRequest {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The lease that deletes it; 0 for none.
    pub lease: i64,
}

impl EtcdClient {
    /// The value of a key, now or at a revision. `None`: there is no such key.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when the revision is too old; others when etcd cannot be asked.
    pub async fn get(&self, key: &[u8], revision: Option<i64>) -> Result<Option<KeyValue>, EtcdError> {
        let query = RangeQuery { revision, ..RangeQuery::new(KeyRange::key(key)) };
        let (_, answer) =
            self.gateway.call::<RangeAnswer>("kv/range", &query.message(1), CallKind::Read).await?;
        Ok(answer.kvs.into_iter().next().map(KeyValue::from))
    }

    /// Writes a key. Returns the point of history at which it was written.
    ///
    /// # Errors
    /// [`EtcdError::Unconfirmed`] when it may have been written or not; others when it was not.
    pub async fn put(&self, put: &PutRequest) -> Result<HistoryPoint, EtcdError> {
        let message = json!({
            "key": encoded(&put.key),
            "value": encoded(&put.value),
            "lease": put.lease.to_string(),
        });
        let (_, answer) = self.gateway.call::<ChangeAnswer>("kv/put", &message, CallKind::Change).await?;
        Ok(answer.header.point())
    }

    /// Deletes keys. Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete(&self, range: &KeyRange) -> Result<i64, EtcdError> {
        let message = range_fields(range);
        let (_, answer) =
            self.gateway.call::<ChangeAnswer>("kv/deleterange", &message, CallKind::Change).await?;
        Ok(answer.deleted.0)
    }

    /// Performs a transaction.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn transaction(&self, transaction: &Transaction) -> Result<TransactionResult, EtcdError> {
        let message = transaction.message();
        let (_, answer) =
            self.gateway.call::<TransactionAnswer>("kv/txn", &message, CallKind::Change).await?;
        Ok(answer.into())
    }
}
