//! Runs a message as an event of the trigger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{Key, NewEvent, QUEUE_DEAD, QUEUE_GAP, Refused};
use herald_core::param::Params;
use herald_core::trigger::Activator;
use herald_core::watch::{EventProgress, Watch};
use herald_queue::{DeadReason, Delivery, MessageRunner, NotBegun, QueueGap, RunId, RunReport};
use serde_json::{Value, json};

use super::options::QueueTriggerOptions;
use super::run_end::{no_record, run_end};

/// How long a message is remembered here, so that it is not run twice: as long as a queue may know it.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait when something cannot be recorded or read.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether an event of an earlier process has ended.
const LOOK: Duration = Duration::from_millis(500);
/// The longest chain over queues: every one must end.
const LONGEST_CHAIN: u32 = 64;

/// Makes events of messages.
pub(super) struct EventRunner {
    activator: Activator,
    queue: String,
    remembered: Duration,
    /// The events of this process that have not ended.
    watches: Mutex<HashMap<RunId, Arc<Watch>>>,
}

impl EventRunner {
    pub(super) fn new(activator: Activator, given: &QueueTriggerOptions) -> Self {
        let remembered = REMEMBERED.max(given.retain);
        Self { activator, queue: given.queue.clone(), remembered, watches: Mutex::default() }
    }

    fn key(&self, delivery: &Delivery) -> Key {
        let message = &delivery.message;
        let name = format!("{}/{}/{}#{}", self.queue, message.topic, message.id, delivery.attempt);
        self.activator.key(&name, self.remembered)
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fires an internal trigger.
    async fn fire(&self, trigger: &str, params: Value) {
        let Value::Object(params) = params else { return };
        loop {
            match self.activator.submit(NewEvent::new(trigger.into(), params.clone())).await {
                Ok(_) | Err(Refused::Stopping | Refused::OtherContent | Refused::TooDeep(_)) => return,
                Err(Refused::Busy) => self.activator.ready().await,
                Err(refused) => {
                    tracing::warn!(trigger, "could not fire: {refused}");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}

/// The parameters of the event.
fn params(delivery: &Delivery, lost: Option<&str>) -> Result<Params, NotBegun> {
    let message = &delivery.message;
    let Value::Object(param) = &message.param else {
        return Err(NotBegun::Unusable("the message is not a map (a JSON object)".to_owned()));
    };
    if message.chain_depth > LONGEST_CHAIN {
        let why = format!("the chain of jobs that put each other into queues is longer than {LONGEST_CHAIN}");
        return Err(NotBegun::Unusable(why));
    }
    let mut params = param.clone();
    let mut about = json!({
        "id": message.id,
        "topic": message.topic,
        "deliveries": delivery.deliveries + u32::from(lost.is_none()),
        "attempt": delivery.attempt,
        "origin": message.origin,
        "event": message.event,
        "chain_depth": message.chain_depth,
    });
    if message.put_again {
        about["put_again"] = true.into();
    }
    if let Some(key) = &message.key {
        about["key"] = key.as_str().into();
    }
    if let Some(lost) = lost {
        about["lost"] = lost.into();
    }
    params.insert("_queue".to_owned(), about);
    Ok(params)
}

#[async_trait]
impl MessageRunner for EventRunner {
    async fn known(&self, delivery: &Delivery) -> Option<RunId> {
        let key = self.key(delivery);
        loop {
            match self.activator.known(&key).await {
                Ok(known) => return known.map(|event_id| event_id.as_ref().into()),
                Err(error) => {
                    tracing::warn!(trigger = self.activator.trigger(), "the journal cannot be read: {error}");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    async fn begin(&self, delivery: &Delivery, lost: Option<&str>) -> Result<RunId, NotBegun> {
        let (params, watch) = (params(delivery, lost)?, Watch::new());
        loop {
            let event = NewEvent {
                key: Some(self.key(delivery)),
                watch: Some(watch.clone()),
                lost: lost.is_some(),
                ..self.activator.event(params.clone())
            };
            match self.activator.submit(event).await {
                Ok(event_id) => {
                    let run: RunId = event_id.as_ref().into();
                    if watch.is_of_a_new_event() {
                        self.watches().insert(run.clone(), watch);
                    }
                    return Ok(run);
                }
                Err(Refused::Busy) => self.activator.ready().await,
                Err(Refused::Stopping | Refused::OtherContent) => return Err(NotBegun::Stopping),
                Err(Refused::TooDeep(why)) => {
                    return Err(NotBegun::Unusable(format!("the message is {why}")));
                }
                Err(refused @ Refused::Unrecorded(_)) => {
                    tracing::warn!(trigger = self.activator.trigger(), "could not fire: {refused}");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    async fn ended(&self, run: &RunId) -> RunReport {
        let watch = self.watches().get(run).cloned();
        if let Some(watch) = watch {
            let ended = watch.ended().await;
            self.watches().remove(run);
            return run_end(&ended);
        }
        loop {
            match self.activator.progress(run).await {
                EventProgress::Ended(ended) => return run_end(&ended),
                EventProgress::Unknown => return no_record(),
                EventProgress::Unfinished | EventProgress::Unreadable(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn leave(&self, run: &RunId) {
        self.watches().remove(run);
    }

    async fn lose(&self, run: &RunId, why: String) {
        self.watches().remove(run);
        self.activator.lose(run.as_ref().into(), why).await;
    }

    async fn withdraw(&self, run: &RunId, why: String) -> bool {
        self.activator.withdraw(run.as_ref().into(), why).await
    }

    async fn dead(&self, topic: &str, id: &str, reason: &DeadReason) {
        let trigger = self.activator.trigger();
        tracing::warn!(trigger, queue = self.queue, topic, id, "a message is a dead letter now: {reason}");
        let about = json!({"queue": self.queue, "topic": topic, "id": id, "reason": reason.to_string(), "trigger": trigger});
        self.fire(QUEUE_DEAD, about).await;
    }

    async fn missed(&self, gap: &QueueGap) {
        let trigger = self.activator.trigger();
        let QueueGap { topic, missed } = gap;
        tracing::warn!(
            trigger,
            queue = self.queue,
            topic,
            missed,
            "messages were deleted before this node read them"
        );
        let about = json!({"queue": self.queue, "topic": topic, "missed": missed, "trigger": trigger});
        self.fire(QUEUE_GAP, about).await;
    }
}
