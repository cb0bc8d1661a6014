//! Queues as the API shows them.

use herald_control::model;
use herald_core::actor::Actor;
use herald_core::param::Params;
use herald_core::secret::Mask;
use herald_queue::{
    DeadLetter, EndStatus, MessageState, MessageView, NodeView, PausedBy, Queue, QueueError, TopicPause,
    TopicStatus,
};
use jiff::Timestamp;

use crate::history::resources;

fn time(millis: i64) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|at| at.to_string())
}

/// How the topics of a queue are.
///
/// # Errors
/// When it cannot be asked.
pub async fn topics(queue: &dyn Queue) -> Result<Vec<TopicStatus>, QueueError> {
    let mut all = Vec::new();
    for topic in queue.topics().await? {
        all.push(queue.topic(&topic).await?);
    }
    Ok(all)
}

/// A queue with these topics.
#[must_use]
pub fn queue(queue: &dyn Queue, topics: Vec<TopicStatus>) -> model::QueueResource {
    let status = queue.status();
    model::QueueResource {
        name: queue.name().to_owned(),
        node: queue.node().to_owned(),
        connected: status.connected && status.unfit.is_none(),
        unreachable_since: status.unreachable_since.and_then(time),
        error: status.unfit.or(status.problem.filter(|_| !status.connected)),
        topics: topics.into_iter().map(topic).collect(),
    }
}

/// A topic.
#[must_use]
pub fn topic(topic: TopicStatus) -> model::TopicResource {
    let node = |node: NodeView| model::TopicNodeResource {
        node: node.node,
        idle_seconds: node.idle.as_secs(),
        unfinished: node.unfinished,
        behind: node.behind,
    };
    model::TopicResource {
        topic: topic.topic,
        mode: topic.mode,
        waiting: topic.waiting,
        delayed: topic.delayed,
        unfinished: topic.unfinished,
        oldest_seconds: topic.oldest.map(|oldest| oldest.as_secs()),
        redelivered: topic.redelivered,
        finished: topic.finished,
        dead: topic.dead,
        paused: topic.pause.is_some(),
        pause: topic.pause.map(pause),
        nodes: topic.nodes.into_iter().map(node).collect(),
    }
}

fn pause(pause: TopicPause) -> model::TopicPauseResource {
    let by = pause.by.map(|PausedBy { user, via, address, reason }| model::RecordedActor {
        user,
        via,
        address,
        reason,
    });
    model::TopicPauseResource { since: pause.since.and_then(time), by }
}

/// Who pauses a topic, with the secrets hidden.
#[must_use]
pub fn paused_by(by: &Actor, mask: &Mask) -> PausedBy {
    let model::RecordedActor { user, via, address, reason } = resources::actor(by.masked(mask));
    PausedBy { user, via, address, reason }
}

/// A message of this queue, its secrets masked.
#[must_use]
pub fn message(queue: &str, view: MessageView, mask: &Mask) -> model::MessageResource {
    let reason = reason(&view);
    let MessageView { topic, known, message, deliveries, attempt, .. } = view;
    let (state, node) = match &known.state {
        MessageState::Missing => ("missing", None),
        MessageState::Waiting => ("waiting", None),
        MessageState::Delayed(_) => ("delayed", None),
        MessageState::Held { node, started: false } => ("held", Some(node.clone())),
        MessageState::Held { node, started: true } => ("running", Some(node.clone())),
        MessageState::Ended => ("ended", known.ends.first().map(|end| end.node.clone())),
        MessageState::Withdrawn => ("withdrawn", None),
        MessageState::Dead { .. } => ("dead", None),
    };
    let message = message.and_then(Result::ok);
    // What is encrypted in the queue is shown to nobody.
    let shown = message.as_ref().filter(|message| !message.sealed).map(|message| {
        let holder: Params = [("message".to_owned(), message.param.clone())].into_iter().collect();
        mask.params(&holder).remove("message").unwrap_or_default()
    });
    model::MessageResource {
        id: known.id,
        queue: queue.to_owned(),
        topic,
        state: state.to_owned(),
        reason,
        key: message.as_ref().and_then(|message| message.key.clone()),
        origin: message.as_ref().map(|message| message.origin.clone()),
        node,
        deliveries,
        attempt,
        put_at: message.as_ref().and_then(|message| time(message.made)),
        message: shown,
    }
}

/// Why a message is where it is.
fn reason(view: &MessageView) -> String {
    match &view.known.state {
        MessageState::Missing => "the queue has no message with this id any more".to_owned(),
        MessageState::Waiting if view.paused => "the topic is paused".to_owned(),
        MessageState::Waiting => match (&view.lane_held_by, &view.message) {
            (Some(other), _) => {
                format!("the message {other} with the same key, or one that shares its lane, is before it")
            }
            (None, Some(Err(why))) => why.to_string(),
            (None, _) => "it waits for a free worker".to_owned(),
        },
        MessageState::Delayed(until) => {
            format!("no worker gets it before {}", time(*until).unwrap_or_else(|| "its time".to_owned()))
        }
        MessageState::Held { node, started } => {
            let what = if *started { "runs it" } else { "has it, and has not started it" };
            match view.lease_until.and_then(time) {
                Some(until) => format!("worker {node} {what}; its lease ends at {until}"),
                None => format!("worker {node} {what}"),
            }
        }
        MessageState::Ended => {
            let end = |end: &herald_queue::MessageEnd| format!("{} on {}", word(end.status), end.node);
            view.known.ends.iter().map(end).collect::<Vec<_>>().join(", ")
        }
        MessageState::Withdrawn => "its job was cancelled before a worker had it".to_owned(),
        MessageState::Dead { reason } => reason.clone(),
    }
}

fn word(status: EndStatus) -> &'static str {
    status.as_str()
}

/// A dead letter of this queue.
#[must_use]
pub fn dead_letter(queue: &str, letter: DeadLetter) -> model::DeadLetterResource {
    model::DeadLetterResource {
        entry: letter.entry,
        queue: queue.to_owned(),
        topic: letter.topic,
        id: letter.id,
        reason: letter.reason,
        node: letter.node,
        since: time(letter.since).unwrap_or_default(),
        can_be_requeued: letter.message.is_ok(),
    }
}
