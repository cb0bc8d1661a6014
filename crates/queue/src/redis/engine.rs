//! What all parts of the queue share: its keys, its connection, and the tokens of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_base::clock::Clock;
use tokio::time::Instant;

use crate::error::QueueError;
use crate::invalid::InvalidQueueSettings;
use crate::message::SigningKeys;
use crate::queue::DeliveryToken;
use crate::redis::batch::BatchedScript;
use crate::redis::connect::Connecting;
use crate::redis::keys;
use crate::redis::link::{ANSWER, RedisLink};
use crate::redis::recent_ends::RecentEnds;
use crate::redis::script;
use crate::redis::server::RedisServer;
use crate::redis::worker_name::WorkerName;
use crate::settings::QueueSettings;

/// How often a topic is entered into the set of topics: Redis may have been emptied.
const ANNOUNCE: Duration = Duration::from_secs(30);
/// How many tokens are remembered before old ones are removed.
const TOKENS: usize = 10_000;

/// A token that this process got.
#[derive(Debug, Clone)]
pub(crate) struct HeldToken {
    /// Who has it.
    pub(crate) owner: Arc<str>,
    /// When the server last said that it is valid.
    pub(crate) confirmed: Instant,
    pub(crate) started: bool,
}

/// The parts that everything else works with.
pub(crate) struct RedisEngine {
    pub(crate) node: String,
    /// Differs for each start of the program.
    pub(crate) process: String,
    pub(crate) keys: SigningKeys,
    pub(crate) server: Arc<RedisServer>,
    pub(crate) link: Arc<RedisLink>,
    pub(crate) puts: Arc<BatchedScript>,
    pub(crate) starts: Arc<BatchedScript>,
    pub(crate) ends: Arc<BatchedScript>,
    announced: Mutex<HashMap<String, Instant>>,
    held: Mutex<HashMap<DeliveryToken, HeldToken>>,
    pub(crate) recent: RecentEnds,
}

impl RedisEngine {
    pub(crate) fn new(
        settings: &QueueSettings,
        node: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidQueueSettings> {
        if !keys::is_node(node) {
            return Err(InvalidQueueSettings::Node);
        }
        let connecting = Connecting::new(settings)?;
        let server = Arc::new(RedisServer::new(&settings.name, connecting, settings.durable, clock));
        let link = Arc::new(RedisLink::new(server.clone(), ANSWER));
        let mut process = [0; 8];
        // Without random numbers the time differs, too.
        if getrandom::fill(&mut process).is_err() {
            process = herald_base::clock::monotonic_micros().to_be_bytes();
        }
        Ok(Self {
            node: node.to_owned(),
            process: format!("{:016x}", u64::from_be_bytes(process)),
            keys: SigningKeys::new(settings.sign.iter().map(|key| key.as_bytes()))?,
            puts: BatchedScript::new(&script::PUT, link.clone()),
            starts: BatchedScript::new(&script::START, link.clone()),
            ends: BatchedScript::new(&script::DONE, link.clone()),
            link,
            server,
            announced: Mutex::default(),
            held: Mutex::default(),
            recent: RecentEnds::default(),
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.server.clock.unix_millis()
    }

    pub(crate) fn invalid(&self, problem: impl Into<String>) -> QueueError {
        QueueError::Invalid { queue: self.server.queue.clone(), problem: problem.into() }
    }

    pub(crate) fn check_topic(&self, topic: &str) -> Result<(), QueueError> {
        if keys::is_topic(topic) {
            Ok(())
        } else {
            Err(self
                .invalid("a topic must have 1 to 128 bytes, without spaces, braces and control characters"))
        }
    }

    /// Enters the topic into the set of topics, now and then.
    pub(crate) async fn announce(&self, topic: &str) -> Result<(), QueueError> {
        let is_recent = |at: &Instant| at.elapsed() < ANNOUNCE;
        if self.announced.lock().unwrap_or_else(PoisonError::into_inner).get(topic).is_some_and(is_recent) {
            return Ok(());
        }
        let mut add = redis::cmd("SADD");
        add.arg(keys::TOPICS).arg(topic);
        self.link.run(keys::TOPICS, &add).await?;
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.insert(topic.to_owned(), Instant::now());
        Ok(())
    }

    /// The server said that this token is valid.
    pub(crate) fn confirm(&self, worker: &WorkerName, token: &DeliveryToken, started: bool) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= TOKENS {
            held.retain(|_, held| held.confirmed.elapsed() < Duration::from_secs(3600));
        }
        let before = held.get(token).is_some_and(|held| held.started);
        let now =
            HeldToken { owner: worker.owner.clone(), confirmed: Instant::now(), started: started || before };
        held.insert(token.clone(), now);
    }

    pub(crate) fn held(&self, token: &DeliveryToken) -> Option<HeldToken> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// What this worker has of a topic.
    pub(crate) fn held_by(&self, worker: &WorkerName, topic: &str) -> Vec<DeliveryToken> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own =
            |(token, held): &(&DeliveryToken, &HeldToken)| held.owner == worker.owner && token.topic == topic;
        held.iter().filter(is_own).map(|(token, _)| token.clone()).collect()
    }

    pub(crate) fn drop_token(&self, token: &DeliveryToken) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

/// Milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
