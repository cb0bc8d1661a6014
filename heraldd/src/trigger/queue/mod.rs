//! `queue`: fires for messages of a queue: each on one of all workers, or each on every node.

mod list;
mod options;
mod receiver;
mod run_end;
mod runner;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::spec::{Description, TriggerType};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};

use receiver::QueueReceiver;

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
        .gives("_queue/put_again", "true where the queue had lost it and it was put again: a worker that the queue forgot may have run it")
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
