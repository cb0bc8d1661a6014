//! All keys of a range, in pages, at one revision.

use serde_json::Value;

use super::endpoints::EndpointIndex;
use super::etcd_client::EtcdClient;
use super::gateway::CallKind;
use crate::error::EtcdError;
use crate::history::HistoryPoint;
use crate::key::{KeyRange, KeyValue};
use crate::message::response::RangeAnswer;
use crate::message::transaction::range_fields;

/// The keys of a page, at first.
const PAGE: i64 = 1000;

/// What is read of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeQuery {
    /// The keys.
    pub range: KeyRange,
    /// The revision at which all of it is read; `None` is the current one.
    pub revision: Option<i64>,
    /// Leaves the values out.
    pub keys_only: bool,
    /// Only keys that were changed at this revision or later; 0 for all.
    pub changed_since: i64,
}

impl RangeQuery {
    /// Everything of a range, now, with values.
    #[must_use]
    pub fn new(range: KeyRange) -> Self {
        Self { range, revision: None, keys_only: false, changed_since: 0 }
    }

    /// The same without values.
    #[must_use]
    pub fn keys_only(range: KeyRange) -> Self {
        Self { keys_only: true, ..Self::new(range) }
    }

    pub(crate) fn message(&self, limit: i64) -> Value {
        let mut fields = range_fields(&self.range);
        let mut number = |name: &str, number: i64| {
            if number != 0 {
                fields[name] = number.to_string().into();
            }
        };
        number("limit", limit);
        number("revision", self.revision.unwrap_or(0));
        number("min_mod_revision", self.changed_since);
        if self.keys_only {
            fields["keys_only"] = true.into();
        }
        fields
    }
}

/// A part of a range, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePage {
    /// The point of history at which this page was requested. Its revision may be newer than the one that was read.
    pub point: HistoryPoint,
    /// The keys.
    pub keys: Vec<KeyValue>,
    /// How many keys the range has from the first of this page on, whatever else was requested.
    pub count: i64,
}

/// A whole range, as it was at one revision, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The point of history of the first answer: its revision is the one that was read, unless another was requested.
    pub point: HistoryPoint,
    /// The revision that was read.
    pub revision: i64,
    /// The keys.
    pub keys: Vec<KeyValue>,
}

/// Reads a range page by page, all at the revision of the first page. Pages become smaller when values are large.
pub struct RangePages {
    client: EtcdClient,
    query: RangeQuery,
    limit: i64,
    done: bool,
}

impl RangePages {
    /// The next page. `None`: that was the last one.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when the revision was compacted meanwhile: begin again; others when etcd cannot be
    /// asked.
    pub async fn next_page(&mut self) -> Result<Option<RangePage>, EtcdError> {
        if self.done {
            return Ok(None);
        }
        let answer = loop {
            let message = self.query.message(self.limit);
            match self.client.gateway.call::<RangeAnswer>("kv/range", &message, CallKind::Read).await {
                Err(EtcdError::TooLarge { .. }) if self.limit > 1 => self.limit = (self.limit / 8).max(1),
                other => break other?.1,
            }
        };
        let point = answer.header.point();
        let keys: Vec<KeyValue> = answer.kvs.into_iter().map(KeyValue::from).collect();
        self.query.revision.get_or_insert(point.revision);
        match keys.last() {
            Some(last) if answer.more => self.query.range = self.query.range.after(&last.key),
            _ => self.done = true,
        }
        Ok(Some(RangePage { point, keys, count: answer.count.0 }))
    }
}

impl EtcdClient {
    /// Reads a range page by page.
    #[must_use]
    pub fn pages(&self, query: RangeQuery) -> RangePages {
        RangePages { client: self.clone(), query, limit: PAGE, done: false }
    }

    /// Reads a whole range at one revision. `limit`: the most bytes of keys and values together.
    ///
    /// # Errors
    /// [`EtcdError::TooLarge`] when there is more; [`EtcdError::Compacted`]; others when etcd cannot be asked.
    pub async fn range(&self, query: RangeQuery, limit: usize) -> Result<Snapshot, EtcdError> {
        let requested = query.revision;
        let mut pages = self.pages(query);
        let mut snapshot: Option<Snapshot> = None;
        let mut size = 0;
        while let Some(page) = pages.next_page().await? {
            size += page.keys.iter().map(|key| key.key.len() + key.value.len()).sum::<usize>();
            if size > limit {
                return Err(EtcdError::TooLarge { endpoint: self.gateway.endpoints.shown_current(), limit });
            }
            match &mut snapshot {
                Some(snapshot) => snapshot.keys.extend(page.keys),
                None => {
                    let revision = requested.unwrap_or(page.point.revision);
                    snapshot = Some(Snapshot { point: page.point, revision, keys: page.keys });
                }
            }
        }
        let nothing = || Snapshot { point: HistoryPoint::default(), revision: 0, keys: Vec::new() };
        Ok(snapshot.unwrap_or_else(nothing))
    }

    /// The point of history now, asked with the permission to read this range.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn point(&self, range: &KeyRange) -> Result<HistoryPoint, EtcdError> {
        let message = RangeQuery::keys_only(range.clone()).message(1);
        let (_, answer) = self.gateway.call::<RangeAnswer>("kv/range", &message, CallKind::Read).await?;
        Ok(answer.header.point())
    }

    /// Asks this member for the number of keys of a range, and for one key that was changed at `changed_since` or
    /// later.
    pub(crate) async fn peek(
        &self,
        at: EndpointIndex,
        range: &KeyRange,
        changed_since: i64,
    ) -> Result<RangePage, EtcdError> {
        let query = RangeQuery { changed_since, ..RangeQuery::keys_only(range.clone()) };
        let answer: RangeAnswer =
            self.gateway.call_at(at, "kv/range", &query.message(1), CallKind::Read).await?;
        self.gateway.connection.answered(&self.gateway.endpoints.shown(at));
        let keys = answer.kvs.into_iter().map(KeyValue::from).collect();
        Ok(RangePage { point: answer.header.point(), keys, count: answer.count.0 })
    }
}
