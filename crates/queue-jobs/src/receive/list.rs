//! `wire: list`: takes items from a plain Redis list, as go_git_webhooks puts them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use herald_core::activation::NewEvent;
use herald_core::depth::{self, TooDeep};
use herald_core::param::Params;
use herald_core::trigger::{Activator, CancellationToken};
use herald_core::watch::Watch;
use herald_queue::{DeadReason, ListItem, MessageRunner, Queue};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::options::QueueTriggerOptions;
use super::runner::EventRunner;
use crate::connections::QueueConnection;

/// How often a list is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Takes items.
pub(super) struct ListWorker {
    queue: Arc<dyn Queue>,
    key: String,
    consumer: String,
    process: usize,
    activator: Activator,
    runner: EventRunner,
}

impl ListWorker {
    pub(super) fn new(
        connection: &QueueConnection,
        given: &QueueTriggerOptions,
        activator: Activator,
    ) -> Self {
        let queue = connection.queue.clone();
        Self {
            consumer: format!("{}/{}", queue.node(), activator.trigger()),
            queue,
            key: given.topics().into_iter().next().unwrap_or_default(),
            process: given.process,
            runner: EventRunner::new(activator.clone(), given),
            activator,
        }
    }

    /// Takes items until `stop` is cancelled. An item is removed once its event is recorded.
    pub(super) async fn run(self, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.process));
        // They wait for the jobs of an event, and end with this.
        let mut running = JoinSet::new();
        let _ = stop
            .run_until_cancelled(async {
                loop {
                    while running.try_join_next().is_some() {}
                    let free = places.available_permits();
                    let taken = match free {
                        0 => Vec::new(),
                        free => self.take(free).await,
                    };
                    for item in taken {
                        let Ok(place) = places.clone().acquire_owned().await else { return };
                        if let Some(watch) = self.fire(&item).await {
                            running.spawn(async move {
                                watch.ended().await;
                                drop(place);
                            });
                        }
                    }
                    tokio::time::sleep(EVERY).await;
                }
            })
            .await;
    }

    async fn take(&self, places: usize) -> Vec<ListItem> {
        let taken = self.queue.list_take(&self.key, &self.consumer, places).await;
        taken.unwrap_or_else(|error| {
            tracing::debug!("{error}");
            Vec::new()
        })
    }

    /// The event of an item, once it is recorded and the item removed. None: it is not one that can be understood.
    async fn fire(&self, item: &ListItem) -> Option<Arc<Watch>> {
        let watch = Watch::new();
        match params(&item.item) {
            Ok(mut params) => {
                params.insert("_queue".to_owned(), json!({"topic": self.key, "wire": "list"}));
                loop {
                    let event =
                        NewEvent { watch: Some(watch.clone()), ..self.activator.event(params.clone()) };
                    match self.activator.submit(event).await {
                        Ok(_) => break,
                        Err(herald_core::activation::Refused::Busy) => self.activator.ready().await,
                        Err(refused) => {
                            tracing::warn!(trigger = self.activator.trigger(), "could not fire: {refused}");
                            tokio::time::sleep(EVERY).await;
                        }
                    }
                }
            }
            Err(why) => {
                let reason = DeadReason::Other(why.to_string());
                self.bury(item, &reason).await;
                self.runner.dead(&self.key, "", &reason).await;
                self.remove(item).await;
                return None;
            }
        }
        self.remove(item).await;
        Some(watch)
    }

    /// Keeps it as a dead letter. Where the user of Redis may not, the others do not wait for that.
    async fn bury(&self, item: &ListItem, reason: &DeadReason) {
        while let Err(error) = self.queue.list_bury(&self.key, item, reason).await {
            if !error.is_temporary() {
                tracing::warn!(topic = self.key, "an item that cannot be understood is not kept: {error}");
                return;
            }
            tracing::debug!("{error}");
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn remove(&self, item: &ListItem) {
        while let Err(error) = self.queue.list_remove(item).await {
            tracing::debug!("{error}");
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// An item that cannot be understood.
#[derive(Debug, thiserror::Error)]
enum NotAMessage {
    #[error("neither a JSON object nor one in Base64")]
    NoObject,
    #[error("the message is {0}")]
    TooDeep(#[from] TooDeep),
}

/// An item: a JSON object, or one in Base64, as the original takes both.
fn params(item: &[u8]) -> Result<Params, NotAMessage> {
    let object = |bytes: &[u8]| match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    let text = std::str::from_utf8(item).unwrap_or_default().trim();
    let decoded = || {
        // A `+` became a space where the sender did not escape it in its query.
        let text = text.replace(' ', "+");
        let decoded = BASE64_STANDARD.decode(&text).or_else(|_| BASE64_URL_SAFE.decode(&text)).ok()?;
        object(&decoded)
    };
    let params = object(item).or_else(decoded).ok_or(NotAMessage::NoObject)?;
    // It gets one more key, which is not deep.
    TooDeep::check(depth::of_params(&params))?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_plain_or_in_base64() {
        for (item, shell) in [
            (&b"{\"shell\": \"ls\"}"[..], Ok("ls")),
            (b"eyJzaGVsbCI6ImxzIn0=", Ok("ls")),
            (b" eyJzaGVsbCI6ImxzIn0=\n", Ok("ls")),
            (b"[1]", Err("neither")),
            (b"\xff\xfe", Err("neither")),
            (b"", Err("neither")),
            (b"WzFd", Err("neither")),
        ] {
            let found = params(item);
            match shell {
                Ok(shell) => assert_eq!(found.unwrap()["shell"], shell),
                Err(why) => assert!(found.unwrap_err().to_string().starts_with(why)),
            }
        }
    }
}
