//! The queue on Redis, as programs use it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_base::clock::Clock;

use crate::error::QueueError;
use crate::inspect::{
    DeadLetter, Fitness, ForgottenNode, KnownMessage, MessageView, PausedBy, QueueStatus, TopicStatus,
};
use crate::invalid::InvalidQueueSettings;
use crate::message::{DeadReason, NewMessage};
use crate::pieces::PieceName;
use crate::queue::{ConsumerSettings, ListItem, PutAnswer, Queue, QueueConsumer, ResultReader};
use crate::redis::consumer::RedisConsumer;
use crate::redis::engine::RedisEngine;
use crate::redis::inspection;
use crate::redis::list::{self, OwnLists};
use crate::redis::piece_store;
use crate::redis::put;
use crate::redis::results::RedisResults;
use crate::settings::QueueSettings;
use crate::withdrawal::Withdrawal;

/// A queue on Redis or Valkey. Make one for each queue and process, and share it.
pub struct RedisQueue {
    engine: Arc<RedisEngine>,
    lists: OwnLists,
}

impl RedisQueue {
    /// A queue, seen from the node of this name. Connects when it is used. Reads the files of TLS: blocks shortly.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(
        settings: &QueueSettings,
        node: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidQueueSettings> {
        Ok(Self { engine: Arc::new(RedisEngine::new(settings, node, clock)?), lists: OwnLists::default() })
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn name(&self) -> &str {
        &self.engine.server.queue
    }

    fn node(&self) -> &str {
        &self.engine.node
    }

    fn status(&self) -> QueueStatus {
        self.engine.server.status()
    }

    async fn fitness(&self) -> Result<Fitness, QueueError> {
        self.engine.link.fitness().await
    }

    async fn put(&self, message: &NewMessage) -> Result<PutAnswer, QueueError> {
        put::put(&self.engine, message).await
    }

    async fn withdraw(&self, topic: &str, id: &str, remember: Duration) -> Result<Withdrawal, QueueError> {
        put::withdraw(&self.engine, topic, id, remember).await
    }

    async fn compare(&self, topic: &str, ids: &[String]) -> Result<Vec<KnownMessage>, QueueError> {
        put::compare(&self.engine, topic, ids).await
    }

    fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn QueueConsumer>, InvalidQueueSettings> {
        Ok(Box::new(RedisConsumer::new(self.engine.clone(), settings)?))
    }

    fn results(&self, topics: &[String]) -> Result<Box<dyn ResultReader>, InvalidQueueSettings> {
        Ok(Box::new(RedisResults::new(self.engine.clone(), topics)?))
    }

    async fn topics(&self) -> Result<Vec<String>, QueueError> {
        inspection::topics(&self.engine).await
    }

    async fn topic(&self, topic: &str) -> Result<TopicStatus, QueueError> {
        inspection::topic(&self.engine, topic).await
    }

    async fn show(&self, id: &str) -> Result<Vec<MessageView>, QueueError> {
        inspection::show(&self.engine, id).await
    }

    async fn dead_letters(
        &self,
        topic: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        inspection::dead_letters(&self.engine, topic, after, limit).await
    }

    async fn requeue_dead(&self, letter: &DeadLetter) -> Result<bool, QueueError> {
        inspection::requeue_dead(&self.engine, letter).await
    }

    async fn set_paused(&self, topic: &str, by: Option<&PausedBy>) -> Result<(), QueueError> {
        inspection::set_paused(&self.engine, topic, by).await
    }

    async fn forget(&self, node: &str) -> Result<ForgottenNode, QueueError> {
        inspection::forget(&self.engine, node).await
    }

    async fn put_piece(&self, name: &PieceName, piece: &[u8], keep: Duration) -> Result<(), QueueError> {
        piece_store::put(&self.engine, name, piece, keep).await
    }

    async fn piece(&self, name: &PieceName) -> Result<Option<Vec<u8>>, QueueError> {
        piece_store::get(&self.engine, name).await
    }

    async fn delete_pieces(&self, names: &[PieceName]) -> Result<(), QueueError> {
        piece_store::delete(&self.engine, names).await
    }

    async fn list_push(&self, key: &str, item: &[u8], max_length: u64) -> Result<Option<u64>, QueueError> {
        list::push(&self.engine, key, item, max_length).await
    }

    async fn list_take(&self, key: &str, consumer: &str, places: usize) -> Result<Vec<ListItem>, QueueError> {
        list::take(&self.engine, &self.lists, key, consumer, places).await
    }

    async fn list_bury(&self, key: &str, item: &ListItem, reason: &DeadReason) -> Result<(), QueueError> {
        list::bury(&self.engine, key, item, reason).await
    }

    async fn list_remove(&self, item: &ListItem) -> Result<(), QueueError> {
        list::remove(&self.engine, &self.lists, item).await
    }
}
