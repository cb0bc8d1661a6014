//! `queue`: fires for messages of a queue: each on one of all workers, or each on every node.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::spec::{Description, TriggerType};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};
use herald_queue_jobs::QueueReceiver;

/// The component type `queue`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "queue",
        "Fires for messages that the executor `queue` put, on this or another machine; the message is the \
         `trigger_param`. The message is over when the jobs of its event have ended. A message is started at most once, \
         and again only where `requeue.on` allows it: when its worker dies, it is lost, and its origin gets to know. \
         Needs a `state_dir`, for what it has accepted.",
    );
    let description = QueueReceiver::options().into_iter().fold(description, Description::option);
    let description = description.doubts(herald_queue_jobs::unsigned_messages);
    TriggerType::with_context(results(description), |options, context| {
        Ok(Arc::new(QueueTrigger(QueueReceiver::new(options, context)?)))
    })
}

fn results(description: Description) -> Description {
    description
        .gives("(the message)", "what the executor `queue` was given as `message`")
        .gives("_queue/id", "the id of the message: that of its job at the origin")
        .gives("_queue/topic", "the topic")
        .gives("_queue/key", "its key, where it has one")
        .gives("_queue/deliveries", "how often it was started, this time included")
        .gives("_queue/attempt", "from 1, and one more each time it was requeued")
        .gives("_queue/origin", "the node that put it")
        .gives("_queue/event", "the event at the origin")
        .gives("_queue/chain_depth", "how many jobs led to it, over all nodes")
        .gives("_queue/put_again", "true where the queue had lost it and it was put again, or another server took over while it waited: a worker that the queue forgot may have run it")
        .gives("_queue/lost", "why nobody knows how it ended; its jobs are recorded as lost, and do not run")
        .example(
            "
queue:
  main: {url: 'redis://localhost:6379', sign: \"${env:HERALD_QUEUE_SIGN}\"}

trigger:
  work: {type: queue, queue: main, topic: [urgent, deploy], process: 4, requeue: {on: lost}}

router:
  show: {trigger: work, selector: all, task: {show: print}}
",
        )
}

/// Fires for messages.
struct QueueTrigger(QueueReceiver);

#[async_trait]
impl Trigger for QueueTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        self.0.receive_until(&stop, activator).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herald_core::context::Context;
    use herald_core::problem::Path;
    use herald_core::spec::Options;
    use herald_queue::{Durability, QueueSettings};
    use herald_queue_jobs::{QueueConnections, QueueNode};
    use serde_json::{Value, json};

    use super::*;

    fn made(given: &Value) -> Result<Arc<dyn Trigger>, String> {
        let mut context = Context::default();
        let settings = QueueSettings {
            name: "main".to_owned(),
            url: "redis://127.0.0.1:1".to_owned(),
            username: None,
            password: None,
            sign: vec!["0123456789abcdef".to_owned()],
            durable: Durability::Write,
            tls: None,
        };
        let node = QueueNode("web1".to_owned());
        context.share(QueueConnections::default().updated(&[settings], node).unwrap());
        let component = component();
        let (options, problems) = component.description.check(given.as_object().unwrap(), &Path::top());
        match problems.first() {
            Some(problem) => Err(problem.message.clone()),
            None => (component.factory)(&Options(options.0), &context).map_err(|error| error.to_string()),
        }
    }

    #[test]
    fn options_are_checked() {
        let with = |more: Value| {
            let mut given = json!({"queue": "main", "topic": "deploy"});
            given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            given
        };
        for (given, says) in [
            (with(json!({})), ""),
            (with(json!({"topic": ["urgent", "deploy"], "mode": "every", "retain": "1d", "process": 4})), ""),
            (
                with(
                    json!({"requeue": {"on": ["failed", "lost"], "max": 3, "delay": "10s", "backoff": 1.5}}),
                ),
                "",
            ),
            (with(json!({"requeue": {"on": "cancelled"}})), "`cancelled` is not one of them"),
            (with(json!({"requeue": {"on": "lost", "backoff": 0.5}})), "at least 1"),
            (with(json!({"topic": ["a", "a"]})), "\"a\" is there twice"),
            (with(json!({"topic": []})), "at least one topic"),
            (with(json!({"lease": "1s"})), "at least 2s"),
            (with(json!({"queue": "mian"})), "did you mean \"main\"?"),
            (json!({"queue": "main"}), "topic"),
        ] {
            let said = made(&given).err().unwrap_or_default();
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{given}: {said}");
        }
    }

    #[tokio::test]
    async fn it_ends_when_it_is_stopped_though_the_queue_is_away() {
        for wire in ["stream", "list"] {
            let trigger = made(&json!({"queue": "main", "topic": "t", "wire": wire})).unwrap();
            herald_core::conformance::check_trigger(trigger, Duration::from_millis(300)).await.unwrap();
        }
    }
}
