//! A worker on Redis.
//!
//! Taking and waiting are separate. A script takes messages, on the shared connection; a plain XREAD on a connection of
//! its own waits for the next one and takes nothing, so nothing is lost when it is cut or dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::invalid::InvalidQueueSettings;
use crate::message::{DeadReason, NewEnd};
use crate::queue::{ConsumeMode, ConsumerSettings, DeliveryToken, QueueConsumer, Received};
use crate::redis::engine::RedisEngine;
use crate::redis::keys;
use crate::redis::link::{ANSWER, RedisLink};
use crate::redis::read::{self, StreamsFrom};
use crate::redis::take::{TakeRequest, TakenMessages, TopicFlags, take};
use crate::redis::token_calls::{self, RenewTimes};
use crate::redis::worker_name::WorkerName;

/// The longest wait for a message.
const WAIT: Duration = Duration::from_secs(1);
/// The shortest lease.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);
/// After an error, so that a loop around it does not spin.
const AFTER_ERROR: Duration = Duration::from_millis(200);
/// How many messages whose worker is gone a call brings where there is no place.
const ENDED: usize = 16;
/// How often a call looks again at a topic with many messages that cannot be had.
const LOOKS: usize = 8;

/// A worker.
pub(crate) struct RedisConsumer {
    core: Arc<ConsumerCore>,
    waiting: RedisLink,
    closed: AtomicBool,
}

struct ConsumerCore {
    engine: Arc<RedisEngine>,
    worker: WorkerName,
    settings: ConsumerSettings,
    /// TakenMessages, and not yet returned.
    stash: Mutex<Vec<Received>>,
    flags: Mutex<HashMap<String, TopicFlags>>,
    /// Which run of which server knows what this worker has, by topic.
    informed: Mutex<HashMap<String, String>>,
    /// One call takes at a time.
    taking: tokio::sync::Mutex<()>,
}

/// From where to wait, for each topic.
#[derive(Default)]
struct WaitFrom {
    keys: Vec<String>,
    ids: Vec<String>,
}

impl RedisConsumer {
    pub(crate) fn new(
        engine: Arc<RedisEngine>,
        settings: ConsumerSettings,
    ) -> Result<Self, InvalidQueueSettings> {
        let invalid = InvalidQueueSettings::Consumer;
        if settings.topics.is_empty() || !settings.topics.iter().all(|topic| keys::is_topic(topic)) {
            return Err(invalid(
                "a topic is required; it must have 1 to 128 bytes, without spaces, braces and control characters",
            ));
        }
        if settings.lease < SHORTEST_LEASE {
            return Err(invalid("lease: must be at least 2s"));
        }
        if settings.max_deliveries == 0 {
            return Err(invalid("max_deliveries: must be at least 1"));
        }
        let owner = format!("{}/{}", engine.node, settings.name);
        let (group, known) = match settings.mode {
            ConsumeMode::Compete => (String::new(), false),
            ConsumeMode::Every { seen_before, .. } => (format!(":{}", engine.node), seen_before),
        };
        let flags = TopicFlags { take_back: settings.take_back, known };
        let flags = settings.topics.iter().map(|topic| (topic.clone(), flags)).collect();
        let waiting = RedisLink::new(engine.server.clone(), WAIT + ANSWER);
        let core = ConsumerCore {
            engine,
            worker: WorkerName { owner: owner.into(), group },
            settings,
            stash: Mutex::default(),
            flags: Mutex::new(flags),
            informed: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
        };
        Ok(Self { core: Arc::new(core), waiting, closed: AtomicBool::new(false) })
    }

    /// How long one call waits. Short leases need somebody who looks often: a pause in that counts as a stop of
    /// Redis.
    fn poll(&self) -> Duration {
        WAIT.min(self.core.settings.lease / 4)
    }

    /// Takes in a task of its own: when this future is dropped, what it takes lies in the stash.
    async fn take(&self, places: usize) -> Result<WaitFrom, QueueError> {
        let core = self.core.clone();
        let task = tokio::spawn(async move { core.take(places).await });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(self.core.engine.server.unexpected("a call ended without an answer")),
        }
    }

    /// Whether something came.
    async fn wait(&self, from: &WaitFrom) -> Result<bool, QueueError> {
        let from = StreamsFrom { keys: &from.keys, ids: &from.ids };
        let answers = read::streams(&self.waiting, from, 1, self.poll()).await?;
        Ok(answers.iter().any(|answer| *answer != Value::Nil))
    }

    async fn receive_now(&self, places: usize) -> Result<Vec<Received>, QueueError> {
        let from = self.take(places).await?;
        let received = self.core.unstash();
        if !received.is_empty() {
            return Ok(received);
        }
        if self.wait(&from).await? {
            self.take(places).await?;
        }
        Ok(self.core.unstash())
    }
}

