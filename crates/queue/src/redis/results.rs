//! Reads the ends of messages that this node put.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use tokio::time::Instant;

use crate::error::QueueError;
use crate::invalid::InvalidQueueSettings;
use crate::message::{SignedBytes, read_end};
use crate::queue::{QueueResult, ResultReader, ResultReceipt};
use crate::redis::engine::RedisEngine;
use crate::redis::keys;
use crate::redis::link::{ANSWER, RedisLink};
use crate::redis::read::{self, StreamsFrom};
use crate::redis::reply::{self, HashReply};

/// The longest wait for an end.
const WAIT: Duration = Duration::from_secs(1);
/// How many ends one call returns for a topic.
const AT_ONCE: usize = 100;
/// After an error, so that a loop around it does not spin.
const AFTER_ERROR: Duration = Duration::from_millis(200);
/// How often it reads from the beginning, where nothing is left to acknowledge: the clock of Redis may have been set
/// back.
const FROM_BEGINNING: Duration = Duration::from_secs(30);

/// Reads ends.
pub(crate) struct RedisResults {
    engine: Arc<RedisEngine>,
    waiting: RedisLink,
    topics: Vec<String>,
    places: Mutex<ReadPlaces>,
}

struct ReadPlaces {
    /// The last end that was returned, by topic.
    last: HashMap<String, String>,
    /// Those that were returned and not acknowledged.
    open: HashSet<String>,
    since: Instant,
}

impl RedisResults {
    pub(crate) fn new(engine: Arc<RedisEngine>, topics: &[String]) -> Result<Self, InvalidQueueSettings> {
        if topics.is_empty() || !topics.iter().all(|topic| keys::is_topic(topic)) {
            return Err(InvalidQueueSettings::Consumer("results need topics with valid names"));
        }
        let places = ReadPlaces { last: HashMap::new(), open: HashSet::new(), since: Instant::now() };
        Ok(Self {
            waiting: RedisLink::new(engine.server.clone(), WAIT + ANSWER),
            engine,
            topics: topics.to_vec(),
            places: Mutex::new(places),
        })
    }

    fn from(&self) -> Vec<String> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.open.is_empty() && places.since.elapsed() > FROM_BEGINNING {
            places.last.clear();
            places.since = Instant::now();
        }
        let from = |topic| places.last.get(topic).cloned().unwrap_or_else(|| "0-0".to_owned());
        self.topics.iter().map(from).collect()
    }

    async fn read(&self) -> Result<Vec<QueueResult>, QueueError> {
        let keys: Vec<String> =
            self.topics.iter().map(|topic| keys::results(topic, &self.engine.node)).collect();
        let from = StreamsFrom { keys: &keys, ids: &self.from() };
        let answers = read::streams(&self.waiting, from, AT_ONCE, WAIT).await?;
        let mut ends = Vec::new();
        for stream in answers.iter().flat_map(reply::items) {
            let [name, entries] = reply::items(stream) else { continue };
            let name = reply::text(name).unwrap_or_default();
            let named = |topic: &&String| keys::results(topic, &self.engine.node) == name;
            let Some(topic) = self.topics.iter().find(named) else { continue };
            for entry in reply::items(entries) {
                ends.extend(self.one(topic, entry).await?);
            }
        }
        Ok(ends)
    }

    /// An end that is not believed is deleted.
    async fn one(&self, topic: &str, entry: &Value) -> Result<Option<QueueResult>, QueueError> {
        let [eid, fields] = reply::items(entry) else { return Ok(None) };
        let (eid, fields) = (reply::text(eid).unwrap_or_default(), HashReply::read(fields));
        let id = fields.text("i");
        let signed = SignedBytes { bytes: fields.bytes("f"), signature: fields.bytes("g") };
        let receipt = ResultReceipt { topic: topic.to_owned(), entry: eid.clone() };
        match read_end(&self.engine.keys, topic, &id, &signed) {
            Ok(end) => {
                let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                places.last.insert(topic.to_owned(), eid.clone());
                places.open.insert(format!("{topic} {eid}"));
                Ok(Some(QueueResult { end, receipt }))
            }
            Err(problem) => {
                tracing::warn!(
                    queue = self.engine.server.queue,
                    topic,
                    id,
                    "a result is not believed: {problem}"
                );
                self.delete(topic, &[&receipt]).await?;
                Ok(None)
            }
        }
    }

    async fn delete(&self, topic: &str, receipts: &[&ResultReceipt]) -> Result<(), QueueError> {
        let key = keys::results(topic, &self.engine.node);
        let mut delete = redis::cmd("XDEL");
        delete.arg(&key);
        for receipt in receipts {
            delete.arg(&receipt.entry);
        }
        self.engine.link.run(&key, &delete).await?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for receipt in receipts {
            places.open.remove(&format!("{topic} {}", receipt.entry));
        }
        Ok(())
    }
}

#[async_trait]
impl ResultReader for RedisResults {
    async fn next(&self) -> Result<Vec<QueueResult>, QueueError> {
        let ends = self.read().await;
        if ends.is_err() {
            tokio::time::sleep(AFTER_ERROR).await;
        }
        ends
    }

    async fn acknowledge(&self, receipts: &[ResultReceipt]) -> Result<(), QueueError> {
        for topic in &self.topics {
            let of_topic: Vec<&ResultReceipt> =
                receipts.iter().filter(|receipt| receipt.topic == *topic).collect();
            for of_topic in of_topic.chunks(AT_ONCE) {
                self.delete(topic, of_topic).await?;
            }
        }
        Ok(())
    }
}
