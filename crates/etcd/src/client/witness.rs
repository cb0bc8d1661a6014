//! Whether keys are of the history that was seen before, where their revisions alone do not show it: a store that was
//! wiped and filled again has passed the old revision, and every key of it is newer.

use super::etcd_client::EtcdClient;
use crate::error::EtcdError;
use crate::history::{HistoryBreak, HistoryPoint, SeenKeys};
use crate::key::{KeyValue, shown_key};

impl EtcdClient {
    /// Why keys that were read at `later` are not of the history of those that were seen. Where only the past can show
    /// it, etcd is asked how the key that changed last was at the point that was seen; nobody can know it once that is
    /// compacted.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn history_break(
        &self,
        seen: &SeenKeys,
        later: &HistoryPoint,
        keys: &[KeyValue],
    ) -> Result<Option<HistoryBreak>, EtcdError> {
        let found = seen.break_before(later, keys);
        if found.is_some() || seen.is_exactly(keys) {
            return Ok(found);
        }
        let Some((key, revision)) = seen.newest() else { return Ok(None) };
        let then = match self.get(key, Some(seen.point.revision)).await {
            Ok(then) => then.map(|then| then.mod_revision),
            Err(EtcdError::Compacted { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_same = then == Some(revision);
        Ok((!is_same).then(|| HistoryBreak::Past {
            key: shown_key(key),
            revision,
            seen: seen.point.revision,
        }))
    }
}