impl ConsumerCore {
    fn unstash(&self) -> Vec<Received> {
        std::mem::take(&mut self.stash.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn flags(&self, topic: &str) -> TopicFlags {
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.get(topic).copied().unwrap_or(TopicFlags { take_back: false, known: false })
    }

    async fn take(&self, places: usize) -> Result<WaitFrom, QueueError> {
        let _one = self.taking.lock().await;
        let mut from = WaitFrom::default();
        if !self.stash.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(from);
        }
        let mut left = places;
        for topic in &self.settings.topics {
            let taken = self.take_topic(topic, &mut left).await?;
            if let Some(id) = taken.stream_from {
                from.keys.push(keys::stream(topic));
                from.ids.push(id);
            }
            from.keys.push(keys::wake(topic));
            from.ids.push(taken.wake_from);
            if left == 0 {
                break;
            }
        }
        Ok(from)
    }

    async fn take_topic(&self, topic: &str, left: &mut usize) -> Result<TakenMessages, QueueError> {
        self.engine.announce(topic).await?;
        let mut looks = 0;
        loop {
            let flags = self.flags(topic);
            let request = TakeRequest { places: *left, ended: ENDED, flags };
            let mut taken = take(&self.engine, &self.worker, &self.settings, topic, request).await?;
            self.inform(topic, &taken.run_id).await;
            let after = TopicFlags { take_back: flags.take_back && !taken.all_back, known: true };
            let mut all = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(topic.to_owned(), after);
            drop(all);
            let messages = taken.received.iter().filter(|one| matches!(one, Received::Message(_))).count();
            *left = left.saturating_sub(messages);
            self.stash.lock().unwrap_or_else(PoisonError::into_inner).append(&mut taken.received);
            looks += 1;
            if *left == 0 || !taken.more || looks >= LOOKS {
                return Ok(taken);
            }
        }
    }
}

impl ConsumerCore {
    /// Where another server answers than before, or another run of it, it may not know what this worker said last: that
    /// is said again.
    async fn inform(&self, topic: &str, run_id: &str) {
        let informed = || self.informed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = informed().get(topic).cloned();
        if before.as_deref() == Some(run_id) || run_id.is_empty() {
            return;
        }
        if before.is_some()
            && let Err(error) = self.say_again(topic).await
        {
            // The next call tries again.
            tracing::debug!("{error}");
            return;
        }
        informed().insert(topic.to_owned(), run_id.to_owned());
    }

    async fn say_again(&self, topic: &str) -> Result<(), QueueError> {
        let held = self.engine.held_by(&self.worker, topic);
        let times = RenewTimes { lease: self.settings.lease, marker_ttl: self.settings.marker_ttl };
        token_calls::renew(&self.engine, &self.worker, &held, times).await?;
        token_calls::done_again(&self.engine, topic, &self.engine.recent.of(&self.worker, topic)).await
    }

    /// Asks all topics for what needs no place.
    async fn look(&self) -> Result<(), QueueError> {
        let _one = self.taking.lock().await;
        for topic in &self.settings.topics {
            self.take_topic(topic, &mut 0).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl QueueConsumer for RedisConsumer {
    async fn receive(&self, places: usize) -> Result<Vec<Received>, QueueError> {
        let left_over = self.core.unstash();
        if !left_over.is_empty() {
            return Ok(left_over);
        }
        if places == 0 || self.closed.load(Ordering::Relaxed) {
            tokio::time::sleep(self.poll()).await;
            return Ok(Vec::new());
        }
        let received = self.receive_now(places).await;
        if received.is_err() {
            tokio::time::sleep(AFTER_ERROR).await;
        }
        received
    }

    async fn look(&self) -> Result<Vec<Received>, QueueError> {
        let core = self.core.clone();
        // As in `take`.
        match tokio::spawn(async move { core.look().await }).await {
            Ok(looked) => looked?,
            Err(_) => return Err(self.core.engine.server.unexpected("a call ended without an answer")),
        }
        Ok(self.core.unstash())
    }

    async fn start(&self, token: &DeliveryToken) -> Result<HoldAnswer, QueueError> {
        token_calls::start(&self.core.engine, &self.core.worker, token).await
    }

    async fn renew(&self, tokens: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError> {
        let ConsumerSettings { lease, marker_ttl, .. } = self.core.settings;
        let times = RenewTimes { lease, marker_ttl };
        token_calls::renew(&self.core.engine, &self.core.worker, tokens, times).await
    }

    async fn done(&self, token: &DeliveryToken, end: &NewEnd) -> Result<HoldAnswer, QueueError> {
        let ttl = self.core.settings.marker_ttl;
        token_calls::done(&self.core.engine, &self.core.worker, token, end, ttl).await
    }

    async fn requeue(&self, token: &DeliveryToken, delay: Duration) -> Result<HoldAnswer, QueueError> {
        token_calls::requeue(&self.core.engine, &self.core.worker, token, delay).await
    }

    async fn release(&self, tokens: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError> {
        token_calls::release(&self.core.engine, &self.core.worker, tokens).await
    }

    async fn dead(&self, token: &DeliveryToken, reason: &DeadReason) -> Result<HoldAnswer, QueueError> {
        let ttl = self.core.settings.marker_ttl;
        token_calls::dead(&self.core.engine, &self.core.worker, token, reason, ttl).await
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.closed.store(true, Ordering::Relaxed);
        // Waits for a call that still takes.
        let _one = self.core.taking.lock().await;
        let tokens: Vec<DeliveryToken> = self
            .core
            .unstash()
            .into_iter()
            .filter_map(|received| match received {
                Received::Message(delivery) => Some(delivery.token),
                _ => None,
            })
            .collect();
        if !tokens.is_empty() {
            token_calls::release(&self.core.engine, &self.core.worker, &tokens).await?;
        }
        Ok(())
    }
}
